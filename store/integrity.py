"""Opens a log for verification: read-only, without the writer that an open store has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from store.envelope import PostgresSource

CONNECT_SECONDS_MAX = 10.0
_SETTINGS = {"role": "striketape_reader", "application_name": "verify", "statement_timeout": "60s"}


@asynccontextmanager
async def open_log(dsn: str) -> AsyncIterator[PostgresSource]:
    """The canonical bytes of the log at an address. Raises what asyncpg raises."""
    pool = await asyncpg.create_pool(
        dsn, min_size=1, max_size=2, timeout=CONNECT_SECONDS_MAX, server_settings=_SETTINGS
    )
    try:
        yield PostgresSource(pool)
    finally:
        await pool.close()
