"""When an order waits for a better price (rules, 6.3)."""

from __future__ import annotations

from datetime import datetime

from domain.event import DeskEvent


class EntryWaited(DeskEvent):
    """An entry stays at its step for longer, because P1 sees its structure get cheaper.

    Once for each price at which it stands. Stream `order/<order_ref>`. Moves are in ticks: of the
    underlying as forecast, of the structure as `delta` makes it.
    """

    order_ref: str
    position_id: str
    signal_id: str
    ladder_step: int
    until: datetime
    """It goes on then at the latest, or as soon as the forecast no longer says so."""
    forecast_at: datetime
    underlying_ticks: float
    delta: float
    expected_ticks: float
    reason: str
