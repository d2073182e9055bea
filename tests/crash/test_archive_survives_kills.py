"""The archiver is killed at every point, and the next one goes on: nothing lost, nothing doubled.

A killed archiver leaves what was on the disk and in the database at that point. When all days are
moved they are put back, and it begins again.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from domain.event import Retention
from store import archiver
from store.contract import Selection
from tests.crash.test_seal_survives_kills import Kill, Killed
from tests.store.archived_log import LAST, Desk, archivable
from tests.store.sealed_log import verify

SEEDS = int(os.environ.get("SEEDS") or 100)
READ_EVERY = 4
VERIFIED_EVERY = 20
POINTS = (
    "file written",
    "file renamed",
    "file compared",
    "day recorded",
    "day archived",
    "partition detached",
    "partition dropped",
)


async def _put_back(desk: Desk) -> None:
    """All days as they were before they were archived."""
    await desk.owner.execute("DELETE FROM archived_days")
    await desk.owner.execute("SELECT make_partitions($1, $2)", desk.days[0], len(desk.days))
    await desk.owner.execute(
        "INSERT INTO events SELECT * FROM kept k WHERE NOT EXISTS"
        " (SELECT FROM events e WHERE e.position = k.position)"
    )
    shutil.rmtree(desk.folder)


async def _one_life(desk: Desk, seed: int) -> str:
    """One run that is killed at a point drawn from the seed; "" when it came to its end."""
    random = Random(seed)
    kill = Kill(random.randint(1, len(POINTS)))
    classes = random.sample(tuple(Retention), k=2)
    before = desk.all_days()
    try:
        await desk.archiver(kill).run({retention: before[retention] for retention in classes})
    except Killed:
        if kill.at == "file written" and random.random() < 0.5:
            for partial in desk.folder.glob("*/*/*.new"):
                partial.write_bytes(partial.read_bytes()[: random.randint(0, 500)])
    return kill.at


async def test_a_kill_at_any_point_loses_and_doubles_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiver, "ROWS_PER_GROUP", 30)
    async with archivable(database_url, tmp_path) as desk:
        await desk.owner.execute("CREATE TABLE kept AS TABLE events")
        before = await desk.store.read(0, Selection(), 5_000, LAST)
        killed: Counter[str] = Counter()
        for seed in range(SEEDS):
            point = await _one_life(desk, seed)
            killed[point] += 1
            if not point or seed % READ_EVERY == 0:
                assert await desk.store.read(0, Selection(), 5_000, LAST) == before, seed
            if not point:
                await _put_back(desk)
            elif seed % VERIFIED_EVERY == 0:
                found = await verify(database_url, tmp_path, archive=desk.folder)
                assert found.finding is None, seed
        assert min(killed[point] for point in POINTS) >= 10
        await desk.archiver().run(desk.all_days())
        assert await desk.owner.fetchval("SELECT count(*) FROM archived_days") == 6
        found = await verify(database_url, tmp_path, archive=desk.folder)
        assert (found.finding, found.events) == (None, LAST)
