"""Faults of the people sandboxes: which request they meet and what then goes wrong.

Set through POST /_sim/faults. A fault meets the requests that its match describes, from the nth
of them on, as many times as it says; chance comes from the sandbox's seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.people_sandbox.ledger import Json

BEFORE = frozenset(
    {"delay_before", "drop_before", "reset", "half_open", "status", "html_error", "429"}
)
"""Kinds under which the vendor does not act (but for delay_before, which acts later)."""

AFTER = frozenset(
    {
        "delay_after_commit",
        "commit_then_drop",
        "commit_then_500",
        "truncate_body",
        "wrong_content_type",
    }
)
"""Kinds under which the vendor acts and its answer suffers."""

OF_A_VENDOR = {
    "list_hidden": ("discord", "x", "reddit"),
    "stale_timeline": ("x", "reddit"),
    "duplicate_update": ("telegram",),
    "reorder_updates": ("telegram",),
    "commit_then_ratelimit": ("reddit",),
    "stop_reason": ("claude",),
}
"""Kinds that the vendor's own sandbox plays."""

VENDORS = ("discord", "telegram", "x", "reddit", "claude")


class FaultError(ValueError):
    """A fault that the control plane was given makes no sense; the text says why."""


@dataclass(slots=True)
class Fault:
    """One fault. `times` counts down; None goes on until it is removed."""

    fault_id: int
    vendor: str
    method: str
    path: re.Pattern[str]
    nth: int
    times: int | None
    probability: float
    kind: str
    action: Json
    seen: int = field(default=0)

    def meets(self, vendor: str, method: str, path: str, chance: random.Random) -> bool:
        if self.vendor != vendor or self.times == 0:
            return False
        if self.method not in ("", method) or self.path.search(path) is None:
            return False
        self.seen += 1
        if self.seen < self.nth or (self.probability < 1 and chance.random() >= self.probability):
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def number(self, name: str, default: float) -> float:
        return float(self.action.get(name, default))

    def text(self, name: str, default: str) -> str:
        return str(self.action.get(name, default))

    def shown(self) -> Json:
        return {
            "id": self.fault_id,
            "vendor": self.vendor,
            "path": self.path.pattern,
            "kind": self.kind,
            "times_left": self.times,
            "seen": self.seen,
        }


def _checked(fault_id: int, given: Mapping[str, object]) -> Fault:
    match, action = given.get("match"), given.get("action")
    if not isinstance(match, dict) or not isinstance(action, dict):
        raise FaultError("a fault must have the objects match and action")
    vendor, kind = str(match.get("vendor", "")), str(action.get("kind", ""))
    if vendor not in VENDORS:
        raise FaultError(f"match.vendor must be one of {VENDORS}, was {vendor!r}")
    if vendor not in OF_A_VENDOR.get(kind, VENDORS if kind in BEFORE | AFTER else ()):
        raise FaultError(f"action.kind must be one that {vendor} can play, was {kind!r}")
    times = match.get("times", 1)
    try:
        return Fault(
            fault_id=fault_id,
            vendor=vendor,
            method=str(match.get("method", "")).upper(),
            path=re.compile(str(match.get("path", ""))),
            nth=int(match.get("nth", 1)),
            times=None if times is None else int(times),
            probability=float(match.get("probability", 1.0)),
            kind=kind,
            action=action,
        )
    except (re.error, TypeError, ValueError) as error:
        raise FaultError(f"match must have usable values, was refused: {error}") from None


class FaultTable:
    """The faults in force, in the order in which they were set; the first that meets wins."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311  repeatable chance is the point
        self._faults: list[Fault] = []
        self._last_id = 0

    def add(self, given: Mapping[str, object]) -> int:
        """Raises FaultError."""
        fault = _checked(self._last_id + 1, given)
        self._last_id = fault.fault_id
        self._faults.append(fault)
        return fault.fault_id

    def take(self, vendor: str, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted down."""
        for fault in self._faults:
            if fault.meets(vendor, method, path, self._chance):
                return fault
        return None

    def clear(self) -> None:
        self._faults.clear()

    def shown(self) -> list[Json]:
        return [fault.shown() for fault in self._faults]
