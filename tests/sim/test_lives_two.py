"""Seeded lives of the trader, killed anywhere: no order twice, no fill lost, nothing unknown.

One of four files of equal time; SIM_SEEDS=first-last lives others.
"""

from __future__ import annotations

from pathlib import Path

from tests.sim.conftest import SimLog
from tests.sim.lives import TRADED_SHARE_MIN, no_harm, share


def test_no_order_twice_no_fill_lost_wherever_the_trader_dies(
    sim_log: SimLog, tmp_path: Path
) -> None:
    seeds = share(2)
    tally = no_harm(sim_log, tmp_path, seeds)
    print(tally)
    if len(seeds) >= 100:
        assert tally.traded >= TRADED_SHARE_MIN * tally.lives, f"most lives must trade, was {tally}"
        assert tally.kills >= tally.lives, f"the trader must die once a life, was {tally}"
