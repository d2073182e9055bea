"""What waits for the broker's what-if answer before it is decided: signals and rolls.

Part of RiskState; folded by domain/risk/state.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.events.risk import WhatIfWanted
from domain.events.rolls import RollProposed
from domain.events.signals import SignalValidated


@dataclass(slots=True)
class Pending:
    """A signal that waits for the broker's what-if answer."""

    signal: SignalValidated
    asked: WhatIfWanted
    asked_at: float


@dataclass(slots=True)
class PendingRoll:
    """The proposal of a roll that is not decided yet; `asked` once the broker's what-if is."""

    proposed: RollProposed
    build: str
    """By which it was made."""
    asked: WhatIfWanted | None = None
    asked_at: float = 0.0
