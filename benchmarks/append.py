"""Appends against what Postgres itself costs, all durable.

Batches: events a second of one call of 1,000 ticks over 50 streams after the other, against a
binary COPY of the same rows into the floor table, a commit a batch. Singles: milliseconds of one
event a call, one after the other, NOTIFY included, against a plain INSERT of one row. Producers:
tasks that each append one event after the other; their p99 is counted in commits (the p50 of the
plain INSERT). CPU is microseconds an event of the calling process and of the server: what a busy
machine does not change much.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from functools import partial

from benchmarks.floor import Floor
from benchmarks.ground import (
    Contender,
    Desk,
    Figure,
    Rounds,
    in_turn,
    main,
    opened,
    percentile,
    seconds,
)
from benchmarks.ticks import Ticks
from domain.event import Proposed
from store.postgres import PostgresStore

FLAGS = {
    "rounds": (25, "rounds of each contender"),
    "batches": (4, "batches of 1,000 a round"),
    "singles": (150, "single events a round"),
    "produced": (3_200, "events of all producers a round"),
}
BATCH = 1_000
PRODUCERS = (16, 64)


class Appends:
    """The contenders over one log and one floor table."""

    def __init__(
        self, given: argparse.Namespace, desk: Desk, store: PostgresStore, floor: Floor
    ) -> None:
        self.given = given
        self._desk = desk
        self.store = store
        self.floor = floor
        self.rounds = Rounds()
        self._ticks = Ticks("append")

    def _cpu(self, name: str, before: tuple[float, float], events: int) -> None:
        client, server = (
            1e6 * (now - then) / events
            for now, then in zip(self._desk.cpu_seconds(), before, strict=True)
        )
        self.rounds.note(f"cpu_{name}", client + server)
        self.rounds.note(f"client_{name}", client)

    async def batches(self) -> None:
        calls = [self._ticks.take(BATCH) for _ in range(self.given.batches)]
        before = self._desk.cpu_seconds()
        took = await seconds(self._in_turn(calls))
        self._cpu("batch", before, BATCH * len(calls))
        self.rounds.note("batch", BATCH * len(calls) / took)

    async def _in_turn(self, calls: list[list[Proposed]]) -> None:
        for call in calls:
            await self.store.append(call)

    async def copies(self) -> None:
        calls = [self.floor.rows(self._ticks.take(BATCH)) for _ in range(self.given.batches)]
        before, began = self._desk.cpu_seconds(), time.perf_counter()
        for rows in calls:
            await self.floor.copy(rows)
        self.rounds.note("copy", BATCH * len(calls) / (time.perf_counter() - began))
        self._cpu("copy", before, BATCH * len(calls))

    async def singles(self) -> None:
        events, took = self._ticks.take(self.given.singles), []
        before = self._desk.cpu_seconds()
        for event in events:
            took.append(1e3 * await seconds(self.store.append([event])))
        self._cpu("single", before, len(took))
        self.rounds.note("single_p50", statistics.median(took))
        self.rounds.note("single_p99", percentile(took, 0.99))

    async def inserts(self) -> None:
        rows, took = self.floor.rows(self._ticks.take(self.given.singles)), []
        before = self._desk.cpu_seconds()
        for row in rows:
            took.append(1e3 * await seconds(self.floor.insert(row)))
        self._cpu("insert", before, len(took))
        self.rounds.note("insert_p50", statistics.median(took))
        self.rounds.note("insert_p99", percentile(took, 0.99))
        self.rounds.note("commit_rate", 1e3 / statistics.median(took))
        self.rounds.note("insert_rate", 1e3 * len(took) / sum(took))

    async def produce(self, producers: int) -> None:
        count = self.given.produced // producers
        queues = [self._ticks.take(count) for _ in range(producers)]
        took: list[float] = []

        async def one(events: list[Proposed]) -> None:
            for event in events:
                took.append(1e3 * await seconds(self.store.append([event])))

        before = self._desk.cpu_seconds()
        total = await seconds(asyncio.gather(*(one(queue) for queue in queues)))
        self._cpu(f"producers_{producers}", before, producers * count)
        self.rounds.note(f"rate_{producers}", producers * count / total)
        self.rounds.note(f"p50_{producers}", statistics.median(took))
        self.rounds.note(f"p99_{producers}", percentile(took, 0.99))


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    async with opened(await desk.database()) as (store, floor):
        appends = Appends(given, desk, store, floor)
        groups: list[list[Contender]] = [
            [appends.batches, appends.copies],
            [
                appends.singles,
                appends.inserts,
                *(partial(appends.produce, producers) for producers in PRODUCERS),
            ],
        ]
        await in_turn(1, *groups)
        appends.rounds = Rounds()
        await in_turn(given.rounds, *groups)
        return figures(appends.rounds)


def figures(rounds: Rounds) -> list[Figure]:
    found = [
        Figure("append.batch", rounds.median("batch"), "events/s"),
        Figure("append.copy", rounds.median("copy"), "events/s", note="COPY into the floor table"),
        Figure("append.batch_of_copy", rounds.ratio("batch", "copy"), "of COPY", ">= 0.7"),
        Figure("append.single_p50", rounds.median("single_p50"), "ms"),
        Figure("append.single_p99", rounds.median("single_p99"), "ms"),
        Figure("append.insert_p50", rounds.median("insert_p50"), "ms", note="one commit"),
        Figure("append.insert_p99", rounds.median("insert_p99"), "ms"),
        Figure("append.insert_rate", rounds.median("insert_rate"), "events/s"),
        Figure("append.single_of_insert", rounds.ratio("single_p50", "insert_p50"), "x", "<= 1.5"),
    ]
    for producers in PRODUCERS:
        name, limited = f"append.producers_{producers}", producers == 64
        in_a_commit = rounds.ratio(f"rate_{producers}", "commit_rate")
        found += [
            Figure(name, rounds.median(f"rate_{producers}"), "events/s"),
            Figure(f"{name}_p50", rounds.median(f"p50_{producers}"), "ms"),
            Figure(
                f"{name}_of_insert",
                rounds.ratio(f"rate_{producers}", "insert_rate"),
                "x",
                ">= 12" if limited else "",
            ),
            Figure(f"{name}_in_a_commit", in_a_commit, "events", note="in the p50 of an INSERT"),
            Figure(
                f"{name}_p99",
                rounds.ratio(f"p99_{producers}", "insert_p50"),
                "commits",
                "<= 3" if limited else "",
            ),
        ]
    for name in ("batch", "copy", "single", "insert", *(f"producers_{n}" for n in PRODUCERS)):
        note = f"an event; {rounds.median(f'client_{name}'):.0f} of it the calling process"
        found.append(Figure(f"append.{name}_cpu", rounds.median(f"cpu_{name}"), "us", note=note))
    return found


if __name__ == "__main__":
    main("append", __doc__, FLAGS, measure)
