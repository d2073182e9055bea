"""Parts of the feeds daemon on a real log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from domain.event import Body, event_type
from run.feeds.intake import Intake
from run.feeds.states import FeedStates
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore

BodyT = TypeVar("BodyT", bound=Body)
Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def recorder(store: PostgresStore) -> Recorder:
    return Recorder(store, "feeds", "build", "run-1")


@pytest.fixture
def intake(recorder: Recorder) -> Intake:
    return Intake(recorder)


@pytest.fixture
def states(intake: Intake) -> FeedStates:
    return FeedStates(intake)


@pytest.fixture
def until() -> Until:
    """Wait until a condition holds, at most five seconds."""

    async def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 5.0
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("the condition must hold within 5 s, was false")
            await asyncio.sleep(0.005)

    return wait


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


async def bodies(store: PostgresStore, kind: type[BodyT]) -> list[BodyT]:
    """All events of a type on the log, by position."""
    events = await store.read(0, Selection(types=frozenset({event_type(kind)})))
    return [event.body for event in events if isinstance(event.body, kind)]
