"""Bugs drawn by chance: one operator, constant or result of the trading code is another.

    python -m tests.seeded_bugs.mutations    draw twenty by the recorded seed and keep them

The same seed draws others once the code changes, so what it drew is kept as patches in drawn.json.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TypeGuard

from run.build import ROOT
from tests.seeded_bugs.patches import Bug

KEPT = Path(__file__).with_name("drawn.json")
SEED = 20261128
COUNT = 20
EQUIVALENT: frozenset[str] = frozenset()
"""Names of drawn bugs that change no behaviour; docs/testing.md has the proof of each."""
WHERE = (
    "domain/execution",
    "domain/risk",
    "run/order_effect.py",
    "run/send_outcomes.py",
    "run/broker_looks.py",
    "run/worker_commits.py",
)
NO_RULES = ("parameters.py", "codes.py", "__init__.py")
"""Names, limits and their prose: their bounds are tested elsewhere."""
COMPARISONS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "is": "is not", "is not": "is", "in": "not in", "not in": "in",
}  # fmt: skip
SYMBOLS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def kept() -> list[Bug]:
    """What was drawn and kept."""
    return [Bug(**patch) for patch in json.loads(KEPT.read_text())]


def patch_of(bug: Bug) -> dict[str, str]:
    """The changed line, with as many before it as make it the only such place in its file."""
    old, new = bug.old.splitlines(keepends=True), bug.new.splitlines(keepends=True)
    first = next(n for n in range(len(old)) if old[n] != new[n])
    after = next(n for n in range(len(old)) if old[-1 - n] != new[-1 - n])
    begin, end = first, len(old) - after
    while bug.old.count("".join(old[begin:end])) > 1:
        begin -= 1
    changed = old[begin:first] + new[first : len(new) - after]
    return {
        "name": bug.name,
        "path": bug.path,
        "old": "".join(old[begin:end]),
        "new": "".join(changed),
    }


def drawn() -> list[Bug]:
    """COUNT bugs of the recorded seed; an equivalent one is followed by the next."""
    sites = [bug for path in _paths() for bug in bugs_of(path)]
    Random(SEED).shuffle(sites)
    return [bug for bug in sites if bug.name not in EQUIVALENT][:COUNT]


def _paths() -> Iterator[Path]:
    for where in WHERE:
        path = ROOT / where
        found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        yield from (one for one in found if one.name not in NO_RULES)


def bugs_of(path: Path) -> Iterator[Bug]:
    """Every bug that one edit makes of a module of ours."""
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    source = text.encode()
    name = str(path.relative_to(ROOT))
    for begin, end, new in _edits(ast.parse(text), source, starts):
        number = source[:begin].count(b"\n") + 1
        old = source[begin:end].decode()
        what = f"{name}:{number} {old!r} becomes {new!r}"
        whole = (source[:begin] + new.encode() + source[end:]).decode()
        yield Bug(what, name, text, whole)


def _edits(tree: ast.Module, source: bytes, starts: list[int]) -> Iterator[tuple[int, int, str]]:
    """Begin, end and new text of each possible edit, in bytes."""

    def at(line: int, column: int) -> int:
        return starts[line - 1] + column

    def span(node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)

    def between(left: ast.expr, right: ast.expr, symbol: str) -> tuple[int, int] | None:
        begin, end = span(left)[1], span(right)[0]
        place = source[begin:end].find(symbol.encode())
        return None if place < 0 else (begin + place, begin + place + len(symbol))

    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            symbol = SYMBOLS[type(node.ops[0])]
            if found := between(node.left, node.comparators[0], symbol):
                yield *found, COMPARISONS[symbol]
        elif isinstance(node, ast.BoolOp):
            symbol, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            if found := between(node.values[0], node.values[1], symbol):
                yield *found, other
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            begin, end = span(node)
            yield begin, end, ast.unparse(node.operand)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            symbol, other = ("+", "-") if isinstance(node.op, ast.Add) else ("-", "+")
            is_text = any(
                isinstance(n, ast.JoinedStr)
                or (isinstance(n, ast.Constant) and isinstance(n.value, str))
                for n in ast.walk(node)
            )
            if not is_text and (found := between(node.left, node.right, symbol)):
                yield *found, other
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield *span(node), "pass"
        elif isinstance(node, ast.Return) and _is_truth(node.value):
            yield *span(node.value), str(not ast.literal_eval(node.value))


def _is_truth(node: ast.expr | None) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


if __name__ == "__main__":
    patches = [patch_of(bug) for bug in drawn()]
    KEPT.write_text(json.dumps(patches, indent=1) + "\n")
    print("\n".join(patch["name"] for patch in patches))
