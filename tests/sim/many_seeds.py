"""`make sim`: many lives of the trader in virtual time; stops at the first that did harm.

    SEEDS=10000 python -m tests.sim.many_seeds    seeds 1 to 10,000, a quarter as many whose condors
                                                  are to be rolled, and ten times as many callback
                                                  sequences; what passed is not run again
    SEED=7 python -m tests.sim.many_seeds         this one again, of both kinds of lives

WORKERS of them at once, as many as there are processors if nothing is said. What passed is kept in
var/sim by build, so that a run that was stopped goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from run.build import ROOT, build_id

FOLDER = Path("var/sim")
SEEDS_A_RUN = 100
SEQUENCES_A_SEED = 10
SEEDS_A_ROLLING = 4
LIVES = "tests/sim/test_lives_one.py"
ROLLING = "tests/sim/test_lives_rolling.py"
CALLBACKS = "tests/sim/test_callbacks_one.py"
FAILING = "tests/sim/test_failing_seeds.py"


def run(test: str, environment: dict[str, str], output: Path) -> bool:
    """One test file in a process of its own; True when it passed."""
    with output.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:xdist", "-s", test],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=file,
            stderr=file,
            check=False,
        )
    return done.returncode == 0


def lived(first: int, last: int) -> bool:
    """Lives of these seeds of both kinds, and their callback sequences."""
    sequences = f"{SEQUENCES_A_SEED * (first - 1) + 1}-{SEQUENCES_A_SEED * last}"
    parts = [(LIVES, f"{first}-{last}"), (CALLBACKS, sequences)]
    rolling = (first - 1) // SEEDS_A_ROLLING + 1, last // SEEDS_A_ROLLING
    if rolling[0] <= rolling[1]:
        parts.append((ROLLING, f"{rolling[0]}-{rolling[1]}"))
    for test, seeds in parts:
        output = FOLDER / f"{Path(test).stem}-{seeds}.txt"
        if not run(test, {"SIM_SEEDS": seeds}, output):
            print(f"harm among seeds {seeds} of {test}, see {output}", flush=True)
            return False
    return True


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    if os.environ.get("SEED"):
        seed = os.environ["SEED"]
        passed = []
        for test in (LIVES, ROLLING):
            output = FOLDER / f"{Path(test).stem}-seed-{seed}.txt"
            passed.append(run(test, {"SIM_SEEDS": seed}, output))
            print(output.read_text()[-4_000:])
        return 0 if all(passed) else 1
    if not run(FAILING, {}, FOLDER / "failing-seeds.txt"):
        print(f"a kept seed fails, see {FOLDER / 'failing-seeds.txt'}")
        return 1
    kept = FOLDER / f"passed-{build_id()}.txt"
    known = set(kept.read_text().split()) if kept.exists() else set()
    count = int(os.environ.get("SEEDS") or "10000")
    workers = int(os.environ.get("WORKERS") or os.cpu_count() or 1)
    left = [
        (first, last)
        for first in range(1, count + 1, SEEDS_A_RUN)
        for last in [min(first + SEEDS_A_RUN - 1, count)]
        if f"{first}-{last}" not in known
    ]
    began, new = time.monotonic(), 0
    with ThreadPoolExecutor(workers) as pool:
        runs = {pool.submit(lived, first, last): (first, last) for first, last in left}
        for done in as_completed(runs):
            first, last = runs[done]
            if not done.result():
                # What is under way comes to its end first.
                pool.shutdown(wait=False, cancel_futures=True)
                return 1
            with kept.open("a") as file:
                file.write(f"{first}-{last}\n")
            new += last - first + 1
            each_ms = 1_000 * (time.monotonic() - began) / new
            print(f"{first}-{last} of {count} without harm, {each_ms:.0f} ms a seed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
