"""What is done to the tables beside the log every night.

Rows that serve nobody any more go: commits settled long ago, and days of the feed tables whose
market events have left Postgres for the archive. And it is noted on which later days an event is
named (sql/0021_links.sql). Days of the feed tables are made ahead.

Called by the keeper (run/archiving.py, run/keeper/jobs.py). By steps, so that no statement holds
anybody up.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import asyncpg

from store.postgres import PostgresStore

ROWS_A_STEP_MAX = 2_000
"""Of one table; the writer's statements end after 2 s."""
POSITIONS_A_STEP_MAX = 20_000
FEED_DAYS = 2
CONNECT_SECONDS_MAX = 10.0
STEPS_MAX = 20_000
"""Of one night: more than a night's rows; what is left goes in the next."""


async def prune(store: PostgresStore, ticks_before: date) -> tuple[int, int]:
    """Delete old rows of commits, and tables of days before the given one; how many they were.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: those before are gone.
    """
    connection = await store.connect_writer()
    try:
        commits = await _in_steps(
            connection, "SELECT prune_commits($1, $2)", datetime.now(UTC), ROWS_A_STEP_MAX
        )
        tables = await _in_steps(connection, "SELECT prune_feed_days($1)", ticks_before)
        return commits, tables
    finally:
        await connection.close()


async def note_links(store: PostgresStore) -> int:
    """Note what the events since the last time name; how many positions that were.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: those before are noted.
    """
    connection = await store.connect_writer()
    try:
        return await _in_steps(connection, "SELECT note_links($1)", POSITIONS_A_STEP_MAX)
    finally:
        await connection.close()


async def make_feed_days_ahead(database_url: str, today: date) -> int:
    """Make the feed tables of a UTC day and the next; how many were missing.

    The projector makes those that it needs itself: this spares it the first rows of a day.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: those before are made.
    """
    connection = await asyncpg.connect(
        database_url,
        timeout=CONNECT_SECONDS_MAX,
        server_settings={"role": "striketape_projector", "application_name": "keeper"},
    )
    try:
        made: int = await connection.fetchval(
            "SELECT make_feed_days('feed', $1, $2)", today, FEED_DAYS
        )
        return made
    finally:
        await connection.close()


async def _in_steps(
    connection: asyncpg.Connection[asyncpg.Record], statement: str, *arguments: object
) -> int:
    total = 0
    for _ in range(STEPS_MAX):
        done = await connection.fetchval(statement, *arguments)
        if done == 0:
            break
        total += done
    return total
