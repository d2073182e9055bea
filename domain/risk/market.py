"""What risk values the book with: prices, each leg's volatility now, rates and dividends.

Folded by domain/risk/state.py from marks and from the evaluated chains (quantitative rules, 5.5:
each leg's own volatility). A position is valued with the newest volatility that was seen, that of
its entry until there is one; one adopted from the broker has none before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date

from domain.events.analytics import ChainEvaluated, Quality
from domain.events.positions import PositionMarked


@dataclass(frozen=True, slots=True)
class Curve:
    """Of one symbol and expiry: the rate, and the present value of dividends until then."""

    rate: float = 0.0
    dividends: float = 0.0


@dataclass(slots=True)
class Market:
    underlying: dict[str, float] = field(default_factory=dict)
    volatility: dict[int, float] = field(default_factory=dict)
    """Of the contracts that something open or working stands on."""
    curves: dict[tuple[str, date], Curve] = field(default_factory=dict)

    def marked(self, body: PositionMarked) -> None:
        if body.underlying_price > 0:
            self.underlying[body.symbol] = body.underlying_price

    def evaluated(self, body: ChainEvaluated, wanted: frozenset[int]) -> None:
        if body.quality in (Quality.MISSING, Quality.EXPIRED) or not body.spot > 0:
            return
        self.underlying[body.symbol] = body.spot
        escrowed = body.forward * math.exp(-body.rate * body.years)
        self.curves[body.symbol, body.expiry] = Curve(body.rate, max(0.0, body.spot - escrowed))
        for con_id, volatility in zip(body.con_id, body.implied_volatility, strict=True):
            if con_id in wanted and volatility is not None and volatility > 0:
                self.volatility[con_id] = volatility

    def session_started(self, session_date: date, wanted: frozenset[int]) -> None:
        """What expired or is not held any more is forgotten."""
        self.curves = {key: curve for key, curve in self.curves.items() if key[1] >= session_date}
        self.volatility = {key: iv for key, iv in self.volatility.items() if key in wanted}

    def curve(self, symbol: str, expiry: date) -> Curve:
        return self.curves.get((symbol, expiry), Curve())
