"""What the lives of the log under faults have in common: a log of their own, and ways to strike.

A seed is one life: something is written, a fault strikes at a point drawn from the seed, and what
comes after it goes on. Lives of one row follow each other on one log, so that a seed meets what the
ones before it left; a row is what is run again when a seed has failed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import asyncpg
import psycopg

from store.errors import StoreError
from tests.crash.relay import Relay

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
LIVES_PER_ROW = 25
WAIT_SECONDS_MAX = 30.0
LOST = (StoreError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
"""What a process of the desk takes for a fault that passes (run/sealing.py, run/archiving.py)."""


class Killed(BaseException):
    """The process dies here."""


class AtPoint:
    """Does its deed at the given visit of a crash point; afterwards never again."""

    def __init__(self, point: str, visit: int, deed: Callable[[], None]) -> None:
        self._point = point
        self._left = visit
        self._deed = deed
        self.struck = False

    def __call__(self, name: str) -> None:
        self._left -= name == self._point
        if self._left == 0 and not self.struck:
            self.struck = True
            self._deed()


def die() -> None:
    """The process is killed here."""
    raise Killed


def end_backends(dsn: str, application_name: str) -> None:
    """End the connections of an application, as an administrator or a server in trouble does;
    returns when they are gone."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        ended = admin.execute(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            (application_name,),
        ).fetchall()
        pids = [pid for pid, _ in ended]
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY (%s))"
        while not (admin.execute(gone, (pids,)).fetchone() or (False,))[0]:
            assert time.monotonic() < deadline, f"backends {pids} must end, did not"


@dataclass(frozen=True, slots=True)
class Ground:
    """A database of a row's own, with a relay before it."""

    dsn: str
    relayed: str
    """The same database by way of the relay."""
    relay: Relay
    owner: Connection
    folder: Path


class Row(Protocol):
    """Lives of one area on one log."""

    async def live(self, seed: int) -> str:
        """One life; the name of the point at which the fault struck.

        Raises:
            AssertionError: something was lost, doubled or left broken.
        """
        ...

    async def end(self) -> None:
        """Look at the whole log at the end of a row."""
        ...

    async def close(self) -> None: ...


@asynccontextmanager
async def ground(server_dsn: str, template: str, name: str, folder: Path) -> AsyncIterator[Ground]:
    """A fresh database out of a template, dropped at the end."""
    admin = await asyncpg.connect(server_dsn)
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    dsn = f"{server_dsn.rpartition('/')[0]}/{name}"
    relay = Relay(dsn)
    try:
        relayed = await relay.start()
        owner = await asyncpg.connect(dsn)
        try:
            yield Ground(dsn, relayed, relay, owner, folder)
        finally:
            await owner.close()
            await relay.stop()
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not await holds():
        assert time.monotonic() < deadline, f"{what} must come in {WAIT_SECONDS_MAX:.0f} s"
        await asyncio.sleep(0.002)
