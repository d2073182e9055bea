"""Socket payloads of implied volatility: by days ahead and by expiry. Both carry a date alone."""

from __future__ import annotations

from datetime import date

import msgspec

from domain.payloads.unusual_whales.shapes import Codec


class InterpolatedIv(msgspec.Struct, frozen=True, gc=False):
    """interpolated_iv: implied volatility so many trading days ahead, as a fraction."""

    symbol: str
    session_date: date
    days: int
    volatility: float | None
    implied_move: float | None
    implied_move_percent: float | None
    """A fraction too, whatever the vendor calls it."""
    is_exact: bool | None


class ExpiryIv(msgspec.Struct, frozen=True, gc=False):
    """iv_term_structure: implied volatility of one expiry whose values changed."""

    symbol: str
    session_date: date
    expiry: date
    volatility: float | None
    implied_move: float | None
    implied_move_percent: float | None


INTERPOLATED_IV = Codec(
    InterpolatedIv, symbol="ticker", session_date="date", implied_move_percent="implied_move_perc"
)
EXPIRY_IV = Codec(
    ExpiryIv, symbol="ticker", session_date="date", implied_move_percent="implied_move_perc"
)
