"""The trader killed anywhere between a decision and its confirmed fill: the ledgers agree.

CRASH_SEED=n repeats one seed; CRASH_SEEDS=n changes how many are run, from CRASH_FIRST_SEED on.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import Any

import psycopg
import pytest

from store.postgres import PostgresStore
from tests.crash.crash_run import AIMS, run_life

SEEDS = int(os.environ.get("CRASH_SEEDS", "30"))
FIRST_SEED = int(os.environ.get("CRASH_FIRST_SEED", "1"))
AT_ONCE = 4
"""Lives share nothing but the database server: one computes while another waits for it."""


def _seeds() -> list[int]:
    given = os.environ.get("CRASH_SEED")
    return [int(given)] if given else list(range(FIRST_SEED, FIRST_SEED + SEEDS))


async def _live(connection: psycopg.Connection[Any], template: str, seed: int) -> list[str]:
    about = connection.info
    name = f"crash_{os.getpid()}_{seed}"
    connection.autocommit = True
    connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        url = f"postgresql://{about.user}@{about.host}:{about.port}/{name}"
        store = await PostgresStore.open(url, application_name="crash")
        try:
            wrongs, life = await run_life(seed, store)
        finally:
            await store.close()
    finally:
        connection.execute(f'DROP DATABASE "{name}"')
    assert not wrongs, f"CRASH_SEED={seed}: {wrongs}; killed at {life.killed_at}"
    return life.killed_at


async def test_no_order_twice_no_fill_lost_whatever_dies(
    owner_connection: psycopg.Connection[Any], migrated_template: Any
) -> None:
    killed: Counter[str] = Counter()
    template = migrated_template.template_dbname
    seeds = _seeds()
    for first in range(0, len(seeds), AT_ONCE):
        lives = [_live(owner_connection, template, s) for s in seeds[first : first + AT_ONCE]]
        for places in await asyncio.gather(*lives):
            killed.update(places)
    if len(seeds) >= 30:
        wanted = {*AIMS, "before append", "after append", "before read"}
        assert wanted <= set(killed), f"crash points must all be hit, was {killed}"


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__, "-q"]))
