"""Closed gaps of the vendor's socket are asked for again, marked, bounded, and told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from adapters.unusual_whales import UwRest
from domain.events.feed_health import FeedGapClosed, FeedGapFilled
from domain.events.feeds import UwRestReceived
from domain.payloads.unusual_whales.endpoints import ENDPOINTS
from run.feeds.backfill import NOTHING_EQUAL, PAGES_MAX, REFILLS, Backfill, Gap
from run.feeds.intake import Intake
from run.feeds.states import FeedStates
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.on_the_log import bodies
from tests.run.feeds.conftest import OPEN, StandingClock, running
from tests.run.feeds.vendor import RestVendor, serving_rest
from tests.waiting import Until

SINCE = OPEN + timedelta(minutes=20)
UNTIL = SINCE + timedelta(minutes=2)
CHANNELS = ("option_trades:SPY", "market_tide", "trading_halts")


@pytest.fixture
async def vendor() -> AsyncIterator[RestVendor]:
    async with serving_rest() as made:
        yield made


@pytest.fixture
async def fill(
    vendor: RestVendor, intake: Intake, states: FeedStates, clock: StandingClock
) -> AsyncIterator[Backfill]:
    async with UwRest(vendor.url, "token", limit_factor=100.0, backoff_seconds=0.001) as rest:
        yield Backfill(rest, intake, states, clock, CHANNELS, OPEN, seconds_apart=0.2)


def closed(channel: str, since: datetime = SINCE, *, complete: bool = False) -> FeedGapClosed:
    return FeedGapClosed(
        feed="uw.socket",
        since=since,
        until=since + (UNTIL - SINCE),
        cause="reconnected",
        channel=channel,
        complete=complete,
    )


def trades(*seconds: float) -> web.Response:
    """Trades so many seconds after the gap began, newest first."""
    rows = [{"id": s, "executed_at": (SINCE + timedelta(seconds=s)).isoformat()} for s in seconds]
    return web.json_response({"data": rows})


async def outcome(
    fill: Backfill, intake: Intake, store: PostgresStore, channel: str
) -> FeedGapFilled:
    async with running(intake):
        await fill.fill([Gap(closed(channel), channel)])
        await intake.finish(asyncio.create_task(intake.run()), 5.0)
    (filled,) = await bodies(store, FeedGapFilled)
    return filled


async def test_trades_are_walked_back_and_count_once_though_cursors_are_inclusive(
    fill: Backfill, vendor: RestVendor, intake: Intake, store: PostgresStore
) -> None:
    newest = [119 - n * 0.1 for n in range(500)]
    vendor.say("/api/option-trades", trades(*newest), trades(newest[-1], 30, 5))
    filled = await outcome(fill, intake, store, "option_trades:SPY")
    assert (filled.calls, filled.rows, filled.complete, filled.reason) == (2, 502, True, "")
    epoch = int(SINCE.timestamp())
    first, second = vendor.queries
    assert f"newer_than={epoch}" in first and f"older_than={epoch + 121}" in first
    assert "limit=500" in first and "ticker_symbol=SPY" in first
    assert f"older_than={int(SINCE.timestamp() + newest[-1]) + 1}" in second


async def test_what_fills_a_gap_is_marked_and_names_it(
    fill: Backfill, intake: Intake, store: PostgresStore
) -> None:
    filled = await outcome(fill, intake, store, "market_tide")
    (answer,) = await bodies(store, UwRestReceived)
    assert (answer.purpose, answer.gap_id) == ("backfill", filled.gap_id)
    assert answer.endpoint == "/api/market/market-tide"


async def test_a_gap_too_large_for_its_pages_is_told_as_not_complete(
    fill: Backfill, vendor: RestVendor, intake: Intake, store: PostgresStore
) -> None:
    for number in range(PAGES_MAX):
        newest = 119 - number
        vendor.say("/api/option-trades", trades(*(newest - n / 500 for n in range(500))))
    filled = await outcome(fill, intake, store, "option_trades:SPY")
    assert (filled.calls, filled.complete) == (PAGES_MAX, False)
    assert "did not reach back" in filled.reason


async def test_a_page_of_json_that_cannot_be_read_ends_the_walk_and_not_the_feeds(
    fill: Backfill, vendor: RestVendor, intake: Intake, store: PostgresStore
) -> None:
    body = b'{"data":[{"id":1,"price":1e999}]}'
    vendor.say("/api/option-trades", web.Response(body=body, content_type="application/json"))
    filled = await outcome(fill, intake, store, "option_trades:SPY")
    assert (filled.calls, filled.complete) == (1, False)
    assert "did not reach back" in filled.reason
    (answer,) = await bodies(store, UwRestReceived)
    assert bytes(answer.payload) == body


async def test_a_cursor_that_stands_still_ends_the_walk(
    fill: Backfill, vendor: RestVendor, intake: Intake, store: PostgresStore
) -> None:
    """Five hundred trades of one second: the next page would be the same one."""
    rows = web.json_response(
        {"data": [{"id": n, "executed_at": UNTIL.isoformat()} for n in range(500)]}
    )
    again = web.json_response(
        {"data": [{"id": n, "executed_at": UNTIL.isoformat()} for n in range(500)]}
    )
    vendor.say("/api/option-trades", rows, again)
    filled = await outcome(fill, intake, store, "option_trades:SPY")
    assert (filled.calls, filled.rows, filled.complete) == (2, 500, False)


@pytest.mark.parametrize(
    ("channel", "calls", "reason"),
    [
        ("price:IWM", 2, "bars of a minute only"),
        ("gex:SPY", 1, "rows of a minute, without delta"),
        ("gex_strike:QQQ", 1, "newest board only"),
        ("net_flow:SPY", 1, ""),
        ("news", 1, ""),
        ("flow-alerts", 1, ""),
        ("off_lit_trades:SPY", 1, ""),
        ("interpolated_iv:SPY", 1, "newest values only"),
        ("trading_halts", 0, NOTHING_EQUAL),
        ("gex_strike_expiry:SPY", 0, NOTHING_EQUAL),
    ],
)
async def test_each_channel_says_what_its_refill_is_worth(
    fill: Backfill,
    intake: Intake,
    store: PostgresStore,
    channel: str,
    calls: int,
    reason: str,
) -> None:
    filled = await outcome(fill, intake, store, channel)
    assert (filled.channel, filled.calls, filled.reason) == (channel, calls, reason)
    assert filled.complete == (not reason)


async def test_a_vendor_that_refuses_leaves_the_gap_open_and_says_why(
    fill: Backfill, vendor: RestVendor, intake: Intake, store: PostgresStore
) -> None:
    vendor.say("/api/market/market-tide", web.json_response({"code": "x"}, status=403))
    filled = await outcome(fill, intake, store, "market_tide")
    assert not filled.complete
    assert "status 403" in filled.reason


async def test_a_gap_of_the_whole_feed_is_one_of_each_channel_and_filled_once(
    fill: Backfill,
    intake: Intake,
    store: PostgresStore,
    recorder: Recorder,
    until: Until,
) -> None:
    """Gaps of an earlier run too, unless they were filled, were none, or are of another day."""
    yesterday = OPEN - timedelta(hours=18)
    for body in (
        closed("news"),
        closed("net_flow:SPY", complete=True),
        closed("net_flow:SPY", yesterday),
        FeedGapFilled(
            feed="uw.socket", channel="news", since=SINCE, until=UNTIL, calls=1, rows=0,
            complete=True, reason="",
        ),
    ):  # fmt: skip
        await recorder.record("feed/uw.socket", body)
    async with running(intake):
        filling = asyncio.create_task(fill.run(store))
        await recorder.record("feed/uw.socket", closed(""))
        await until(lambda: intake.appended >= len(CHANNELS) + 2)
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
    filled = [body.channel for body in await bodies(store, FeedGapFilled)]
    assert filled == ["news", *CHANNELS]


async def test_gaps_of_a_connection_that_comes_and_goes_are_asked_for_together(
    fill: Backfill,
    vendor: RestVendor,
    intake: Intake,
    store: PostgresStore,
    recorder: Recorder,
    until: Until,
) -> None:
    """Or they would take the calls of the minute from everything else."""
    flaps = [closed("news", SINCE + timedelta(minutes=3 * n)) for n in range(10)]
    async with running(intake):
        filling = asyncio.create_task(fill.run(store))
        await recorder.record("feed/uw.socket", flaps[0])
        await until(lambda: vendor.calls.total() == 1)
        await recorder.append([recorder.propose("feed/uw.socket", flap) for flap in flaps[1:]])
        await until(lambda: intake.appended >= 2 + len(flaps))
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
    filled = await bodies(store, FeedGapFilled)
    assert [body.since for body in filled] == [flap.since for flap in flaps]
    assert [body.calls for body in filled] == [1, *[0] * 8, 1]
    assert all(body.complete for body in filled)
    assert vendor.calls == {"/api/news/headlines": 2}


def test_only_endpoints_that_are_classified_are_asked() -> None:
    known = {endpoint.path for endpoint in ENDPOINTS}
    assert {refill.endpoint for refills in REFILLS.values() for refill in refills} <= known
