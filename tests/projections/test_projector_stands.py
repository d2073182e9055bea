"""A projection that cannot project an event stands before it and says so; the others go on.

What the operator decides with `python -m run.worker_control` is done at once and remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from domain.event import Recorded
from domain.events.controls import AlertRaised, HaltRequested
from domain.events.system import InputSkipped
from projections import audit, feed, hot, projector, streams
from projections.projector import Projection, Projector
from projections.redis_target import Command, RedisTarget
from run import metrics, worker_control
from run.projection_stops import ProjectionStops
from run.projector import Running, figures
from run.worker import Recorder
from run.workers import PROJECTIONS
from store.contract import Selection
from store.postgres import PostgresStore
from tests.projections.snapshots import redis_content
from tests.store.propose import halt
from tests.waiting import until

ALERTS = Selection(types=frozenset({"AlertRaised"}))
STOPS = Selection(types=frozenset({"WorkerStopped"}))


def breaks_on(reason: str) -> Projection[Command]:
    """The hot projection with a view of requests to halt, which fails on one of them."""

    def effects(event: Recorded) -> Sequence[Command]:
        if isinstance(event.body, HaltRequested):
            if event.body.reason == reason:
                raise ZeroDivisionError("a view divides by nothing")
            return [("HSET", f"seen:{event.body.reason}", {"position": event.position})]
        return hot.PROJECTION.effects(event)

    types = hot.PROJECTION.types | {"HaltRequested"}
    return replace(hot.PROJECTION, effects=effects, types=types)


class Standing:
    """The hot projection with a fault, and the stream of desk events, both running."""

    def __init__(self, store: PostgresStore, redis: Redis, projection: Projection[Command]) -> None:
        self.store = store
        self.running = Running(redis, stops=ProjectionStops(store, "build-1", uuid4().hex))
        self.running.add(store, projection, RedisTarget(redis, hot.PREFIX))
        self.running.add(store, streams.DESK, RedisTarget(redis, streams.DESK_PREFIX))
        self.hot, self.desk = self.running.projectors

    async def until_it_stands(self, position: int, stops: int = 1) -> None:
        """Until it stands and has said so."""

        async def said() -> bool:
            found = await self.store.read(0, STOPS)
            return self.hot.stopped_at == position and len(found) == stops

        await until(said)

    async def until_past(self, position: int) -> None:
        async def past() -> bool:
            return all(one.position >= position for one in self.running.projectors)

        await until(past)


@asynccontextmanager
async def running(
    store: PostgresStore, redis: Redis, projection: Projection[Command]
) -> AsyncIterator[Standing]:
    made = Standing(store, redis, projection)
    tasks = [asyncio.create_task(one.run()) for one in made.running.projectors]
    try:
        yield made
        for task in tasks:
            assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def operator(store: PostgresStore) -> Recorder:
    return Recorder(store, "worker_control", "build-1", "run-c")


async def test_it_stands_before_the_event_and_the_others_go_on(
    store: PostgresStore, redis: Redis
) -> None:
    await store.append([halt(1), halt(2, reason="poison"), halt(3)])
    async with running(store, redis, breaks_on("poison")) as made:
        await made.until_it_stands(2)
        assert (await figures(made.running, 3))["stopped_at"] == 2.0
        assert made.hot.position < 2
        await until(lambda: reached(made.desk, 3))
        found = await worker_control.place(store, "hot")
    assert (found.stopped_at, found.input_type) == (2, "HaltRequested")
    assert "ZeroDivisionError" in found.error
    (stop,) = await store.read(0, STOPS)
    assert stop.stream == "worker/hot"
    (alert,) = await store.read(0, ALERTS)
    assert isinstance(alert.body, AlertRaised)
    assert (alert.body.code, alert.body.severity) == ("WORKER_STOPPED", "critical")
    assert "hot stands before input 2 HaltRequested: ZeroDivisionError" in alert.body.text
    assert metrics.STOPPED_AT.labels("hot")._value.get() == 2.0


async def reached(projector: Projector[Any], position: int) -> bool:
    return projector.position >= position


@pytest.mark.parametrize("position", [1, 2])
async def test_an_event_that_cannot_be_read_stops_all_that_want_it_and_ends_nothing(
    store: PostgresStore, redis: Redis, operator: Recorder, position: int
) -> None:
    recorder = Recorder(store, "api", "build-1", "run-bad")
    for at in (1, 2):
        body = HaltRequested.model_construct(who="nobody") if at == position else halt(at).body
        await recorder.record("control/api", body)
    async with running(store, redis, breaks_on("none")) as made:
        await made.until_it_stands(position, stops=2)
        await until(lambda: stands(made.desk, position))
        for name in ("hot", "streams.desk"):
            await worker_control.skip(operator, name, position, "ann", "an unreadable test")
        await made.until_past(2)
        assert made.running.stopped_at is None


async def stands(projector: Projector[Any], position: int) -> bool:
    return projector.stopped_at == position


async def test_what_is_passed_over_stays_out_of_restarts_and_rebuilds(
    store: PostgresStore, redis: Redis, operator: Recorder
) -> None:
    await store.append([halt(1), halt(2, reason="poison"), halt(3)])
    projection = breaks_on("poison")
    async with running(store, redis, projection) as made:
        await made.until_it_stands(2)
        await worker_control.skip(operator, "hot", 2, "ann", "a test")
        await made.until_past(3)
        assert made.running.stopped_at is None
    (skip,) = await store.read(0, Selection(types=frozenset({"InputSkipped"})))
    assert skip.body == InputSkipped(worker="hot", position=2, who="ann", why="a test")
    assert (await worker_control.place(store, "hot")).stopped_at is None
    assert metrics.STOPPED_AT.labels("hot")._value.get() == 0
    followed = await redis_content(redis, hot.PREFIX)
    async with running(store, redis, projection) as made:
        await made.hot.rebuild()
        await made.until_past(3)
    assert await redis_content(redis, hot.PREFIX) == followed
    assert f"{hot.PREFIX}seen:3" in followed and f"{hot.PREFIX}seen:poison" not in followed
    assert len(await store.read(0, STOPS)) == 1
    with pytest.raises(worker_control.Refused, match="skipped by hot already"):
        await worker_control.skip(operator, "hot", 2, "ann", "again")


async def test_a_retry_meets_the_event_again_and_a_fixed_build_goes_past_it(
    store: PostgresStore, redis: Redis, operator: Recorder
) -> None:
    await store.append([halt(1), halt(2, reason="poison"), halt(3)])
    async with running(store, redis, breaks_on("poison")) as made:
        await made.until_it_stands(2)
        await worker_control.retry(operator, "hot", "ann", "perhaps now")
        await made.until_it_stands(2, stops=2)
    async with running(store, redis, breaks_on("none")) as made:
        await made.until_past(3)

        async def settled() -> bool:
            return (await worker_control.place(store, "hot")).stopped_at is None

        await until(settled)
    with pytest.raises(worker_control.Refused, match="hot is not stopped"):
        await worker_control.skip(operator, "hot", 2, "ann", "too late")


async def test_an_event_that_was_passed_over_while_it_was_projected_leaves_the_view_again(
    store: PostgresStore, redis: Redis, operator: Recorder
) -> None:
    """The operator decides between the write to the view and the word that it is there."""
    await store.append([halt(1), halt(2, reason="poison"), halt(3)])
    async with running(store, redis, breaks_on("poison")) as made:
        await made.until_it_stands(2)

    class SkippedMeanwhile(ProjectionStops):
        async def passed(self, name: str, standing: projector.Standing) -> bool:
            if name == "hot" and not decided:
                decided.append(2)
                await worker_control.skip(operator, "hot", 2, "ann", "a test")
            return await super().passed(name, standing)

    decided: list[int] = []
    fixed = Projector(
        store,
        breaks_on("none"),
        RedisTarget(redis, hot.PREFIX),
        stops=SkippedMeanwhile(store, "build-2", "run-2"),
    )
    task = asyncio.create_task(fixed.run())

    async def is_built_again() -> bool:
        return bool(decided) and fixed.rebuilds == 2

    await until(is_built_again)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert decided == [2]
    assert await redis.exists(f"{hot.PREFIX}seen:1", f"{hot.PREFIX}seen:3") == 2
    assert not await redis.exists(f"{hot.PREFIX}seen:poison")


def test_the_names_of_the_projections_are_those_that_can_be_decided_about() -> None:
    known = (hot.PROJECTION, streams.MARKET, streams.DESK, audit.PROJECTION, feed.PROJECTION)
    assert tuple(projection.name for projection in known) == PROJECTIONS
