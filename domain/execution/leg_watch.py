"""Legs that miss executions which the combination itself, or another of its legs, has.

A lost callback of one leg would otherwise be found by the regular look alone, up to a minute
later, with the position wrong meanwhile. Asked by orders.py at every tick.
"""

from __future__ import annotations

from datetime import timedelta

from domain.execution.desk import Desk
from domain.execution.order_book import Order

LEGS_AWAITED = timedelta(seconds=2)
"""Real time: the legs' executions follow the combination's own at once, or are lost."""


def note_legs(desk: Desk, order: Order, told: int) -> None:
    """A fill was counted, and executions tell of so many units: do legs miss from now on?"""
    if order.legs_filled >= told:
        order.legs_missing_since = None
    elif told > order.units_told:
        order.legs_missing_since = desk.real
    order.units_told = told


def are_legs_pending(order: Order) -> bool:
    """Executions of some legs are on their way, or are looked for."""
    return max(order.legs_filled, order.legs_looked_for) < order.units_told


def look_for_legs(desk: Desk) -> None:
    """Look at the lists at once, but once only for the units that one order tells of."""
    for order in desk.book.orders.values():
        if _is_due(desk, order):
            desk.want_snapshot(f"leg executions of {order.ref} are missing")
            return


def legs_looked_for(desk: Desk, order: Order) -> None:
    """The lists were read: what they do not have now is left to the comparison of holdings."""
    if _is_due(desk, order):
        order.legs_looked_for = order.units_told


def _is_due(desk: Desk, order: Order) -> bool:
    since = order.legs_missing_since
    if since is None or not are_legs_pending(order):
        return False
    return desk.real - since >= LEGS_AWAITED
