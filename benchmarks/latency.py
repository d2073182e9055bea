"""From the wire to the wire: how long the desk takes to leave a position, and to enter one.

Real processes on a seeded day that trends, with as many option prints as make the wanted rate of
feed events. A closing bar makes a signal, its order is filled, and two quotes below the stop close
it again. Times are taken where the sandbox hands bytes to its socket, and where the trader has
handed the order's to its own. The floor is a chain of processes that wake each other by durable
commits, in the same run, between the trials: two commits for an exit (quote, decision), three for
an entry (bar, signal, decision).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.decide import decided
from benchmarks.ground import Desk, Figure, main, percentile
from benchmarks.latency_desk import LatencyDesk
from benchmarks.latency_trials import Trials
from domain.event import Recorded
from domain.events.feeds import IbBarReceived, IbTicksReceived
from domain.events.orders import OrderIntended, Purpose

FLAGS = {
    "trials": (100, "exits to measure, at least"),
    "rate": (2_000, "feed events a second"),
    "speed": (2, "market seconds a second"),
    "spread": (1, "seconds over which breaches are drawn; 0: all that open at once fall at once"),
    "seconds": (400, "seconds after which it ends with what it has"),
}
PARAMETERS = {
    "signals.0dte.trend.p_min": 0.52,
    "signals.0dte.trend.p_min_positive_gamma": 0.52,
    "signals.0dte.trend.vrp_max": 2.0,
    "signals.0dte.trend.vrp_single": 1.5,
    "signals.ev_min_usd": 0.0,
    "signals.ev_min_share": 0.0,
    "signals.key_wait_s": 5.0,
    "signals.liquidity.spread_share": 0.5,
    "signals.liquidity.interest_min": 0.0,
    "risk.limit.contracts_order": 1.0,
    "risk.loss.cooldown_stop_min": 0.0,
    "risk.loss.cooldown_target_min": 0.0,
    "risk.loss.streak": 10.0,
    "risk.loss.streak_pause_min": 1.0,
    "risk.order.duplicate_s": 1.0,
    "risk.order.new_bucket_minute": 60.0,
    "risk.order.new_minute": 120.0,
    "risk.order.exit_replaces_minute": 200.0,
    "risk.halt.rate_refusals": 200.0,
    "risk.halt.errors": 200.0,
}
"""A desk that trades often and small: the widest values that the parameters' bounds allow."""
WARM_UP_SECONDS = 15.0
FLOOR_EVERY_SECONDS = 0.5
RELAY_SECONDS_MAX = 60.0
TRIALS_MIN = 30
READ = "until the sandbox's loop, which makes the load too, has read the order"
_RELAY = "from benchmarks.relay import main; main()"


@dataclass(slots=True)
class Spans:
    """Milliseconds of one path, in total and of its hops."""

    total: list[float] = field(default_factory=list)
    hops: dict[str, list[float]] = field(default_factory=dict)

    def add(self, began: float, *hops: tuple[str, float]) -> None:
        before = began
        for name, at in hops:
            self.hops.setdefault(name, []).append(1e3 * (at - before))
            before = at
        self.total.append(1e3 * (before - began))


async def exits(trials: Trials) -> tuple[Spans, list[float], int]:
    """Exits that the confirming quote caused; milliseconds until the broker's loop had read them;
    how many something else caused before it."""
    found, read, other = Spans(), [], 0
    placed = trials.desk.sandboxes.stamped.placed
    for event in trials.intents:
        body = event.body
        assert isinstance(body, OrderIntended)
        breach = trials.breaches.get(body.position_id)
        sent, arrived = trials.sent.get(body.order_ref), placed.get(body.order_ref)
        if body.purpose is not Purpose.EXIT or breach is None or sent is None or arrived is None:
            continue
        if not body.order_ref.endswith("-X1.1"):
            continue
        source = await _input(trials, event)
        if not (
            isinstance(source.body, IbTicksReceived)
            and source.body.con_id == breach.con_id
            and any(tick[:2] == (1, breach.bid) for tick in source.body.ticks)
        ):
            other += 1
            continue
        found.add(
            breach.written,
            ("quote_on_log", source.recorded_at.timestamp()),
            ("decision_on_log", event.recorded_at.timestamp()),
            ("order_on_wire", sent),
        )
        read.append(1e3 * (arrived - breach.written))
    return found, read, other


async def entries(trials: Trials) -> tuple[Spans, Spans, Spans]:
    """Entries of single options: all, and the first of each bar; entries with a short leg."""
    single, first, short_leg = Spans(), Spans(), Spans()
    stamped = trials.desk.sandboxes.stamped
    seen: set[int] = set()
    for event in sorted(trials.intents, key=lambda event: event.position):
        body = event.body
        assert isinstance(body, OrderIntended)
        validated = trials.signals.get(body.signal_id)
        sent = trials.sent.get(body.order_ref)
        if body.purpose is not Purpose.ENTRY or validated is None or sent is None:
            continue
        bar = await _input(trials, validated)
        if not isinstance(bar.body, IbBarReceived):
            continue
        start = int(bar.body.start.timestamp())
        written = stamped.bars.get(start)
        if written is None:
            continue
        hops = (
            ("bar_on_log", bar.recorded_at.timestamp()),
            ("signal_on_log", validated.recorded_at.timestamp()),
            ("decision_on_log", event.recorded_at.timestamp()),
            ("order_on_wire", sent),
        )
        if not body.structure.is_single:
            short_leg.add(written, *hops)
            continue
        single.add(written, *hops)
        if start not in seen:
            seen.add(start)
            first.add(written, *hops)
    return single, first, short_leg


