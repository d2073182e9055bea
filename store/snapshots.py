"""The table of snapshots: bytes by owner, position and the code that made them.

A cache: every row may be gone tomorrow. Used by run/snapshots.py, which alone knows what the bytes
mean and whether they can be trusted. Each call opens a connection of its own: there are a few an
hour.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from store.appender import Writer, close_quietly
from store.errors import StoreUnavailable

NEWEST_KEPT = 3
POSITIONS_BETWEEN_KEPT = 500_000
"""Of older snapshots the first in every stretch of so many positions is kept, for questions about
the past."""


@dataclass(frozen=True, slots=True)
class Maker:
    """Whose state it is and which code made it: a snapshot is read by the same alone."""

    owner: str
    build: str
    code: str


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One snapshot as it is stored. `mac` says that it is ours, `state` is opaque."""

    position: int
    mac: bytes
    state: bytes


class SnapshotTable:
    """Reads as a reader, writes in the role of the writer: whoever may only read still finds them.

    Every method raises StoreUnavailable when the database does not do its part.
    """

    def __init__(
        self, reader: Callable[[], Awaitable[Writer]], writer: Callable[[], Awaitable[Writer]]
    ) -> None:
        self._reader = reader
        self._writer = writer

    @asynccontextmanager
    async def _connection(self, connect: Callable[[], Awaitable[Writer]]) -> AsyncIterator[Writer]:
        try:
            connection = await connect()
            try:
                yield connection
            finally:
                await close_quietly(connection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"snapshots cannot be read or written: {error}") from error

    async def save(self, maker: Maker, row: SnapshotRow) -> None:
        """Keep a snapshot; what other code made for the owner, and what is too dense, goes."""
        async with self._connection(self._writer) as connection, connection.transaction():
            await connection.execute(
                _SAVE, maker.owner, maker.build, maker.code, row.position, row.mac, row.state
            )
            await connection.execute(_DROP_FOREIGN, maker.owner, maker.build, maker.code)
            await connection.execute(_THIN, maker.owner, NEWEST_KEPT, POSITIONS_BETWEEN_KEPT)

    async def newest(self, maker: Maker, up_to: int) -> SnapshotRow | None:
        """The maker's own newest snapshot with position <= up_to."""
        async with self._connection(self._reader) as connection:
            row = await connection.fetchrow(_NEWEST, maker.owner, maker.build, maker.code, up_to)
        return None if row is None else SnapshotRow(row["position"], row["mac"], row["state"])

    async def foreign(self, maker: Maker) -> int:
        """How many snapshots of this owner other code has made."""
        async with self._connection(self._reader) as connection:
            return int(
                await connection.fetchval(_FOREIGN, maker.owner, maker.build, maker.code) or 0
            )


_SAVE = """
    INSERT INTO snapshots (owner, build, code, position, mac, state)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
_NEWEST = """
    SELECT position, mac, state FROM snapshots
    WHERE owner = $1 AND build = $2 AND code = $3 AND position <= $4
    ORDER BY position DESC LIMIT 1
"""
_FOREIGN = """
    SELECT count(*) FROM snapshots WHERE owner = $1 AND (build <> $2 OR code <> $3)
"""
_DROP_FOREIGN = "DELETE FROM snapshots WHERE owner = $1 AND (build <> $2 OR code <> $3)"
_THIN = """
    DELETE FROM snapshots AS s WHERE s.owner = $1
        AND s.position < (
            SELECT min(n.position) FROM (
                SELECT position FROM snapshots WHERE owner = $1
                ORDER BY position DESC LIMIT $2) AS n)
        AND EXISTS (
            SELECT FROM snapshots AS e WHERE e.owner = $1
                AND e.position / $3 = s.position / $3 AND e.position < s.position)
"""
