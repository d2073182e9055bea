"""The feeds under load: what both vendors wrote must be on the log, soon, and at no growing cost.

Real processes: run.feeds against the sandboxes, on a durable Postgres. First a sustained load, then
a burst. What the sandboxes handed to their sockets is the oracle, by count and digest of each
channel and line; the vendor's habit of dropping messages of a slow reader is on.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters.unusual_whales.sandbox.ledger import Written
from benchmarks.feeds_desk import FeedsDesk, say
from benchmarks.feeds_vendors import FIRST_SIZE, LAST, TickCount
from benchmarks.ground import Desk, Figure, main, percentile
from domain.event import Recorded
from domain.events.feeds import IbTicksReceived, UwFrame
from run.projection_lag import worst_p99_seconds
from store.contract import Selection

FLAGS = {
    "rate": (5_000, "messages a second, sustained"),
    "seconds": (20, "of the sustained load"),
    "burst": (20_000, "messages a second, in the burst"),
    "burst_seconds": (5, "of the burst"),
}
FULL = {"seconds": 60, "burst_seconds": 10}
SERVICES = (("feeds", "run.feeds"),)
WARM_UP_SECONDS = 5.0
DRAIN_SECONDS_MAX = 120.0
QUIET_SECONDS = 6.0
"""Three heartbeats."""
PAGE = 5_000


@dataclass(slots=True)
class Load:
    """One stretch of load and what was seen of it."""

    began: float
    ended: float
    offered: int
    dropped: int
    unheard: int
    cpu_seconds: float
    """Spent by the feeds' process."""

    @property
    def rate(self) -> float:
        return self.offered / (self.ended - self.began)


@dataclass(slots=True)
class Found:
    """What the log has of both vendors."""

    channels: dict[str, Written] = field(default_factory=dict)
    ticks: dict[str, TickCount] = field(default_factory=dict)
    messages: Counter[str] = field(default_factory=Counter)
    delays: list[tuple[float, float]] = field(default_factory=list)
    """When a message was received, and milliseconds until the log's clock stamped it."""

    def take(self, event: Recorded) -> None:
        body = event.body
        match body:
            case UwFrame():
                self.channels.setdefault(body.channel, Written()).add(bytes(body.payload))
                self.messages["uw"] += 1
            case IbTicksReceived():
                for kind, price, size in body.ticks:
                    if kind == LAST and size > FIRST_SIZE:
                        self.ticks.setdefault(body.symbol, TickCount()).add(price, size)
                        self.messages["ib"] += 1
            case _:
                return
        received = body.received_at.timestamp()
        self.delays.append((received, 1e3 * (event.recorded_at.timestamp() - received)))


async def read_log(desk: FeedsDesk) -> Found:
    found, after = Found(), 0
    for_all = Selection(category="uw"), Selection(category="ib")
    for selection in for_all:
        after = 0
        while page := await desk.store.read(after, selection, limit=PAGE):
            for event in page:
                found.take(event)
            after = page[-1].position
    return found


async def stretch(desk: FeedsDesk, a_second: int, seconds: float) -> Load:
    """Put a load on for so long."""
    vendors = desk.vendors
    offered, dropped, unheard = vendors.offered.total(), vendors.dropped(), vendors.unheard
    began, spent = time.time(), desk.cpu_seconds()
    vendors.is_quiet = False
    vendors.a_second = a_second
    await asyncio.sleep(seconds)
    vendors.a_second = 0
    desk.check()
    return Load(
        began,
        time.time(),
        vendors.offered.total() - offered,
        vendors.dropped() - dropped,
        vendors.unheard - unheard,
        desk.cpu_seconds() - spent,
    )


async def drain(desk: FeedsDesk) -> float:
    """Wait in silence until the vendor has written, and the feeds have appended, all they hold;
    seconds."""
    began = time.time()
    desk.vendors.is_quiet = True
    while time.time() - began < DRAIN_SECONDS_MAX:
        await asyncio.sleep(QUIET_SECONDS)
        if desk.vendors.waiting() == 0 and not any(
            map(queued, desk.newest("feeds", QUIET_SECONDS))
        ):
            break
    return time.time() - began


