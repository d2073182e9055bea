"""A trading stretch of the default day in which processes die: when, whom, and what is left.

Deaths follow from a seed; each is aimed at a moment in which it could do harm.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence, Set
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from run.demo.report import read_log
from run.workers import WORKERS
from store.contract import EventStore, Selection
from tests.crash.desk_process import DeskProcesses, afterwards, morning, trading
from tests.crash.desk_verdict import decided_differently, differences

SPEED = 5.0
SIGNAL_SECONDS_MAX = 40.0
AIM_SECONDS_MAX = 5.0
TRADE_SECONDS_MAX = 90.0
BACK_SECONDS_MAX = 150.0
REST_SECONDS_MAX = 90.0
POLL_SECONDS = 0.02
MOMENTS = {
    "trader": (
        "RiskDecided",
        "OrderIntended",
        "IntentSent",
        "OrderModifyIntended",
        "FillRecorded",
        "PositionOpened",
        "ExitDecided",
        "BrokerConnected",
    ),
    "outbox": (
        "DeliveryScheduled",
        "DeliveryAttempted",
        "DeliveryConfirmed",
        "ApprovalRequested",
        "ApprovalPressed",
    ),
    "watchdog": ("IntentSent", "FillRecorded", "BrokerReady"),
    "telegram": ("ApprovalPrompted", "ApprovalPressed"),
    "signals": ("SignalRaised", "SignalValidated"),
    "feeds": ("LinesWanted", "OrderIntended"),
    "projector": ("FillRecorded", "DeliveryConfirmed"),
    "sandbox-market": ("OrderIntended", "IntentSent", "FillRecorded", "ExitDecided"),
    "sandbox-people": ("DeliveryAttempted", "ApprovalPrompted"),
    "postgres": ("OrderIntended", "IntentSent", "FillRecorded", "DeliveryAttempted"),
    "valkey": ("PositionMarked", "FillRecorded"),
}
"""Whom to kill, and the events after which it is worst."""


@dataclass(frozen=True, slots=True)
class Death:
    """Kill `victim` when `moment` comes next on the log, and a little later."""

    victim: str
    moment: str
    delay_seconds: float


def plan(seed: int, deaths: int) -> list[Death]:
    """The trader and the outbox die most: what they do cannot be undone."""
    random = Random(seed)
    others = sorted(MOMENTS.keys() - {"trader", "outbox"})
    random.shuffle(others)
    wanted = ["trader", "outbox", others[0], "trader", others[1], "outbox", *others[2:]]
    victims = wanted[:deaths]
    random.shuffle(victims)
    return [
        Death(
            victim=victim,
            moment=random.choice(MOMENTS[victim]),
            delay_seconds=random.choice((0.0, 0.005, random.uniform(0.0, 0.2))),
        )
        for victim in victims
    ]


async def run_day(desk: DeskProcesses, deaths: Sequence[Death]) -> list[str]:
    """From the morning through the deaths to the rest after them; what is wrong then."""
    director = desk.director
    await director.direct([morning(desk.day)])
    await director.settle()
    # Until the deaths are done and something was traded, whatever the time by then.
    slow = trading(desk.day.close_at, SPEED)
    await director.set_clock(slow.speed, slow)
    await moment_comes(desk.store, {"SignalValidated"}, SIGNAL_SECONDS_MAX)
    left = list(deaths)
    while left:
        left.remove(await carry_out(desk, left))
    await a_trade(desk)
    desk.say("a position was opened")
    await director.set_clock(0.0, None)
    await all_back(desk)
    desk.say("all are back")
    await director.direct([afterwards(director.now() + timedelta(minutes=6))])
    wrongs = await at_rest(desk)
    desk.say(await summed_up(desk))
    await desk.stop()
    desk.say("stopped")
    return wrongs or await decided_differently(desk.environment)


async def carry_out(desk: DeskProcesses, deaths: Sequence[Death]) -> Death:
    """The death whose moment comes first, or the first of them when none comes. Waits until
    another process has taken the place; which death it was."""
    came = await moment_comes(desk.store, {death.moment for death in deaths}, AIM_SECONDS_MAX)
    death = next((death for death in deaths if death.moment == came), deaths[0])
    await asyncio.sleep(death.delay_seconds)
    position = await desk.store.head()
    before = desk.pid(death.victim)
    await desk.kill(death.victim)
    deadline = time.monotonic() + BACK_SECONDS_MAX
    while desk.pid(death.victim) in (0, before):
        desk.check()
        assert time.monotonic() < deadline, f"{death.victim} must be started again, was not"
        await asyncio.sleep(POLL_SECONDS)
    await desk.sandboxes_answer()
    at = f"{came} + {death.delay_seconds:.3f} s" if came else "any time"
    desk.say(f"{death.victim} died after {position}, at {at}")
    return death


async def moment_comes(
    store: EventStore, moments: Set[str], seconds: float, after: int | None = None
) -> str:
    """Wait until such an event is written, after a position or from now on; its type, or nothing
    when none comes in time."""
    selection = Selection(types=frozenset(moments))
    pages = store.subscribe(await store.head() if after is None else after, selection)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(pages) as following:  # type: ignore[type-var]
            async for events, _ in following:
                if events:
                    return events[-1].type
    return ""


async def a_trade(desk: DeskProcesses) -> None:
    """A run without a trade would prove nothing."""
    deadline = time.monotonic() + TRADE_SECONDS_MAX
    while not desk.director.scene.trades:
        desk.check()
        assert time.monotonic() < deadline, "a position must be opened, was none"
        await asyncio.sleep(POLL_SECONDS)


async def all_back(desk: DeskProcesses) -> None:
    """Wait until every worker has consumed all, and orders can leave."""
    deadline = time.monotonic() + BACK_SECONDS_MAX
    connection = Selection(
        types=frozenset({"BrokerConnected", "BrokerDisconnected", "BrokerReady"})
    )
    head = await desk.store.head()
    while True:
        desk.check()
        at = {name: await desk.store.checkpoint(name) for name in WORKERS}
        behind = [f"{name} at {at[name]} of {head}" for name in WORKERS if at[name] < head]
        told = await desk.store.read(0, connection)
        if not behind and told and told[-1].type == "BrokerReady":
            return
        assert time.monotonic() < deadline, f"the desk must be back, was not: {behind}, {told[-1:]}"
        await asyncio.sleep(POLL_SECONDS)


async def summed_up(desk: DeskProcesses) -> str:
    """What the run was worth, and who ended without having been killed."""
    tally = await read_log(desk.store)
    died = Counter(desk.killed)
    services = desk.supervisor.services.values()
    alone = {s.name: n for s in services if (n := s.starts - 1 - died[s.name])}
    return (
        f"at rest: {await desk.store.head()} events, {len(tally.sent)} orders, "
        f"{len(tally.fills)} fills, {tally.round_trips} round trips, "
        f"{len(tally.confirmed)} messages, {tally.approvals} approvals; "
        f"ended by themselves: {alone or 'none'}"
    )


async def at_rest(desk: DeskProcesses) -> list[str]:
    """The market stands still and what is under way ends; what differs when time is up."""
    await desk.director.set_clock(0.0, None)
    deadline = time.monotonic() + REST_SECONDS_MAX
    while (found := await differences(desk.store, desk.folder)) and time.monotonic() < deadline:
        desk.check()
        await asyncio.sleep(0.2)
    await desk.director.settle()
    return found or await differences(desk.store, desk.folder)
