"""Every edit that `make mutation` makes of a module: those of tests/seeded_bugs/mutations.py, and
what arithmetic, chains and plain conditions of rules can be got wrong by besides.

A number of a function is another by one, `min` is `max`, `*` is `/`, a minus or an `abs` is left
out, each comparison of a chain and each further connective is another, and a condition without a
comparison is turned round. Not edited: texts, assertions, digits that are rounded to, and a `sign`,
which is 1 or -1, but for its minus. Only bodies of functions: a fork's loaded code can take them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from run.build import ROOT
from tests.seeded_bugs.mutations import COMPARISONS, SYMBOLS, bugs_of
from tests.seeded_bugs.patches import Bug


def edits_of(path: Path) -> dict[str, Bug]:
    """By names without line numbers, so that code above them may grow: the line's text stands
    instead, with a count where it does not tell two edits apart."""
    found: dict[str, Bug] = {}
    for bug in (*bugs_of(path), *_more(path)):
        where, what = bug.name.split(":", 1)
        number, edit = what.split(" ", 1)
        plain = f"{where}: {bug.old.splitlines()[int(number) - 1].strip()}: {edit}"
        count = 1 + sum(name.startswith(plain) for name in found)
        found[plain if count == 1 else f"{plain} ({count})"] = bug
    return found


def _more(path: Path) -> Iterator[Bug]:
    text = path.read_text()
    source = Source(text)
    name = str(path.relative_to(ROOT))
    for function in _functions(ast.parse(text)):
        for begin, end, new in source.edits(function):
            old = source.bytes[begin:end].decode()
            whole = (source.bytes[:begin] + new.encode() + source.bytes[end:]).decode()
            number = source.bytes[:begin].count(b"\n") + 1
            yield Bug(f"{name}:{number} {old!r} becomes {new!r}", name, text, whole)


def _functions(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements of the bodies of functions and methods, without the docstrings."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in (*tree.body, *(inner for one in classes for inner in one.body)):
        if isinstance(node, ast.FunctionDef):
            yield from node.body


class Source:
    """A module's text, in which nodes are found by their place."""

    def __init__(self, text: str) -> None:
        self.bytes = text.encode()
        self.starts = [0]
        for line in self.bytes.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def text(self, node: ast.expr) -> str:
        begin, end = self.span(node)
        return self.bytes[begin:end].decode()

    def between(
        self, left: ast.expr, right: ast.expr, symbol: str, new: str
    ) -> Iterator[tuple[int, int, str]]:
        begin, end = self.span(left)[1], self.span(right)[0]
        place = self.bytes[begin:end].find(symbol.encode())
        if place >= 0:
            yield begin + place, begin + place + len(symbol), new

    def edits(self, statement: ast.stmt) -> Iterator[tuple[int, int, str]]:
        """Begin, end and new text of each edit, in bytes."""
        for node in _edited(statement):
            if isinstance(node, ast.Compare) and len(node.ops) > 1:
                values = [node.left, *node.comparators]
                for left, operator, right in zip(values, node.ops, values[1:], strict=False):
                    symbol = SYMBOLS[type(operator)]
                    yield from self.between(left, right, symbol, COMPARISONS[symbol])
            elif isinstance(node, ast.BoolOp):
                symbol, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values[1:], node.values[2:], strict=False):
                    yield from self.between(left, right, symbol, new)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
                if any(_is_sign(side) for side in (node.left, node.right)):
                    continue
                symbol, new = ("*", "/") if isinstance(node.op, ast.Mult) else ("/", "*")
                yield from self.between(node.left, node.right, symbol, new)
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
                yield *self.span(node), self.text(node.operand)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield from self.calls(node, node.func)
            elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
                yield *self.span(node), f"{self.text(node)} + 1".join("()")
            elif isinstance(node, ast.If | ast.IfExp):
                yield from self.conditions([node.test])
            elif isinstance(node, ast.comprehension):
                yield from self.conditions(node.ifs)

    def calls(self, node: ast.Call, function: ast.Name) -> Iterator[tuple[int, int, str]]:
        if function.id in ("min", "max"):
            yield *self.span(function), "max" if function.id == "min" else "min"
        elif function.id == "abs":
            yield *self.span(node), f"({self.text(node.args[0])})"

    def conditions(self, tests: list[ast.expr]) -> Iterator[tuple[int, int, str]]:
        for test in tests:
            if isinstance(test, ast.Name | ast.Attribute | ast.Call):
                yield *self.span(test), f"(not {self.text(test)})"


def _is_sign(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "sign"


def _edited(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those in it that rules are made of."""
    if isinstance(node, ast.JoinedStr | ast.Assert):
        return
    if isinstance(node, ast.Assign) and any(_is_sign(target) for target in node.targets):
        yield from (one for one in ast.walk(node) if isinstance(one, ast.UnaryOp))
        return
    yield node
    is_round = isinstance(node, ast.Call) and ast.unparse(node.func) == "round"
    for child in list(ast.iter_child_nodes(node))[: 2 if is_round else None]:
        yield from _edited(child)
