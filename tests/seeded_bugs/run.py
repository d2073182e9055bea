"""`make seeded-bugs`: each bug alone in a copy of the code; the tests of `make test` must catch it.

    python -m tests.seeded_bugs.run              all forty but those caught before in this code
    BUG=7 python -m tests.seeded_bugs.run        this one again

A bug is given the test that caught it before (caught_by.json), then the tests of the module it is
in and 25 seeds of the simulation, 90 seconds of a processor at most; the first failure ends it.
Results are kept in var/seeded-bugs by build.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from run.build import ROOT, build_id
from tests.seeded_bugs.mutations import kept
from tests.seeded_bugs.patches import FIXED, Bug

FOLDER = ROOT / "var/seeded-bugs"
TREE = FOLDER / "tree"
PROCESSOR_SECONDS_MAX = 90
"""Of the tests' process: what a quiet machine needs does not depend on who else is at work."""
SECONDS_MAX = 900.0
_NOT_FOUND = 4
"""pytest's exit code when a test that it was given is not there."""
SEEDS = "1-25"
CAUGHT_SHARE_MIN = 0.95
CAUGHT_BY = Path(__file__).with_name("caught_by.json")
"""Bug to the test that caught it: asked first, so that most bugs cost seconds."""
LIVES = "tests/sim/test_lives_one.py"
TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("domain/execution/", ("tests/domain/execution", LIVES)),
    ("domain/risk/", ("tests/domain/risk", LIVES)),
    ("domain/stage.py", ("tests/run/test_worker_shell.py", LIVES)),
    ("run/worker", ("tests/run/test_worker_shell.py", LIVES)),
    ("run/order_effect.py", ("tests/run/test_order_effect_sends.py", LIVES)),
    ("run/send_outcomes.py", ("tests/run/test_order_effect_sends.py", LIVES)),
    ("run/broker_looks.py", ("tests/run/test_order_effect_sends.py", LIVES)),
)


def tests_of(bug: Bug) -> tuple[str, ...]:
    """The tests of the touched module, then the simulation."""
    return next(tests for prefix, tests in TESTS if bug.path.startswith(prefix))


def copy_tree() -> None:
    """The working tree without what git ignores; its environment is shared."""
    shutil.rmtree(TREE, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in listed:
        source, target = ROOT / name, TREE / name
        if source.is_file() and not source.is_symlink() and not name.startswith("ui/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def is_sound() -> bool:
    """The tests pass without any bug: otherwise everything would count as caught."""
    files = sorted({test for _, tests in TESTS for test in tests})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", *files],
        cwd=TREE,
        env={**os.environ, "SIM_SEEDS": SEEDS},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout[-2_000:])
    return done.returncode == 0


def attempt(bug: Bug, caught_by: str) -> tuple[str, float, str]:
    """caught, survived, timed out or stale; the seconds it took; the first failure."""
    path = TREE / bug.path
    sound = path.read_text()
    if sound.count(bug.old) != 1:
        return "stale", 0.0, f"its text stands {sound.count(bug.old)} times in {bug.path}"
    path.write_text(sound.replace(bug.old, bug.new))
    began = time.monotonic()
    outcome, where = "survived", ""
    try:
        for tests in ((caught_by,), tests_of(bug)):
            if outcome == "survived" and all(tests):
                outcome, where = _tried(tests)
    finally:
        path.write_text(sound)
    return outcome, time.monotonic() - began, where


def _tried(tests: tuple[str, ...]) -> tuple[str, str]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", *tests],
            cwd=TREE,
            env={**os.environ, "SIM_SEEDS": SEEDS},
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
            preexec_fn=_limit_processor,
        )
    except subprocess.TimeoutExpired:
        return "timed out", ""
    if done.returncode in (0, _NOT_FOUND):
        return "survived", ""
    if done.returncode == -signal.SIGXCPU:
        return "timed out", ""
    failed = [
        line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR tests"))
    ]
    return "caught", (failed or [done.stdout[-300:]])[0][:300]


def _limit_processor() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS_MAX, PROCESSOR_SECONDS_MAX + 5))


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    told = FOLDER / f"results-{build_id()}.json"
    results: dict[str, list[object]] = json.loads(told.read_text()) if told.exists() else {}
    bugs = [*FIXED, *kept()]
    caught_by: dict[str, str] = json.loads(CAUGHT_BY.read_text())
    only = int(os.environ.get("BUG") or "0")
    copy_tree()
    if not is_sound():
        print("the tests must pass without a bug, did not")
        return 2
    for number, bug in enumerate(bugs, start=1):
        is_caught = results.get(bug.name, [""])[0] == "caught"
        if number != only if only else is_caught:
            continue
        outcome, seconds, where = attempt(bug, caught_by.get(bug.name, ""))
        if outcome == "caught" and where.startswith("FAILED tests/"):
            caught_by[bug.name] = where.split()[1]
            CAUGHT_BY.write_text(json.dumps(caught_by, indent=1) + "\n")
        results[bug.name] = [outcome, round(seconds, 1), where]
        told.write_text(json.dumps(results, indent=1))
        print(f"{number:2} {outcome} in {seconds:.0f} s: {bug.name}  {where}", flush=True)
    found = [results[bug.name][0] for bug in bugs if bug.name in results]
    caught = found.count("caught")
    print(f"{caught} of {len(found)} caught: {', '.join(sorted(set(map(str, found))))}")
    return 0 if caught >= CAUGHT_SHARE_MIN * len(bugs) else 1


if __name__ == "__main__":
    sys.exit(main())
