"""The log under faults at every named point of append, seal, archive and migrate.

Nothing acknowledged is lost, nothing is doubled, what is sealed verifies, and whoever comes next
goes on. `make test` runs SEEDS of each area; `make crash` runs many more, and one again with
LOG_SEED=area:seed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pytest_postgresql.executors import NoopExecutor

from run.embedded import EmbeddedPostgres
from tests.crash import append_life, archive_life, migrate_life, seal_life
from tests.crash.log_life import LIVES_PER_ROW, Ground, Row, ground

SEEDS = {"append": 100, "seal": 75, "archive": 75, "migrate": 50}
OPEN: dict[str, Callable[[Ground], Awaitable[Row]]] = {
    "append": append_life.AppendRow.open,
    "seal": seal_life.SealRow.open,
    "archive": archive_life.ArchiveRow.open,
    "migrate": migrate_life.MigrateRow.open,
}
POINTS = {
    "append": append_life.POINTS,
    "seal": seal_life.POINTS,
    "archive": archive_life.POINTS,
    "migrate": migrate_life.POINTS,
}


def _wanted() -> dict[str, range]:
    """Seeds of each area: those of `make test`, or those that LOG_SEEDS=area:first:count names."""
    given = os.environ.get("LOG_SEEDS")
    if not given:
        return {area: range(count) for area, count in SEEDS.items()}
    area, first, count = given.split(":")
    return {area: range(int(first), int(first) + int(count))}


@pytest.mark.parametrize(("area", "seeds"), _wanted().items())
async def test_a_fault_at_any_point_loses_and_doubles_nothing(
    area: str,
    seeds: range,
    postgres_server: EmbeddedPostgres,
    migrated_template: NoopExecutor,
    tmp_path: Path,
) -> None:
    struck: Counter[str] = Counter()
    for first in range(seeds.start, seeds.stop, LIVES_PER_ROW):
        name = f"faults_{area}_{os.getpid()}_{first}"
        folder = tmp_path / str(first)
        async with ground(
            postgres_server.dsn(), migrated_template.template_dbname, name, folder
        ) as made:
            row = await OPEN[area](made)
            seed = first
            try:
                for seed in range(first, min(first + LIVES_PER_ROW, seeds.stop)):
                    struck[await row.live(seed)] += 1
                await row.end()
            except Exception as error:
                error.add_note(f"seed {seed}; again: make crash LOG_SEED={area}:{seed}")
                raise
            finally:
                await row.close()
    if len(seeds) >= SEEDS[area]:
        hit = {point for point in POINTS[area] if any(at.startswith(point) for at in struck)}
        assert hit == set(POINTS[area]), f"every point must be struck, was {struck}"
