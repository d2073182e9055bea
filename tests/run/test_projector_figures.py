"""What the projector's heartbeat says while a projection is built anew."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis

from domain.event import Recorded
from projections import hot
from projections.projector import Projection
from projections.redis_target import RedisTarget
from run.projector import Running, figures
from store.postgres import PostgresStore
from tests.projections.story import one_of_each


async def test_a_view_that_is_built_anew_is_as_late_as_that_lasts(
    store: PostgresStore, redis: Redis
) -> None:
    """Readers see the old view meanwhile, and no lag of an event tells how old it is."""
    await store.append(one_of_each(1))
    running = Running(redis)
    seen: list[float | None] = []

    def noting(event: Recorded) -> Any:
        seen.append(running.projectors[0].rebuilding_since)
        return hot.PROJECTION.effects(event)

    known = hot.PROJECTION
    projection: Projection[Any] = Projection(known.name, known.version, known.types, noting)
    running.add(store, projection, RedisTarget(redis, hot.PREFIX))
    projector = running.projectors[0]
    assert "lag_seconds" not in await figures(running, 1)
    projector.rebuilding_since = asyncio.get_running_loop().time() - 60.0
    told = await figures(running, 1)
    assert told["lag_seconds"] == told["hot.rebuilding_seconds"] >= 60.0
    await projector.rebuild()
    assert seen and all(since is not None for since in seen)
    assert projector.rebuilding_since is None
    assert "hot.rebuilding_seconds" not in await figures(running, 1)
