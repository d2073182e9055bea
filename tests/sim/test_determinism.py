"""A seed is a whole life: lived again it leaves the same log, to the byte and the microsecond."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from tests.sim.conftest import SimLog
from tests.sim.history import History
from tests.sim.world import run_life

SEEDS = (3, 5, 8, 12, 61)
_HASHES: dict[int, str] = {}


def _hash(history: History) -> str:
    lines = [f"{e.stream} {e.event_id} {e.recorded_at} {e.body}" for e in history.log]
    lines += [str(frame) for frame in history.wire]
    return sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("first", [1_000, 2_000])
def test_a_seed_repeats_its_log_on_another_database(
    sim_log: SimLog, tmp_path: Path, first: int
) -> None:
    """Other lives before it on the log change nothing."""
    run_life(first, sim_log.store, sim_log.loop, tmp_path / "before")
    for seed in SEEDS:
        history, _ = run_life(seed, sim_log.store, sim_log.loop, tmp_path / str(seed))
        assert _HASHES.setdefault(seed, _hash(history)) == _hash(history), seed
