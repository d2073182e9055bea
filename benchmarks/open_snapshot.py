"""Appends while a pg_dump and a long snapshot are open against appends without.

Two logs on one server. On one of them a REPEATABLE READ transaction is open from the start, so
that no row version that an append replaced can be removed, and during its turns a pg_dump runs,
whose output is taken at the pace of a slow disk. The same appends go to both, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from benchmarks.ground import Desk, Figure, Rounds, in_turn, main, seconds
from benchmarks.ticks import Ticks
from store.postgres import PostgresStore

FLAGS = {
    "rounds": (6, "rounds of each"),
    "filled": (50_000, "ticks on the log before, so that the dump has work"),
    "singles": (500, "single events a round"),
    "batches": (8, "batches of 1,000 a round"),
}
DUMP_BYTES_PER_SECOND = 8 << 20
_CHUNK = 1 << 18


@asynccontextmanager
async def dumped(desk: Desk, dsn: str) -> AsyncIterator[None]:
    """A pg_dump of the log at work."""
    program = desk.server._bin / "pg_dump"
    dump = await asyncio.create_subprocess_exec(
        str(program), "--dbname", dsn, stdout=subprocess.PIPE, limit=_CHUNK
    )
    stream = dump.stdout
    assert stream is not None

    async def take() -> None:
        while await stream.read(_CHUNK):
            await asyncio.sleep(_CHUNK / DUMP_BYTES_PER_SECOND)

    taking = asyncio.create_task(take())
    try:
        await stream_began(dump)
        yield
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        if dump.returncode is None:
            dump.terminate()
        dump._transport.close()  # type: ignore[attr-defined]
        await dump.wait()


async def stream_began(dump: asyncio.subprocess.Process) -> None:
    """A moment in which pg_dump takes its snapshot and its locks."""
    await asyncio.sleep(0.5)
    assert dump.returncode is None, f"pg_dump must still run, ended with {dump.returncode}"


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    rounds, ticks = Rounds(), Ticks("snapshot")
    dsns = {name: await desk.database() for name in ("held", "free")}
    stores: dict[str, PostgresStore] = {}
    snapshot = await asyncpg.connect(dsns["held"])
    try:
        for name, dsn in dsns.items():
            stores[name] = await PostgresStore.open(dsn, application_name="benchmark")
            for _ in range(given.filled // 1_000):
                await stores[name].append(ticks.take(1_000))
        await snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await snapshot.fetchval("SELECT count(*) FROM streams")

        async def appends(name: str) -> None:
            store = stores[name]
            singles = ticks.take(given.singles)
            took = [1e3 * await seconds(store.append([event])) for event in singles]
            rounds.note(f"{name}_p50", statistics.median(took))
            calls = [ticks.take(1_000) for _ in range(given.batches)]
            spent = [await seconds(store.append(call)) for call in calls]
            rounds.note(f"{name}_batch", 1e3 * statistics.median(spent))

        async def held() -> None:
            async with dumped(desk, dsns["held"]):
                await appends("held")

        await in_turn(given.rounds, [held, lambda: appends("free")])
    finally:
        for store in stores.values():
            await store.close()
        await snapshot.close()
    return [
        Figure("open_snapshot.single_p50", rounds.median("held_p50"), "ms"),
        Figure("open_snapshot.single_p50_without", rounds.median("free_p50"), "ms"),
        Figure("open_snapshot.single_ratio", rounds.ratio("held_p50", "free_p50"), "x", "<= 1.3"),
        Figure("open_snapshot.batch_p50", rounds.median("held_batch"), "ms"),
        Figure("open_snapshot.batch_p50_without", rounds.median("free_batch"), "ms"),
        Figure(
            "open_snapshot.batch_ratio", rounds.ratio("held_batch", "free_batch"), "x", "<= 1.3"
        ),
    ]


if __name__ == "__main__":
    main("open_snapshot", __doc__, FLAGS, measure)
