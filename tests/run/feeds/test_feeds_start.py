"""The feeds of one vendor do not wait for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from adapters.calendar import plan_session
from adapters.interactive_brokers.feed_callbacks import Timing
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.recording import Day
from adapters.recording.tape import IB_ASKED, IB_HEARD, REST, SOCKET
from domain.events.feed_health import FeedGapClosed, FeedGapOpened
from domain.events.feeds import ChainListed, HistoryReady, UwPriceReceived, UwRestReceived
from domain.events.session_hours import OVERRIDES_STREAM, SessionOverridden
from domain.events.system import (
    CLOCK_STREAM,
    SESSION_STREAM,
    ClockStarted,
    ParametersChanged,
    SessionPlanned,
)
from domain.parameters import PARAMETERS
from domain.payloads.unusual_whales.channel_table import joined
from run.config import Settings
from run.embedded import free_port
from run.feeds.__main__ import Feeds
from run.feeds.broker_chains import calendar_expiries, chosen_expiries
from run.feeds.start import write_missing_parameters
from run.service import Process
from run.worker import Recorder
from store.contract import PAGE_EVENTS_MAX
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.still_market import OPEN_AT, StillClock, StillMarket
from tests.on_the_log import bodies
from tests.run.feeds.vendor import Vendor, serving
from tests.store.propose import propose

OPEN = OPEN_AT + timedelta(minutes=5)


async def seen(condition: Callable[[], Awaitable[object]], feeding: asyncio.Task[None]) -> None:
    """Wait until a condition holds, while the feeds run."""
    async with asyncio.timeout(60.0):
        while not await condition():
            assert not feeding.done(), feeding.exception()
            await asyncio.sleep(0.02)


async def test_a_parameter_is_missing_only_when_no_change_on_the_log_set_it(
    store: PostgresStore, recorder: Recorder
) -> None:
    """Also behind the first page of changes: a default must not undo what an operator set."""
    changes = [
        ParametersChanged(values={"some.other": 1.0}, version=n, who="w", why="test")
        for n in range(1, PAGE_EVENTS_MAX + 1)
    ]
    version = len(changes) + 1
    values = {name: parameter.default for name, parameter in PARAMETERS.items()}
    changes.append(ParametersChanged(values=values, version=version, who="w", why="test"))
    await store.append([propose(body, "parameters", body.version) for body in changes])
    assert await write_missing_parameters(store, recorder, PARAMETERS) == 0


async def test_without_tws_unusual_whales_is_ingested_and_tws_joins_when_it_comes(
    store: PostgresStore, database_url: str, recorder: Recorder, tmp_path: Path
) -> None:
    vendor = Vendor([b'["price:SPY",{"close":"600.1"}]'], len(joined()))
    started = ClockStarted(base_market_time=OPEN, speed=1.0, session_date=OPEN.date())
    await recorder.record(CLOCK_STREAM, started)
    async with serving(vendor) as server:
        settings = Settings(
            DATABASE_URL=database_url,
            REDIS_URL="redis://127.0.0.1:1",
            var_dir=tmp_path,
            ib_port=free_port(),
            basket=(),
            uw_rest_url=str(server.make_url("")),
            uw_socket_url=str(server.make_url("/socket")),
            uw_token="token",
            uw_limit_factor=1_000.0,
            record_feeds=True,
        )
        log = structlog.get_logger("feeds")
        process = Process("feeds", "build", "run", settings, store, recorder, log)
        feeds = Feeds(process, broker_seconds_max=0.0)
        feeds._broker.data._timing = Timing(backoff_seconds=(0.1,))
        feeding = asyncio.create_task(feeds.run())
        await seen(lambda: bodies(store, UwRestReceived), feeding)
        (plan,) = await bodies(store, SessionPlanned)
        (ready,) = await bodies(store, HistoryReady)
        assert await bodies(store, UwPriceReceived)
        assert any(name.startswith("ib.bars.1day") for name in ready.warmup)
        assert not await bodies(store, ChainListed)
        await _takes_new_hours(store, recorder, feeding, plan)
        market = StillMarket()
        tws = TwsSandbox(market, StillClock(market), tmp_path / "tws")
        await tws.start("127.0.0.1", settings.ib_port)

        async def has_joined() -> bool:
            return len(await bodies(store, HistoryReady)) == 2

        await seen(has_joined, feeding)
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await tws.stop()
        await _starts_again(
            Process("feeds", "build", "next", settings, store, recorder, log), vendor
        )
    _has_recorded(tmp_path / "recordings")
    assert plan.day.session_date == OPEN.date()
    assert len(await bodies(store, SessionPlanned)) == 3, "a start writes the plan of now once"
    assert {body.symbol for body in await bodies(store, ChainListed)} == {"SPY"}
    ready = (await bodies(store, HistoryReady))[-1]
    assert not any(name.startswith("ib.bars.1day") for name in ready.warmup)


async def _takes_new_hours(
    store: PostgresStore, recorder: Recorder, feeding: asyncio.Task[None], plan: SessionPlanned
) -> None:
    """Of the session and of one to come; each is answered with a plan that it caused."""
    sooner, closed = plan.day.close_at - timedelta(hours=3), plan.later[1].session_date
    for number, (day, hours) in enumerate(
        ((plan.day.session_date, (plan.day.open_at, sooner)), (closed, (None, None))), start=2
    ):
        body = SessionOverridden(
            session_date=day, open_at=hours[0], close_at=hours[1], who="ann", why="storm"
        )
        asked = await recorder.record(OVERRIDES_STREAM, body)

        async def is_answered(expected: int = number) -> bool:
            return len(await bodies(store, SessionPlanned)) == expected

        await seen(is_answered, feeding)
        newest = (await store.read_stream(SESSION_STREAM))[-1]
        assert newest.causation_id == (await store.read_stream(OVERRIDES_STREAM))[-1].event_id
        assert newest.input_position is None and newest.position > asked.positions[0]
    assert isinstance(newest.body, SessionPlanned)
    assert newest.body.day.close_at == sooner and newest.body.day.is_half_day
    assert closed not in {day.session_date for day in newest.body.later}
    assert newest.body.later[1] == plan.later[2]


def _has_recorded(folder: Path) -> None:
    """What both processes heard is kept as it came."""
    heard = [record for day in folder.iterdir() for record in Day(day)]
    frames = [record.data for record in heard if record.source == SOCKET]
    assert b'["price:SPY",{"close":"600.1"}]' in frames
    assert b'["price:SPY",{"close":"600.2"}]' in frames
    assert any(record.name.startswith("/api/") for record in heard if record.source == REST)
    broker = [record for record in heard if record.source in (IB_HEARD, IB_ASKED)]
    assert any(record.data.startswith(b"1\x0011\0") for record in broker)  # a line of quotes
    assert not any(b"DU1234567" in record.data for record in broker)


async def _starts_again(process: Process, vendor: Vendor) -> None:
    """What came while no process ran is a gap, and the first datum ends it."""
    store = process.store
    (price,) = await bodies(store, UwPriceReceived)
    feeding = asyncio.create_task(Feeds(process, broker_seconds_max=0.0).run())
    vendor.frames = [b'["price:SPY",{"close":"600.2"}]']

    async def is_closed() -> bool:
        return any(gap.channel == "price:SPY" for gap in await bodies(store, FeedGapClosed))

    await seen(is_closed, feeding)
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    gaps = {(gap.feed, gap.channel): gap for gap in await bodies(store, FeedGapOpened)}
    gap = gaps["uw.socket", "price:SPY"]
    assert (gap.since, gap.cause) == (price.received_at, "the feeds were not running")
    assert len(gaps) == len(joined()) + 1 and ("ib.data", "") in gaps


def test_expiries_by_the_calendar_are_sessions_near_and_ends_of_weeks_far() -> None:
    plan = plan_session(OPEN.date())
    found = calendar_expiries(plan)["SPY"]
    assert found[:4] == [plan.day.session_date, *(d.session_date for d in plan.later[:3])]
    sessions = {d.session_date for d in (plan.day, *plan.later)}
    assert set(found) <= sessions
    ends = {day.isocalendar()[:2]: day for day in sorted(sessions)}
    far = [day for day in found if (day - found[0]).days > 9]
    assert far and all(ends[day.isocalendar()[:2]] == day for day in far)


@pytest.mark.parametrize(
    ("listed", "swing"),
    [
        ((29, 31, 34, 36, 39), {34, 36}),
        ((28, 31, 33, 38), {33}),
        ((20, 46), set()),
        ((21, 46), {21}),
        ((20, 45), {45}),
    ],
)
def test_the_expiry_nearest_thirty_five_days_is_listed_too(
    listed: tuple[int, ...], swing: set[int]
) -> None:
    """Both of two that are as near: the monthly one is to be among them."""
    today = OPEN.date()
    days = (0, 1, 2, 3, 8, 9, *listed, 59, 61)
    found = chosen_expiries([today + timedelta(days=n) for n in days], today)
    around_thirty = {max(n for n in days if n < 30), min(n for n in days if n >= 30)}
    assert {(e - today).days for e in found} == {0, 1, 2, 3, 8, 9, 59, 61} | around_thirty | swing


def test_the_next_nearest_is_listed_once_the_nearest_are_passed_over() -> None:
    """Monday's and Wednesday's are thin; without Friday's a nearer one would be traded instead."""
    today = OPEN.date()
    known = [today + timedelta(days=n) for n in (0, 1, 2, 3, 29, 31, 34, 36, 38, 59, 61)]
    friday = today + timedelta(days=38)
    thin = {today + timedelta(days=34), today + timedelta(days=36)}
    assert friday not in chosen_expiries(known, today)
    assert friday in chosen_expiries(known, today, passed=thin)


def test_an_expiry_of_a_line_that_is_wanted_stays_listed() -> None:
    """What was entered at 35 days is held at 26, between those that the metrics read."""
    today = OPEN.date()
    known = [today + timedelta(days=n) for n in (0, 1, 2, 3, 9, 19, 26, 29, 33, 61)]
    held = today + timedelta(days=26)
    usual = chosen_expiries(known, today)
    gone = today + timedelta(days=27)
    assert held not in usual
    assert chosen_expiries(known, today, {held, gone}) == sorted({*usual, held})
