"""Every seed that ever failed is lived again; one that is expected to fail must still fail."""

from __future__ import annotations

from pathlib import Path

from tests.sim.conftest import SimLog
from tests.sim.lives import EXPECTED, failing, live, no_harm


def test_a_seed_that_once_failed_fails_no_more(sim_log: SimLog, tmp_path: Path) -> None:
    repaired = [seed for seed, reason in failing().items() if not reason.startswith(EXPECTED)]
    no_harm(sim_log, tmp_path, repaired)


def test_an_excuse_ends_with_its_fault(sim_log: SimLog, tmp_path: Path) -> None:
    excused = {seed: why for seed, why in failing().items() if why.startswith(EXPECTED)}
    tally = live(sim_log, tmp_path, excused)
    healed = sorted(excused.keys() - tally.wrongs.keys())
    assert not healed, f"seeds must lose their excuse in failing_seeds.txt: {healed}"
