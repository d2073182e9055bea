"""Volume-weighted average price of the session with its standard deviation.

Called by the stage with each 5-second bar. Sums are taken of distances from the first bar's
price, so that the variance keeps its digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Vwap:
    """Anchored at T_open."""

    anchor: float | None = None
    volume: float = 0.0
    first: float = 0.0
    second: float = 0.0

    def add(self, average_price: float, volume: float) -> None:
        if volume <= 0 or average_price <= 0:
            return
        if self.anchor is None:
            self.anchor = average_price
        distance = average_price - self.anchor
        self.volume += volume
        self.first += volume * distance
        self.second += volume * distance * distance

    @property
    def price(self) -> float | None:
        if self.anchor is None:
            return None
        return self.anchor + self.first / self.volume

    @property
    def sigma(self) -> float | None:
        """Dollars; 0 when all volume was at one price."""
        if self.anchor is None:
            return None
        mean = self.first / self.volume
        return math.sqrt(max(self.second / self.volume - mean * mean, 0.0))

    def deviation(self, last: float) -> float | None:
        """(last - VWAP) / sigma; None without volume or spread."""
        price, sigma = self.price, self.sigma
        if price is None or not sigma:
            return None
        return (last - price) / sigma
