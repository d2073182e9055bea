"""`make mutation`: every edit of the rules for entries, alone; the unit tests must catch it.

    make mutation                 what is not known yet; goes on where it was stopped
    make mutation MODULE=gates    one module, or some: MODULE="gates entry"
    make mutation FRESH=1         all of it again

An edit turns one comparison, connective, number, sign or result into another, or leaves a call out
(tests/mutation/edits.py). It counts as killed when a test of tests/domain/signals fails. The
score is kept in score.json, with each survivor; edits that change no behaviour stand in
equivalent.json with the proof and are not counted.
"""

from __future__ import annotations

import gc
import io
import json
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout, suppress
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from _pytest.runner import runtestprotocol

from run.build import ROOT
from tests.mutation.edits import edits_of
from tests.seeded_bugs.patches import Bug

FOLDER = ROOT / "var/mutation"
SCORE = Path(__file__).with_name("score.json")
EQUIVALENT = Path(__file__).with_name("equivalent.json")
"""Name of an edit, without its line, to the proof that it changes nothing."""
TESTS = "tests/domain/signals"
LEFT_OUT = ("test_no_pass_on_missing.py",)
"""A property over many days: too slow to be asked of each edit."""
SLOW = (
    "test_two_runs_decide_the_same",
    "test_what_is_read_back_from_the_log_folds_to_the_same_state",
    "test_folding_the_recorded_log_gives_the_live_state",
    "test_contributions_bias_and_clip_add_up_to_the_log_odds",
)
"""Nor are these."""
MODULES: tuple[str, ...] = (
    "gates", "entry", "structure", "life", "plan",
    "zero_dte", "score", "closing", "one_dte", "fourteen_dte",
    "case", "reading", "market_halts", "evaluate", "validated", "leg_check",
    "rolls", "roll_state",
)  # fmt: skip
OWN = {
    "entry": "gates",
    "score": "features",
    "life": "zero_dte",
    "leg_check": "one_dte",
    "roll_state": "rolls",
}
"""How the files of the tests that are asked first of a module begin; else as its name does."""
EXACT = "_boundaries"
"""In the names of files that are asked next."""
NOT_PUT_IN = 98
PROCESSOR_SECONDS_MAX = 60
"""An edit that makes a test run on for ever is caught by that."""
KILLED_SHARE_MIN = 0.90
_OURS = ("domain", "store", "adapters", "projections", "api", "run", "tests", "benchmarks")


def test_files() -> list[str]:
    found = sorted((ROOT / TESTS).glob("test_*.py"))
    return [str(path) for path in found if path.name not in LEFT_OUT]


