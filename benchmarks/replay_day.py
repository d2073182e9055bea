"""Replay of a made day into full state: every page of the log through the hot and audit views.

Seconds for a million events, decoded and folded: what the hot view holds of each key, and every
change of an audit table made and counted. Memory is the largest resident set at a page, less that
at the start.
"""

from __future__ import annotations

import argparse
import gc
import time

import psutil

from benchmarks.day import Day
from benchmarks.ground import Desk, Figure, main
from projections import audit, hot
from projections.projector import REBUILD_PAGE
from projections.redis_target import Command, merged
from store.contract import Selection
from store.postgres import PostgresStore

FLAGS = {"events": (100_000, "events of the day")}
FULL = {"events": 1_000_000}


class FullState:
    """The hot view as the commands leave it, and the number of changes of audit tables."""

    def __init__(self) -> None:
        self.hot: dict[str, dict[str, str]] = {}
        self.changes = 0

    def run(self, command: tuple[str, ...]) -> None:
        """Hashes as Redis would hold them; members of sets and sorted sets beside them."""
        name, key, *arguments = command
        if name == "DEL":
            self.hot.pop(key, None)
        elif name in ("HSET", "HSETX"):
            if name == "HSET" or key in self.hot:
                held = self.hot.setdefault(key, {})
                held.update(zip(arguments[::2], arguments[1::2], strict=True))
        elif name in ("SADD", "ZADD"):
            self.hot.setdefault(key, {})[arguments[-1]] = arguments[0]
        elif name in ("SREM", "ZREM", "HDEL"):
            self.hot.get(key, {}).pop(arguments[0], None)


async def filled(dsn: str, events: int) -> int:
    """A log with a day on it; its head."""
    day = Day()
    async with await PostgresStore.open(dsn, application_name="benchmark") as store:
        while day.made < events:
            await store.append(day.take(1_000))
        return await store.head()


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    dsn = await desk.database()
    head = await filled(dsn, given.events)
    gc.collect()
    process = psutil.Process()
    start = peak = process.memory_info().rss
    state = FullState()
    wanted = Selection(types=hot.PROJECTION.types | audit.PROJECTION.types)
    seen = 0
    async with await PostgresStore.open(dsn, application_name="benchmark") as store:
        began, spent = time.perf_counter(), time.process_time()
        async for page, scanned in store.subscribe(0, wanted, page=REBUILD_PAGE):
            commands: list[Command] = []
            for event in page:
                commands += hot.commands(event)
                state.changes += len(audit.changes(event))
            for command in merged(commands):  # as the target of the hot view does
                state.run(command)
            seen += len(page)
            peak = max(peak, process.memory_info().rss)
            if scanned >= head:
                break
        took, spent = time.perf_counter() - began, time.process_time() - spent
    return [
        Figure("replay_day.events", head, "events", note=f"{seen} of them in a view"),
        Figure("replay_day.rate", head / took, "events/s"),
        Figure("replay_day.million", 1e6 * took / head, "s", "<= 20", "a million events"),
        Figure(
            "replay_day.cpu", 1e6 * spent / head, "us", note="an event, of the replaying process"
        ),
        Figure("replay_day.memory", (peak - start) / 2**20, "MB", "<= 100", "above the start"),
        Figure("replay_day.keys", len(state.hot), "keys", note=f"{state.changes} audit changes"),
    ]


if __name__ == "__main__":
    main("replay_day", __doc__, FLAGS, measure, FULL)
