"""Playing a golden day on a real log, and deciding it again."""

from __future__ import annotations

import pickle
from pathlib import Path
from random import Random
from typing import Any

from domain.event import Recorded
from run.config import Settings
from run.replay.consumption import Replayed, places
from run.replay.verify_decisions import Check
from run.snapshots import pickled
from run.workers import WORKERS
from tests.e2e.virtual_desk import PAGE, Day, opened
from tests.golden_days.days import GoldenDay

CUTS = 20


async def whole_log(store: Any) -> list[Recorded]:
    """Every event, in order."""
    found: list[Recorded] = []
    while page := await store.read(found[-1].position if found else 0, limit=PAGE):
        found += page
    return found


async def played(
    golden: GoldenDay, store: Any, folder: Path, database_url: str, redis_url: str
) -> Day:
    """The desk after the day and its morning after; its log is in `store`."""
    market = golden.market()
    async with opened(store, market, folder, database_url, redis_url, golden.limits) as day:
        await day.run(golden.stretches(market.open_at, market.close_at))
        if golden.then is not None:
            following = golden.then.market(market, golden.seed)
            await day.night(following)
            await day.run(golden.then.stretches(following.open_at, following.close_at))
    return day


async def differences(store: Any, settings: Settings, seed: int) -> list[str]:
    """What comes out otherwise when all workers decide the day again, each taken apart and put
    together from a snapshot between `CUTS` inputs drawn by `seed`.

    Raises:
        AssertionError: a worker decided nothing.
    """
    checks = [Check(await Replayed.of(store, name, settings), after=0) for name in WORKERS]
    last = await store.head()
    cuts = frozenset(Random(seed).sample(range(1, last), CUTS))
    found: list[str] = []
    async for place in places(store, list(WORKERS), last):
        for check in checks:
            found += [f"{place.position} {check.replayed.name}: {s}" for s in check.take(place)]
            if place.position in cuts:
                consumer = check.replayed.consumer
                consumer.states = pickle.loads(pickled(consumer.states))  # noqa: S301
    for check in checks:
        assert check.emissions > 0, check.replayed.name
    return found
