"""Names of positions, orders and groups, derived from the decision: short, ASCII, never reused.

The broker echoes them in every listing, so that an order can be found again after any crash, and
told for an entry without the log.
"""

from __future__ import annotations

import re

from domain.event import derived_id

_REFERENCE = re.compile(r"^P[0-9a-f]{16}-(E|R|S|X)(\d+)(?:\.(\d+))?$")


def position_id(decision_id: str) -> str:
    """The position that a decision may open: one, and only one."""
    return f"P{derived_id('position', decision_id).hex[:16]}"


def entry_ref(position: str) -> str:
    return f"{position}-E1"


def roll_ref(position: str, number: int) -> str:
    return f"{position}-R{number}"


def stop_ref(position: str, number: int) -> str:
    return f"{position}-S{number}"


def exit_ref(position: str, number: int, attempt: int) -> str:
    """Attempt 2 and later replace an exit that no source knew."""
    return f"{position}-X{number}.{attempt}"


def group_name(position: str, generation: int) -> str:
    """The one-cancels-all group that every exit of a position joins."""
    return f"{position}/{generation}"


def is_ours(order_ref: str) -> bool:
    return _REFERENCE.match(order_ref) is not None


def opens(order_ref: str) -> bool:
    """True for an order that opens contracts, an entry or a roll: what a halt cancels."""
    match = _REFERENCE.match(order_ref)
    return match is not None and match.group(1) in "ER"
