"""Catch-up reads against a raw asyncpg fetch of the same rows of the floor table.

Events a second in pages of 5,000 by position: raw rows; the store's pages as they come (envelope
typed, payload decoded when asked for); and the same with every payload decoded. The log and the
floor table hold the same ticks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from benchmarks.floor import COLUMNS, Floor
from benchmarks.ground import Contender, Desk, Figure, Rounds, in_turn, main, opened, seconds
from benchmarks.ticks import Ticks
from store.postgres import PostgresStore

FLAGS = {
    "events": (100_000, "ticks on the log"),
    "rounds": (7, "rounds of each contender"),
}
FULL = {"events": 1_000_000}
PAGE = 5_000
_CPU = "an event, of the reading process"
_RAW = (
    f"SELECT {', '.join(COLUMNS)} FROM floor.events"  # noqa: S608
    " WHERE position > $1 AND recorded_at >= $2 ORDER BY position LIMIT $3"
)


async def fill(store: PostgresStore, floor: Floor, events: int) -> None:
    ticks = Ticks("read")
    for _ in range(events // 1_000):
        batch = ticks.take(1_000)
        await store.append(batch)
        await floor.copy(floor.rows(batch))
    await floor.connection.execute("VACUUM ANALYZE")


async def raw(floor: Floor, since: datetime) -> int:
    after = count = 0
    while rows := await floor.connection.fetch(_RAW, after, since, PAGE):
        count += len(rows)
        after = rows[-1]["position"]
    return count


async def paged(store: PostgresStore, *, is_decoded: bool) -> int:
    after = count = 0
    while page := await store.read(after, limit=PAGE):
        count += len(page)
        after = page[-1].position
        if is_decoded:
            for event in page:
                assert event.body is not None
    return count


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    rounds = Rounds()
    since = datetime.now(UTC) - timedelta(hours=1)
    async with opened(await desk.database()) as (store, floor):
        await fill(store, floor, given.events)

        def timed(name: str, work: Callable[[], Awaitable[int]]) -> Contender:
            async def once() -> None:
                began = time.process_time()
                rounds.note(name, given.events / await seconds(work()))
                spent = time.process_time() - began
                rounds.note(f"{name}_cpu", 1e6 * spent / given.events)

            return once

        assert await raw(floor, since) == await paged(store, is_decoded=True)
        await in_turn(
            given.rounds,
            [
                timed("raw", lambda: raw(floor, since)),
                timed("envelope", lambda: paged(store, is_decoded=False)),
                timed("typed", lambda: paged(store, is_decoded=True)),
            ],
        )
    return [
        Figure("catch_up.raw", rounds.median("raw"), "events/s", note="asyncpg rows, floor table"),
        Figure("catch_up.envelope", rounds.median("envelope"), "events/s"),
        Figure("catch_up.envelope_of_raw", rounds.ratio("envelope", "raw"), "of raw", ">= 0.5"),
        Figure("catch_up.typed", rounds.median("typed"), "events/s"),
        Figure("catch_up.typed_of_raw", rounds.ratio("typed", "raw"), "of raw"),
        *(
            Figure(f"catch_up.{name}_cpu", rounds.median(f"{name}_cpu"), "us", note=_CPU)
            for name in ("raw", "envelope", "typed")
        ),
    ]


if __name__ == "__main__":
    main("catch_up", __doc__, FLAGS, measure, FULL)
