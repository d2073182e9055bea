"""Quotes of one underlying or basket member as time passes.

Used by market.py, one line a symbol. A minute's quotes are drawn from a stream named after that
minute, so that they are the same whatever the steps in which time moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from adapters.market_model import book as books
from adapters.market_model.chain import PRIMARY_EXCHANGES, UNDERLYING_IDS
from adapters.market_model.contract import SimContract, SimQuote, UnderlyingQuoted
from adapters.market_model.paths import BEFORE_OPEN_SECONDS
from adapters.market_model.scenario import BasketMember
from adapters.market_model.seconds import SecondTable
from adapters.market_model.updates import underlying_update

QUOTES_PER_SECOND = 4.0
BASKET_QUOTES_PER_SECOND = 0.5
DEPTH_SHARES = {"SPY": 900.0, "QQQ": 700.0, "IWM": 1100.0}
BASKET_DEPTH_SHARES = 300.0


def line_contract(symbol: str, member: BasketMember | None) -> SimContract:
    if member is None:
        con_id, exchange = UNDERLYING_IDS[symbol], PRIMARY_EXCHANGES[symbol]
    else:
        con_id, exchange = member.con_id, member.primary_exchange
    return SimContract(con_id, symbol, None, 0.0, "", exchange)


def quote_source(
    seed: int,
    symbol: str,
    table: SecondTable,
    book_lead: float,
    recorded: books.RecordedQuotes | None,
) -> books.QuoteSource:
    """Those of an underlying of the desk are more and deeper than a basket member's."""
    depth = DEPTH_SHARES.get(symbol)
    return books.QuoteSource(
        seed,
        table,
        BEFORE_OPEN_SECONDS,
        BASKET_QUOTES_PER_SECOND if depth is None else QUOTES_PER_SECOND,
        depth or BASKET_DEPTH_SHARES,
        book_lead,
        recorded,
    )


@dataclass(slots=True)
class QuoteLine:
    """Times are seconds since `start`; the day ends after `length` of them."""

    contract: SimContract
    source: books.QuoteSource
    start: datetime
    length: int
    _chunk: books.QuoteChunk | None = None
    _minute: int = -1
    _row: int = -1

    def _drawn(self, minute: int) -> books.QuoteChunk:
        if self._chunk is None or self._minute != minute:
            self._chunk, self._minute = self.source.draw(minute), minute
        return self._chunk

    def between(
        self, before: float, until: float, thin: bool
    ) -> Iterator[tuple[float, UnderlyingQuoted]]:
        """Quotes in (before, until]; thinned, at most the first of each minute."""
        for minute in range(int(before // 60), int(until // 60) + 1):
            if minute * 60 >= self.length:
                return
            chunk = self._drawn(minute)
            low = int(np.searchsorted(chunk.at, before, side="right"))
            high = int(np.searchsorted(chunk.at, until, side="right"))
            for row in range(low, min(high, 1) if thin else high):
                yield float(chunk.at[row]), underlying_update(self.contract, chunk, row, self.start)

    def move_to(self, at: float) -> None:
        """Point at the newest quote."""
        chunk = self._drawn(min(int(at // 60), (self.length - 1) // 60))
        # Before a minute's first quote the line shows that quote already: the minute before is
        # gone, and a fraction of a second early does no harm to a state that is polled.
        self._row = max(int(np.searchsorted(chunk.at, at, side="right")) - 1, 0)

    @property
    def quote(self) -> SimQuote:
        assert self._chunk is not None
        return underlying_update(self.contract, self._chunk, self._row, self.start).quote

    @property
    def last(self) -> tuple[float, int]:
        """Last trade and session volume."""
        assert self._chunk is not None
        return int(self._chunk.last[self._row]) / 100, int(self._chunk.session_volume[self._row])

    def depth(
        self, rows: int, *, salt: int
    ) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        """Bids and asks, best first; `salt` varies the sizes behind the best."""
        chunk, row = self._chunk, self._row
        assert chunk is not None
        return (
            books.depth_levels(int(chunk.bid[row]), int(chunk.bid_size[row]), -1, rows, salt),
            books.depth_levels(int(chunk.ask[row]), int(chunk.ask_size[row]), 1, rows, salt),
        )
