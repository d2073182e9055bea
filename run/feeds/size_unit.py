"""Whether the broker's quotes count shares or round lots: a setting of TWS that nobody can ask.

The book always counts shares, so the sizes at an equal best price tell. Pure; fed by
run/feeds/interactive_brokers.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from domain.analytics.depth_book import DepthBook
from domain.events.feed_health import SizeUnitChecked
from domain.events.feeds import IbTicksReceived

QUOTES_MIN = 40
APART_SECONDS = 1.0
LOT = 100
LOTS_FROM, SHARES_TO = 30.0, 10.0
BID, BID_SIZE, LIVE = 1, 0, 1


@dataclass(slots=True)
class SizeUnit:
    """Collects comparisons of one symbol, and answers once."""

    symbol: str
    bid: float = 0.0
    size: float = 0.0
    ratios: list[float] = field(default_factory=list)
    compared_at: datetime | None = None
    is_done: bool = False

    def quoted(self, event: IbTicksReceived) -> None:
        if event.market_data_type != LIVE:
            return
        for kind, price, size in event.ticks:
            if kind == BID:
                self.bid, self.size = price, size
            elif kind == BID_SIZE:
                self.size = size

    def compare(self, book: DepthBook, at: datetime) -> SizeUnitChecked | None:
        """The answer, once there are enough comparisons that agree; a second apart each."""
        best, _ = book.at_best()
        recent = self.compared_at
        if self.is_done or best is None or best.price != self.bid or self.size <= 0:
            return None
        if recent is not None and (at - recent).total_seconds() < APART_SECONDS:
            return None
        self.compared_at = at
        self.ratios.append(best.size / self.size)
        if len(self.ratios) < QUOTES_MIN:
            return None
        middle = median(self.ratios)
        if SHARES_TO < middle < LOTS_FROM:
            self.ratios.clear()  # neither: the next ones may tell
            return None
        self.is_done = True
        return SizeUnitChecked(
            symbol=self.symbol,
            size_multiplier=LOT if middle >= LOTS_FROM else 1,
            quotes_compared=len(self.ratios),
        )
