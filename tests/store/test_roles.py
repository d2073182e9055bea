"""Nobody changes the log: neither the roles that services use nor the owner."""

from __future__ import annotations

from itertools import product
from typing import TypeAlias

import asyncpg
import pytest

from store.postgres import _WRITER_SETTINGS, PostgresStore
from tests.store.propose import halt, price

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CHANGES = (
    "UPDATE {table} SET build = 'x'",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
)
ROLES = ("striketape_writer", "striketape_reader", "striketape_projector", "postgres")


@pytest.fixture
async def owner(owner: Connection, store: PostgresStore) -> Connection:
    await store.append([halt(1), price(1)])
    return owner


async def _tables(owner: Connection) -> list[str]:
    """The log with every class and a day of each."""
    rows = await owner.fetch(
        "SELECT DISTINCT tableoid::regclass::text AS leaf FROM events ORDER BY leaf"
    )
    assert len(rows) == 2
    return ["events", "events_desk", "events_market", *(row["leaf"] for row in rows)]


async def test_events_cannot_be_changed_by_any_role(owner: Connection) -> None:
    for table, role, change in product(await _tables(owner), ROLES, CHANGES):
        async with owner.transaction():
            await owner.execute(f"SET LOCAL ROLE {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with owner.transaction():
                    await owner.execute(change.format(table=table))
    assert await owner.fetchval("SELECT count(*) FROM events") == 2


async def test_no_role_writes_past_the_append_function(owner: Connection) -> None:
    tables = ("events", "streams", "event_ids", "checkpoints", "commits", "log_days", "clock")
    for table, role in product(tables, ROLES[:3]):
        for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
            assert not await owner.fetchval(
                "SELECT has_table_privilege($1, $2, $3)", role, table, privilege
            )
        assert await owner.fetchval("SELECT has_table_privilege($1, $2, 'SELECT')", role, table)


APPEND_FUNCTIONS = ("append_event", "append_rows", "append_events")


async def test_only_the_writer_may_append(owner: Connection) -> None:
    may = [
        await owner.fetchval(
            "SELECT has_function_privilege($1, p.oid, 'EXECUTE') FROM pg_proc p WHERE proname = $2",
            role,
            function,
        )
        for function, role in product(APPEND_FUNCTIONS, ROLES[:3])
    ]
    assert may == [True, False, False] * len(APPEND_FUNCTIONS)


async def test_the_writer_has_short_time_outs(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, server_settings=_WRITER_SETTINGS)
    try:
        shown = [
            await connection.fetchval(f"SHOW {name}")
            for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
        ]
        assert shown == ["500ms", "2s", "2s"]
        assert await connection.fetchval("SELECT current_user") == "striketape_writer"
    finally:
        await connection.close()
