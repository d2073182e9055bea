"""The keeper's work between two sessions, on the log of a desk that goes on in the morning.

What it writes for stages (alerts, the report of the ingestion) rests on real time, so that no
golden record could hold it: here the real jobs write it, and every decision comes out again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.market_model.scenario import SCENARIOS
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from domain.events.controls import AlertRaised
from domain.events.feed_health import IngestionReported
from domain.events.feeds import HistoryReady
from domain.events.log import LogSealed
from domain.events.publication import DeliveryScheduled, Vendor
from domain.events.system import JobFinished
from run.build import build_id
from run.keeper.jobs import JOBS, jobs_for
from run.keeper.rounds import NAME, Keeper
from run.keeper.runner import Jobs
from run.keeper.schedule import LOOKBACK
from run.replay import verify
from run.service import Process
from run.worker import Recorder
from run.workers import WORKERS
from tests.e2e.virtual_desk import Day, Stretch, opened
from tests.golden_days.days import MORNING
from tests.golden_days.play import whole_log

OF_THE_MACHINE = ("log_files", "redis_memory")
"""Jobs that write nothing which a stage reads, about what is not here."""
MINUTES = timedelta(minutes=6)
STEP = timedelta(seconds=60)


@pytest.fixture
async def day(store: Any, tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Day]:
    """The desk after the first minutes of a session."""
    market = MORNING.market()
    async with opened(store, market, tmp_path, database_url, redis_url) as made:
        await made.run([Stretch(market.open_at + MINUTES, STEP, thinned=True)])
        yield made


async def night_work(day: Day) -> None:
    """Seals, and every job of the keeper that is due by now."""
    recorder = Recorder(day.store, NAME, build_id(), NAME)
    log = structlog.get_logger(NAME)
    process = Process(NAME, build_id(), NAME, day.settings, day.store, recorder, log)
    keeper = Keeper(process)
    await keeper.seals.beat()
    due = [job for job in JOBS if job.name not in OF_THE_MACHINE]
    jobs = Jobs(process, keeper.alert, jobs_for("sandbox", due))
    for job in jobs_for("sandbox", due):
        assert await jobs.catch_up(job, set(), datetime.now(UTC) - LOOKBACK), job.name
    await keeper.alert("critical", "TEST", "somebody must look", "night")
    await keeper.seals.beat()


async def test_a_night_with_the_keepers_work_is_decided_again(day: Day, store: Any) -> None:
    before = day.sandboxes.market
    await day.evening()
    await night_work(day)
    await day.turn()
    assert isinstance(before, SeededMarket)
    date = before.plan.later[0].session_date
    scenario = SCENARIOS["quiet_day"]
    following = SeededMarket(2, date, xnys_plan(date), scenario, before=before)
    await day.night(following)
    await day.run([Stretch(following.open_at + MINUTES, STEP, thinned=True)])
    log = await whole_log(store)

    def bodies(kind: type[Any]) -> list[Any]:
        return [event.body for event in log if isinstance(event.body, kind)]

    jobs = {done.name: done.outcome for done in bodies(JobFinished)}
    assert jobs.keys() == {"archive", "ingestion", "partitions", "restart"}
    assert bodies(LogSealed) and len(bodies(HistoryReady)) == 2
    (report,) = bodies(IngestionReported)
    assert report.session_date == before.plan.day.session_date and report.channels
    told = [one for one in bodies(DeliveryScheduled) if one.vendor is Vendor.TELEGRAM]
    paged = [one for one in bodies(AlertRaised) if one.severity == "critical"]
    assert [one.kind for one in told].count("report") == 1
    assert [one.kind for one in told].count("page") == len(paged) > 0
    found = await verify(store, list(WORKERS), day.settings)
    assert found["differences"] == 0, found["first"]
