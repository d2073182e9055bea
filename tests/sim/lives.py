"""Which seeds are lived in which test file, and what is asked of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.sim.conftest import SimLog
from tests.sim.oracle import verdict
from tests.sim.world import World, run_life

SEEDS = 500
SEQUENCES = 2_000
FILES = 4
TRADED_SHARE_MIN = 0.45
"""Of a hundred lives or more. Of 5,300 66 in a hundred traded; this is four deviations below."""
FAILING = Path(__file__).with_name("failing_seeds.txt")
EXPECTED = "expected:"


@dataclass
class Tally:
    """What the lives of a file were worth."""

    lives: int = 0
    traded: int = 0
    kills: int = 0
    rolled: int = 0
    rolled_in_part: int = 0
    rolls_sent: int = 0
    steps: int = 0
    virtual_seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    wrongs: dict[int, list[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.lives} lives, {self.traded} with fills, {self.rolls_sent} with a roll sent,"
            f" {self.rolled} rolled, {self.rolled_in_part} in part, {self.kills} deaths,"
            f" {self.steps} crash points, {self.virtual_seconds / 3600:.1f} simulated hours,"
            f" {dict(self.faults)}"
        )


def share(file_number: int) -> list[int]:
    """The seeds of one of the FILES test files; SIM_SEEDS=first-last names others."""
    return given_seeds() or list(range(file_number, SEEDS + 1, FILES))


def sequences() -> list[int]:
    """The seeds of the callback sequences; SIM_SEEDS=first-last names others."""
    return given_seeds() or list(range(1, SEQUENCES + 1))


def given_seeds() -> list[int]:
    first, _, last = os.environ.get("SIM_SEEDS", "").partition("-")
    return list(range(int(first), int(last or first) + 1)) if first else []


def failing() -> dict[int, str]:
    """Seeds that once failed: seed to what went wrong, or `expected:` and why it still does."""
    found: dict[int, str] = {}
    for line in FAILING.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text:
            seed, _, reason = text.partition(" ")
            found[int(seed)] = reason.strip()
    return found


def live(log: SimLog, folder: Path, seeds: Iterable[int], kind: type[World] = World) -> Tally:
    """Live the seeds, one after the other."""
    tally = Tally()
    for seed in seeds:
        history, life = run_life(seed, log.store, log.loop, folder / str(seed), kind=kind)
        tally.lives += 1
        tally.traded += bool(history.ledger.executions)
        tally.kills += len(life.kills)
        rolls = [order for order in history.ledger.orders if "-R" in order.order_ref]
        tally.rolls_sent += bool(rolls)
        tally.rolled += any(order.filled == order.quantity for order in rolls)
        tally.rolled_in_part += any(0 < order.filled < order.quantity for order in rolls)
        tally.steps += life.steps
        tally.virtual_seconds += life.virtual_seconds
        tally.faults.update(life.faults)
        wrongs = verdict(history)
        if wrongs:
            tally.wrongs[seed] = [*wrongs, f"died: {life.kills}", f"faults: {dict(life.faults)}"]
            print(f"seed {seed} did harm: {tally.wrongs[seed]}", flush=True)
    return tally


def no_harm(log: SimLog, folder: Path, seeds: Sequence[int], kind: type[World] = World) -> Tally:
    """Live the seeds; fails with the command that repeats the first that did harm."""
    excused = {seed for seed, reason in failing().items() if reason.startswith(EXPECTED)}
    tally = live(log, folder, [seed for seed in seeds if seed not in excused], kind)
    told = "\n".join(f"make sim SEED={seed}: {wrongs}" for seed, wrongs in tally.wrongs.items())
    assert not tally.wrongs, f"{len(tally.wrongs)} of {tally.lives} seeds did harm:\n{told}"
    return tally