def queued(beat: Mapping[str, float]) -> float:
    """Messages that the feeds have read and not appended."""
    return beat["queue_depth"] + beat["socket_queue_depth"]


def lost(desk: FeedsDesk, found: Found) -> int:
    """Messages that were written, and are not on the log as they were and in their order."""
    vendors = desk.vendors
    absent = {
        channel: missing(written, found.channels.get(channel, Written()))
        for channel, written in vendors.unusual_whales.ledger.written.items()
    } | {
        symbol: missing(told, found.ticks.get(symbol, TickCount()))
        for symbol, told in vendors.ticks.items()
    }
    if any(absent.values()):
        say(f"missing: { {name: count for name, count in absent.items() if count} }")
    return sum(absent.values())


def missing(written: Written | TickCount, known: Written | TickCount) -> int:
    """Of one channel; one at least where the same number say something else."""
    return abs(written.messages - known.messages) or int(written.digest() != known.digest())


def growth(values: list[float]) -> float | None:
    """From the median of the first third to that of the last."""
    third = len(values) // 3
    if not third:
        return None
    return statistics.median(values[-third:]) - statistics.median(values[:third])


async def measure(given: argparse.Namespace, ground: Desk) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        desk = FeedsDesk(Path(folder), await ground.database(), SERVICES)
        async with desk.running():
            await stretch(desk, given.rate, WARM_UP_SECONDS)
            steady = await stretch(desk, given.rate, given.seconds)
            await drain(desk)
            calm = await read_log(desk)
            lost_steady = lost(desk, calm) + steady.dropped + steady.unheard
            peak = await stretch(desk, given.burst, given.burst_seconds)
            drained = await drain(desk)
            found = await read_log(desk)
            lost_all = lost(desk, found) + peak.dropped + peak.unheard
        return figures(desk, steady, calm, lost_steady, peak, lost_all - lost_steady, drained)


def figures(
    desk: FeedsDesk,
    steady: Load,
    found: Found,
    lost_steady: int,
    peak: Load,
    lost_peak: int,
    drained: float,
) -> list[Figure]:
    beats = desk.figures("feeds", steady.began, steady.ended)
    delays = [ms for at, ms in found.delays if steady.began <= at <= steady.ended]
    durable = worst_p99_seconds(beats)
    queues = [queued(beat) for beat in beats]
    watched = zip(desk.watched.at, desk.watched.megabytes, strict=True)
    memory = [size for at, size in watched if steady.began <= at <= steady.ended]
    burst = [queued(beat) for beat in desk.figures("feeds", peak.began, peak.ended + drained)]
    events = len(delays) / (steady.ended - steady.began)
    late = percentile(delays, 0.99) if delays else None
    note = "upper end of its bucket"
    return [
        Figure("feeds.rate", steady.rate, "/s", note=f"{events:,.0f} events/s of both vendors"),
        Figure("feeds.durable_p99", 1e3 * durable if durable else None, "ms", "<= 100", note=note),
        Figure("feeds.on_log_p99", late, "ms", note="to the clock of the log, before its flush"),
        Figure("feeds.on_log_p50", statistics.median(delays) if delays else None, "ms"),
        Figure("feeds.cpu", 1e6 * steady.cpu_seconds / steady.offered, "us a message"),
        Figure("feeds.lost", lost_steady, "messages", "<= 0"),
        Figure("feeds.queue_growth", growth(queues), "messages", "<= 1000"),
        Figure("feeds.queue_max", max(queues, default=None), "messages"),
        Figure("feeds.memory_growth", growth(memory), "MB", "<= 10"),
        Figure("feeds.memory", max(memory, default=None), "MB"),
        Figure("feeds.burst_rate", peak.rate, "/s"),
        Figure("feeds.burst_lost", lost_peak, "messages", "<= 0"),
        Figure("feeds.burst_dropped", peak.dropped, "messages", note="by the vendor"),
        Figure("feeds.burst_queue_max", max(burst, default=None), "messages"),
        Figure("feeds.burst_drained", drained, "s", note="until all was on the log"),
    ]


if __name__ == "__main__":
    main("feeds", __doc__, FLAGS, measure, FULL)
