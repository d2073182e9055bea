"""What risk values the book with: prices, each leg's volatility now, rates and dividends.

Folded by domain/risk/state.py from marks and from the evaluated chains (quantitative rules, 5.5:
each leg's own volatility). A position is valued with the newest volatility that was seen, that of
its entry until there is one; one adopted from the broker has none before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import date

from domain.events.analytics import ChainEvaluated, Quality
from domain.events.positions import PositionMarked
from domain.pricing.rates import RateCurve, rate_at
from domain.risk.early_exercise import EarlyExercise, checks_due


@dataclass(frozen=True, slots=True)
class Carry:
    """Of one symbol and expiry: the rate, and the present value of dividends until then."""

    rate: float
    dividends: float = 0.0


@dataclass(slots=True)
class Market:
    underlying: dict[str, float] = field(default_factory=dict)
    volatility: dict[int, float] = field(default_factory=dict)
    """Of the contracts that something open or working stands on."""
    carries: dict[tuple[str, date], Carry] = field(default_factory=dict)
    """As the newest evaluated chains had them."""
    rates: RateCurve | None = None
    early: dict[int, EarlyExercise] = field(default_factory=dict)
    """The newest American check of each contract that something stands on."""

    def marked(self, body: PositionMarked) -> None:
        if body.underlying_price > 0:
            self.underlying[body.symbol] = body.underlying_price

    def evaluated(
        self, body: ChainEvaluated, wanted: frozenset[int], session_date: date | None
    ) -> None:
        if body.quality in (Quality.MISSING, Quality.EXPIRED) or not body.spot > 0:
            return
        self.underlying[body.symbol] = body.spot
        escrowed = body.forward * math.exp(-body.rate * body.years)
        self.carries[body.symbol, body.expiry] = Carry(body.rate, max(0.0, body.spot - escrowed))
        for con_id, volatility in zip(body.con_id, body.implied_volatility, strict=True):
            if con_id in wanted and volatility is not None and volatility > 0:
                self.volatility[con_id] = volatility
        if session_date is not None:
            self.early.update(checks_due(body, wanted, self.early, session_date))

    def session_started(self, session_date: date, wanted: frozenset[int]) -> None:
        """What expired or is not held any more is forgotten."""
        self.carries = {key: one for key, one in self.carries.items() if key[1] >= session_date}
        self.volatility = {key: iv for key, iv in self.volatility.items() if key in wanted}
        self.early = {key: one for key, one in self.early.items() if key in wanted}

    def delta_gap(self, con_id: int) -> float:
        """What early exercise adds to a leg's European delta."""
        found = self.early.get(con_id)
        return 0.0 if found is None else found.delta_gap

    def carry(self, symbol: str, expiry: date, years: float, default_rate: float) -> Carry:
        """The rate is that of the curve of now; that of the chain while none is entered, and the
        default where no chain was seen either."""
        seen = self.carries.get((symbol, expiry), Carry(default_rate))
        return replace(seen, rate=rate_at(self.rates, seen.rate, years))