async def _input(trials: Trials, event: Recorded) -> Recorded:
    assert event.input_position is not None
    position = event.input_position
    known = trials.events.get(position)
    if known is None:
        (known,) = await trials.desk.store.read(position - 1, limit=1, up_to=position)
        trials.events[position] = known
    return known


class Chain:
    """The floor: three relays; `measure` times one pass through all of them."""

    def __init__(self) -> None:
        self.two: list[float] = []
        self.three: list[float] = []
        self._relays: list[asyncio.subprocess.Process] = []

    async def start(self, dsn: str) -> None:
        for hears, rings in (("floor_b", "floor_c"), ("floor_a", "floor_b"), ("-", "floor_a")):
            self._relays.insert(
                0,
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-c", _RELAY, dsn, hears, rings),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                ),
            )
        for relay in self._relays:
            assert relay.stdout is not None
            assert await relay.stdout.readline() == b"ready\n"

    async def measure(self) -> None:
        first = self._relays[0]
        assert first.stdin is not None
        first.stdin.write(b"%d\n" % (len(self.two) + 1))
        said = [await _line(relay) for relay in self._relays]
        began = said[0][1]
        self.two.append(1e3 * (said[1][2] - began))
        self.three.append(1e3 * (said[2][2] - began))

    async def stop(self) -> None:
        for relay in self._relays:
            with suppress(ProcessLookupError):
                relay.kill()
            await relay.wait()


async def _line(relay: asyncio.subprocess.Process) -> list[float]:
    assert relay.stdout is not None
    async with asyncio.timeout(RELAY_SECONDS_MAX):
        return [float(word) for word in (await relay.stdout.readline()).split()]


def figures(
    name: str, spans: Spans, floor: Sequence[float], limits: tuple[int, int]
) -> list[Figure]:
    """Of one path: the whole of it against goals and floor, and its hops."""
    if len(spans.total) < TRIALS_MIN or not floor:
        note = f"{len(spans.total)} trials are too few to say anything"
        return [Figure(f"{name}_p50", None, "ms", f"<= {limits[0]}", note)]
    p50, p99 = statistics.median(spans.total), percentile(spans.total, 0.99)
    least = statistics.median(floor)
    hops = ", ".join(
        f"{hop.replace('_', ' ')} {statistics.median(took):.1f}" for hop, took in spans.hops.items()
    )
    return [
        Figure(f"{name}_p50", p50, "ms", f"<= {limits[0]}", f"{len(spans.total)} trials; {hops}"),
        Figure(f"{name}_p99", p99, "ms", f"<= {limits[1]}"),
        Figure(f"{name}_floor_p50", least, "ms"),
        Figure(f"{name}_floor_p99", percentile(floor, 0.99), "ms"),
        Figure(f"{name}_of_floor", p50 / least, "x", "<= 3"),
        Figure(f"{name}_p99_of_floor", p99 / percentile(floor, 0.99), "x"),
    ]


async def measure(given: argparse.Namespace, server: Desk) -> list[Figure]:
    dsn = await server.database()
    with tempfile.TemporaryDirectory() as folder:
        desk = LatencyDesk(Path(folder), dsn, given.rate, PARAMETERS)
        trials, chain = Trials(desk, given.spread), Chain()
        async with desk.running():
            await chain.start(dsn)
            following = asyncio.create_task(trials.follow(), name="follow")
            try:
                await desk.trade(given.speed)
                await _run(given, trials, chain)
                trials.end()
                await desk.director.set_clock(0.0, None)
                return await _found(trials, chain)
            finally:
                following.cancel()
                await chain.stop()


async def _run(given: argparse.Namespace, trials: Trials, chain: Chain) -> None:
    """Trials until there are enough, with the floor between them; a warm-up is thrown away."""
    deadline = time.monotonic() + given.seconds
    await asyncio.sleep(WARM_UP_SECONDS)
    trials.forget()
    trials.began_at = await trials.desk.store.head()
    while trials.closed < given.trials and time.monotonic() < deadline:
        await chain.measure()
        await asyncio.sleep(FLOOR_EVERY_SECONDS)
        trials.desk.check()


async def _found(trials: Trials, chain: Chain) -> list[Figure]:
    left, read, other = await exits(trials)
    single, first, short_leg = await entries(trials)
    rate = statistics.median(trials.rates) if trials.rates else None
    return [
        Figure("latency.rate", rate, "events/s", note="of the feeds, median of 2 s"),
        *figures("latency.exit", left, chain.two, (10, 40)),
        Figure("latency.exit_read_p50", statistics.median(read) if read else None, "ms", note=READ),
        Figure("latency.exit_other", other, "exits", note="a clock tick or another rule was first"),
        *figures("latency.entry", single, chain.three, (30, 100)),
        *plain("latency.entry_first", first, "the first of its bar"),
        *plain("latency.entry_short_leg", short_leg, "waits for the broker's what-if"),
        *await decided(trials.desk.store, trials.began_at),
    ]


def plain(name: str, spans: Spans, note: str) -> list[Figure]:
    """A path that has no goal of its own."""
    if len(spans.total) < TRIALS_MIN:
        return []
    p50, p99 = statistics.median(spans.total), percentile(spans.total, 0.99)
    said = f"{note}; {len(spans.total)} trials"
    return [Figure(f"{name}_p50", p50, "ms", note=said), Figure(f"{name}_p99", p99, "ms")]


if __name__ == "__main__":
    main("latency", __doc__, FLAGS, measure)
