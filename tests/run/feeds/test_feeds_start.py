"""The feeds of one vendor do not wait for the other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import structlog

from adapters.calendar import plan_session
from domain.events.feeds import HistoryReady, UwPriceReceived, UwRestReceived
from domain.events.system import CLOCK_STREAM, ClockStarted, SessionPlanned
from run.config import Settings
from run.embedded import free_port
from run.feeds.__main__ import Feeds
from run.feeds.interactive_brokers import calendar_expiries
from run.feeds.uw_socket import channels
from run.service import Process
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.run.feeds.conftest import bodies
from tests.run.feeds.vendor import Vendor, serving

OPEN = datetime(2026, 11, 27, 14, 35, tzinfo=UTC)


async def test_without_tws_the_session_is_planned_and_unusual_whales_is_ingested(
    store: PostgresStore, database_url: str, recorder: Recorder, tmp_path: Path
) -> None:
    vendor = Vendor([b'["price:SPY",{"close":"600.1"}]'], len(channels()))
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
        )
        log = structlog.get_logger("feeds")
        process = Process("feeds", "build", "run", settings, store, recorder, log)
        feeding = asyncio.create_task(Feeds(process, broker_seconds_max=0.2).run())
        async with asyncio.timeout(20.0):
            while not await bodies(store, UwRestReceived):
                assert not feeding.done(), feeding.exception()
                await asyncio.sleep(0.02)
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
    assert [body.channel for body in await bodies(store, UwPriceReceived)] == ["price:SPY"]
    (plan,) = await bodies(store, SessionPlanned)
    assert plan.day.session_date == OPEN.date()
    (ready,) = await bodies(store, HistoryReady)
    assert any(name.startswith("ib.bars") for name in ready.warmup)


def test_expiries_by_the_calendar_are_sessions_near_and_ends_of_weeks_far() -> None:
    plan = plan_session(OPEN.date())
    found = calendar_expiries(plan)["SPY"]
    assert found[:4] == [plan.day.session_date, *(d.session_date for d in plan.later[:3])]
    sessions = {d.session_date for d in (plan.day, *plan.later)}
    assert set(found) <= sessions
    ends = {day.isocalendar()[:2]: day for day in sorted(sessions)}
    far = [day for day in found if (day - found[0]).days > 9]
    assert far and all(ends[day.isocalendar()[:2]] == day for day in far)
