"""Answers of the vendor's REST interface on their way to the log, and what is asked after them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from aiohttp import web

from adapters.unusual_whales import UwRest
from domain.events.controls import AlertRaised, FeedPauseRequested
from domain.events.feed_health import (
    EndpointDisabled,
    FeedGapClosed,
    FeedGapOpened,
    FeedStateChanged,
    RestBudgetPlanned,
)
from domain.events.feeds import FeedMessageRejected, LinesWanted, UwRestReceived, WantedLine
from domain.instruments import OptionContract, Right
from domain.payloads.unusual_whales.endpoint import Each, Endpoint, Priority, Schedule, Storage
from run.feeds.intake import Intake
from run.feeds.rest_plan import Job
from run.feeds.states import FeedStates
from run.feeds.uw_rest import RestFeed, batches_taken
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.on_the_log import bodies
from tests.run.feeds.conftest import DAY, OPEN, StandingClock
from tests.run.feeds.vendor import RestVendor, serving_rest
from tests.waiting import Until

PAGE = "<html>error code: 1020</html>"
REAL = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)
FLOWS = {"uw.socket": frozenset({"price"})}


@pytest.fixture
async def vendor() -> AsyncIterator[RestVendor]:
    async with serving_rest() as made:
        yield made


class Times:
    """The real time that the quota is counted by."""

    now = REAL


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
async def rest(vendor: RestVendor, times: Times) -> AsyncIterator[UwRest]:
    async with UwRest(
        vendor.url, "token", limit_factor=100.0, backoff_seconds=0.001, now=lambda: times.now
    ) as client:
        yield client


@pytest.fixture
def feed(rest: UwRest, intake: Intake, states: FeedStates, clock: StandingClock) -> RestFeed:
    states.changed("uw.socket", "ready", "", "c1")
    return RestFeed(rest, intake, states, clock, DAY, FLOWS)


def job(path: str, pages_max: int = 1) -> Job:
    schedule = Schedule(Each.MARKET, seconds=60, pages_max=pages_max)
    endpoint = Endpoint(
        path, "", "data[]", Storage.HOT, "60 s", "basic", Priority.NEEDED, (schedule,)
    )
    return Job(endpoint, schedule, key=path)


def refusal(status: int, text: str = '{"code":"refused"}') -> web.Response:
    return web.Response(status=status, text=text, content_type="application/json")


def page() -> web.Response:
    return web.Response(status=403, text=PAGE, content_type="text/html")


@asynccontextmanager
async def scheduled(feed: RestFeed) -> AsyncIterator[None]:
    """The schedule runs inside the block; a defect of it shows at its end."""
    feed.list_expiries({})
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled():
        task.result()


async def written(intake: Intake) -> None:
    """All that was put is on the log."""
    await intake.finish(asyncio.create_task(intake.run()), 5.0)


async def states_of(store: PostgresStore, name: str = "uw.rest") -> list[str]:
    return [b.state for b in await bodies(store, FeedStateChanged) if b.feed == name]


# Answers.


async def test_an_answer_that_is_no_json_is_kept_as_rejected_and_the_feeds_go_on(
    vendor: RestVendor, feed: RestFeed, intake: Intake, store: PostgresStore, until: Until
) -> None:
    """An edge in front of the vendor refuses with pages: trouble, no refusal of the vendor's."""
    vendor.say("/refused", page(), page())
    for path in ("/refused", "/tide"):
        await feed.ask(job(path))
    await written(intake)
    (rejected,) = await bodies(store, FeedMessageRejected)
    assert (rejected.vendor, rejected.feed) == ("uw", "uw.rest")
    assert "/refused: status 403" in rejected.reason
    assert base64.b64decode(rejected.payload_base64).decode() == PAGE
    assert [body.path for body in await bodies(store, UwRestReceived)] == ["/tide"]
    assert await bodies(store, EndpointDisabled) == []
    assert vendor.calls["/refused"] == 2


@pytest.mark.parametrize(
    ("status", "severity", "code"),
    [
        (401, "critical", "REST_LOGIN_REFUSED"),
        (403, "warning", "ENDPOINT_DISABLED"),
        (404, "warning", "ENDPOINT_DISABLED"),
        (422, "warning", "ENDPOINT_DISABLED"),
    ],
)
async def test_a_refused_endpoint_is_off_for_the_session_and_told_once(
    vendor: RestVendor,
    feed: RestFeed,
    intake: Intake,
    store: PostgresStore,
    clock: StandingClock,
    until: Until,
    status: int,
    severity: str,
    code: str,
) -> None:
    path = "/api/market/top-net-impact"
    vendor.say(path, refusal(status))
    async with scheduled(feed):
        await until(lambda: feed.is_idle)
        for _ in range(6):
            clock.move(130)
            await until(lambda: feed.is_idle)
    await written(intake)
    assert vendor.calls[path] == 1
    assert vendor.calls["/api/market/market-tide"] >= 6
    (disabled,) = await bodies(store, EndpointDisabled)
    assert (disabled.endpoint, disabled.status) == (path, status)
    assert disabled.session_date == DAY.session_date
    (alert,) = await bodies(store, AlertRaised)
    assert (alert.severity, alert.code) == (severity, code)
    refused = [b for b in await bodies(store, UwRestReceived) if b.status == status]
    assert len(refused) == 1
    assert await states_of(store) == ["ready"]


