"""2,000 seeded callback sequences: whatever is told, position and cash end as the ledger's."""

from __future__ import annotations

from tests.sim.callbacks import Sequence
from tests.sim.lives import sequences


def test_callbacks_doubled_reordered_dropped_corrected_or_late_end_in_the_ledgers_cash() -> None:
    seeds = sequences()
    wrongs: dict[int, list[str]] = {}
    left = rolled = 0
    for seed in seeds:
        sequence = Sequence(seed)
        if found := sequence.play():
            wrongs[seed] = found
        left += sequence.left
        rolled += sequence.rolled > 0
    told = "\n".join(f"SIM_SEEDS={seed}: {found}" for seed, found in list(wrongs.items())[:20])
    assert not wrongs, f"{len(wrongs)} of {len(seeds)} sequences differ:\n{told}"
    if len(seeds) >= 100:
        assert left >= 0.6 * len(seeds), f"most trades must get to their exit, was {left}"
        assert rolled >= 0.03 * len(seeds), f"some must be rolled, was {rolled}"
