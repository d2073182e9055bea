"""The trader killed anywhere between a decision and its confirmed fill: the ledgers agree.

CRASH_SEED=n repeats one seed; CRASH_SEEDS=n changes how many are run.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import psycopg
import pytest

from store.postgres import PostgresStore
from tests.crash.crash_run import run_life

SEEDS = int(os.environ.get("CRASH_SEEDS", "40"))


def _seeds() -> list[int]:
    given = os.environ.get("CRASH_SEED")
    return [int(given)] if given else list(range(1, SEEDS + 1))


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
    for seed in _seeds():
        killed.update(await _live(owner_connection, migrated_template.template_dbname, seed))
    if len(_seeds()) >= 40:
        places = {"before append", "after append", "before place", "after place", "snapshot"}
        assert places <= set(killed), f"crash points must all be hit, was {killed}"


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__, "-q"]))
