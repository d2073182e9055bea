"""Days of the log: which partitions there are, and making them ahead of time.

Called by the store when it opens and by the keeper every day. A day is one UTC day of recorded_at;
each has a partition in both retention classes.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from store.patience import READ_STALL_SECONDS_MAX, Patience

if TYPE_CHECKING:
    import asyncpg

    from store.appender import Writer
    from store.postgres import PostgresStore

DAYS_AHEAD = 3
"""Enough for a long weekend without the keeper, few enough for the planner not to feel them."""


def leaf_name(retention: str, day: date) -> str:
    """Table of one day and retention class."""
    return f"events_{retention}_{day:%Y%m%d}"


async def make_ahead(connection: Writer, days: int = DAYS_AHEAD) -> list[str]:
    """Make what is missing of today and the following days; returns the names made now."""
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    today = now.astimezone(UTC).date()
    wanted = [
        leaf_name(retention, today + timedelta(days=step))
        for retention in ("market", "desk")
        for step in range(days)
    ]
    missing = await connection.fetchval(
        "SELECT count(*) FROM unnest($1::text[]) AS leaf WHERE to_regclass(leaf) IS NULL", wanted
    )
    if not missing:
        return []
    return list(await connection.fetchval("SELECT make_partitions($1, $2)", today, days))


async def make_partitions_ahead(store: PostgresStore) -> list[str]:
    """The same for an open store, on a writing connection of its own.

    Raises:
        StoreUnavailable: no connection, however long it was waited for.
    """

    async def attempt() -> list[str]:
        connection = await store.connect_writer()
        try:
            return await make_ahead(connection)
        finally:
            await connection.close()

    # What is made already is not made again, so an unknown outcome does no harm.
    return await Patience(time.monotonic, seconds_max=READ_STALL_SECONDS_MAX).through(attempt)


async def attached(connection: Writer, retention: str) -> list[tuple[date, str]]:
    """(day, table) of the attached partitions of a class, oldest first."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = ('events_' || $1)::regclass ORDER BY c.relname
        """,
        retention,
    )
    names = [row["relname"] for row in rows]
    return [(datetime.strptime(n[-8:], "%Y%m%d").replace(tzinfo=UTC).date(), n) for n in names]
