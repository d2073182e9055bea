"""docs/projections.md names every key family of Redis and every table of Postgres."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis

from projections import hot
from projections.projector import Projector
from projections.redis_target import RedisTarget
from store.postgres import PostgresStore
from tests.projections.story import one_of_each

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "projections.md").read_text()
NAMED = set(re.findall(r"`([a-z-]+)(?::[^`]*)?`", PAGE.split("## Hot state")[1]))


async def test_every_key_of_hot_state_is_on_the_page(store: PostgresStore, redis: Redis) -> None:
    await store.append(one_of_each())
    await Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)).rebuild()
    keys: list[Any] = await redis.keys(f"{hot.PREFIX}*")
    families = {key.removeprefix(hot.PREFIX).partition(":")[0] for key in keys} - {"state"}
    assert len(families) > 20
    assert families - NAMED == set()


async def test_every_table_is_on_the_page(store: PostgresStore, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname IN ('audit', 'feed')"
    )
    await connection.close()
    tables = {row[0] for row in rows}
    assert {"uw_option_trades", "uw_rest_payloads", "uw_unread"} < tables
    assert {"signals", "decisions", "orders", "fills", "publications", "approvals"} < tables
    assert {"reports", "controls"} < tables
    missing = {name for name in tables if not re.search(rf"\b{name}\b", PAGE)}
    assert missing == set()
