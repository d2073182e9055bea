"""The feed's connection against the sandbox TWS, over a real ib_async client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import pytest

from adapters.interactive_brokers.feed_watch import FeedState
from adapters.interactive_brokers.link import RequestFailed
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.wire import frame
from adapters.market_model.contract import AuctionTicked
from domain.events.feeds import (
    FeedMessageRejected,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
)
from domain.instruments import Right
from tests.adapters.interactive_brokers.feed import (
    BAR_START,
    CALL,
    Feed,
    bar,
    open_spy,
    running_feed,
)
from tests.adapters.interactive_brokers.intents import listed_option
from tests.adapters.interactive_brokers.still_market import (
    CALL_600,
    EXPIRY,
    SESSION,
    SPY,
    StillMarket,
)
from tests.waiting import Until


@pytest.fixture
async def feed(tws: TwsSandbox) -> AsyncIterator[Feed]:
    async with running_feed(tws) as made:
        yield made


async def test_underlyings_expiries_and_chains_come_as_domain_events(feed: Feed) -> None:
    listed = await feed.data.underlying("SPY")
    assert (listed.con_id, listed.primary_exchange, listed.size_multiplier) == (SPY, "ARCA", 1)
    assert await feed.data.expiries("SPY") == (EXPIRY, date(2026, 12, 18))
    chain = await feed.data.chain("SPY", EXPIRY)
    assert [(c.strike, c.right.value) for c in chain.contracts] == [
        (Decimal(595), "P"),
        (Decimal(600), "C"),
        (Decimal(600), "P"),
        (Decimal(605), "C"),
    ]
    assert (await feed.data.chain("SPY", date(2027, 1, 15))).contracts == ()
    with pytest.raises(LookupError, match="NOPE must be one contract, was 0"):
        await feed.data.underlying("NOPE")


async def test_an_option_line_brings_quotes_and_the_model_greeks(
    feed: Feed, market: StillMarket, until: Until
) -> None:
    feed.data.open_option(CALL)
    await until(lambda: feed.all(IbTicksReceived))
    first = feed.all(IbTicksReceived)[0]
    assert (first.con_id, first.expiry, first.strike, first.right) == (
        CALL_600,
        "2026-11-24",
        600.0,
        "C",
    )
    assert (first.market_data_type, first.connection) == (1, "run-1/ib.data/1")
    assert (1, 1.20, 10.0) in first.ticks and (2, 1.25, 5.0) in first.ticks
    assert first.computations == [(13, 0.185, 0.51, 1.22, 0.0, 0.021, 0.33, -0.12, 600.0)]
    market.set_quote(CALL_600, 0.0, 0.05)
    await until(lambda: (1, -1.0, 0.0) in feed.ticks(CALL_600))  # no bid


async def test_a_closed_line_is_silent_and_can_be_opened_again(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    feed.data.open_option(CALL)
    feed.data.open_option(CALL)  # a second subscription could never be cancelled
    await until(lambda: feed.ticks(CALL_600))
    assert len(tws._sessions[8].feed._lines) == 1
    feed.data.close_line(CALL_600)
    await until(lambda: not tws._sessions[8].feed._lines)
    feed.events.clear()
    feed.data.open_option(CALL)
    await until(lambda: feed.ticks(CALL_600))
    assert feed.data.open_lines() == 1


async def test_bars_auction_ticks_and_quotes_of_an_underlying_arrive(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    await open_spy(feed)
    await until(lambda: feed.ticks(SPY) and tws._sessions[8].feed._bars)
    tws.on_updates(
        [
            bar(),
            AuctionTicked(market.time, SPY, "SPY", 1_200_000, -250_000, 600.02),
            market.underlying_quoted("SPY", 600.10, 600.12),
        ]
    )
    await until(lambda: feed.all(IbBarReceived) and (1, 600.10, 100.0) in feed.ticks(SPY))
    closed = feed.all(IbBarReceived)[0]
    assert (closed.start, closed.close, closed.count) == (BAR_START, 600.1, 42)
    ticks = feed.ticks(SPY)
    assert (34, -1.0, 1_200_000.0) in ticks and (36, -1.0, -250_000.0) in ticks
    assert (35, 600.02, 0.0) in ticks and (61, -1.0, 0.0) in ticks


async def test_depth_arrives_as_ticks_and_a_reset_empties_the_book_first(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    await open_spy(feed, depth=True)
    await until(lambda: feed.all(IbDepthReceived))
    assert feed.all(IbDepthReceived)[0].ticks == [
        (0, "ARCA", 0, 1, 599.98, 100.0),
        (1, "ARCA", 0, 1, 599.97, 200.0),
        (0, "ARCA", 0, 0, 600.02, 300.0),
    ]
    tws.faults.set("reset_depth")
    await until(lambda: len(feed.all(IbDepthReceived)) == 3)
    deletes, again = feed.all(IbDepthReceived)[1:]
    assert [tick[2:4] for tick in deletes.ticks] == [(2, 0), (2, 1), (2, 1)]
    assert len(again.ticks) == 3


async def test_history_comes_one_event_a_session_and_never_of_today(feed: Feed) -> None:
    (daily,) = await feed.data.history("SPY", "1 day", "2 D", SESSION)
    assert (daily.request, daily.session_date) == ("ib.bars.1day", date(2026, 11, 20))
    rows = json.loads(daily.payload)
    assert rows[0][:3] == ["2026-11-19", 598.0, 601.0]
    fives = await feed.data.history("SPY", "5 mins", "2 D", SESSION)
    assert [e.session_date for e in fives] == [date(2026, 11, 19), date(2026, 11, 20)]
    assert json.loads(fives[0].payload)[0][0] == "2026-11-19T14:30:00+00:00"
    (minutes,) = await feed.data.history("SPY", "1 min", "1 D", SESSION)
    assert (minutes.request, len(json.loads(minutes.payload))) == ("ib.bars.1min", 4)


async def test_missing_history_is_an_error_that_says_so(tws: TwsSandbox, feed: Feed) -> None:
    tws.faults.set("history_error", "HMDS query returned no data")
    with pytest.raises(RequestFailed, match=r"162.*returned no data"):
        await feed.data.history("SPY", "1 day", "2 D", SESSION)


async def test_history_that_never_comes_costs_the_request_and_not_the_connection(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    """The farm of history may be down for hours while quotes flow."""
    tws.faults.set("swallow_history")
    feed.data._history._answer_seconds = 0.1
    with pytest.raises(RequestFailed, match=r"no answer within 0\.1 s"):
        await feed.data.history("SPY", "1 day", "2 D", SESSION)
    await open_spy(feed)
    await until(lambda: feed.ticks(SPY))
    assert feed.data.connection == "run-1/ib.data/1"


async def test_everything_wanted_is_subscribed_anew_after_a_reconnect(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    await open_spy(feed, depth=True)
    feed.data.open_option(CALL)
    await until(lambda: feed.ticks(CALL_600) and feed.all(IbDepthReceived))
    tws.faults.set("disconnect", "reset")
    await until(lambda: (FeedState.DOWN, "the socket was closed") in feed.states)
    feed.events.clear()
    await until(lambda: feed.ticks(CALL_600) and feed.all(IbDepthReceived))
    await until(lambda: tws._sessions[8].feed._bars)
    assert feed.all(IbTicksReceived)[0].connection == "run-1/ib.data/2"
    assert feed.states[-1][0] is FeedState.READY


async def test_a_frozen_peer_is_noticed_although_the_socket_stays_open(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    tws.faults.set("freeze")
    await until(lambda: feed.states[-1][0] is FeedState.DOWN)
    assert "no answer to currentTime" in feed.states[-1][1]
    tws.faults.set("freeze", False)
    await until(lambda: feed.data.state is FeedState.CONNECTED)


async def test_dead_bars_behind_a_live_link_are_asked_for_anew_then_the_link_goes(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    """A short farm outage has left bar streams dead with no other sign."""
    await open_spy(feed)
    await until(lambda: feed.data.state is FeedState.READY)
    first = set(tws._sessions[8].feed._bars)
    asked_anew: set[int] = set()
    feed.expects = True

    def given_up_while_quotes_flow() -> bool:
        tws.on_updates([market.underlying_quoted("SPY", 600.10, 600.12)])
        if 8 in tws._sessions:
            asked_anew.update(set(tws._sessions[8].feed._bars) - first)
        return any(state is FeedState.DOWN for state, _ in feed.states)

    await until(given_up_while_quotes_flow)
    assert asked_anew
    down = [state for state, _ in feed.states].index(FeedState.DOWN)
    before, reason = feed.states[down - 1]
    # The new subscription brought no bar: quotes alone are no recovery.
    assert before is FeedState.MUTE and "bars SPY 756733" in reason
    assert "bars SPY 756733" in feed.states[down][1]
    await until(lambda: feed.data.connection == "run-1/ib.data/2")


async def test_bars_that_flow_after_a_new_subscription_end_the_silence(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    await open_spy(feed)
    await until(lambda: feed.data.state is FeedState.READY)
    first = set(tws._sessions[8].feed._bars)
    feed.limits(mute_seconds=1.0)
    feed.expects = True
    await until(lambda: any(state is FeedState.MUTE for state, _ in feed.states))
    await until(lambda: set(tws._sessions[8].feed._bars) - first)

    def bars_end_it() -> bool:
        tws.on_updates([bar(), market.underlying_quoted("SPY", 600.10, 600.12)])
        return feed.states[-1] == (FeedState.READY, "data flows again")

    await until(bars_end_it)
    assert feed.data.connection == "run-1/ib.data/1"


async def test_members_that_are_refused_or_still_are_not_held_against_the_connection(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    """A halted stock is silent for five minutes, and a member without permission for ever."""
    await open_spy(feed)
    halted = await feed.data.underlying("AAPL")
    refused = halted.model_copy(update={"symbol": "GONE", "con_id": 999_999})
    for member in (halted, refused):
        feed.data.want_underlying(member, bars=False, depth=False)
    await until(lambda: feed.data.state is FeedState.READY and feed.refused)
    feed.limits(member_seconds=0.5)
    feed.expects = True
    first = set(tws._sessions[8].feed._lines)
    began = time.monotonic()

    def five_mute_times_have_passed() -> bool:
        tws.on_updates([bar(), market.underlying_quoted("SPY", 600.10, 600.12)])
        return time.monotonic() - began > 5 * feed.data._timing.limits.mute_seconds

    await until(five_mute_times_have_passed)
    assert feed.data.connection == "run-1/ib.data/1"
    assert [state for state, _ in feed.states] == [FeedState.CONNECTED, FeedState.READY]
    assert feed.refused == [("ticks GONE 999999", 200)]
    asked_anew = set(tws._sessions[8].feed._lines) - first
    assert asked_anew  # the silent one, on its own


async def test_a_mute_feed_is_ready_again_when_data_flow(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    await open_spy(feed)
    await until(lambda: feed.data.state is FeedState.READY)
    tws.faults.set("notice", 1100)
    await until(lambda: feed.data.state is FeedState.MUTE)
    tws.on_updates([bar(), market.underlying_quoted("SPY", 600.10, 600.12)])
    await until(lambda: feed.data.state is FeedState.READY)
    assert feed.states[-1] == (FeedState.READY, "data flows again")


async def test_lost_data_are_requested_again_after_1101(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    await open_spy(feed)
    await until(lambda: feed.ticks(SPY) and tws._sessions[8].feed._bars)
    before = set(tws._sessions[8].feed._lines) | set(tws._sessions[8].feed._bars)
    tws.faults.set("notice", 1101)
    held = tws._sessions[8].feed
    await until(lambda: not before & (set(held._lines) | set(held._bars)) and held._bars)
    assert len(held._lines) == 1  # cancelled first: none leaks


async def test_a_competing_session_is_a_state_of_its_own(
    tws: TwsSandbox, feed: Feed, market: StillMarket, until: Until
) -> None:
    feed.data.open_option(CALL)
    await until(lambda: feed.data.state is FeedState.READY)
    tws.faults.set("competing_session")
    await until(lambda: feed.data.state is FeedState.COMPETING_SESSION)
    tws.faults.set("competing_session", False)
    market.set_quote(CALL_600, 1.30, 1.35)
    await until(lambda: feed.data.state is FeedState.READY)


async def test_delayed_data_are_marked_so_that_nothing_trades_on_them(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    tws.faults.set("market_data_type", 3)
    feed.data.open_option(CALL)
    await until(lambda: feed.all(IbTicksReceived))
    assert {e.market_data_type for e in feed.all(IbTicksReceived)} == {3}


async def test_a_refused_subscription_is_told_with_its_line(feed: Feed, until: Until) -> None:
    feed.data.open_option(listed_option(999_999, 600, Right.CALL))
    await until(lambda: feed.refused)
    assert feed.refused == [("ticks SPY 999999", 200)]


async def test_an_unreadable_message_is_kept_with_its_reason(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    tws._sessions[8].send_frames([frame(1, 6, 11, "not a tick type", 1.0, 1, 0)])
    await until(lambda: feed.all(FeedMessageRejected))
    assert feed.data.state is FeedState.CONNECTED


async def test_a_feed_without_tws_is_down_and_goes_on_trying(
    tws: TwsSandbox, feed: Feed, until: Until
) -> None:
    tws.faults.set("refuse_connections")
    tws.faults.set("disconnect", "reset")
    await until(lambda: feed.data.state is FeedState.DOWN)
    tws.faults.set("refuse_connections", False)
    await asyncio.wait_for(feed.data.wait_connected(), 30.0)
    assert feed.data.state is FeedState.CONNECTED
