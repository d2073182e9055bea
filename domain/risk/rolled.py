"""What risk remembers of the rolls of a position: its orders, and whether one of them was filled.

Part of a held position in book.py; asked by rolls.py before another roll is approved.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.events.orders import OrderChanged, OrderIntended, OrderState
from domain.instruments import Leg, Structure
from domain.rolling import all_legs


@dataclass(slots=True)
class Rolls:
    working: set[str] = field(default_factory=set)
    """Orders that have not ended; one that nobody knows has not."""
    orders: int = 0
    is_used: bool = False
    """Some unit of some order was filled, or an order was never found: that was the one roll."""
    is_over: bool = False
    """The position is the new condor."""
    first: Structure | None = None
    """The structure before it, once it is over."""
    structures: list[Structure] = field(default_factory=list)

    def intended(self, body: OrderIntended) -> None:
        self.working.add(body.order_ref)
        self.orders += 1
        self.structures.append(body.structure)

    def changed(self, body: OrderChanged) -> None:
        lost = body.state is OrderState.ABANDONED
        self.is_used = self.is_used or body.filled > 0 or lost
        if body.state.is_final:
            self.working.discard(body.order_ref)
        else:
            self.working.add(body.order_ref)

    def legs_beside(self, structure: Structure) -> tuple[Leg, ...]:
        """Those of the structure, and what orders opened beside it, as they are held."""
        return all_legs(self.first or structure, structure, self.structures)
