"""What a signal rested on can be read in Redis while it lives and in Postgres for ever."""

from __future__ import annotations

import asyncpg
import orjson
from redis.asyncio import Redis

from domain.events.signals import SignalRaised, SignalValidated
from projections import audit, hot
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from projections.redis_target import RedisTarget
from store.postgres import PostgresStore
from tests.projections.story import numbered, with_fields

RAISED = with_fields(SignalRaised, signal_id="s")
VALID = with_fields(SignalValidated, signal_id="s")


async def test_both_views_tell_the_record_of_the_model_and_the_feature_table(
    store: PostgresStore, redis: Redis, database_url: str
) -> None:
    assert VALID.record is not None and VALID.directional, "the sample has both"
    await store.append(numbered([RAISED, VALID]))
    await Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)).rebuild()
    target = PostgresTarget(database_url)
    await Projector(store, audit.PROJECTION, target).rebuild()
    await target.close()
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchrow("SELECT * FROM audit.signals")
    await connection.close()
    live = await redis.hgetall("striketape:hot:signal:s")
    assert row is not None
    for shown in (row, live):
        assert orjson.loads(shown["record"]) == VALID.record.model_dump(mode="json")
        told = orjson.loads(shown["directional"])
        assert told == [feature.model_dump(mode="json") for feature in VALID.directional]


async def test_a_signal_that_did_not_tell_its_record_has_none(
    store: PostgresStore, database_url: str
) -> None:
    await store.append(numbered([VALID.model_copy(update={"record": None, "directional": ()})]))
    target = PostgresTarget(database_url)
    await Projector(store, audit.PROJECTION, target).rebuild()
    await target.close()
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchrow("SELECT record, directional FROM audit.signals")
    await connection.close()
    assert row is not None and (row["record"], row["directional"]) == (None, "[]")
