"""Killed between any two steps, projectors lose nothing and apply nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.events.controls import TradingHalted
from domain.events.system import ProcessHeartbeat
from projections import audit, feed, hot, streams
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from projections.redis_target import RedisTarget
from store.postgres import PostgresStore
from tests.projections.snapshots import audit_content, differing, redis_content
from tests.projections.story import numbered, one_of_each
from tests.waiting import until

TURNS_MAX = 1_500
CANCELLED_AT_TURNS = range(120)
WAIT_SECONDS_MAX = 30.0


@asynccontextmanager
async def started(
    store: PostgresStore, redis_url: str, database_url: str
) -> AsyncIterator[list[Projector[Any]]]:
    """All projectors on connections of their own, as a process has them; cut off at the end."""
    redis = Redis.from_url(redis_url, decode_responses=True)
    tables, feed_tables = PostgresTarget(database_url), PostgresTarget(database_url, "feed")
    projectors: list[Projector[Any]] = [
        Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)),
        Projector(store, streams.MARKET, RedisTarget(redis, streams.MARKET_PREFIX)),
        Projector(store, streams.DESK, RedisTarget(redis, streams.DESK_PREFIX)),
        Projector(store, audit.PROJECTION, tables),
        Projector(store, feed.PROJECTION, feed_tables),
    ]
    tasks = [asyncio.create_task(projector.run()) for projector in projectors]
    try:
        yield projectors
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await redis.aclose()
        await tables.close()
        await feed_tables.close()


async def content(redis: Redis, database_url: str) -> dict[str, Any]:
    tables = await audit_content(database_url) | {
        f"feed.{name}": rows for name, rows in (await audit_content(database_url, "feed")).items()
    }
    return await redis_content(redis, "striketape:") | tables


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_any_step_nothing_is_lost_and_nothing_applied_twice(
    store: PostgresStore, redis: Redis, redis_url: str, database_url: str, seed: int
) -> None:
    chance = Random(seed)
    events = one_of_each(1) + one_of_each(2)
    cut_short = 0
    for start in range(0, len(events), 6):
        await store.append(events[start : start + 6])
        async with started(store, redis_url, database_url) as projectors:
            for _ in range(chance.randint(1, TURNS_MAX)):
                await asyncio.sleep(0)
            cut_short += any(p.position < start + 6 for p in projectors)
    assert cut_short > 10
    beat = ProcessHeartbeat(process="p", run_id="r", state="running", position=0, figures={})
    await store.append(numbered([beat, TradingHalted(who="w", reason="the end")], "end"))
    head = await store.head()
    async with started(store, redis_url, database_url) as projectors:

        async def all_there() -> bool:
            return all(projector.position >= head for projector in projectors)

        await until(all_there, WAIT_SECONDS_MAX)
    by_pieces = await content(redis, database_url)
    async with started(store, redis_url, database_url) as projectors:
        for projector in projectors:
            await projector.rebuild()
    rebuilt = await content(redis, database_url)
    assert list(differing(by_pieces, rebuilt)) == []
    entries = len(by_pieces["striketape:market"]) + len(by_pieces["striketape:desk"])
    assert entries == head == len(events) + 2


async def test_a_cancelled_projector_ends_at_whatever_turn_of_the_loop(
    store: PostgresStore, redis: Redis
) -> None:
    events = one_of_each(1)
    target = RedisTarget(redis, hot.PREFIX)
    await Projector(store, hot.PROJECTION, target).rebuild()
    for turns in CANCELLED_AT_TURNS:
        await store.append([events[turns % len(events)]] if turns < len(events) else [])
        task = asyncio.create_task(Projector(store, hot.PROJECTION, target).run())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=WAIT_SECONDS_MAX)
        assert done == {task}, f"cancelled at turn {turns}"
        assert task.cancelled()
