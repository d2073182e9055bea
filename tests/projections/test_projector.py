"""Fold equals rebuild, position and views move together, a flush is healed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from domain.events.controls import CacheFlushRequested
from domain.events.system import ProcessHeartbeat
from projections import audit, feed, hot, streams
from projections.postgres_target import PostgresTarget
from projections.projector import Projector, RebuildLost, TargetState
from projections.redis_target import Command, RedisTarget, merged
from projections.rows import Upsert
from store.postgres import PostgresStore
from tests.projections.snapshots import audit_content, redis_content
from tests.projections.story import numbered, one_of_each, with_fields
from tests.store.propose import AT, halt, price
from tests.waiting import until

Known = dict[str, Projector[Any]]


@pytest.fixture
async def tables(database_url: str) -> AsyncIterator[PostgresTarget]:
    target = PostgresTarget(database_url)
    yield target
    await target.close()


@pytest.fixture
async def feed_tables(database_url: str) -> AsyncIterator[PostgresTarget]:
    target = PostgresTarget(database_url, "feed")
    yield target
    await target.close()


@pytest.fixture
def known(
    store: PostgresStore, redis: Redis, tables: PostgresTarget, feed_tables: PostgresTarget
) -> Known:
    return {
        "hot": Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)),
        "market": Projector(store, streams.MARKET, RedisTarget(redis, streams.MARKET_PREFIX)),
        "desk": Projector(store, streams.DESK, RedisTarget(redis, streams.DESK_PREFIX)),
        "audit": Projector(store, audit.PROJECTION, tables),
        "feed": Projector(store, feed.PROJECTION, feed_tables),
    }


async def _until_refused(redis: Redis) -> None:
    """Wait until Redis has refused a command for want of memory."""
    async with asyncio.timeout(15):
        while "errorstat_OOM" not in await redis.info("errorstats"):
            await asyncio.sleep(0.01)


async def _run_to_head(store: PostgresStore, *projectors: Projector[Any]) -> None:
    """Run projectors until each stands at the head, then cancel them."""
    tasks = [asyncio.create_task(projector.run()) for projector in projectors]
    head = await store.head()
    try:
        await until(
            lambda: (
                any(task.done() for task in tasks)
                or all(projector.position >= head for projector in projectors)
            )
        )
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _everything(redis: Redis, database_url: str) -> dict[str, Any]:
    return {
        "redis": await redis_content(redis, "striketape:"),
        "audit": await audit_content(database_url),
        "feed": await audit_content(database_url, "feed"),
    }


async def test_following_live_equals_building_from_zero(
    store: PostgresStore, redis: Redis, database_url: str, known: Known
) -> None:
    await _run_to_head(store, *known.values())  # built on an empty log
    for seed in (1, 2, 1):
        events = one_of_each(seed)
        for start in range(0, len(events), 7):
            await store.append(events[start : start + 7])
        await _run_to_head(store, *known.values())
    live = await _everything(redis, database_url)
    for projector in known.values():
        await projector.rebuild()
    assert await _everything(redis, database_url) == live
    for schema in ("audit", "feed"):
        filled = {table for table, rows in live[schema].items() if rows}
        assert filled == live[schema].keys()
    assert len(live["redis"]) > 40


@pytest.mark.parametrize("cut", [1, 13, 37, 71])
async def test_any_prefix_followed_by_the_rest_equals_the_whole(
    store: PostgresStore, redis: Redis, database_url: str, known: Known, cut: int
) -> None:
    events = one_of_each()
    await store.append(events[:cut])
    await _run_to_head(store, *known.values())
    await store.append(events[cut:])
    await _run_to_head(store, *known.values())
    by_parts = await _everything(redis, database_url)
    for projector in known.values():
        await projector.rebuild()
    assert await _everything(redis, database_url) == by_parts


async def test_a_flushed_redis_is_noticed_and_healed(
    store: PostgresStore, redis: Redis, known: Known
) -> None:
    running = [known["hot"], known["market"], known["desk"]]
    await store.append(one_of_each())
    await _run_to_head(store, *running)
    before = await redis_content(redis, "striketape:")
    tasks = [asyncio.create_task(projector.run()) for projector in running]
    await store.append([halt("a"), price("a")])
    await until(lambda: all(projector.position > 100 for projector in running))
    await redis.flushall()
    beat = ProcessHeartbeat(process="p", run_id="r", state="running", position=0, figures={})
    await store.append([*numbered([beat]), halt("b"), price("b")])
    head = await store.head()
    await until(lambda: all(p.rebuilds == 2 and p.position >= head for p in running))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    after = await redis_content(redis, "striketape:")
    assert before.keys() <= after.keys()
    assert after["striketape:hot:process:p"]["state"] == "running"
    for projector in running:
        await projector.rebuild()
    assert await redis_content(redis, "striketape:") == after


@pytest.mark.parametrize("victim", ["striketape:hot:process:p", "striketape:hot:state"])
async def test_a_key_that_somebody_else_overwrote_is_healed(
    store: PostgresStore, redis: Redis, known: Known, victim: str
) -> None:
    projector = known["hot"]
    beat = ProcessHeartbeat(process="p", run_id="r", state="running", position=0, figures={})
    await store.append(numbered([beat]))
    await _run_to_head(store, projector)
    await redis.delete(victim)
    await redis.lpush(victim, "not ours")
    await store.append(numbered([beat], "again"))
    head = await store.head()
    await _run_to_head(store, projector)
    healed = await redis_content(redis, "striketape:hot:")
    assert healed["striketape:hot:process:p"]["state"] == "running"
    assert healed["striketape:hot:state"] == str(head)
    assert projector.rebuilds == 2


async def test_a_full_redis_is_waited_for_and_loses_nothing(
    store: PostgresStore, redis: Redis, known: Known
) -> None:
    projector = known["desk"]
    await store.append(one_of_each())
    await _run_to_head(store, projector)
    limit = (await redis.config_get("maxmemory"))["maxmemory"]
    task = asyncio.create_task(projector.run())
    try:
        await redis.config_set("maxmemory", "1")
        await store.append([halt("full"), price("full")])
        await _until_refused(redis)
        assert await redis.hget("striketape:desk:state", "position") != str(await store.head())
        await redis.config_set("maxmemory", limit)
        head = await store.head()
        await until(lambda: projector.position >= head)
    finally:
        await redis.config_set("maxmemory", limit)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert projector.rebuilds == 1
    entries = await redis.xrevrange("striketape:desk", count=1)
    assert entries[0][1]["type"] == "HaltRequested"


async def test_the_operator_can_have_the_cache_built_anew_once(
    store: PostgresStore, redis: Redis, known: Known
) -> None:
    projector = known["hot"]
    await store.append(one_of_each())
    await _run_to_head(store, projector)
    assert projector.rebuilds == 1  # the first start
    await redis.hset("striketape:hot:halt", "state", "nonsense")
    body = CacheFlushRequested(cache="hot", who="operator", route="api", reason="wrong")
    await store.append(numbered([body], "flush"))
    await _run_to_head(store, projector)
    assert projector.rebuilds == 2
    assert (await redis.hgetall("striketape:hot:halt"))["state"] != "nonsense"
    await _run_to_head(store, projector)
    assert projector.rebuilds == 2


async def test_a_second_projector_cannot_apply_twice(
    store: PostgresStore, redis: Redis, tables: PostgresTarget, database_url: str
) -> None:
    target = RedisTarget(redis, "striketape:test:")
    state = await target.begin(1, 0)
    count = [("HINCRBY", "counter", "n", "1")]
    moved = await target.apply(count, state, 5)
    assert moved is not None
    assert await target.apply(count, state, 5) is None
    assert await redis.hget("striketape:test:counter", "n") == "1"
    other = TargetState("another", 1, 5, 0)
    assert await target.apply(count, other, 9) is None

    beside = tables.beside()
    built = await beside.begin(1, 0)
    row = Upsert(
        "withheld_publications",
        "event_position",
        {
            "event_position": 1,
            "recorded_at": halt(1).occurred_at,
            "correlation_id": halt(1).event_id,
            "source_event_id": "s",
            "reason": "r",
        },
    )
    moved = await beside.apply([row], built, 3)
    assert moved is not None
    assert await beside.apply([row], built, 3) is None
    await tables.swap_in(moved)
    assert len((await audit_content(database_url))["withheld_publications"]) == 1


async def test_a_failure_half_way_through_a_page_leaves_rows_and_position_behind(
    redis: Redis, tables: PostgresTarget, database_url: str
) -> None:
    beside = tables.beside()
    state = await tables.swap_in(await beside.begin(1, 0))
    good = {"event_position": 1, "recorded_at": halt(1).occurred_at, "source_event_id": "s"}
    good |= {"correlation_id": halt(1).event_id, "reason": "r"}
    bad = good | {"event_position": 2, "reason": None}
    with pytest.raises(asyncpg.NotNullViolationError):
        await tables.apply(
            [Upsert("withheld_publications", "event_position", row) for row in (good, bad)],
            state,
            2,
        )
    assert (await audit_content(database_url))["withheld_publications"] == []
    assert await tables.state() == state


async def test_rebuilding_from_the_command_line_hands_over_to_the_running_projector(
    store: PostgresStore, redis: Redis, known: Known, tables: PostgresTarget, database_url: str
) -> None:
    running = [known["hot"], known["audit"]]
    tasks = [asyncio.create_task(projector.run()) for projector in running]
    await store.append(one_of_each())
    head = await store.head()
    await until(lambda: all(projector.position >= head for projector in running))
    beside = PostgresTarget(database_url)
    for other in (
        Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)),
        Projector(store, audit.PROJECTION, beside),
    ):
        await other.rebuild()
    await store.append(one_of_each(2))
    head = await store.head()
    await until(lambda: all(projector.position >= head for projector in running))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await beside.close()
    live = await _everything(redis, database_url)
    for projector in running:
        await projector.rebuild()
    assert await _everything(redis, database_url) == live


async def test_of_two_rebuilds_at_once_the_earlier_gives_up(
    redis: Redis, tables: PostgresTarget, database_url: str
) -> None:
    target = RedisTarget(redis, "striketape:test:")
    first = await target.beside().begin(1, 0)
    second = await target.beside().begin(1, 0)
    with pytest.raises(RebuildLost):
        await target.swap_in(first)
    assert (await target.swap_in(second)).generation == second.generation
    other = PostgresTarget(database_url)
    first = await tables.beside().begin(1, 0)
    second = await other.beside().begin(1, 0)
    with pytest.raises(RebuildLost):
        await tables.swap_in(first)
    await other.swap_in(second)
    await other.close()


def test_merged_commands_keep_order_across_other_commands() -> None:
    commands: list[Command] = [
        ("HSET", "a", {"x": 1}),
        ("HSET", "b", {"x": None}),
        ("HSET", "a", {"x": 2, "y": 3.5}),
        ("DEL", "a"),
        ("HSET", "a", {"z": AT}),
        ("HSETX", "a", {"z": Decimal("4.10")}),
    ]
    assert merged(commands) == [
        ("HSET", "a", "x", "2", "y", "3.5"),
        ("HSET", "b", "x", ""),
        ("DEL", "a"),
        ("HSET", "a", "z", "2026-10-06T14:00:00+00:00"),
        ("HSETX", "a", "z", "4.10"),
    ]


async def test_ended_entities_are_kept_up_to_a_limit(store: PostgresStore, redis: Redis) -> None:
    from domain.events.signals import SignalExpired, SignalRaised

    target = RedisTarget(redis, "striketape:test:")
    state = await target.begin(1, 0)
    commands = []
    for number in range(12):
        name = f"s{number}"
        raised = with_fields(SignalRaised, signal_id=name)
        await store.append(numbered([raised, SignalExpired(signal_id=name, reason="age")], number))
    for event in await store.read(0):
        commands += [
            ("KEEP", *command[1:3], "5") if command[0] == "KEEP" else command
            for command in hot.commands(event)
        ]
    assert await target.apply(commands, state, 24) is not None
    assert await redis.keys("striketape:test:signal:*") != []
    kept = sorted(await redis.keys("striketape:test:signal:*"))
    assert kept == sorted(f"striketape:test:signal:s{n}" for n in range(7, 12))
    assert await redis.smembers("striketape:test:signals:live") == set()
