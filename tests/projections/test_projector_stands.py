"""A projection that cannot project an event stands before it and says so; the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from domain.event import Recorded
from domain.events.controls import HaltRequested
from projections import hot, streams
from projections.projector import Projection
from projections.redis_target import Command, RedisTarget
from run.projector import Running, alerting, figures
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.store.propose import halt

ALERTS = Selection(types=frozenset({"AlertRaised"}))


def breaks_on(reason: str) -> Projection[Command]:
    """The hot projection with a fault in it."""

    def effects(event: Recorded) -> Sequence[Command]:
        if isinstance(event.body, HaltRequested) and event.body.reason == reason:
            raise ZeroDivisionError("a view divides by nothing")
        return hot.PROJECTION.effects(event)

    types = hot.PROJECTION.types | {"HaltRequested"}
    return replace(hot.PROJECTION, effects=effects, types=types)


async def stand(store: PostgresStore, redis: Redis, projection: Projection[Command]) -> Running:
    """Both projections until the hot one stands and the other has gone on."""
    recorder = Recorder(store, "projector", "build-1", "run-1")
    running = Running(redis, on_stopped=alerting(recorder))
    running.add(store, projection, RedisTarget(redis, hot.PREFIX))
    running.add(store, streams.DESK, RedisTarget(redis, streams.DESK_PREFIX))
    head = await store.head()
    tasks = [asyncio.create_task(one.run()) for one in running.projectors]
    try:
        async with asyncio.timeout(15):
            while not (
                running.stopped_at is not None
                and (running.projectors[1].position >= head or running.projectors[1].stopped_at)
                and await store.read(0, ALERTS)
            ):
                await asyncio.sleep(0.01)
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return running


async def test_it_stands_before_the_event_and_the_others_go_on(
    store: PostgresStore, redis: Redis
) -> None:
    await store.append([halt(1), halt(2, reason="poison"), halt(3)])
    running = await stand(store, redis, breaks_on("poison"))
    assert running.stopped_at == 2
    assert (await figures(running, 3))["stopped_at"] == 2.0
    assert running.projectors[0].position < 2
    (alert,) = await store.read(0, ALERTS)
    assert alert.body.code == "PROJECTION_STOPPED"
    assert "hot stands before event 2 HaltRequested: ZeroDivisionError" in alert.body.text


@pytest.mark.parametrize("position", [1, 2])
async def test_an_event_that_cannot_be_read_stops_all_that_want_it_and_ends_nothing(
    store: PostgresStore, redis: Redis, position: int
) -> None:
    recorder = Recorder(store, "api", "build-1", "run-bad")
    for at in (1, 2):
        body = HaltRequested.model_construct(who="nobody") if at == position else halt(at).body
        await recorder.record("control/api", body)
    running = await stand(store, redis, breaks_on("none"))
    assert running.stopped_at == position
