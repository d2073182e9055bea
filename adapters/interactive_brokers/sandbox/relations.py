"""What one order does to others: parents and children, and one-cancels-all groups.

Several of these behaviours of the real TWS are in doubt; each is a switch in Faults so that the
trading side can be tried against all of them. Functions return the orders they changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapters.interactive_brokers.sandbox.book import OrderBook
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.state import SimOrder

BLOCKING_TYPES = (1, 2)
"""ocaType 1 cancels and 2 reduces the others with block; 3 reduces them without."""


@dataclass(slots=True)
class Relations:
    """Applies the rules; `cancel` and `changed` are the engine's."""

    book: OrderBook
    faults: Faults
    cancel: Callable[[SimOrder, str], None]
    changed: Callable[[SimOrder], None]

    # Parent and child.

    def is_held(self, order: SimOrder) -> bool:
        """True while the order waits for its parent."""
        parent = self.book.parent_of(order)
        if parent is None or parent.is_final:
            return False
        if self.faults.text("child_sizing") == "held_until_full":
            return True
        return parent.filled == 0

    def why_held(self, order: SimOrder) -> str:
        reasons = ["child"] if self.is_held(order) else []
        if order.is_stop and not order.triggered:
            reasons.append("trigger")
        return ",".join(reasons)

    def parent_filled(self, parent: SimOrder) -> None:
        """After each fill of a parent: size and release its children."""
        for child in self.book.children_of(parent):
            if child.is_working:
                self._resize(child, parent)

    def _resize(self, child: SimOrder, parent: SimOrder) -> None:
        sizing = self.faults.text("child_sizing")
        complete = parent.status == "Filled"
        before = (child.size_cap, child.why_held, child.status)
        child.size_cap = parent.filled if sizing == "to_fill" and not complete else None
        child.why_held = self.why_held(child)
        child.status = "PreSubmitted" if child.why_held else "Submitted"
        if before != (child.size_cap, child.why_held, child.status):
            self.changed(child)

    def parent_cancelled(self, parent: SimOrder) -> None:
        """Children of a parent without fill go with it; others keep what was filled."""
        for child in self.book.children_of(parent):
            if child.is_final:
                continue
            if parent.filled == 0 or self.faults.is_on("child_cancelled_with_rest"):
                self.cancel(child, "")
                continue
            child.size_cap = None
            if self.faults.text("child_sizing") != "full_at_once":
                child.quantity = max(min(child.quantity, parent.filled), child.filled)
            if child.filled >= child.quantity:
                self.cancel(child, "")
                continue
            child.why_held = self.why_held(child)
            child.status = "PreSubmitted" if child.why_held else "Submitted"
            self.changed(child)

    # One cancels all.

    def group_is_closed(self, order: SimOrder) -> bool:
        """A group in which something filled or was cancelled may take no new member."""
        return any(
            member.perm_id != order.perm_id and (member.filled or member.is_final)
            for member in self.book.group(order.oca_group)
        )

    def stop_is_held_back(self, order: SimOrder) -> bool:
        if not (order.is_stop and not order.triggered and self.faults.is_on("oca_holds_stop")):
            return False
        return any(
            member.is_working and not member.is_stop and member.oca_type in BLOCKING_TYPES
            for member in self.book.group(order.oca_group)
        )

    def group_filled(self, order: SimOrder, quantity: int) -> None:
        """After a fill of a member: cancel or reduce the rest, by the member's own type."""
        for member in self.book.group(order.oca_group):
            if member.perm_id == order.perm_id or not member.is_working:
                continue
            if order.oca_type == 1 or order.status == "Filled":
                self.cancel(member, "")
                continue
            member.quantity -= quantity
            if member.quantity <= member.filled:
                member.quantity = max(member.quantity, member.filled)
                self.cancel(member, "")
            else:
                self.changed(member)

    def group_cancelled(self, order: SimOrder) -> None:
        if self.faults.is_on("oca_cancel_spreads"):
            for member in self.book.group(order.oca_group):
                if member.is_working:
                    self.cancel(member, "")
