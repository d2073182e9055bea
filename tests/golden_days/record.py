"""The golden record of a day: what the desk decided, as hashes that say which part has changed.

A record leaves out what no decision rests on: positions, real times, and ids (each is replaced by
the order in which it first appears). Floating point numbers count with nine significant digits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from pydantic import BaseModel

from domain.event import Recorded

FAMILIES: dict[str, frozenset[str]] = {
    "signals": frozenset(
        {
            "SignalRaised",
            "SignalGatesChanged",
            "SignalValidated",
            "SignalExpired",
            "SignalInvalidated",
        }
    ),
    "decisions": frozenset(
        {"RiskDecided", "MarginChecked", "EntryRefused", "ExitDecided", "StopMoved"}
    ),
    "orders": frozenset(
        {
            "OrderIntended",
            "OrderModifyIntended",
            "OrderCancelIntended",
            "FillRecorded",
            "PositionOpened",
            "PositionChanged",
            "PositionClosed",
        }
    ),
    "publications": frozenset({"DeliveryScheduled", "PublicationWithheld"}),
}
"""Parts of a record and the events that make them."""
REAL_TIME_FIELDS = frozenset({"recorded_at", "broker_at", "real_age_seconds"})
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![\w.])[0-9a-f]{12,64}(?!\w)")
_LONG_NUMBER = re.compile(r"\d+\.\d{8,}(?:e[-+]?\d+)?")


@dataclass
class Canon:
    """Bodies as text in which nothing differs between two runs that decided the same."""

    _names: dict[str, str] = field(default_factory=dict)

    def lines(self, events: Iterable[Recorded], types: frozenset[str]) -> list[str]:
        """One line for each event of `types`: market time, type, contents."""
        return [
            f"{event.market_time.isoformat()} {event.type} {self._text(event.body)}"
            for event in events
            if event.type in types
        ]

    def _text(self, value: Any) -> str:
        if isinstance(value, BaseModel | msgspec.Struct):
            names = (
                type(value).model_fields
                if isinstance(value, BaseModel)
                else value.__struct_fields__
            )
            inner = (
                f"{name}={self._text(getattr(value, name))}"
                for name in names
                if name not in REAL_TIME_FIELDS
            )
            return f"({' '.join(inner)})"
        if isinstance(value, dict):
            return "{" + " ".join(f"{k}={self._text(value[k])}" for k in sorted(value)) + "}"
        if isinstance(value, list | tuple | frozenset | set):
            items = [self._text(item) for item in value]
            return f"[{' '.join(sorted(items) if isinstance(value, set | frozenset) else items)}]"
        if isinstance(value, Enum):
            return str(value.value)
        if isinstance(value, bool) or value is None or isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return format(value, ".9g")
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, UUID):
            return self._named(str(value))
        text = _LONG_NUMBER.sub(lambda found: format(float(found.group()), ".9g"), str(value))
        return _ID.sub(lambda found: self._named(found.group()), text)

    def _named(self, text: str) -> str:
        return self._names.setdefault(text, f"#{len(self._names) + 1}")


def record_of(events: list[Recorded]) -> dict[str, Any]:
    """Counts by type and a hash for each family, of a whole log."""
    canon = Canon()
    made: dict[str, Any] = {}
    for family, types in FAMILIES.items():
        lines = canon.lines(events, types)
        counts = Counter(event.type for event in events if event.type in types)
        digest = sha256("\n".join(lines).encode()).hexdigest()
        made[family] = {"events": dict(sorted(counts.items())), "sha256": digest}
    return made


def story_of(events: Iterable[Recorded]) -> dict[str, dict[str, int]]:
    """What each strategy came to: candidates, valid signals, entries refused, trades, exits."""
    strategies: dict[str, str] = {}
    story: dict[str, Counter[str]] = {}
    for event in events:
        body: Any = event.body
        match event.type:
            case "SignalRaised":
                strategies[body.signal_id] = body.strategy.value
                story.setdefault(body.strategy.value, Counter())["raised"] += 1
            case "SignalValidated":
                story[body.strategy.value]["validated"] += 1
            case "RiskDecided" if not body.approved:
                story[strategies[body.signal_id]]["denied"] += 1
            case "PositionOpened":
                strategies[body.position_id] = body.strategy.value
                story.setdefault(body.strategy.value, Counter())["opened"] += 1
            case "ExitDecided":
                story[strategies[body.position_id]][f"exit {body.reason.value}"] += 1
            case "PositionClosed":
                story[strategies[body.position_id]]["closed"] += 1
            case _:
                pass
    return {name: dict(sorted(counts.items())) for name, counts in sorted(story.items())}
