"""Taking in the books of the underlyings: packets of depth, and what quotes tell the micro-price.

Called by the stage, and by ingest.py with each quote of an open session.
"""

from __future__ import annotations

from domain.analytics.state import AnalyticsState, SymbolState
from domain.event import Recorded
from domain.events.feeds import IbDepthReceived


def count_transition(state: AnalyticsState, symbol: SymbolState) -> None:
    """In a thinned stretch quotes skip what was between them: nothing is learnt from those."""
    book, counted = symbol.book, symbol.micro.today
    if state.thinned or book.bad_since is not None or book.bid_size + book.ask_size <= 0:
        counted.reset()
    else:
        counted.add(book.bid, book.ask, book.bid_size, book.ask_size)


def on_depth(state: AnalyticsState, event: Recorded) -> None:
    body, session = event.body, state.session
    assert isinstance(body, IbDepthReceived)
    symbol = state.symbols.get(body.symbol)
    if symbol is None:
        return
    at, elapsed = event.market_time.timestamp(), None
    if session is not None and session.is_open(event.market_time):
        elapsed = at - session.open_at.timestamp()
    symbol.depth.apply(body.ticks, body.connection, at, body.received_at.timestamp(), elapsed)
