"""What the worker's own clock drives: the refresh of whole chains between bars, and the report that
a symbol's bars have stopped.

Called by the stage with each ClockTicked.
"""

from __future__ import annotations

from datetime import datetime

from domain.analytics.closing_auction import close_auctions
from domain.analytics.refresh import refresh_chain, tell_chains, tell_held_chains, tell_lines
from domain.analytics.state import AnalyticsState
from domain.analytics.traded import ExpiryRole
from domain.event import Recorded
from domain.session import Session

LEAD_SECONDS = 1.5
"""How long before a bar closes its refresh is due: with a tick each second it is made half a second
to one and a half before, and never falls on the bar."""


def on_tick(state: AnalyticsState, event: Recorded) -> None:
    session = state.session
    close_auctions(state, event.market_time)
    if session is None or state.settings is None or not session.is_open(event.market_time):
        return
    _report_stopped_bars(state, event.market_time.timestamp())
    if not state.thinned:
        _refresh_chains(state, session, event.market_time)


def _report_stopped_bars(state: AnalyticsState, now: float) -> None:
    """A symbol whose bars have stopped is reported once more, so that readers see STALE."""
    assert state.settings is not None
    for name, symbol in state.symbols.items():
        bars = symbol.bars
        if bars.close is None or bars.stale_reported:
            continue
        if now - bars.arrived_at > state.settings.bar_age_max:
            bars.stale_reported = True
            state.due.append(name)


def _refresh_chains(state: AnalyticsState, session: Session, now: datetime) -> None:
    """Evaluate the chains whose next bar belongs to a new refresh; that bar then need not."""
    assert state.settings is not None
    seconds = (now - session.open_at).total_seconds()
    slot = int((seconds + LEAD_SECONDS) // state.settings.chain_refresh)
    refreshed = []
    for symbol in state.symbols.values():
        chain = symbol.chain
        if symbol.bars.close is None or slot <= chain.refresh_slot:
            continue
        refresh_chain(state, symbol, now)
        if chain.refreshed == now:
            chain.refresh_slot = slot
            refreshed.append(symbol)
    tell_lines(state)
    for symbol in refreshed:
        tell_chains(state, symbol, now, (ExpiryRole.SWING,))
        tell_held_chains(state, symbol, now)
