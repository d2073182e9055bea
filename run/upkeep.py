"""Rows that serve nobody any more go every night: commits settled long ago, and typed ticks of the
audit tables whose market events have left Postgres for the archive.

Called by the keeper (run/archiving.py). By steps, so that no statement holds anybody up.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from store.envelope import start_of
from store.postgres import PostgresStore

ROWS_A_STEP_MAX = 2_000
"""Of one table; there are some twenty, and the writer's statements end after 2 s."""
STEPS_MAX = 20_000
"""Of one night: more than a night's rows; what is left goes in the next."""


async def prune(store: PostgresStore, ticks_before: date) -> tuple[int, int]:
    """Delete old rows of commits, and typed ticks of days before the given one; how many they were.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError, OSError: those before are gone.
    """
    connection = await store.connect_writer()
    try:
        counts = []
        for function, before in (
            ("prune_commits", datetime.now(UTC)),
            ("prune_audit_ticks", start_of(ticks_before)),
        ):
            total = 0
            for _ in range(STEPS_MAX):
                gone = await connection.fetchval(
                    f"SELECT {function}($1, $2)",
                    before,
                    ROWS_A_STEP_MAX,
                )
                total += gone
                if gone == 0:
                    break
            counts.append(total)
        commits, ticks = counts
        return commits, ticks
    finally:
        await connection.close()
