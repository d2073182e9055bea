"""Frames of the vendor's socket on their way to the log, and what is said of each channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from aiohttp.test_utils import TestServer

from adapters.unusual_whales import Backoff, UwSocketTiming
from domain.events.controls import AlertRaised
from domain.events.feed_health import (
    FeedFresh,
    FeedGapClosed,
    FeedGapOpened,
    FeedMinuteCounted,
    FeedStale,
    FeedStateChanged,
)
from domain.events.feeds import UwOptionTradeReceived, UwPriceReceived
from domain.payloads.unusual_whales.channel_table import joined
from domain.phase import Phase
from run.feeds.gaps import last_heard
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates
from run.feeds.uw_socket import SocketFeed, SocketSettings
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.on_the_log import bodies
from tests.run.feeds.conftest import running
from tests.run.feeds.vendor import Vendor, serving
from tests.waiting import Until

FRAME = b'["price:SPY",{"close":"600.1"}]'
DAY = date(2026, 11, 27)
CHANNELS = joined()
FIRST = len(CHANNELS) + 1
"""Sequence of the first frame: answers to joins are counted too."""
QUICK = Backoff(first_seconds=0.01, last_seconds=0.02, refused_seconds=0.01)


def settings(
    server: TestServer, queue: int = 1_000, join_seconds: float = 10.0, session: date = DAY
) -> SocketSettings:
    url = str(server.make_url("/socket"))
    timing = UwSocketTiming(join_seconds_max=join_seconds)
    return SocketSettings(url, "token", session, CHANNELS, queue, timing, QUICK)


@dataclass
class Desk:
    """A feed that is read, with its intake running."""

    feed: SocketFeed
    intake: Intake
    states: FeedStates
    store: PostgresStore
    until: Until

    async def look(self, after: timedelta = timedelta(0)) -> None:
        await self.feed.look(datetime.now(UTC) + after)

    async def ready(self, times: int = 1) -> None:
        await self.until(lambda: self.feed.times_ready >= times)

    def has_heard(self) -> bool:
        return self.intake.minutes.messages > 0

    async def written(self) -> None:
        """Wait until everything is on the log."""
        await self.until(lambda: self.intake.is_empty)

    def gap(self, channel: str) -> FeedGapOpened | None:
        return self.intake.gaps.find("uw.socket", channel)


@asynccontextmanager
async def reading(
    server: TestServer,
    store: PostgresStore,
    until: Until,
    run: str = "run",
    phase: Phase = Phase.REGULAR,
    join_seconds: float = 10.0,
    session: date = DAY,
) -> AsyncIterator[Desk]:
    intake = Intake(Recorder(store, "feeds", "build", run))
    states = FeedStates(intake)
    known = settings(server, join_seconds=join_seconds, session=session)
    feed = SocketFeed(known, intake, states, MarketClock(), lambda: phase)
    task = asyncio.create_task(feed.run())
    async with running(intake):
        desk = Desk(feed, intake, states, store, until)
        try:
            await desk.ready()
            yield desk
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await desk.written()


async def test_a_log_that_stands_fills_the_readers_queue_which_is_a_gap_and_an_alarm(
    recorder: Recorder, store: PostgresStore, until: Until
) -> None:
    """The reader is not kept from reading, knows that its queue is full, and says so."""
    vendor = Vendor([FRAME] * 300, len(CHANNELS))
    intake = Intake(recorder, pump_messages_max=20)
    async with serving(vendor) as server:
        states = FeedStates(intake)
        phase = Phase.REGULAR
        feed = SocketFeed(settings(server, 100), intake, states, MarketClock(), lambda: phase)
        task = asyncio.create_task(feed.run())
        await until(lambda: states._states.get("uw.socket", ("",))[0] == "down")
        assert intake.depth < 600
        async with running(intake):
            await until(lambda: feed.times_ready == 2)
            await vendor.send(FRAME)
            await until(lambda: intake.gaps.find("uw.socket", "price:SPY") is None)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await until(lambda: intake.is_empty)
    (opened,) = [g for g in await bodies(store, FeedGapOpened) if g.channel == "price:SPY"]
    (closed,) = await bodies(store, FeedGapClosed)
    assert opened.cause == "queue full at 100 messages: reading stopped"
    assert (closed.gap_id, closed.messages_lost) == (opened.gap_id, None)
    assert [alert.severity for alert in await bodies(store, AlertRaised)] == ["critical"]
    kept = await bodies(store, UwPriceReceived)
    numbers = [body.sequence for body in kept[:-1]]
    assert numbers == list(range(FIRST, FIRST + len(numbers))) and len(numbers) >= 100
    assert (opened.since, closed.until) == (kept[-2].received_at, kept[-1].received_at)
    assert [body.state for body in await bodies(store, FeedStateChanged)][-1] == "ready"


async def test_frames_that_were_read_before_the_end_reach_the_log(
    intake: Intake, store: PostgresStore, until: Until
) -> None:
    vendor = Vendor([FRAME] * 300, len(CHANNELS))
    async with serving(vendor) as server:
        states, phase = FeedStates(intake), Phase.REGULAR
        feed = SocketFeed(settings(server), intake, states, MarketClock(), lambda: phase)
        appending = asyncio.create_task(intake.run())
        task = asyncio.create_task(feed.run())
        await until(lambda: intake.appended > 100)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await intake.finish(appending, 5.0)
    kept = [body.sequence for body in await bodies(store, UwPriceReceived)]
    assert kept == list(range(FIRST, FIRST + len(kept))) and kept
    assert await bodies(store, FeedGapOpened) == []
    counted = await bodies(store, FeedMinuteCounted)
    assert [(c.channel, c.messages, c.bytes) for c in counted] == [
        ("price:SPY", len(kept), len(kept) * len(b'{"close":"600.1"}'))
    ]


async def test_refused_and_unanswered_joins_are_states_gaps_and_one_alarm_and_fall_back(
    store: PostgresStore, until: Until
) -> None:
    refused, late = "off_lit_trades:SPY", "custom_alerts"
    vendor = Vendor([], len(CHANNELS), {refused}, {late})
    async with (
        serving(vendor) as server,
        reading(server, store, until, join_seconds=0.05) as desk,
    ):
        await desk.look()
        await until(lambda: "off_lit_trades" in vendor.joined)
        assert desk.gap(refused) and desk.gap(late)
        vendor.refused.clear()
        vendor.unanswered.clear()
        vendor.drop()
        await desk.ready(2)
        await desk.look()
        assert not desk.gap(refused) and not desk.gap(late)
    states = [s for s in await bodies(store, FeedStateChanged) if "/" in s.feed]
    told = [(s.feed.partition("/")[2], s.state, s.reason) for s in states]
    assert sorted(told[:2]) == [
        (late, "refused", "not answered within 0.05 s"),
        (refused, "refused", "{}"),
    ]
    assert sorted(told[2:]) == [(late, "ready", ""), (refused, "ready", "")]
    (alert,) = await bodies(store, AlertRaised)
    assert (alert.code, alert.severity) == ("CHANNEL_REFUSED", "warning")
    causes = {g.channel: g.cause for g in await bodies(store, FeedGapOpened)}
    assert causes[late] == "join refused: not answered within 0.05 s"


async def test_a_mute_connection_is_found_and_replaced(store: PostgresStore, until: Until) -> None:
    """It answers pings and has acknowledged all joins, and nothing comes."""
    vendor = Vendor([], len(CHANNELS))
    async with serving(vendor) as server, reading(server, store, until) as desk:
        await desk.look()
        await desk.look(timedelta(seconds=59))
        assert vendor.connections == 1
        await desk.look(timedelta(seconds=61))
        await desk.ready(2)
    states = [(s.state, s.reason) for s in await bodies(store, FeedStateChanged)]
    assert [state for state, _ in states] == [
        "connected", "ready", "mute", "down", "connected", "ready",
    ]  # fmt: skip
    assert states[3][1].startswith("mute: no message on any channel")
    codes = [alert.code for alert in await bodies(store, AlertRaised)]
    assert "FEED_MUTE" in codes


async def test_outside_the_session_silence_of_all_is_normal(
    store: PostgresStore, until: Until
) -> None:
    vendor = Vendor([], len(CHANNELS))
    async with (
        serving(vendor) as server,
        reading(server, store, until, phase=Phase.CLOSED) as desk,
    ):
        await desk.look()
        await desk.look(timedelta(minutes=59))
        assert vendor.connections == 1
    assert not await bodies(store, FeedStale) and not await bodies(store, AlertRaised)


async def test_a_silent_channel_is_stale_and_a_gap_until_it_speaks_again(
    store: PostgresStore, until: Until
) -> None:
    """One that never spoke is stale too; what it never brought is no gap."""
    vendor = Vendor([FRAME], len(CHANNELS))
    async with serving(vendor) as server, reading(server, store, until) as desk:
        await until(desk.has_heard)
        await desk.look()
        await desk.look(timedelta(seconds=25))
        assert desk.gap("price:SPY")
        await vendor.send(FRAME)
        await until(lambda: not desk.gap("price:SPY"))
    stale = {body.channel: body for body in await bodies(store, FeedStale)}
    first, second = await bodies(store, UwPriceReceived)
    assert stale["price:SPY"].last_at == first.received_at
    assert stale["option_trades:SPY"].last_at is None
    assert stale["price:SPY"].phase == "regular" and stale["price:SPY"].limit_seconds == 20
    assert "trading_halts" not in stale and "news" not in stale
    assert [body.channel for body in await bodies(store, FeedFresh)] == ["price:SPY"]
    (opened,) = await bodies(store, FeedGapOpened)
    (closed,) = await bodies(store, FeedGapClosed)
    assert (opened.since, closed.until) == (first.received_at, second.received_at)
    assert opened.cause == "silent for more than 20 s"


async def test_what_was_said_while_the_process_was_away_is_a_gap_of_each_channel(
    store: PostgresStore, until: Until
) -> None:
    """Since the last event of a channel; where silence is normal, since the last of any."""
    tide = b'["market_tide",{"net_volume":1}]'
    vendor = Vendor([tide, FRAME], len(CHANNELS))
    async with serving(vendor) as server:
        async with reading(server, store, until) as desk:
            await until(lambda: desk.intake.appended >= 4)
        async with reading(server, store, until, run="next") as desk:
            heard = await last_heard(store, [f"uw/{channel}" for channel in CHANNELS])
            known = {stream[3:]: at for stream, at in heard.items()}
            desk.feed.watched.remember(known)
            await desk.look()
            assert not desk.gap("trading_halts")
            assert desk.gap("price:SPY") and desk.gap("market_tide")
            await vendor.send(FRAME)
            await until(lambda: not desk.gap("price:SPY"))
    opened = {gap.channel: gap for gap in await bodies(store, FeedGapOpened)}
    assert opened.keys() == set(CHANNELS)
    assert {gap.cause for gap in opened.values()} == {"the feeds were not running"}
    assert opened["price:SPY"].since == known["price:SPY"] == opened["trading_halts"].since
    assert opened["market_tide"].since == known["market_tide"] < known["price:SPY"]


def trade(number: int, executed_at: datetime) -> bytes:
    said = {"id": f"trade {number}", "executed_at": int(executed_at.timestamp() * 1_000)}
    return msgspec.json.encode(["option_trades:SPY", said])


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (timedelta(seconds=8), "slow"),
        (timedelta(seconds=1), "ready"),
        (timedelta(days=1), "ready"),  # yesterday's messages are not late ones
        (timedelta(seconds=-8), "ready"),  # the vendor's clock is ahead of ours
    ],
)
async def test_a_feed_that_is_late_is_slow_and_one_of_another_time_is_not(
    store: PostgresStore, until: Until, late: timedelta, state: str
) -> None:
    said_at = datetime.now(UTC) - late
    vendor = Vendor([trade(number, said_at) for number in range(90)], len(CHANNELS))
    async with serving(vendor) as server, reading(server, store, until) as desk:
        await until(lambda: desk.intake.appended >= 90)
        await desk.look()
        assert desk.states._states["uw.socket"][0] == state
    assert len(await bodies(store, UwOptionTradeReceived)) == 90
    codes = [alert.code for alert in await bodies(store, AlertRaised)]
    assert codes == (["FEED_SLOW"] if state == "slow" else [])


async def test_duplicates_are_counted_and_kept_once_in_whatever_order_they_come(
    store: PostgresStore, until: Until
) -> None:
    """Also over connections, which have no memory of each other."""
    now = datetime.now(UTC)
    frames = [trade(number, now) for number in (1, 0, 2, 1, 2)]
    vendor = Vendor(frames, len(CHANNELS))
    async with serving(vendor) as server, reading(server, store, until) as desk:
        await until(lambda: desk.intake.depth == 0 and desk.intake.appended >= 5)
        vendor.frames = frames[::-1]
        vendor.drop()
        await desk.ready(2)
        await until(lambda: desk.intake.minutes.messages >= 10)
        await desk.written()
        desk.intake.count_minute(now + timedelta(minutes=1))
    kept = await bodies(store, UwOptionTradeReceived)
    assert [bytes(body.payload).split(b'"')[3] for body in kept] == [
        b"trade 1", b"trade 0", b"trade 2",
    ]  # fmt: skip
    counted = await bodies(store, FeedMinuteCounted)
    assert sum(count.messages for count in counted) == 10
    assert sum(count.repeated for count in counted) == 7
    assert {count.channel for count in counted} == {"option_trades:SPY"}
    assert any(count.delay_ms_p99 is not None for count in counted)


async def test_an_id_that_comes_again_in_the_next_session_is_another_trade(
    store: PostgresStore, until: Until
) -> None:
    """Keys of the market carry the session and go with it; at midnight the feeds begin anew."""
    now = datetime.now(UTC)
    for start, session in enumerate((DAY, DAY, DAY + timedelta(days=3))):
        vendor = Vendor([trade(1, now)], len(CHANNELS))
        run = f"run {start}"
        async with (
            serving(vendor) as server,
            reading(server, store, until, run, session=session) as desk,
        ):
            await until(desk.has_heard)
    assert len(await bodies(store, UwOptionTradeReceived)) == 2