async def test_an_unknown_ticker_switches_its_path_off_and_not_its_endpoint(
    vendor: RestVendor, feed: RestFeed, intake: Intake, clock: StandingClock, until: Until
) -> None:
    vendor.say("/api/stock/IWM/gex-levels", refusal(404, "{}"))
    async with scheduled(feed):
        for _ in range(5):
            clock.move(65)
            await until(lambda: feed.is_idle)
    assert vendor.calls["/api/stock/IWM/gex-levels"] == 1
    assert vendor.calls["/api/stock/SPY/gex-levels"] >= 4


async def test_one_endpoint_in_trouble_waits_and_does_not_make_the_feed_flap(
    vendor: RestVendor,
    feed: RestFeed,
    intake: Intake,
    store: PostgresStore,
    clock: StandingClock,
    until: Until,
) -> None:
    path = "/api/market/market-tide"
    broken = [refusal(503) for _ in range(8)]
    vendor.say(path, *broken)
    async with scheduled(feed):
        for _ in range(60):
            clock.move(30)
            await until(lambda: feed.is_idle)
    await written(intake)
    assert 8 < vendor.calls[path] <= 8 + 25  # four asks of two tries, waits of 450 s in all
    (opened,) = await bodies(store, FeedGapOpened)
    (closed,) = await bodies(store, FeedGapClosed)
    assert (opened.channel, closed.channel) == (path, path)
    assert opened.gap_id == closed.gap_id
    assert await states_of(store) == ["ready"]


async def test_the_feed_is_down_when_nothing_answers_and_ready_with_the_first_that_does(
    vendor: RestVendor, feed: RestFeed, intake: Intake, store: PostgresStore, until: Until
) -> None:
    await feed.ask(job("/one"))
    for path in ("/two", "/three", "/four"):
        vendor.say(path, refusal(500), refusal(500))
        await feed.ask(job(path))
    await feed.ask(job("/five"))
    await written(intake)
    assert await states_of(store) == ["ready", "down", "ready"]


async def test_pages_are_asked_for_until_one_is_not_full(
    vendor: RestVendor, feed: RestFeed
) -> None:
    path = "/api/stock/{ticker}/oi-change"
    known = job(path, pages_max=4)
    full = web.json_response({"data": [{"rnk": n} for n in range(50)]})
    vendor.say(known.path, full, web.json_response({"data": [{"rnk": 51}]}))
    await feed.ask(known)
    asked = [q.partition("?")[2] for q in vendor.queries]
    assert asked == ["", "page=1"]


async def test_a_restart_does_not_ask_again_for_what_the_day_has_already(
    vendor: RestVendor,
    feed: RestFeed,
    rest: UwRest,
    intake: Intake,
    states: FeedStates,
    store: PostgresStore,
    recorder: Recorder,
    clock: StandingClock,
    until: Until,
) -> None:
    """Batches by the time of day are on the log once they were answered well; one that failed is
    asked for again, and so is what decisions read."""
    daily, failed = "/api/stock/SPY/oi-per-strike", "/api/stock/SPY/oi-per-expiry"
    vendor.say(failed, refusal(503), refusal(503))

    async def quarter_of_an_hour(running: RestFeed) -> None:
        async with scheduled(running):
            for _ in range(9):
                await until(lambda: running.is_idle)
                clock.move(110)
            await until(lambda: running.is_idle)

    await quarter_of_an_hour(feed)
    await written(intake)
    assert (vendor.calls[daily], vendor.calls[failed]) == (1, 2)
    taken = await batches_taken(store, DAY.session_date)
    assert any("oi-per-strike" in key and key.endswith("SPY () ") for key in taken)
    assert await batches_taken(store, DAY.session_date + timedelta(days=1)) == {}
    restarted = RestFeed(rest, Intake(recorder), states, clock, DAY, FLOWS)
    restarted.remember(taken)
    await quarter_of_an_hour(restarted)
    assert (vendor.calls[daily], vendor.calls[failed]) == (1, 3)
    assert vendor.calls["/api/stock/SPY/gex-levels"] > 9


# The quota.


