"""`make crash`: many seeds, each a day in which processes die; stops at the first that fails.

    SEEDS=50 python -m tests.crash.many_seeds    seeds 1 to 50; those that passed are not run again
    SEED=7 python -m tests.crash.many_seeds      this one again

What passed is kept in var/crash by build, so that a run that was stopped goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from run.build import ROOT, build_id

FOLDER = Path("var/crash")
DEATHS = "8"
LIVES_PER_SEED = 20
PROCESSES = "tests/crash/test_processes_survive_kills.py"
LIVES = "tests/crash/test_trader_survives_kills.py"


def run(test: str, environment: dict[str, str], output: Path) -> bool:
    """One test in a process of its own; True when it passed."""
    with output.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", test],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=file,
            stderr=file,
            check=False,
        )
    return done.returncode == 0


def one_seed(seed: int) -> bool:
    """Lives of the trader in one process, and a day of all processes."""
    first = LIVES_PER_SEED * (seed - 1) + 1
    lives = {"CRASH_SEEDS": str(LIVES_PER_SEED), "CRASH_FIRST_SEED": str(first)}
    day = {"DESK_SEED": str(seed), "DESK_DEATHS": DEATHS}
    for test, environment in ((LIVES, lives), (PROCESSES, day)):
        output = FOLDER / f"seed-{seed}-{Path(test).stem}.txt"
        if not run(test, environment, output):
            print(f"seed {seed} failed, see {output}; again: make crash SEED={seed}", flush=True)
            return False
    print(f"seed {seed} passed", flush=True)
    return True


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    if os.environ.get("SEED"):
        return 0 if one_seed(int(os.environ["SEED"])) else 1
    passed = FOLDER / f"passed-{build_id()}.txt"
    known = set(passed.read_text().split()) if passed.exists() else set()
    for seed in range(1, int(os.environ.get("SEEDS") or "20") + 1):
        if str(seed) in known:
            continue
        if not one_seed(seed):
            return 1
        with passed.open("a") as file:
            file.write(f"{seed}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
