"""The book of one instrument, built from the broker's depth ticks.

An insert shifts the levels below it down and a delete shifts them up, whether TWS sends true
inserts or fills a fixed number of rows in place. A book that cannot be right is damaged: whoever
keeps it must ask for it anew. Used by the feed, which does, and by readers of the log.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

INSERT, UPDATE, DELETE = 0, 1, 2
ASK, BID = 0, 1
ROWS_MAX = 10
"""Rows that are asked for and shown; twice as many are kept, because TWS does not delete the
level that an insert pushes out."""
DOUBT_SECONDS_MAX = 5.0
"""The books of several exchanges cross for moments, and a change of many rows comes in pieces;
if the book looks wrong for longer, the copy is."""

DepthTick: TypeAlias = tuple[int, str, int, int, float, float]
"""Position, market maker, operation, side, price, size."""


@dataclass(frozen=True, slots=True)
class Level:
    price: float
    size: float
    maker: str = ""


@dataclass(slots=True)
class DepthBook:
    """Best level first on both sides. `at` are seconds on any one clock."""

    bids: list[Level] = field(default_factory=list)
    asks: list[Level] = field(default_factory=list)
    damage: str = ""
    """Why the book cannot be right; empty while it can."""
    doubtful_since: float | None = None

    def clear(self) -> None:
        self.bids.clear()
        self.asks.clear()
        self.damage = ""
        self.doubtful_since = None

    def apply(self, ticks: Iterable[DepthTick], at: float) -> None:
        """One packet. Between its ticks the book may be out of order."""
        for position, maker, operation, side, price, size in ticks:
            levels = self.bids if side == BID else self.asks
            if operation == INSERT and 0 <= position <= len(levels):
                levels.insert(position, Level(price, size, maker))
                del levels[2 * ROWS_MAX :]
            elif operation == UPDATE and 0 <= position < len(levels):
                levels[position] = Level(price, size, maker)
            elif operation == DELETE and 0 <= position < len(levels):
                del levels[position]
            else:
                name = {INSERT: "insert", UPDATE: "update", DELETE: "delete"}.get(operation, "?")
                self._damaged(f"{name} at {position} of {len(levels)} levels")
        if not (self.bids or self.asks):
            self.clear()  # an empty book is right again
        self._check(at)

    def _check(self, at: float) -> None:
        if not self.doubt:
            self.doubtful_since = None
        elif self.doubtful_since is None:
            self.doubtful_since = at
        elif at - self.doubtful_since > DOUBT_SECONDS_MAX:
            self._damaged(f"{self.doubt} for {at - self.doubtful_since:.1f} s")

    def _damaged(self, why: str) -> None:
        self.damage = self.damage or why

    @property
    def doubt(self) -> str:
        """What is wrong with it now; empty when nothing is."""
        for name, levels, sign in (("bids", self.bids, -1.0), ("asks", self.asks, 1.0)):
            best, in_order = -math.inf, True
            for level in levels[:ROWS_MAX]:
                price = level.price
                if price <= 0 or level.size < 0:
                    return f"{name} without a price"
                in_order = in_order and best <= sign * price
                best = sign * price
            if not in_order:
                return f"{name} out of order"
        if self.bids and self.asks and self.bids[0].price > self.asks[0].price:
            return "crossed"
        return ""

    @property
    def is_right(self) -> bool:
        """Whether nothing spoke against it after the last packet."""
        return not self.damage and self.doubtful_since is None

    def top(self, rows: int) -> tuple[list[Level], list[Level]]:
        """Bids and asks; none of a book that is damaged or looks wrong."""
        if self.damage or self.doubt:
            return [], []
        return self.bids[:rows], self.asks[:rows]

    def at_best(self) -> tuple[Level | None, Level | None]:
        """Best price of each side with the size of all makers at it."""
        bids, asks = self.top(ROWS_MAX)
        return _summed(bids), _summed(asks)


def _summed(levels: list[Level]) -> Level | None:
    if not levels:
        return None
    price = levels[0].price
    return Level(price, sum(level.size for level in levels if level.price == price))
