"""What a trader's life needs around it, as one process: the sandbox TWS, a wandering market, and
the feeds that write its quotes.

Time comes from the log alone and orders from the ledger on disk, so that a process that was killed
goes on where the day is. Runs until it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import uuid4

from adapters.interactive_brokers.sandbox import TwsSandbox
from domain.events.system import ClockStarted
from run.worker import Recorder
from store.contract import EventStore, Selection
from store.postgres import PostgresStore
from tests.sim.broker import ACCOUNT, HOST, standing_faults
from tests.sim.market import Walk
from tests.sim.shapes import LONG, VERTICAL
from tests.sim.stories import Story

STEP_SECONDS = 0.1
FOR_ONE_LIFE = ("reject_next_orders", "drop_next_orders", "inactive_then_live")
"""Counted switches, which every start of this process would count anew."""


def story_of(seed: int) -> Story:
    """What the lives of a row trade; it expires tomorrow and ends by fills."""
    return Story(Random(f"structure {seed}").choice((LONG, LONG, VERTICAL)))


class LogClock:
    """Market time as the log computes it: from its newest ClockStarted."""

    thinned = False

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._base = self._set_at = datetime.now(UTC)
        self.speed = 0.0

    async def look(self) -> None:
        started = await self._store.read(0, Selection(types=frozenset({"ClockStarted"})))
        newest = started[-1]
        assert isinstance(newest.body, ClockStarted)
        self._base, self._set_at = newest.market_time, newest.recorded_at
        self.speed = newest.body.speed

    def now(self) -> datetime:
        elapsed = max(0.0, (datetime.now(UTC) - self._set_at).total_seconds())
        return self._base + timedelta(seconds=elapsed * self.speed)


async def run(dsn: str, folder: Path, port: int, seed: int) -> None:
    """Serve the broker and move the market, for ever."""
    store = await PostgresStore.open(dsn, application_name="floor")
    clock = LogClock(store)
    await clock.look()
    walk = Walk(seed, story_of(seed))
    walk.market.time = clock.now()
    tws = TwsSandbox(walk.market, clock, folder, ACCOUNT, seed=seed)
    for name, value in standing_faults(Random(f"faults {seed}")).items():
        if name not in FOR_ONE_LIFE:
            tws.faults.set(name, value)
    await tws.start(HOST, port)
    feeds = Recorder(store, "feeds", "crash", uuid4().hex)
    while True:
        await clock.look()
        now = clock.now()
        walk.move(now, tws)
        await feeds.append([feeds.propose("market", body) for body in walk.ticks(now)])
        await asyncio.sleep(STEP_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    asyncio.run(run(given.dsn, given.folder, given.port, given.seed))


if __name__ == "__main__":
    main()
