"""`python -m run.event_catalogue > docs/events.md`: the page of all event types, from the types.

Names, retention, versions and fields come from the classes, prose from their docstrings and from
the string under a field. A test holds the page current.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import domain.events
from domain.event import Body, body_types

_STREAM = re.compile(r"Stream (`[^`]+`)")
_HEAD = """# Events

Generated from `domain/events/` (`python -m run.event_catalogue`). An event is known on the log by
its name; its body is stored as JSON with the number of its schema version, and versions below the
current one are brought up to it on reading (`upcast_v1_v2` and so on). Every version that was ever
stored has a fixture in `tests/fixtures/events/`. *Retention* says how long a type stays in
Postgres: `desk` for two years, `market` for days, then archived."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field as its source has it."""

    name: str
    annotation: str
    default: str
    prose: str


def _classes(module: ModuleType) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _fields(node: ast.ClassDef) -> Iterator[Field]:
    for item, following in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        annotation = ast.unparse(item.annotation)
        if annotation.startswith("ClassVar"):
            continue
        prose = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            prose = inspect.cleandoc(str(following.value.value))
        default = "" if item.value is None else ast.unparse(item.value)
        yield Field(item.target.id, annotation, default, prose)


def _bases(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """Classes of the same module that a class takes fields from, farthest first."""
    for base in node.bases:
        found = classes.get(ast.unparse(base))
        if found is not None:
            yield from _bases(found, classes)
            yield found


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _table(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    fields = [field for part in (*_bases(node, classes), node) for field in _fields(part)]
    if not fields:
        return
    yield ""
    yield "| field | type | |"
    yield "| --- | --- | --- |"
    for field in fields:
        default = f" = {field.default}" if field.default else ""
        kind = f"{field.annotation}{default}".replace("|", "\\|")
        yield f"| {field.name} | `{kind}` | {_cell(field.prose)} |"


def _stream(cls: type[Body]) -> str:
    for part in cls.__mro__:
        found = _STREAM.search(" ".join((part.__doc__ or "").split()))
        if found is not None:
            return found[1]
    return ""


def _event(cls: type[Body], node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    versions = ", ".join(str(number) for number in range(1, cls.schema_version + 1))
    stream = _stream(cls)
    yield ""
    yield f"### {cls.__name__}"
    yield ""
    yield (
        f"{cls.retention.value}"
        + (f", stream {stream}" if stream else "")
        + (f", schema version{'s' if cls.schema_version > 1 else ''} {versions}")
    )
    yield from _prose_and_table(node, classes)


def _prose_and_table(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    prose = ast.get_docstring(node)
    if prose:
        yield ""
        yield prose.replace("<", "&lt;") if "`" not in prose else prose
    yield from _table(node, classes)


def _module(module: ModuleType) -> Iterator[str]:
    classes = _classes(module)
    events = body_types()
    yield ""
    yield f"## {module.__name__.rpartition('.')[2].capitalize()}"
    yield ""
    yield inspect.getdoc(module) or ""
    for name, node in classes.items():
        if name in events:
            yield from _event(events[name], node, classes)
    parts = [node for name, node in classes.items() if name not in events and any(_fields(node))]
    if parts:
        yield ""
        yield "### Values in these events"
    for node in parts:
        yield ""
        yield f"**{node.name}**"
        yield from _prose_and_table(node, classes)


def events_page() -> str:
    """The text of docs/events.md."""
    lines = [_HEAD]
    for found in pkgutil.iter_modules(domain.events.__path__):
        lines.extend(_module(importlib.import_module(f"domain.events.{found.name}")))
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(events_page())
