"""`make crash`: thousands of lives of the log under faults, hundreds of the trader's processes,
then days in which any process dies.

    make crash                        10,000 lives of the log, 200 of the trader, then seeds 1 to 20
                                      of the desk
    make crash LOG_LIVES=400 TRADER_LIVES=20 SEEDS=2    fewer of each; 0 for none
    make crash LOG_SEED=archive:37    this life of the log again, with its row up to it
    make crash TRADER_SEED=7          this life of the trader again, with its row up to it
    make crash SEED=7                 this seed of the desk again

Runs at most SLICE_MINUTES (60), then says how far it came; the next one goes on there. What passed
is kept in var/crash by build. Stops at the first failure with the command that repeats it and exit
code 1; 2 when its settings make no sense.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from run.build import ROOT, build_id
from tests.crash.log_life import LIVES_PER_ROW
from tests.crash.trader_life import LIVES_PER_ROW as TRADER_LIVES_PER_ROW

FOLDER = Path("var/crash")
DEATHS = "8"
AREAS = ("append", "seal", "archive", "migrate")
LIVES_PER_BLOCK = 10 * LIVES_PER_ROW
BLOCK_MINUTES_MAX = 10
SEED_MINUTES_MAX = 20
LOG = "tests/crash/test_log_survives_faults.py"
TRADER = "tests/crash/test_trader_survives_kills.py"
TRADER_LIVES_PER_BLOCK = 5 * TRADER_LIVES_PER_ROW
PROCESSES = "tests/crash/processes_survive_kills.py"


@dataclass(frozen=True, slots=True)
class Step:
    """Tests that are run or left out together; `name` is what is remembered of it."""

    name: str
    runs: tuple[tuple[str, Mapping[str, str]], ...]
    minutes_max: int


def log_block(area: str, first: int, count: int) -> Step:
    """Lives of one area of the log."""
    given = {"LOG_SEEDS": f"{area}:{first}:{count}"}
    return Step(f"{area}:{first}", ((LOG, given),), BLOCK_MINUTES_MAX)


def trader_block(first: int, count: int) -> Step:
    """Lives of the trader's processes."""
    given = {"TRADER_SEEDS": f"{first}:{count}"}
    return Step(f"trader:{first}:{count}", ((TRADER, given),), BLOCK_MINUTES_MAX)


def desk_seed(seed: int) -> Step:
    """A day of all processes."""
    day = {"DESK_SEED": str(seed), "DESK_DEATHS": DEATHS}
    return Step(str(seed), ((PROCESSES, day),), SEED_MINUTES_MAX)


def passes(step: Step) -> bool:
    """Run a step, each test in a process of its own, and tell how to repeat a failure."""
    for test, environment in step.runs:
        output = FOLDER / f"seed-{step.name.replace(':', '-')}-{Path(test).stem}.txt"
        if not _passes(test, environment, output, step.minutes_max * 60):
            told = [text for text in output.read_text().splitlines() if "again: make crash" in text]
            again = told[-1].partition("again: ")[2] if told else f"make crash SEED={step.name}"
            print(f"{step.name} failed, see {output}; again: {again}", flush=True)
            return False
        output.unlink()
    return True


def _passes(test: str, environment: Mapping[str, str], output: Path, seconds_max: int) -> bool:
    with output.open("w") as file:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", test],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=file,
                stderr=file,
                check=False,
                timeout=seconds_max,
            )
        except subprocess.TimeoutExpired:
            file.write(f"\nmust end in {seconds_max} s, did not\n")
            return False
    return done.returncode == 0


class Progress:
    """What has passed with this build and its migrations."""

    def __init__(self) -> None:
        sql = b"".join(path.read_bytes() for path in sorted((ROOT / "sql").glob("*.sql")))
        version = f"{build_id()}-{hashlib.sha256(sql).hexdigest()[:6]}"
        self._path = FOLDER / f"passed-{version}.txt"
        self.names = set(self._path.read_text().split()) if self._path.exists() else set()

    def add(self, step: Step) -> None:
        with self._path.open("a") as file:
            file.write(f"{step.name}\n")
        self.names.add(step.name)


def run(
    steps: list[Step],
    slice_minutes: int,
    say: Callable[[str], None],
    carry_out: Callable[[Step], bool] = passes,
) -> int:
    """Run what has not passed yet as long as the slice allows; the exit code."""
    progress = Progress()
    began = time.monotonic()
    for step in steps:
        if step.name in progress.names:
            continue
        passed = sum(one.name in progress.names for one in steps)
        if time.monotonic() - began > 60 * (slice_minutes - step.minutes_max):
            say(f"the slice is over: {passed} of {len(steps)} passed; make crash goes on")
            return 0
        if not carry_out(step):
            return 1
        progress.add(step)
        say(f"{step.name} passed: {passed + 1} of {len(steps)}, {_minutes_since(began)}")
    say(f"all {len(steps)} passed")
    return 0


def _minutes_since(began: float) -> str:
    return f"{(time.monotonic() - began) / 60:.1f} min"


def wanted_steps(log_lives: int, trader_lives: int, seeds: int) -> list[Step]:
    """Blocks of all areas by turns, then the lives of the trader, then the seeds of the desk."""
    of_each = -(-log_lives // len(AREAS))
    blocks = [
        log_block(area, first, min(LIVES_PER_BLOCK, of_each - first))
        for first in range(0, of_each, LIVES_PER_BLOCK)
        for area in AREAS
    ]
    trader = [
        trader_block(first, min(TRADER_LIVES_PER_BLOCK, trader_lives + 1 - first))
        for first in range(1, trader_lives + 1, TRADER_LIVES_PER_BLOCK)
    ]
    return [*blocks, *trader, *(desk_seed(seed) for seed in range(1, seeds + 1))]


def main(given: Mapping[str, str] = os.environ) -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    if given.get("SEED"):
        return 0 if passes(desk_seed(int(given["SEED"]))) else 1
    if given.get("TRADER_SEED"):
        seed = int(given["TRADER_SEED"])
        first = seed - (seed - 1) % TRADER_LIVES_PER_ROW
        return 0 if passes(trader_block(first, seed - first + 1)) else 1
    if given.get("LOG_SEED"):
        area, _, seed = given["LOG_SEED"].partition(":")
        if area not in AREAS or not seed.isdigit():
            print(f"LOG_SEED must be one of {', '.join(AREAS)}, a colon and a number")
            return 2
        first = int(seed) - int(seed) % LIVES_PER_ROW
        return 0 if passes(log_block(area, first, int(seed) - first + 1)) else 1
    slice_minutes = int(given.get("SLICE_MINUTES") or 60)
    if slice_minutes <= SEED_MINUTES_MAX:
        print(f"SLICE_MINUTES must be more than {SEED_MINUTES_MAX}, was {slice_minutes}")
        return 2
    steps = wanted_steps(
        int(given.get("LOG_LIVES") or 10_000),
        int(given.get("TRADER_LIVES") or 200),
        int(given.get("SEEDS") or 20),
    )
    return run(steps, slice_minutes, lambda text: print(text, flush=True))


if __name__ == "__main__":
    sys.exit(main())
