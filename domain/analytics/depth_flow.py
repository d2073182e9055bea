"""The book below its top: depth imbalance, and order-flow imbalance over its levels [XGH19].

Called by the stage with each packet of depth ticks of an underlying. A level is a price: what
several exchanges show at one price is one level. The book counts shares, whatever quotes count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.analytics.depth_book import ROWS_MAX, DepthBook, DepthTick, Level
from domain.analytics.microstructure import OFI_SECONDS, flow_imbalance

LEVELS = 5
WEIGHTS = tuple(0.5**m for m in range(LEVELS))

PriceLevel = tuple[float, float]
"""Price and size of all makers at it."""
LevelState = tuple[float, float, float, float]
"""Bid, bid size, ask, ask size of the same level on both sides."""


def price_levels(rows: Sequence[Level]) -> list[PriceLevel]:
    """The best five prices of one side, best first."""
    found: list[PriceLevel] = []
    for row in rows:
        if found and found[-1][0] == row.price:
            found[-1] = row.price, found[-1][1] + row.size
        elif len(found) == LEVELS:
            break
        else:
            found.append((row.price, row.size))
    return found


def depth_imbalance(bids: Sequence[PriceLevel], asks: Sequence[PriceLevel]) -> float | None:
    """Weighted bid less ask sizes over their sum, a level half as much as the one above it."""
    bid = sum(w * size for w, (_, size) in zip(WEIGHTS, bids, strict=False))
    ask = sum(w * size for w, (_, size) in zip(WEIGHTS, asks, strict=False))
    if not bids or not asks or bid + ask <= 0:
        return None
    return (bid - ask) / (bid + ask)


@dataclass(slots=True)
class LevelFlow:
    """OFI of each of five levels in windows of 10 s aligned to T_open, over the level's mean
    depth, averaged over the levels that were there."""

    states: list[LevelState | None] = field(default_factory=lambda: [None] * LEVELS)
    window: int | None = None
    totals: list[float] = field(default_factory=lambda: [0.0] * LEVELS)
    depths: list[float] = field(default_factory=lambda: [0.0] * LEVELS)
    counts: list[int] = field(default_factory=lambda: [0] * LEVELS)
    heard: bool = False
    """A state came in this window; one without tells nothing and does not close."""
    value: float | None = None
    closed_at: float = 0.0
    """Seconds since T_open."""

    def reset(self) -> None:
        """The next state of every level contributes nothing."""
        self.states = [None] * LEVELS

    def roll(self, seconds_since_open: float) -> None:
        """Close windows that ended; called before a state and with every bar."""
        number = int(seconds_since_open // OFI_SECONDS)
        if self.window is not None and number > self.window and self.heard:
            shares = [
                total / (depth / count)
                for total, depth, count in zip(self.totals, self.depths, self.counts, strict=True)
                if depth > 0
            ]
            self.value = sum(shares) / len(shares) if shares else None
            self.closed_at = (self.window + 1) * OFI_SECONDS
        if self.window is None or number > self.window:
            self._begin(number)

    def _begin(self, number: int) -> None:
        self.window = number
        self.heard = False
        self.totals = [0.0] * LEVELS
        self.depths = [0.0 if s is None else (s[1] + s[3]) / 2 for s in self.states]
        self.counts = [0 if s is None else 1 for s in self.states]

    def add(
        self, bids: Sequence[PriceLevel], asks: Sequence[PriceLevel], seconds_since_open: float
    ) -> None:
        self.roll(seconds_since_open)
        if not bids or not asks or bids[0][0] >= asks[0][0]:
            self.reset()
            return
        self.heard = True
        both = min(len(bids), len(asks))
        for m in range(LEVELS):
            if m >= both:
                self.states[m] = None
                continue
            now = (*bids[m], *asks[m])
            before = self.states[m]
            if before is not None:
                self.totals[m] += flow_imbalance(before, now)
            self.states[m] = now
            self.depths[m] += (now[1] + now[3]) / 2
            self.counts[m] += 1


@dataclass(slots=True)
class Depth:
    """The book of an underlying as the log tells it. `at` is the epoch second (market time) of
    the last packet."""

    book: DepthBook = field(default_factory=DepthBook)
    connection: str = ""
    bids: list[PriceLevel] = field(default_factory=list)
    asks: list[PriceLevel] = field(default_factory=list)
    at: float = 0.0
    flow: LevelFlow = field(default_factory=LevelFlow)

    def apply(
        self,
        ticks: Sequence[DepthTick],
        connection: str,
        at: float,
        received_at: float,
        seconds_since_open: float | None,
    ) -> None:
        """One packet; the flow counts within the session alone.

        A new connection begins with an empty book. `received_at` is for the book's own doubts:
        the feed has them by its clock, and asks for the book anew by it.
        """
        if connection != self.connection:
            self.connection = connection
            self.book.clear()
            self.flow.reset()
        self.book.apply(ticks, received_at)
        right = self.book.is_right
        self.bids = price_levels(self.book.bids[:ROWS_MAX]) if right else []
        self.asks = price_levels(self.book.asks[:ROWS_MAX]) if right else []
        self.at = at
        if seconds_since_open is not None:
            self.flow.add(self.bids, self.asks, seconds_since_open)

    def begin_session(self) -> None:
        """The book lives on; what it did in the session before does not."""
        self.flow = LevelFlow()

    @property
    def imbalance(self) -> float | None:
        return depth_imbalance(self.bids, self.asks)
