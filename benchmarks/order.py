"""Four producers in processes of their own and readers that tail the log all the while.

One reader is the store's subscription, the other plain SQL that goes on after the last position it
saw, without any care. Each position must be the last one plus 1: a later one would be a gap, which
is a lost event for a reader that went on, and an earlier one a reordering. The subscription also
sees every version of every stream in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import time
from collections.abc import Sequence

import asyncpg
import uvloop

from benchmarks.ground import Desk, Figure, main
from benchmarks.ticks import Ticks
from store.postgres import PostgresStore

FLAGS = {"events": (200_000, "events in all")}
FULL = {"events": 5_000_000}
PRODUCERS = 4
BATCHES = (1, 3, 10, 100, 500)
STALL_SECONDS_MAX = 60.0


class Watch:
    """Counts what a reader must never see."""

    def __init__(self) -> None:
        self.last = 0
        self.gaps = 0
        self.reorderings = 0
        self.versions: dict[str, int] = {}
        self.broken_versions = 0

    def saw(self, position: int) -> None:
        self.gaps += position > self.last + 1
        self.reorderings += position <= self.last
        self.last = max(position, self.last)

    def saw_version(self, stream: str, version: int) -> None:
        self.broken_versions += version != self.versions.get(stream, 0) + 1
        self.versions[stream] = version


def produce(dsn: str, number: int, events: int) -> None:
    """Append `events` events in calls of changing size, a few of them at a time."""

    async def work() -> None:
        ticks, sizes = Ticks(f"producer{number}"), random.Random(number)
        async with await PostgresStore.open(dsn, application_name=f"producer {number}") as store:
            left = events
            while left:
                calls = []
                for _ in range(4):
                    size = min(sizes.choice(BATCHES), left)
                    left -= size
                    if size:
                        calls.append(store.append(ticks.take(size)))
                await asyncio.gather(*calls)

    uvloop.run(work())


async def subscribed(dsn: str, events: int, watch: Watch) -> None:
    async with await PostgresStore.open(dsn, application_name="subscriber") as store:
        async for page, _ in store.subscribe(0):
            for event in page:
                watch.saw(event.position)
                watch.saw_version(event.stream, event.version)
            if watch.last >= events:
                return


async def tailed(dsn: str, events: int, watch: Watch) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        while watch.last < events:
            rows = await connection.fetch(
                "SELECT position FROM events WHERE position > $1 ORDER BY position LIMIT 1000",
                watch.last,
            )
            for row in rows:
                watch.saw(row["position"])
    finally:
        await connection.close()


async def none_stalls(watches: Sequence[Watch], events: int) -> None:
    """Ends the run when a reader stands still, such as behind an event it will never see."""
    seen, since = [0 for _ in watches], time.monotonic()
    while min(watch.last for watch in watches) < events:
        await asyncio.sleep(1)
        now = [watch.last for watch in watches]
        if now != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > STALL_SECONDS_MAX:
            raise TimeoutError(f"readers must reach position {events}, stood at {now}")


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    dsn = await desk.database()
    spawn = multiprocessing.get_context("spawn")
    share = given.events // PRODUCERS
    total = share * PRODUCERS
    producers = [
        spawn.Process(target=produce, args=(dsn, number, share)) for number in range(PRODUCERS)
    ]
    subscriber, tail = Watch(), Watch()
    for producer in producers:
        producer.start()
    began = time.perf_counter()
    async with asyncio.TaskGroup() as readers:
        readers.create_task(subscribed(dsn, total, subscriber))
        readers.create_task(tailed(dsn, total, tail))
        readers.create_task(none_stalls([subscriber, tail], total))
    took = time.perf_counter() - began
    for producer in producers:
        producer.join()
        assert producer.exitcode == 0, f"producer must end with 0, was {producer.exitcode}"
    lost = subscriber.gaps + tail.gaps
    turned = subscriber.reorderings + tail.reorderings + subscriber.broken_versions
    return [
        Figure("order.events", total, "events", note=f"{PRODUCERS} processes, two readers"),
        Figure("order.rate", total / took, "events/s", note="appended and read twice"),
        Figure("order.gaps", lost, "", "<= 0"),
        Figure("order.reorderings", turned, "", "<= 0"),
    ]


if __name__ == "__main__":
    main("order", __doc__, FLAGS, measure, FULL)
