"""The server fixtures: a fresh database for each test and an empty Valkey."""

from __future__ import annotations

import asyncpg
import pytest
from redis.asyncio import Redis


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_gets_a_fresh_migrated_database(turn: int, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
        await connection.execute("CREATE TABLE leftover (turn integer)")
    finally:
        await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_gets_an_empty_valkey(turn: int, redis: Redis) -> None:
    assert await redis.dbsize() == 0
    await redis.set("leftover", turn)
