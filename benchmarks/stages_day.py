"""A sandbox day through all stages of all workers again, every decision compared.

The day is made first: sandboxes, feeds and workers in one process under virtual time
(tests/e2e/virtual_desk), with every quote and trade of three symbols of 500 contracts for the
minutes asked for. Seconds are those of reading, decoding, folding and reacting in one process.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from benchmarks.ground import Desk, Figure, main
from run.config import Settings
from run.replay.consumption import Replayed, places
from run.replay.verify_decisions import Check
from run.workers import WORKERS
from store.postgres import PostgresStore
from tests.e2e.virtual_desk import opened
from tests.golden_days.days import GoldenDay

FLAGS = {"minutes": (10, "minutes of the session in full, from 10:00; the rest is thinned")}
FULL = {"minutes": 180}
FIRST_FULL_MINUTE = 30.0


async def made(dsn: str, minutes: int) -> Settings:
    """Put the day on the log; the settings that decided it."""
    golden = GoldenDay("bench", "trend_day", ((FIRST_FULL_MINUTE, FIRST_FULL_MINUTE + minutes),))
    market = golden.market()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            await PostgresStore.open(dsn, application_name="benchmark") as store,
            opened(store, market, Path(folder), dsn, "redis://127.0.0.1:1/0", {}) as day,
        ):
            stretches = golden.stretches(market.open_at, market.close_at)
            await day.run([s for s in stretches if s.until <= market.close_at + timedelta(hours=1)])
            return day.settings


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    dsn = await desk.database()
    settings = await made(dsn, given.minutes)
    gc.collect()
    async with await PostgresStore.open(dsn, application_name="benchmark") as store:
        checks = [Check(await Replayed.of(store, name, settings), after=0) for name in WORKERS]
        head = await store.head()
        differences = 0
        began, spent = time.perf_counter(), time.process_time()
        async for place in places(store, list(WORKERS), head):
            for check in checks:
                differences += len(check.take(place))
        took, spent = time.perf_counter() - began, time.process_time() - spent
    inputs = ", ".join(f"{check.replayed.name} {check.inputs}" for check in checks)
    emissions = sum(check.emissions for check in checks)
    return [
        Figure("stages_day.events", head, "events", note=f"inputs: {inputs}"),
        Figure("stages_day.million", 1e6 * took / head, "s", "<= 90", "a million events"),
        Figure("stages_day.cpu", 1e6 * spent / head, "us", note="an event, of the process"),
        Figure("stages_day.decided", emissions, "events", note="compared with the log"),
        Figure("stages_day.differences", differences, "differences", "<= 0"),
    ]


if __name__ == "__main__":
    main("stages_day", __doc__, FLAGS, measure, FULL)
