"""The order test on a peer, as its control: the eventsourcing library's fast mode loses events.

Four processes insert through its database function (`enable_db_functions`, no table lock) while a
reader goes on after the last id it saw. Lost is what is in the table and was never delivered. The
same reader behind its safe mode loses nothing, and neither behind our log (benchmarks/order.py).
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing

import asyncpg

from benchmarks.ground import Desk, Figure, main
from benchmarks.peer_eventsourcing import Recorder
from benchmarks.ticks import Ticks

FLAGS = {"events": (28_000, "events in all, in each mode")}
PRODUCERS = 4
BATCH = 10


def produce(port: int, database: str, number: int, calls: int, *, is_fast: bool) -> None:
    recorder, ticks = Recorder(port, database, is_fast=is_fast), Ticks(f"producer{number}")
    try:
        recorder.insert(0, [recorder.prepared(ticks.take(BATCH)) for _ in range(calls)])
    finally:
        recorder.close()


async def lost(desk: Desk, events: int, *, is_fast: bool) -> tuple[int, int]:
    """(events never delivered, events)."""
    dsn = await desk.database()
    database = dsn.rpartition("/")[2]
    Recorder(desk.server.port, database, is_fast=is_fast).close()
    spawn = multiprocessing.get_context("spawn")
    calls = events // PRODUCERS // BATCH
    producers = [
        spawn.Process(
            target=produce,
            args=(desk.server.port, database, number, calls),
            kwargs={"is_fast": is_fast},
        )
        for number in range(PRODUCERS)
    ]
    for producer in producers:
        producer.start()
    connection = await asyncpg.connect(dsn)
    try:
        delivered = last = 0
        is_over = False
        while True:
            rows = await connection.fetch(
                "SELECT notification_id FROM stored_events WHERE notification_id > $1"
                " ORDER BY notification_id LIMIT 1000",
                last,
            )
            delivered += len(rows)
            if rows:
                last = rows[-1]["notification_id"]
            elif is_over:
                break
            is_over = not any(producer.is_alive() for producer in producers)
            await asyncio.sleep(0)
        stored = await connection.fetchval("SELECT count(*) FROM stored_events")
    finally:
        await connection.close()
        for producer in producers:
            producer.join()
            assert producer.exitcode == 0, f"producer must end with 0, was {producer.exitcode}"
    return stored - delivered, stored


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    fast, of_fast = await lost(desk, given.events, is_fast=True)
    safe, of_safe = await lost(desk, given.events, is_fast=False)
    return [
        Figure("order_peer.fast_lost", fast, "events", note=f"of {of_fast:,}, database function"),
        Figure("order_peer.safe_lost", safe, "events", note=f"of {of_safe:,}, table lock"),
    ]


if __name__ == "__main__":
    main("order_peer", __doc__, FLAGS, measure)
