"""`make mutation`: every edit of the rules for entries, alone; the unit tests must catch it.

    make mutation                 what is not known yet; goes on where it was stopped
    make mutation MODULE=gates    one module
    make mutation FRESH=1         all of it again

An edit turns one comparison, connective, sign or result into another, or leaves a call out
(tests/seeded_bugs/mutations.py). It counts as killed when a test of tests/domain/signals fails. The
score is kept in score.json, with each survivor; edits that change no behaviour stand in
equivalent.json with the proof and are not counted.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from hashlib import sha256
from pathlib import Path

import pytest

from run.build import ROOT
from tests.seeded_bugs.mutations import bugs_of
from tests.seeded_bugs.patches import Bug

FOLDER = ROOT / "var/mutation"
SCORE = Path(__file__).with_name("score.json")
EQUIVALENT = Path(__file__).with_name("equivalent.json")
"""Name of an edit, without its line, to the proof that it changes nothing."""
TESTS = "tests/domain/signals"
MODULES: tuple[str, ...] = ("gates", "entry", "structure", "life", "score", "plan")
PROCESSOR_SECONDS_MAX = 60
"""An edit that makes a test run on for ever is caught by that."""
KILLED_SHARE_MIN = 0.90
_OURS = ("domain", "store", "adapters", "projections", "api", "run", "tests", "benchmarks")


def copied_tree(folder: Path) -> Path:
    """The working tree's Python that unit tests of domain/ need."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__", "node_modules", "records")
    for name in _OURS:
        shutil.copytree(ROOT / name, tree / name, ignore=skip)
    shutil.copy2(ROOT / "pyproject.toml", tree)
    return tree


def forget_ours() -> None:
    """Take our own modules out of this process, so that the tree's are imported anew."""
    for name in [n for n in sys.modules if n.split(".")[0] in _OURS]:
        del sys.modules[name]


def tried(tree: Path, arguments: Sequence[str]) -> tuple[int, str]:
    """pytest in a process of its own, which has the libraries already: exit code, first failure."""
    with tempfile.TemporaryFile("w+") as answer:
        child = os.fork()
        if child == 0:
            code = 99
            with suppress(BaseException):
                code = _child(tree, arguments, answer)
            os._exit(code)
        _, status = os.waitpid(child, 0)
        answer.seek(0)
        code = os.waitstatus_to_exitcode(status)
        return code, answer.read()


def _child(tree: Path, arguments: Sequence[str], answer: io.TextIOBase) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS_MAX, PROCESSOR_SECONDS_MAX + 5))
    os.chdir(tree)
    sys.dont_write_bytecode = True
    sys.path[:] = [str(tree), *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
    forget_ours()
    shown = io.StringIO()
    with redirect_stdout(shown):
        options = ["-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--capture=sys"]
        code = int(pytest.main([*options, *arguments]))
    lines = [line for line in shown.getvalue().splitlines() if line.startswith(("FAILED", "ERROR"))]
    answer.write((lines or [shown.getvalue()[-500:]])[0])
    answer.flush()
    return code


def killed_by(tree: Path, bug: Bug, first: str) -> str:
    """The first test that fails with a bug, `first` being asked before the others; empty: none."""
    path = tree / bug.path
    sound = path.read_text()
    path.write_text(bug.new)
    try:
        for tests in filter(None, (first, TESTS)):
            code, failure = tried(tree, [tests])
            if code not in (0, 4):
                words = failure.split()
                return words[1] if len(words) > 1 else failure or f"exit {code}"
    finally:
        path.write_text(sound)
    return ""


def named(bugs: Sequence[Bug]) -> dict[str, Bug]:
    """Edits by names without line numbers, so that code above them may grow: the line's text stands
    instead, with a count where it does not tell two edits apart."""
    found: dict[str, Bug] = {}
    for bug in bugs:
        where, what = bug.name.split(":", 1)
        number, edit = what.split(" ", 1)
        plain = f"{where}: {bug.old.splitlines()[int(number) - 1].strip()}: {edit}"
        count = 1 + sum(name.startswith(plain) for name in found)
        found[plain if count == 1 else f"{plain} ({count})"] = bug
    return found


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    tree = copied_tree(FOLDER)
    code, failure = tried(tree, [TESTS])
    if code:
        print(f"the tests must pass without an edit, did not: {failure}")
        return 2
    with redirect_stdout(io.StringIO()):  # libraries are loaded once, for all children
        pytest.main(["--collect-only", "-q", "-p", "no:xdist", str(ROOT / TESTS)])
    kept = FOLDER / "results.json"
    results: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    equivalent: dict[str, str] = json.loads(EQUIVALENT.read_text())
    only, fresh = os.environ.get("MODULE", ""), bool(os.environ.get("FRESH"))
    hints = {key.split(" ", 1)[1]: test for key, test in results.items()}
    if fresh:
        results.clear()
    tests = sha256(b"".join(p.read_bytes() for p in sorted((ROOT / TESTS).rglob("*.py"))))
    score: dict[str, dict[str, object]] = {}
    for module in MODULES:
        path = ROOT / "domain/signals" / f"{module}.py"
        state = sha256(path.read_bytes() + tests.digest()).hexdigest()[:12]
        bugs = named(list(bugs_of(path)))
        for number, (name, bug) in enumerate(bugs.items(), start=1):
            key = f"{state} {name}"
            if key not in results and only in ("", module):
                results[key] = killed_by(tree, bug, hints.get(name, ""))
                kept.write_text(json.dumps(results))
                print(
                    f"{module} {number}/{len(bugs)} {results[key] or 'SURVIVED'}: {name}",
                    flush=True,
                )
        known = [n for n in bugs if f"{state} {n}" in results and n not in equivalent]
        alive = [name for name in known if results[f"{state} {name}"] == ""]
        score[module] = {
            "edits": len(bugs),
            "counted": len(known),
            "killed": len(known) - len(alive),
            "survivors": alive,
        }
    counted = sum(int(str(one["counted"])) for one in score.values())
    killed = sum(int(str(one["killed"])) for one in score.values())
    share = killed / max(counted, 1)
    print(f"{killed} of {counted} edits killed, {share:.1%}; {len(equivalent)} change nothing")
    if not only:
        SCORE.write_text(json.dumps({"killed_share": round(share, 4)} | score, indent=1) + "\n")
    return 0 if share >= KILLED_SHARE_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
