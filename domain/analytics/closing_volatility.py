"""Takes the 30-day volatility of each session's close into the year of them (closings.py).

Called by the stage at closed minutes and after the close.
"""

from __future__ import annotations

from datetime import datetime

from domain.analytics.expiry_surface import constant_maturity
from domain.analytics.state import AnalyticsState, SymbolState
from domain.events.sessions import ClosingVolatility
from domain.numbers import significant
from domain.stage import Emission

DAYS = 30


def note_volatility(state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    """Keep the newest value that is all right; called at each closed minute."""
    chain, settings = symbol.chain, state.settings
    assert settings is not None
    if chain.surface is None or chain.refreshed is None or chain.spot_reason:
        return
    if (now - chain.refreshed).total_seconds() > settings.option_ages[2]:
        return
    value = constant_maturity(chain.surface.expiries, DAYS)
    if value is not None:
        symbol.closings.newest = value, chain.refreshed


def close_volatility(state: AnalyticsState, symbol: SymbolState) -> None:
    """After the close, once a session: take its last value in."""
    session, closings = state.session, symbol.closings
    if session is None or closings.newest is None:
        return
    value, as_of = closings.newest
    closings.add(session.session_date, value)
    body = ClosingVolatility(
        symbol=symbol.symbol,
        session_date=session.session_date,
        as_of=as_of,
        volatility=significant(value) or 0.0,
        closings=len(closings.values),
    )
    state.told.append(Emission(f"closing-volatility/{symbol.symbol}", body))
