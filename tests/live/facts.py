"""A fact of the vendors' documents, what a look at the service said of it, and the day's report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

MaterialT = TypeVar("MaterialT")
SEEN_CHARACTERS_MAX = 300


class Outcome(Enum):
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    seen: str
    """What it rests on: counts and names of fields, never a token or an account."""


def confirmed(seen: str) -> Verdict:
    return Verdict(Outcome.CONFIRMED, seen)


def refuted(seen: str) -> Verdict:
    return Verdict(Outcome.REFUTED, seen)


def not_seen(why: str) -> Verdict:
    return Verdict(Outcome.NOT_SEEN, why)


def holds(is_so: bool, seen: str) -> Verdict:
    return confirmed(seen) if is_so else refuted(seen)


@dataclass(frozen=True, slots=True)
class Fact(Generic[MaterialT]):
    """`name` begins with vendor and section of the document, such as `uw-4.3-limit-headers`."""

    name: str
    statement: str
    judge: Callable[[MaterialT], Verdict]

    def verdict(self, material: MaterialT) -> Verdict:
        """What `material` says; a judge that stumbles over it has met something undocumented."""
        try:
            return self.judge(material)
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            return refuted(f"not of the documented form: {type(error).__name__}: {error}")


class Line(msgspec.Struct):
    """One fact in the report."""

    fact: str
    statement: str
    outcome: str
    seen: str
    at: datetime


class Report(msgspec.Struct):
    """var/live-check/DATE.json."""

    date: str
    calls: int
    """REST calls of the newest run."""
    facts: list[Line]


class ReportFile:
    """The report of one UTC day and a summary beside it. A later run of the day adds to it: what
    it did not see does not undo what an earlier one saw."""

    def __init__(self, folder: Path, at: datetime, secrets: Sequence[str] = ()) -> None:
        self._at = at
        self._secrets = [text for text in secrets if text]
        self.path = folder / f"{at.astimezone(UTC):%Y-%m-%d}.json"

    def write(self, verdicts: Iterable[tuple[Fact[MaterialT], Verdict]], calls: int) -> Report:
        lines: dict[str, Line] = {}
        if self.path.exists():
            earlier = msgspec.json.decode(self.path.read_bytes(), type=Report)
            lines = {line.fact: line for line in earlier.facts}
        for fact, verdict in verdicts:
            if verdict.outcome is Outcome.NOT_SEEN and fact.name in lines:
                continue
            seen = verdict.seen
            for secret in self._secrets:
                seen = seen.replace(secret, "***")
            lines[fact.name] = Line(
                fact.name,
                fact.statement,
                verdict.outcome.value,
                seen[:SEEN_CHARACTERS_MAX],
                self._at,
            )
        report = Report(self.path.stem, calls, [lines[name] for name in sorted(lines)])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
        self.path.with_suffix(".txt").write_text(summary(report))
        return report


def summary(report: Report) -> str:
    """Counts, then a line for each fact, refuted ones first."""
    order = [Outcome.REFUTED, Outcome.CONFIRMED, Outcome.NOT_SEEN]
    groups = {o: [line for line in report.facts if line.outcome == o.value] for o in order}
    counts = ", ".join(f"{len(groups[outcome])} {outcome.value}" for outcome in order)
    text = [f"facts on {report.date}: {counts}; {report.calls} REST calls in the newest run"]
    for outcome in order:
        for line in groups[outcome]:
            text.append(f"  {outcome.value:<10} {line.fact}: {line.statement} [{line.seen}]")
    return "\n".join(text) + "\n"
