"""Where the projection of the feeds writes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from projections import feed
from projections.postgres_target import PostgresTarget


@pytest.fixture
async def target(database_url: str) -> AsyncIterator[PostgresTarget]:
    target = PostgresTarget(database_url, feed.SCHEMA)
    yield target
    await target.close()
