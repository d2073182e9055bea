"""The ground all benchmarks stand on: a server with full durability, rounds, and one JSON line.

A benchmark is a module with `measure(given, desk) -> list[Figure]` behind `main`. Contenders take
turns in rounds, because a shared machine is not the same machine from one second to the next; a
figure is a median of rounds, a ratio the median of the ratios of single rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import asyncpg
import psutil
import uvloop

from benchmarks.floor import FLOOR_SQL, Floor
from run.collector import collect_seldom
from run.embedded import EmbeddedPostgres, free_port
from store.migrate import migrate
from store.postgres import _WRITER_SETTINGS, PostgresStore

_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
# The floor runs with what the store sets on its own writing connection, but as the owner.
_FLOOR_SETTINGS = {k: v for k, v in _WRITER_SETTINGS.items() if k != "role"} | {
    "statement_timeout": "60s"
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `limit` reads like ">= 0.7"; empty for what is only reported."""

    name: str
    value: float | None
    unit: str
    limit: str = ""
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """None when there is no limit or no value."""
        if not self.limit or self.value is None:
            return None
        sign, bound = self.limit.split()
        return self.value >= float(bound) if sign == ">=" else self.value <= float(bound)


class Desk:
    """One server for a benchmark, with as many fresh migrated logs as it wants."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self._databases = 0

    def cpu_seconds(self) -> tuple[float, float]:
        """Spent so far by this process, and by the server's processes that live."""
        assert self.server.process is not None
        server = psutil.Process(self.server.process.pid)
        times = [one.cpu_times() for one in server.children()]
        return time.process_time(), sum(spent.user + spent.system for spent in times)

    async def database(self) -> str:
        """Address of a new database with a migrated log and the floor table."""
        self._databases += 1
        wanted = f"log{self._databases}"
        owner = await asyncpg.connect(self.server.dsn())
        try:
            for setting in _DURABLE:
                value = await owner.fetchval(f"SHOW {setting}")
                assert value == "on", f"{setting} must be on, was {value}"
            await owner.execute(f"CREATE DATABASE {wanted}")
        finally:
            await owner.close()
        dsn = self.server.dsn(wanted)
        await migrate(dsn)
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(FLOOR_SQL.read_text())
        finally:
            await connection.close()
        return dsn


async def floor_connection(dsn: str) -> asyncpg.Connection[asyncpg.Record]:
    """A connection with the settings of the store's writer."""
    return await asyncpg.connect(dsn, server_settings=_FLOOR_SETTINGS)


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[tuple[PostgresStore, Floor]]:
    """A store and the floor beside it, on connections of the same settings."""
    floor = await floor_connection(dsn)
    try:
        async with await PostgresStore.open(dsn, application_name="benchmark") as store:
            yield store, Floor(floor)
    finally:
        await floor.close()


Contender: TypeAlias = "Callable[[], Awaitable[None]]"


class Rounds:
    """What each round of each contender gave, by name."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}

    def note(self, name: str, value: float) -> None:
        self.found.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        return statistics.median(self.found[name])

    def ratio(self, name: str, floor: str) -> float:
        """Median over rounds of name / floor."""
        pairs = zip(self.found[name], self.found[floor], strict=True)
        return statistics.median(value / least for value, least in pairs)


async def in_turn(rounds: int, *groups: Sequence[Contender]) -> None:
    """Each contender once a round. Those of one group follow each other at once, because they are
    compared; the order of groups, and of contenders in a group, changes from round to round."""
    order = random.Random(rounds)
    for _ in range(rounds):
        for group in order.sample(groups, len(groups)):
            for work in order.sample(list(group), len(group)):
                await work()


async def seconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


Measure: TypeAlias = "Callable[[argparse.Namespace, Desk], Awaitable[list[Figure]]]"


Flags: TypeAlias = dict[str, tuple[int, str]]


def line(bench: str, given: argparse.Namespace, figures: Sequence[Figure], took: float) -> str:
    """The JSON line of one benchmark."""
    rows = []
    for figure in figures:
        row = asdict(figure)
        row["value"] = rounded(figure.value)
        row["is_met"] = figure.is_met
        rows.append({key: value for key, value in row.items() if value not in ("", None)})
    about = {
        "bench": bench,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "seconds": round(took, 1),
        "given": {name: size for name, size in vars(given).items() if name != "full"},
    }
    return json.dumps(about | {"figures": rows})


def rounded(value: float | None) -> float | None:
    """Counts as they are, what was measured to four digits."""
    if value is None or value == int(value):
        return value
    return float(f"{value:.4g}")


def flags(
    bench: str, document: str | None, known: Flags, full: dict[str, int]
) -> argparse.Namespace:
    """The sizes of a run. Each of `known` is name: (default, help); `full` are the sizes that
    the figures are asked for, where the default is smaller."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{bench}", description=document)
    for name, (default, text) in known.items():
        parser.add_argument(f"--{name}", type=int, help=f"{text} ({default})")
    parser.add_argument("--full", action="store_true", help=f"the full sizes: {full or 'the same'}")
    given = parser.parse_args()
    for name, (default, _) in known.items():
        if getattr(given, name) is None:
            setattr(given, name, full.get(name, default) if given.full else default)
    return given


def main(
    bench: str,
    document: str | None,
    known: Flags,
    measure: Measure,
    full: dict[str, int] | None = None,
) -> None:
    """Read the flags, start a server, measure, print the line."""
    given = flags(bench, document, known, full or {})
    collect_seldom()  # as every process of the desk
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres", free_port()) as server:
            figures = uvloop.run(_measured(given, Desk(server), measure))
    print(line(bench, given, figures, time.monotonic() - began), flush=True)


async def _measured(given: argparse.Namespace, desk: Desk, measure: Measure) -> list[Figure]:
    return await measure(given, desk)
