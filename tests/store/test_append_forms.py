"""The three append functions: one meaning, and the quick ones take the plain case or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from domain.event import Proposed
from store.call import Call
from store.contract import Appended, Checkpoint
from store.group import Anchor, Form, PlainGroup, Rows, WeighedGroup
from store.postgres import PostgresStore
from store.rows import prepare
from store.single import SingleEvent
from tests.store.propose import AT, halt, price

ROWS = """
    SELECT stream, version, type, schema, retention::text, occurred_at, market_time, causation_id,
        correlation_id = event_id AS is_root, worker, build, input_position, ordinal, data::text
    FROM events WHERE position > $1 ORDER BY position
"""


def _call(events: Sequence[Proposed], checkpoint: Checkpoint | None = None) -> Call:
    result = asyncio.get_running_loop().create_future()
    prepared = [prepare(event) for event in events]
    return Call(prepared, range(len(prepared)), checkpoint, result)


async def _append(connection: asyncpg.Connection[Any], form: Form) -> UUID:
    """The group it was appended as."""
    group_id = uuid4()
    now = await connection.fetchval("SELECT clock_timestamp()")
    row = await connection.fetchrow(
        form.statement, *form.arguments(group_id, Anchor(now, 0, 0.0), 0.0)
    )
    assert row is not None
    form.finish(row, {})
    return group_id


def _calls(key: str) -> list[Call]:
    """Two families, three streams, times that are given and not, causes, versions, checkpoints.
    Ids differ from key to key, nothing else does."""
    cause = UUID(int=7)
    first = [
        price((key, 1)),
        halt((key, 2), causation_id=cause, correlation_id=cause, input_position=5, ordinal=2),
    ]
    second = [
        halt((key, 3), reason="same", expected_version=None),
        halt((key, 4), "fresh", reason="same", expected_version=1),
    ]
    later = price((key, 5))
    return [
        _call(first, Checkpoint("one", 0, 3)),
        _call(second),
        _call([later], Checkpoint("two", 0, 4)),
    ]


async def _state(store: PostgresStore, group: UUID) -> list[Any]:
    connection = await store.connect_writer()
    try:
        rows = [tuple(row) for row in await connection.fetch(ROWS, 0)]
        streams = await connection.fetch("SELECT * FROM streams ORDER BY stream")
        moved = await connection.fetch(
            "SELECT consumer, position, moved_by = $1 FROM checkpoints ORDER BY consumer", group
        )
        commits = await connection.fetch("SELECT first_position, last_position FROM commits")
        ids = await connection.fetch(
            "SELECT position, retention::text, digest FROM event_ids ORDER BY position"
        )
        return [rows, *([tuple(row) for row in table] for table in (streams, moved, commits, ids))]
    finally:
        await connection.close()


@pytest.fixture
async def ran_before(database_url: str, store: PostgresStore) -> None:
    """Consumers that have run before: a plain group moves checkpoints, it makes none."""
    for consumer in ("one", "two"):
        await store.append([], Checkpoint(consumer, 0, 1))
        await store.append([], Checkpoint(consumer, 1, 0))


@pytest.mark.usefixtures("ran_before")
@pytest.mark.parametrize("form", [PlainGroup, WeighedGroup])
async def test_a_group_means_the_same_as_rows_and_weighed(
    store: PostgresStore, form: type[PlainGroup | WeighedGroup]
) -> None:
    calls = _calls("a")
    connection = await store.connect_writer()
    try:
        group = await _append(connection, form(Rows(calls)))
    finally:
        await connection.close()

    rows, streams, moved, commits, ids = await _state(store, group)

    assert [row[:4] for row in rows] == [
        ("uw/price:SPY", 1, "UwPriceReceived", 1),
        ("control", 1, "HaltRequested", 1),
        ("control", 2, "HaltRequested", 1),
        ("fresh", 1, "HaltRequested", 1),
        ("uw/price:SPY", 2, "UwPriceReceived", 1),
    ]
    assert [row[4] for row in rows] == ["market", "desk", "desk", "desk", "market"]
    assert {row[5] for row in rows} == {AT}
    assert len({row[6] for row in rows}) == 1
    assert [row[7] for row in rows] == [None, UUID(int=7), None, None, None]
    assert [row[8] for row in rows] == [True, False, True, True, True]
    assert [row[11:13] for row in rows] == [(None, 0), (5, 2), (None, 0), (None, 0), (None, 0)]
    assert streams == [("control", 2, 2, 3), ("fresh", 1, 4, 4), ("uw/price:SPY", 2, 1, 5)]
    assert moved == [("one", 3, True), ("two", 4, True)]
    assert commits == [(1, 5)]
    assert [(place, family) for place, family, _ in ids] == [
        (n, family) for n, (*_, family) in enumerate((row[:5] for row in rows), 1)
    ]
    assert [digest for *_, digest in ids] == [e.digest for call in calls for e in call.events]
    outcomes: list[Appended] = [call.result.result() for call in calls]
    assert [o.positions for o in outcomes] == [(1, 2), (3, 4), (5,)]
    assert [o.versions for o in outcomes] == [(1, 1), (2, 1), (2,)]
    assert not any(repeated for o in outcomes for repeated in o.repeated)
    assert {time for o in outcomes for time in o.market_times} == {rows[0][6]}


async def test_one_event_means_the_same_in_scalars_and_as_a_row(store: PostgresStore) -> None:
    connection = await store.connect_writer()
    try:
        for number, form in enumerate(("scalars", "rows", "weighed")):
            call = _call([halt((form, 1), reason="same", expected_version=number + 1)])
            rows = Rows([call])
            chosen: dict[str, Form] = {
                "scalars": SingleEvent(call),
                "rows": PlainGroup(rows),
                "weighed": WeighedGroup(rows),
            }
            await _append(connection, chosen[form])
            assert call.result.result().versions == (number + 1,)
        written = [tuple(row) for row in await connection.fetch(ROWS, 0)]
        assert len({(*row[:1], *row[2:6], *row[7:]) for row in written}) == 1
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("events", "checkpoint"),
    [
        ([halt(1, expected_version=3), halt(2, expected_version=4)], None),
        ([halt(1), halt(2)], Checkpoint("never ran", 0, 1)),
        ([halt(1), halt("there")], None),
    ],
    ids=["another version", "a consumer that never ran", "a repeated id"],
)
async def test_rows_that_are_not_plain_leave_nothing_behind(
    store: PostgresStore, events: list[Proposed], checkpoint: Checkpoint | None
) -> None:
    await store.append([halt("there"), price(0)])
    connection = await store.connect_writer()
    try:
        before = await _state(store, UUID(int=0))
        with pytest.raises(asyncpg.PostgresError) as refused:
            await _append(connection, PlainGroup(Rows([_call(events, checkpoint)])))
        assert refused.value.sqlstate in ("ST002", "23505")
        assert await _state(store, UUID(int=0)) == before
    finally:
        await connection.close()


def test_versions_that_do_not_follow_each_other_are_not_plain() -> None:
    async def rows() -> Rows:
        return Rows([_call([halt(1, expected_version=1), halt(2, expected_version=3)])])

    assert not asyncio.run(rows()).is_plain