class Trial:
    """pytest, which collects the tests once and asks them of each edit in a fork of itself."""

    def __init__(self, fresh: bool, only: Sequence[str]) -> None:
        self.fresh, self.only = fresh, only
        self.score: dict[str, dict[str, object]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        gc.unfreeze()  # what the tests' collector leaves out of its rounds is not found otherwise
        items = [i for i in session.items if not i.nodeid.split("::")[-1].startswith(SLOW)]
        if failing := tried(items):
            raise pytest.UsageError(f"tests must pass without an edit, did not: {failing}")
        equivalent: dict[str, str] = json.loads(EQUIVALENT.read_text())
        for module in MODULES:
            if module in self.only or not self.only:
                self.score[module] = self.module(module, items, equivalent)
                record(module, self.score[module])
        return True

    def module(
        self, module: str, items: list[pytest.Item], equivalent: dict[str, str]
    ) -> dict[str, object]:
        """Every edit of a module that is not known yet: figures and survivors."""
        path = ROOT / "domain/signals" / f"{module}.py"
        tests = b"".join(p.read_bytes() for p in sorted((ROOT / TESTS).rglob("*.py")))
        state = sha256(path.read_bytes() + tests).hexdigest()[:12]
        kept = FOLDER / f"{module}.json"
        known: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
        hints = {key.split(" ", 1)[1]: test for key, test in known.items()}
        bugs = {name: bug for name, bug in edits_of(path).items() if name not in equivalent}
        results = {key: test for key, test in known.items() if key.startswith(state)}
        if self.fresh:
            results.clear()
        functions = functions_of(path)
        own = f"test_{OWN.get(module, module)}"

        def asked(name: str) -> tuple[str, str]:
            hint = hints.get(name, "")
            first = sorted(
                items,
                key=lambda i: (i.nodeid != hint, own not in i.nodeid, EXACT not in i.nodeid),
            )
            return name, tried(first, bugs[name], functions)

        wanted = [name for name in bugs if f"{state} {name}" not in results]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for number, (name, test) in enumerate(pool.map(asked, wanted), start=1):
                results[f"{state} {name}"] = test
                left = {
                    f"before {n}": by for n, by in hints.items() if f"{state} {n}" not in results
                }
                kept.write_text(json.dumps(left | results))
                print(f"{module} {number}/{len(wanted)} {test or 'SURVIVED'}: {name}", flush=True)
        alive = [name for name in bugs if results[f"{state} {name}"] == ""]
        killed = len(bugs) - len(alive)
        return {
            "edits": len(bugs),
            "killed": killed,
            "survivors": alive,
        }


def share_of(modules: Mapping[str, Mapping[str, object]]) -> float:
    """Killed of all edits, in all modules together."""
    edits, killed = (
        sum(int(str(one[what])) for one in modules.values()) for what in ("edits", "killed")
    )
    return round(killed / max(edits, 1), 4)


def record(module: str, found: Mapping[str, object]) -> None:
    """A module's figures beside those that the others had last."""
    before = json.loads(SCORE.read_text())["modules"] if SCORE.exists() else {}
    modules = {**{name: before[name] for name in MODULES if name in before}, module: found}
    score = {"killed_share": share_of(modules), "modules": modules}
    SCORE.write_text(json.dumps(score, indent=1) + "\n")


def tried(
    items: Sequence[pytest.Item], bug: Bug | None = None, functions: Sequence[FunctionType] = ()
) -> str:
    """The first test that fails, in a fork of this process; empty: none does."""
    with tempfile.TemporaryFile("w+") as answer:
        child = os.fork()
        if child == 0:
            code = 99
            with suppress(BaseException):
                code = _child(items, bug, functions, answer)
            os._exit(code)
        _, status = os.waitpid(child, 0)
        answer.seek(0)
        code = os.waitstatus_to_exitcode(status)
        assert code != NOT_PUT_IN, f"an edit that can be put into what is loaded, was {bug}"
        return "" if code == 0 else answer.read() or f"exit {code}"


def _child(
    items: Sequence[pytest.Item],
    bug: Bug | None,
    functions: Sequence[FunctionType],
    answer: io.TextIOBase,
) -> int:
    gc.disable()  # which would copy the parent's memory
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS_MAX, PROCESSOR_SECONDS_MAX + 5))
    if bug is not None:
        try:
            put_in(bug, functions)
        except Exception:
            return NOT_PUT_IN
    for item in items:
        with redirect_stdout(io.StringIO()):
            reports = runtestprotocol(item, log=False, nextitem=None)
        if any(report.failed for report in reports):
            answer.write(item.nodeid)
            answer.flush()
            return 1
    return 0


def functions_of(path: Path) -> list[FunctionType]:
    """Those of a module that are loaded, methods too."""
    found = [one for one in gc.get_objects() if isinstance(one, FunctionType)]
    return [one for one in found if one.__code__.co_filename == str(path)]


def put_in(bug: Bug, functions: Sequence[FunctionType]) -> None:
    """Give the loaded functions of the module the edited code."""
    path = str(ROOT / bug.path)
    old, new = compile(bug.old, path, "exec"), compile(bug.new, path, "exec")
    edited = dict(_pairs(old, new))
    assert functions, f"{bug.path} is loaded"
    assert _plain(old) == _plain(new), f"an edit of a function's body, was {bug.name}"
    for function in functions:
        code = edited.get(function.__code__, function.__code__)
        if code.co_freevars == function.__code__.co_freevars:
            function.__code__ = code
        else:  # a method that no longer calls super()
            owner = getattr(sys.modules[function.__module__], function.__qualname__.split(".")[0])
            setattr(owner, function.__name__, FunctionType(code, function.__globals__))


def _pairs(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Code of functions before and after an edit, with what is nested in classes."""
    inner = [[c for c in code.co_consts if isinstance(c, CodeType)] for code in (old, new)]
    for before, after in zip(*inner, strict=False):
        yield before, after
        yield from _pairs(before, after)


def _plain(code: CodeType) -> object:
    """What a module does outside of functions."""
    constants = tuple(repr(c) for c in code.co_consts if not isinstance(c, CodeType))
    return code.co_code, code.co_names, constants


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    only = os.environ.get("MODULE", "").split()
    trial = Trial(bool(os.environ.get("FRESH")), only)
    options = ["-q", "-s", "-p", "no:xdist", "-p", "no:cacheprovider"]
    if code := pytest.main([*options, *test_files()], [trial]):
        return int(code)
    share = share_of(trial.score)
    equivalent = len(json.loads(EQUIVALENT.read_text()))
    print(f"{share:.1%} of the edits killed; {equivalent} more change nothing")
    return 0 if all(share_of({m: s}) >= KILLED_SHARE_MIN for m, s in trial.score.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
