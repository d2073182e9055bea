"""A running feed against the sandbox TWS, and everything it has called back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from adapters.interactive_brokers.feed_callbacks import (
    FeedCallbacks,
    RefusedLine,
    StreamTold,
    Timing,
)
from adapters.interactive_brokers.feed_watch import Alarm, FeedState, Limits
from adapters.interactive_brokers.market_data import IbMarketData
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.tap import Tap
from adapters.market_model.contract import BarClosed, SimBar
from domain.event import MarketEvent
from domain.events.feeds import IbTicksReceived
from domain.instruments import Right
from tests.adapters.interactive_brokers.intents import listed_option, wall_clock
from tests.adapters.interactive_brokers.still_market import CALL_600

EventT = TypeVar("EventT")
CALL = listed_option(CALL_600, 600, Right.CALL)
CLIENT = 8
NOON = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
BAR_START = datetime(2026, 11, 23, 15, 0, 5, tzinfo=UTC)


@dataclass
class Feed:
    """What it called back, and what a test may set: the hour, and whether data are expected."""

    data: IbMarketData
    events: list[MarketEvent] = field(default_factory=list)
    states: list[tuple[FeedState, str]] = field(default_factory=list)
    refused: list[tuple[str, int]] = field(default_factory=list)
    streams: list[StreamTold] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    at: datetime = NOON
    expects: bool = False
    our_time: datetime | None = None

    def limits(self, **seconds: float) -> None:
        timing = self.data._timing
        self.data._timing = replace(timing, limits=replace(timing.limits, **seconds))

    def all(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]

    def ticks(self, con_id: int) -> list[tuple[int, float, float]]:
        found = [e for e in self.all(IbTicksReceived) if e.con_id == con_id]
        return [tick for event in found for tick in event.ticks]

    def said(self) -> list[FeedState]:
        return [state for state, _ in self.states]

    def codes(self) -> list[tuple[str, str]]:
        return [(alarm.severity, alarm.code) for alarm in self.alarms]

    def verified(self) -> set[str]:
        return {told.name for told in self.streams if told.is_verified}

    def silent(self) -> set[str]:
        return {told.name for told in self.streams if not told.is_verified}


def feed_of(port: int, client: int, tap: Tap | None = None) -> Feed:
    """Not started yet."""

    def refused(line: RefusedLine) -> None:
        made.refused.append((f"{line.kind} {line.symbol} {line.con_id}", line.code))

    callbacks = FeedCallbacks(
        event=lambda event: made.events.append(event),
        state=lambda state, reason, _connection: made.states.append((state, reason)),
        refused=refused,
        stream=lambda told: made.streams.append(told),
        alarm=lambda alarm: made.alarms.append(alarm),
        tap=tap,
    )
    timing = Timing(
        heartbeat_seconds=0.02,
        answer_seconds=0.3,
        connect_seconds=0.3,
        backoff_seconds=(0.02,),
        limits=Limits(mute_seconds=0.25),
    )
    made = Feed(
        IbMarketData(
            "127.0.0.1",
            port,
            client,
            "run-1",
            wall_clock,
            callbacks,
            expects_data=lambda: made.expects,
            schedule=lambda: made.at,
            our_time=lambda: made.our_time,
            timing=timing,
        )
    )
    return made


@asynccontextmanager
async def running_feed(tws: TwsSandbox) -> AsyncIterator[Feed]:
    made = feed_of(tws.port, CLIENT)
    made.data.start()
    await made.data.wait_connected()
    try:
        yield made
    finally:
        await made.data.stop()


def bar(symbol: str = "SPY", start: datetime = BAR_START) -> BarClosed:
    closed = SimBar(symbol, start, 600.0, 600.2, 599.9, 600.1, 1_000, 600.05, 42)
    return BarClosed(start + timedelta(seconds=5), closed)


async def open_spy(feed: Feed, *, depth: bool = False) -> None:
    listed = await feed.data.underlying("SPY")
    feed.data.want_underlying(listed, bars=True, depth=depth)
