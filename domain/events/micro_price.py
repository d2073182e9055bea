"""The micro-price of a session, as the ones before it taught it. Told by the analytics stage."""

from __future__ import annotations

from datetime import date

from domain.event import DeskEvent


class MicroPriceEstimated(DeskEvent):
    """What is added to the mid in each state of the book, for the whole next session.

    Stream `micro-price/<symbol>`, a minute after the close.
    """

    symbol: str
    session_date: date
    """The last session that it rests on."""
    sessions: int
    mid_changes: int
    visits_min: int
    """Of the state that was left least often, its mirror image counted in."""
    adjustments: tuple[float, ...]
    """Dollars, by the decile of the bid's share of the size, first at a spread of one tick, then
    at more; empty before there are 2,000 changes of the mid and 30 visits of every state."""
