"""The feed's watchdog at work against the sandbox TWS: restarts, log-ins, blips, kinds of data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from adapters.interactive_brokers.feed_watch import FeedState
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.wire import frame
from domain.event import decode_body, encode_body, event_type
from domain.events.feed_health import FeedClockMeasured
from domain.events.feeds import IbBarReceived, IbDepthReceived, IbTicksReceived
from tests.adapters.interactive_brokers.feed import (
    BAR_START,
    CALL,
    CLIENT,
    Feed,
    bar,
    open_spy,
    running_feed,
)
from tests.adapters.interactive_brokers.still_market import CALL_600, SPY, StillMarket
from tests.waiting import Until

BEFORE_MIDNIGHT = datetime(2026, 11, 25, 4, 45, 0, tzinfo=UTC)
"""23:45 in New York."""
LINES = {"ticks SPY 756733", "bars SPY 756733", "depth SPY 756733", "ticks SPY 700001"}


@pytest.fixture
async def feed(tws: TwsSandbox) -> AsyncIterator[Feed]:
    async with running_feed(tws) as made:
        yield made


async def open_all(feed: Feed, until: Until) -> None:
    await open_spy(feed, depth=True)
    feed.data.open_option(CALL)
    await until(lambda: feed.ticks(CALL_600) and feed.ticks(SPY) and feed.all(IbDepthReceived))
    await until(lambda: feed.data.state is FeedState.READY)


async def test_the_nightly_restart_is_ridden_out_and_every_stream_is_verified(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    """No alarm and no person: what was wanted is asked for anew, and each line says that it
    delivers again."""
    await open_all(feed, until)
    feed.at = BEFORE_MIDNIGHT
    tws.faults.set("restart_down_seconds", 0.2)
    tws.faults.set("restart_at", "23:45:00")
    market.time = BEFORE_MIDNIGHT
    await until(lambda: FeedState.RESTARTING in feed.said())
    await until(lambda: feed.data.connection == "run-1/ib.data/2" or len(feed.states) > 3)
    feed.expects = True

    def all_deliver() -> bool:
        tws.on_updates([bar(), market.underlying_quoted("SPY", 600.10, 600.12)])
        return feed.verified() == LINES and feed.data.state is FeedState.READY

    feed.limits(mute_seconds=3.0)
    await until(all_deliver)
    assert feed.said()[-3:] == [FeedState.RESTARTING, FeedState.CONNECTED, FeedState.READY]
    assert FeedState.DOWN not in feed.said() and feed.codes() == []
    told = [one for one in feed.streams if one.is_verified]
    assert len(told) == len(LINES)
    assert {one.connection for one in told} == {feed.data.connection}


async def test_a_restart_that_ends_at_the_log_in_dialog_is_paged_and_ends_when_somebody_logs_in(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    await open_all(feed, until)
    feed.at = BEFORE_MIDNIGHT
    tws.faults.set("restart_login_dialog")
    tws.faults.set("restart")
    await until(lambda: FeedState.RESTARTING in feed.said())
    feed.at += timedelta(minutes=6)
    await until(lambda: feed.data.state is FeedState.LOGGED_OUT)
    assert feed.codes() == [("critical", "RESTART_OVERDUE")]
    tws.faults.set("log_in")
    await until(lambda: "ticks SPY 756733" in feed.verified())
    assert feed.codes() == [("critical", "RESTART_OVERDUE")]


async def test_a_blip_of_the_farm_brings_dead_bars_back(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    """2103 and 2104 within a second, and nothing else is said: quotes flow, bars do not."""
    await open_spy(feed)
    feed.limits(mute_seconds=1.0)
    feed.expects = True
    number = 0

    def flow() -> None:
        nonlocal number
        number += 1
        quote = market.underlying_quoted("SPY", 600.0 + number / 100, 600.02 + number / 100)
        tws.on_updates([bar(start=BAR_START + timedelta(seconds=5 * number)), quote])

    def is_ready() -> bool:
        flow()
        return feed.data.state is FeedState.READY

    await until(is_ready)
    tws.faults.set("farm_blip")

    def bars_are_back() -> bool:
        flow()
        return "bars SPY 756733" in feed.verified() and feed.data.state is FeedState.READY

    await until(bars_are_back)
    assert feed.silent() == {"bars SPY 756733"}
    assert feed.data.connection == "run-1/ib.data/1"


async def test_bars_that_end_with_a_bust_are_asked_for_at_once(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    await open_spy(feed)
    await until(lambda: tws._sessions[CLIENT].feed._bars)
    first = set(tws._sessions[CLIENT].feed._bars)
    tws.faults.set("bust_bars")
    await until(lambda: first.isdisjoint(tws._sessions[CLIENT].feed._bars))
    tws.on_updates([bar()])
    await until(lambda: feed.all(IbBarReceived))
    assert len(tws._sessions[CLIENT].feed._bars) == 1
    assert feed.data.connection == "run-1/ib.data/1"


async def test_a_line_counts_as_live_only_from_the_word_of_tws_on(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    """What came before the word is told again under it: the quote may not change for long."""
    tws.faults.set("market_data_type", 0)
    feed.data.open_option(CALL)
    await until(lambda: (2, 1.25, 5.0) in feed.ticks(CALL_600))
    market.set_quote(CALL_600, 1.22, 1.25, 7)
    await until(lambda: (1, 1.22, 7.0) in feed.ticks(CALL_600))
    assert {e.market_data_type for e in feed.all(IbTicksReceived)} == {0}
    request = next(iter(feed.data._link.lines))  # type: ignore[union-attr]
    tws._sessions[CLIENT].send_frames([frame(58, 1, request, 1)])
    await until(lambda: feed.all(IbTicksReceived)[-1].market_data_type == 1)
    again = feed.all(IbTicksReceived)[-1].ticks
    assert (1, 1.22, 7.0) in again and (1, 1.20, 10.0) not in again


async def test_delayed_data_of_an_underlying_are_an_alarm_and_come_as_what_they_are(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    """10167: TWS serves delayed data instead. Ticks 66 and up, type 3, of options as well."""
    tws.faults.set("not_subscribed", f"10167:{SPY},10167:{CALL_600}")
    await open_spy(feed)
    feed.data.open_option(CALL)
    await until(lambda: feed.ticks(SPY) and feed.ticks(CALL_600))
    await until(lambda: feed.codes() == [("warning", "DATA_NOT_LIVE")])
    feed.expects = True
    await until(lambda: ("critical", "DATA_NOT_LIVE") in feed.codes())
    assert {e.market_data_type for e in feed.all(IbTicksReceived)} == {3}
    kinds = {kind for con_id in (SPY, CALL_600) for kind, _, _ in feed.ticks(con_id)}
    assert {66, 67, 74} <= kinds and not kinds & {0, 1, 2, 3, 4, 5, 8}
    computed = [c for e in feed.all(IbTicksReceived) for c in e.computations]
    assert {c[0] for c in computed} == {83}


async def test_numbers_that_are_none_never_reach_the_log_as_numbers(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    """The largest double, NaN and -1: no quote, no volume, no greeks, and no unreadable event."""
    await open_spy(feed)
    feed.data.open_option(CALL)
    await until(lambda: feed.ticks(SPY) and feed.ticks(CALL_600))
    feed.events.clear()
    tws.faults.set("unset_ticks")
    await until(lambda: len(feed.all(IbTicksReceived)) >= 2)
    for event in feed.all(IbTicksReceived):
        again = decode_body(event_type(event), event.schema_version, encode_body(event))
        assert again == event
    ticks = feed.ticks(SPY)
    assert (1, -1.0, 100.0) in ticks and (2, -1.0, 0.0) in ticks
    assert all(abs(price) < 1e300 and abs(size) < 1e300 for _, price, size in ticks)
    computed = [c for e in feed.all(IbTicksReceived) for c in e.computations]
    assert computed == [(13, *[None] * 8)]
    assert msgspec.json.encode(ticks)


async def test_a_book_that_cannot_be_right_is_asked_for_anew(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    """TWS sends all levels again on top of the old ones: they are out of order below."""
    await open_spy(feed, depth=True)
    await until(lambda: feed.all(IbDepthReceived))
    book = feed.data.book(SPY)
    assert book is not None and len(book.bids) == 2 and not book.doubt
    tws.faults.set("lose_depth")
    await until(lambda: len(book.bids) == 4)
    assert book.top(5) == ([], [])
    book.damage = "bids out of order for 5.1 s"  # as time would find
    await until(lambda: ("warning", "BOOK_DAMAGED") in feed.codes())
    await until(lambda: (fresh := feed.data.book(SPY)) is not None and len(fresh.bids) == 2)
    fresh = feed.data.book(SPY)
    assert fresh is not None and [level.price for level in fresh.top(5)[0]] == [599.98, 599.97]


@pytest.mark.parametrize(("ahead", "codes"), [(0.0, []), (-5.0, [("critical", "CLOCK_OFFSET")])])
async def test_the_brokers_clock_is_measured_each_minute_and_a_wrong_one_is_an_alarm(
    feed: Feed,
    market: StillMarket,
    until: Until,
    ahead: float,
    codes: list[tuple[str, str]],
) -> None:
    feed.our_time = market.time + timedelta(seconds=ahead)
    await until(lambda: feed.data._clock.began is not None)
    market.time += timedelta(seconds=61)
    feed.our_time += timedelta(seconds=61)
    await until(lambda: feed.all(FeedClockMeasured))
    measured = feed.all(FeedClockMeasured)[0]
    assert abs(measured.offset_seconds + ahead) <= 1.0
    assert feed.codes() == codes