async def test_a_spent_quota_stops_the_schedule_until_it_turns_over_at_20_00(
    vendor: RestVendor,
    feed: RestFeed,
    times: Times,
    intake: Intake,
    store: PostgresStore,
    clock: StandingClock,
    until: Until,
) -> None:
    spent = '{"code":"daily_request_limit_hit","message":"40000"}'
    async with scheduled(feed):
        await until(lambda: feed.is_idle)
        vendor.say("/api/market/market-tide", refusal(429, spent))
        clock.move(65)
        await until(lambda: feed.is_idle)
        before = vendor.calls.total()
        for _ in range(3):
            clock.move(120)
            await until(lambda: feed.is_idle)
        assert vendor.calls.total() == before
        times.now = datetime(2026, 10, 7, 0, 0, tzinfo=UTC)
        clock.move(120)
        await until(lambda: vendor.calls.total() > before)
        await until(lambda: feed.is_idle)
    await written(intake)
    assert await states_of(store) == ["ready", "down", "ready"]


async def test_at_90_percent_of_the_quota_priority_2_stops(
    vendor: RestVendor, feed: RestFeed, clock: StandingClock, intake: Intake, until: Until
) -> None:
    useful, decides = "/api/market/top-net-impact", "/api/market/market-tide"
    vendor.headers["x-uw-daily-req-count"] = "36000"
    async with scheduled(feed):
        await until(lambda: feed.is_idle)
        for _ in range(5):
            clock.move(125)
            await until(lambda: feed.is_idle)
    assert vendor.calls[useful] == 0
    assert vendor.calls[decides] >= 5


async def test_the_plan_of_the_day_is_told_with_what_it_leaves_out(
    vendor: RestVendor, feed: RestFeed, intake: Intake, store: PostgresStore, until: Until
) -> None:
    vendor.headers |= {"x-uw-token-req-limit": "1500"}
    async with scheduled(feed):
        await until(lambda: feed.is_idle)
    await written(intake)
    (planned,) = await bodies(store, RestBudgetPlanned)
    assert planned.session_date == DAY.session_date
    assert 1_300 <= planned.calls_left <= 1_400
    assert planned.calls_planned <= planned.calls_left * 0.95
    assert "/api/market/top-net-impact" in planned.dropped
    assert planned.calls_a_minute_max == 100 * 100


async def test_the_day_is_planned_again_before_the_open(
    vendor: RestVendor,
    feed: RestFeed,
    intake: Intake,
    store: PostgresStore,
    clock: StandingClock,
    until: Until,
) -> None:
    clock.time = OPEN - timedelta(hours=2)
    async with scheduled(feed):
        await until(lambda: feed.is_idle)
        clock.move(95 * 60)
        await until(lambda: feed.is_idle)
    await written(intake)
    first, second = await bodies(store, RestBudgetPlanned)
    assert second.calls_planned < first.calls_planned
    assert (first.dropped, second.dropped) == ((), ())


async def test_the_contracts_that_the_trader_holds_are_watched(
    vendor: RestVendor,
    feed: RestFeed,
    store: PostgresStore,
    recorder: Recorder,
    clock: StandingClock,
    until: Until,
) -> None:
    """Of what it wants lines for: what it only thinks of buying is none of them."""
    contracts = [
        OptionContract(
            con_id=con_id,
            symbol="SPY",
            expiry=DAY.session_date,
            strike=Decimal(strike),
            right=Right.CALL,
        )
        for con_id, strike in ((1, "770"), (2, "775"))
    ]
    lines = tuple(
        WantedLine(contract=contract, reason=reason)
        for contract, reason in zip(contracts, ("held", "entry"), strict=True)
    )
    await recorder.record("lines/trader", LinesWanted(requester="trader", lines=lines))
    (wanted,) = await store.read(0, Selection(types=frozenset({"LinesWanted"})))
    async with scheduled(feed):
        feed.note(wanted)
        for _ in range(3):
            clock.move(65)
            await until(lambda: feed.is_idle)
    asked = {path for path in vendor.calls if path.startswith("/api/option-contract/")}
    assert asked == {"/api/option-contract/SPY261006C00770000/intraday"}


async def test_a_paused_feed_asks_nothing(
    vendor: RestVendor,
    feed: RestFeed,
    intake: Intake,
    states: FeedStates,
    clock: StandingClock,
    store: PostgresStore,
    recorder: Recorder,
    until: Until,
) -> None:
    async with scheduled(feed):
        await until(lambda: feed.is_idle)
        before = vendor.calls.total()
        pause = FeedPauseRequested(feed="uw.rest", who="me", route="api", reason="test")
        await recorder.record("controls", pause)
        (asked,) = await store.read(0, Selection(types=frozenset({"FeedPauseRequested"})))
        states.obey(asked)
        clock.move(300)
        await until(lambda: feed.is_idle)
        assert vendor.calls.total() == before
