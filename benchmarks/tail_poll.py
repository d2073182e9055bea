"""A poll of the log's tail with 730 daily partitions against one with 10.

Milliseconds of one poll that finds the newest ten events, through the store's reader, in turn on
two logs of one server. Each day has a partition in both retention classes.
"""

from __future__ import annotations

import argparse
import statistics
from datetime import UTC, datetime, timedelta

import asyncpg

from benchmarks.ground import Contender, Desk, Figure, Rounds, in_turn, main, percentile, seconds
from benchmarks.ticks import Ticks
from store.partitions import DAYS_AHEAD
from store.postgres import PostgresStore

FLAGS = {
    "many": (730, "days of the long log"),
    "few": (10, "days of the short log"),
    "rounds": (7, "rounds of each"),
    "polls": (200, "polls a round"),
}
FOUND = 10
_DAYS_A_CALL = 30


async def with_days(dsn: str, days: int) -> None:
    """Partitions of `days` days, the newest DAYS_AHEAD of which are there already."""
    tomorrow = datetime.now(UTC).date()
    connection = await asyncpg.connect(dsn)
    try:
        for before in range(days - DAYS_AHEAD, 0, -_DAYS_A_CALL):
            start = tomorrow - timedelta(days=before)
            count = min(_DAYS_A_CALL, before)
            await connection.fetchval("SELECT make_partitions($1, $2)", start, count)
    finally:
        await connection.close()


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    rounds = Rounds()
    stores: list[PostgresStore] = []
    contenders: list[Contender] = []

    def polled(name: str, store: PostgresStore) -> None:
        async def work() -> None:
            after = await store.head() - FOUND
            took = []
            for _ in range(given.polls):
                took.append(1e3 * await seconds(store.read(after, limit=100)))
            rounds.note(f"{name}_p50", statistics.median(took))
            rounds.note(f"{name}_p99", percentile(took, 0.99))

        contenders.append(work)

    try:
        for name, days in (("many", given.many), ("few", given.few)):
            dsn = await desk.database()
            await with_days(dsn, days)
            store = await PostgresStore.open(dsn, application_name="benchmark")
            stores.append(store)
            await store.append(Ticks(name).take(1_000))
            polled(name, store)
        await in_turn(given.rounds, contenders)
    finally:
        for store in stores:
            await store.close()
    return [
        Figure("tail_poll.many_p50", rounds.median("many_p50"), "ms", note=f"{given.many} days"),
        Figure("tail_poll.many_p99", rounds.median("many_p99"), "ms"),
        Figure("tail_poll.few_p50", rounds.median("few_p50"), "ms", note=f"{given.few} days"),
        Figure("tail_poll.many_of_few", rounds.ratio("many_p50", "few_p50"), "x", "<= 2"),
    ]


if __name__ == "__main__":
    main("tail_poll", __doc__, FLAGS, measure)
