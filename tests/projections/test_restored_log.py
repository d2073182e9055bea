"""A log that was put back from a backup, with views of what came after the backup."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from pytest_postgresql.executors import NoopExecutor
from redis.asyncio import Redis

from domain.event import Proposed
from projections import hot, streams
from projections.projector import Projector, mark
from projections.redis_target import RedisTarget
from run.embedded import EmbeddedPostgres
from store.postgres import PostgresStore
from tests.projections.snapshots import redis_content
from tests.projections.story import one_of_each
from tests.projections.test_projector import _run_to_head
from tests.store.propose import halt, price


def views(store: PostgresStore, redis: Redis) -> list[Projector[Any]]:
    return [
        Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)),
        Projector(store, streams.MARKET, RedisTarget(redis, streams.MARKET_PREFIX)),
        Projector(store, streams.DESK, RedisTarget(redis, streams.DESK_PREFIX)),
    ]


@pytest.fixture
async def restored(
    postgres_server: EmbeddedPostgres,
    database_maker: psycopg.Connection[Any],
    migrated_template: NoopExecutor,
    redis: Redis,
) -> AsyncIterator[PostgresStore]:
    """The log as it was before its last events, which the views have."""
    name = f"{migrated_template.dbname}_backup"
    copy = 'CREATE DATABASE "{}" TEMPLATE "{}" STRATEGY file_copy'
    database_maker.execute(copy.format(name, migrated_template.template_dbname))
    try:
        async with await PostgresStore.open(postgres_server.dsn(name), application_name="t") as log:
            await log.append(one_of_each())
        database_maker.execute(copy.format(f"{name}_copy", name))
        async with await PostgresStore.open(postgres_server.dsn(name), application_name="t") as log:
            await log.append([halt("lost"), price("lost"), halt("lost too"), price("lost too")])
            await _run_to_head(log, *views(log, redis))
        async with await PostgresStore.open(
            postgres_server.dsn(f"{name}_copy"), application_name="t"
        ) as log:
            yield log
    finally:
        for one in (name, f"{name}_copy"):
            database_maker.execute(f'DROP DATABASE IF EXISTS "{one}" WITH (FORCE)')


AFTER: dict[str, list[Proposed]] = {
    "nothing": [],
    "less than was lost": [price("new")],
    "as much as was lost": [halt("new"), price("new"), halt("other"), price("other")],
    "more than was lost": [event for n in range(9) for event in (halt(f"n{n}"), price(f"n{n}"))],
}
"""What the restored log has got by the time the projector starts."""


@pytest.mark.parametrize("after", AFTER)
async def test_views_ahead_of_a_restored_log_are_noticed_and_built_anew(
    restored: PostgresStore, redis: Redis, after: str
) -> None:
    if AFTER[after]:
        await restored.append(AFTER[after])
    known = views(restored, redis)
    await _run_to_head(restored, *known)
    assert [projector.rebuilds for projector in known] == [1, 1, 1]
    healed = await redis_content(redis, "striketape:")
    assert "lost" not in {entry[1].get("reason") for entry in healed["striketape:desk"]}
    await redis.flushall()
    await _run_to_head(restored, *views(restored, redis))
    assert await redis_content(redis, "striketape:") == healed


async def test_views_of_this_log_are_followed_on(store: PostgresStore, redis: Redis) -> None:
    await store.append(one_of_each())
    await _run_to_head(store, *views(store, redis))
    await store.append([halt("a"), price("a")])
    again = views(store, redis)
    await _run_to_head(store, *again)
    assert [projector.rebuilds for projector in again] == [0, 0, 0]
    newest = (await store.read(0))[-1]
    told = await redis.hget("striketape:market:state", "newest")
    assert told == mark(newest.position, newest.event_id)
