"""Days of the log: made ahead, read without opening more of them than needed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg

from store.contract import Selection
from store.partitions import attached, leaf_name, make_ahead, make_partitions_ahead
from store.postgres import PostgresStore
from tests.store.propose import halt, price

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
DAYS = 24


async def _history(owner: Connection) -> int:
    """Days with 5 events each, as if they had been appended then; returns the last position."""
    today = (await owner.fetchval("SELECT clock_timestamp()")).astimezone(UTC).date()
    first_day = today - timedelta(days=2 * DAYS)
    await owner.execute("SELECT make_partitions($1, $2)", first_day, 2 * DAYS)
    position = 0
    for number in range(DAYS):
        day = first_day + timedelta(days=2 * number)  # every second day is quiet
        at = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)
        await owner.execute("INSERT INTO log_days VALUES ($1, $2)", position + 1, day)
        for k in range(5):
            position += 1
            event = halt(position) if k < 2 else price(position)
            await owner.execute(
                """
                INSERT INTO events SELECT $1, $2, $2, $2, NULL, $3, NULL, $3, 1, 0, 1,
                    $4::text::retention, $5, $6, 'test', 'build', $7::text::json
                """,
                position,
                at,
                event.event_id,
                "desk" if k < 2 else "market",
                event.stream,
                type(event.body).__name__,
                '{"who":"o","route":"cli","reason":""}'
                if k < 2
                else '{"channel":"c","connection":"1","sequence":1,'
                '"received_at":"2026-10-06T14:00:00Z","payload":{}}',
            )
            await owner.execute(
                "INSERT INTO event_ids VALUES ($1, $2, $3::text::retention, '')",
                event.event_id,
                position,
                "desk" if k < 2 else "market",
            )
    await owner.execute("INSERT INTO commits VALUES ($1, 1, $2, $2, $3)", position, at, UUID(int=0))
    return position


async def test_a_quiet_log_is_continued_and_read_over_all_its_days(
    database_url: str, owner: Connection
) -> None:
    last = await _history(owner)
    async with await PostgresStore.open(database_url, application_name="test") as store:
        assert (await store.append([halt("today")])).positions == (last + 1,)
        everything = await store.read(0)
        assert [event.position for event in everything] == list(range(1, last + 2))
        halts = await store.read(7, Selection(types=frozenset({"HaltRequested"})), limit=50)
        assert [e.position for e in halts] == [n for n in range(8, last + 2) if n % 5 in (1, 2)][
            :50
        ]
        found = await store.event(halt(11).event_id)
        assert found is not None and found.position == 11
        pages = store.subscribe(last - 10)
        events, scanned = await asyncio.wait_for(anext(pages), 30)
        assert ([e.position for e in events], scanned) == (
            list(range(last - 9, last + 2)),
            last + 1,
        )


async def test_a_page_opens_only_the_days_it_needs(database_url: str, owner: Connection) -> None:
    last = await _history(owner)
    await owner.execute("SET plan_cache_mode = force_custom_plan")
    day = await owner.fetchval("SELECT max(day) FROM log_days")
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    plan = await owner.fetchval(
        "EXPLAIN (FORMAT JSON) SELECT * FROM events WHERE position > $1 AND recorded_at >= $2"
        " AND recorded_at < $3 AND retention = 'desk' ORDER BY position LIMIT 100",
        last - 3,
        since,
        since + timedelta(days=1),
    )
    text = json.dumps(json.loads(plan))
    assert text.count('"Relation Name"') == 1
    assert leaf_name("desk", day) in text


async def test_days_are_made_ahead_once_in_both_classes(owner: Connection) -> None:
    assert await make_ahead(owner) == []
    made = await make_ahead(owner, days=5)
    assert len(made) == 4
    today = (await owner.fetchval("SELECT clock_timestamp()")).astimezone(UTC).date()
    for retention in ("market", "desk"):
        days = [day for day, _ in await attached(owner, retention)]
        assert days == [today + timedelta(days=n) for n in range(5)]


async def test_the_log_makes_its_day_when_nobody_did(
    store: PostgresStore, owner: Connection
) -> None:
    assert await make_partitions_ahead(store) == []
    today = (await owner.fetchval("SELECT clock_timestamp()")).astimezone(UTC).date()
    for retention in ("market", "desk"):
        leaf = leaf_name(retention, today)
        await owner.execute(f"ALTER TABLE events_{retention} DETACH PARTITION {leaf}")
        await owner.execute(f"DROP TABLE {leaf}")
    assert (await store.append([halt(1), price(1)])).positions == (1, 2)


async def test_a_day_is_detached_without_stopping_appends(
    store: PostgresStore, owner: Connection
) -> None:
    await owner.execute("SELECT make_partitions($1, 1)", date(2026, 1, 5))
    leaf = leaf_name("market", date(2026, 1, 5))
    detach = owner.execute(f"ALTER TABLE events_market DETACH PARTITION {leaf} CONCURRENTLY")
    results = await asyncio.gather(detach, *(store.append([price(n)]) for n in range(50)))
    assert len(results) == 51
    await owner.execute(f"DROP TABLE {leaf}")
    assert leaf not in [name for _, name in await attached(owner, "market")]


async def test_upkeep_prunes_ids_and_commits_but_never_the_tail(
    database_url: str, owner: Connection
) -> None:
    last = await _history(owner)
    async with await PostgresStore.open(database_url, application_name="test") as store:
        assert await owner.fetchval("SELECT prune_market_ids($1)", last + 1) == 3 * DAYS
        assert await owner.fetchval("SELECT prune_commits(clock_timestamp(), 10)") == 0
        await store.append([halt("a")])
        assert await owner.fetchval("SELECT prune_commits(clock_timestamp(), 10)") == 1
        assert (await store.append([halt("b")])).positions == (last + 2,)
