"""Seeded lives of condors that are to be rolled: rolled, rolled in part, and killed in between.

SIM_SEEDS=first-last lives others.
"""

from __future__ import annotations

from pathlib import Path

from tests.sim.conftest import SimLog
from tests.sim.lives import given_seeds, no_harm
from tests.sim.world import RollingWorld

SEEDS = range(1, 81)
ROLLED_SHARE_MIN = 0.1


def test_no_roll_adds_risk_or_uncovers_a_short_wherever_the_trader_dies(
    sim_log: SimLog, tmp_path: Path
) -> None:
    seeds = given_seeds() or list(SEEDS)
    tally = no_harm(sim_log, tmp_path, seeds, RollingWorld)
    print(tally)
    if len(seeds) >= 80:
        assert tally.rolled >= ROLLED_SHARE_MIN * tally.lives, f"many must be rolled, was {tally}"
        assert tally.rolled_in_part > 0, f"some must be rolled in part, was {tally}"
