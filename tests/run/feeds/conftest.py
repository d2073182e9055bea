"""Parts of the feeds daemon on a real log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.events.system import PlannedDay
from run.feeds.intake import Intake
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates
from run.worker import Recorder
from store.postgres import PostgresStore

OPEN = datetime(2026, 10, 6, 13, 30, tzinfo=UTC)
DAY = PlannedDay(
    session_date=date(2026, 10, 6),
    open_at=OPEN,
    close_at=OPEN + timedelta(minutes=390),
    options_close_at=OPEN + timedelta(minutes=405),
    is_half_day=False,
)


@pytest.fixture
def recorder(store: PostgresStore) -> Recorder:
    return Recorder(store, "feeds", "build", "run-1")


@pytest.fixture
def intake(recorder: Recorder) -> Intake:
    return Intake(recorder)


@pytest.fixture
def states(intake: Intake) -> FeedStates:
    return FeedStates(intake)


class StandingClock(MarketClock):
    """Market time that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.time = now
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return self.time

    def at(self, real: datetime) -> datetime:
        return real

    def move(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self._moved.set()

    async def wait(self, until: datetime, woken: asyncio.Event) -> None:
        self._moved.clear()
        if self.time >= until:
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (self._moved, woken)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(OPEN + timedelta(hours=1))


@asynccontextmanager
async def running(intake: Intake) -> AsyncIterator[asyncio.Task[None]]:
    """The intake appends inside the block; a defect of it shows at its end."""
    task = asyncio.create_task(intake.run())
    try:
        yield task
    finally:
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled():
        task.result()
