"""An order that is to roll a trade, with what it was decided on. Part of a Trade (desk.py)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from domain.events.rolls import RollProposed


@dataclass(frozen=True, slots=True)
class RollOrder:
    """What an order that rolls a position rests on."""

    proposed: RollProposed
    equity_usd: Decimal | None
    cap: Decimal
