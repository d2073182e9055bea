"""Portfolio greeks, beta-weighted to SPY, and their limits (quantitative rules, 5.4).

D in dollars, G in dollars of delta per 1 % of SPY, V in dollars per volatility point, Th in
dollars per day. Called by the decision with the book as it stands and one unit proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from domain.events.risk import Check
from domain.events.signals import Result
from domain.instruments import MULTIPLIER, Structure
from domain.numbers import significant
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode
from domain.risk.size import UNITS_UNBOUNDED, Room


@dataclass(frozen=True, slots=True)
class DollarGreeks:
    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0

    def plus(self, other: DollarGreeks, times: float = 1.0) -> DollarGreeks:
        return DollarGreeks(
            self.delta + times * other.delta,
            self.gamma + times * other.gamma,
            self.vega + times * other.vega,
            self.theta + times * other.theta,
        )


class LegGreeks(Protocol):
    """One option's greeks a share."""

    @property
    def delta(self) -> float: ...

    @property
    def gamma(self) -> float: ...

    @property
    def vega(self) -> float: ...

    @property
    def theta(self) -> float: ...


def unit_greeks(
    structure: Structure, legs: Sequence[LegGreeks], underlying: float, beta: float
) -> DollarGreeks:
    """Dollar greeks of one unit at `underlying`."""
    total = DollarGreeks()
    for leg, quote in zip(structure.legs, legs, strict=True):
        contracts = leg.ratio * MULTIPLIER
        total = total.plus(
            DollarGreeks(
                delta=quote.delta * underlying * beta,
                gamma=quote.gamma * (underlying * beta) ** 2 * 0.01,
                vega=quote.vega,
                theta=quote.theta,
            ),
            contracts,
        )
    return total


def bounded_beta(beta: float, parameters: ParameterState) -> float:
    low = parameters.number("risk.greek.beta_low")
    high = parameters.number("risk.greek.beta_high")
    return min(high, max(low, beta))


def total(parts: Iterable[tuple[DollarGreeks, int]]) -> DollarGreeks:
    book = DollarGreeks()
    for greeks, units in parts:
        book = book.plus(greeks, units)
    return book


@dataclass(frozen=True, slots=True)
class GreekRow:
    """One greek with its allowed interval [low, high], both ends included."""

    code: DenialCode
    book: float
    unit: float
    low: float
    high: float

    def room(self) -> Room:
        if self.unit == 0:
            return Room(self.code.value, UNITS_UNBOUNDED)
        left = self.high - self.book if self.unit > 0 else self.book - self.low
        return Room(self.code.value, max(0.0, left / abs(self.unit)))

    def holds(self, units: int) -> bool:
        value = self.book + units * self.unit
        slack = 1e-9 * max(1.0, abs(self.low), abs(self.high if self.high < 1e15 else 0.0))
        return self.low - slack <= value <= self.high + slack

    def check(self, units: int) -> Check:
        value = self.book + units * self.unit
        high = "-" if self.high >= 1e15 else f"{significant(self.high)}"
        return Check(
            code=self.code.value,
            result=Result.PASS if self.holds(units) else Result.FAIL,
            limit=f"[{significant(self.low)}, {high}] USD",
            value=f"{significant(value)}",
            input=f"book {significant(self.book)}, unit {significant(self.unit)}",
        )


def greek_rows(
    book: DollarGreeks, unit: DollarGreeks, equity: Decimal, parameters: ParameterState
) -> tuple[GreekRow, ...]:
    """The four greek limits, in fixed order. Theta is limited only on the paying side."""
    money = float(equity)

    def share(name: str) -> float:
        return money * parameters.number(f"risk.greek.{name}")

    code = DenialCode
    delta, vega = share("delta"), share("vega")
    return (
        GreekRow(code.GREEK_DELTA, book.delta, unit.delta, -delta, delta),
        GreekRow(
            code.GREEK_GAMMA, book.gamma, unit.gamma, -share("gamma_short"), share("gamma_long")
        ),
        GreekRow(code.GREEK_VEGA, book.vega, unit.vega, -vega, vega),
        GreekRow(code.GREEK_THETA, book.theta, unit.theta, -share("theta"), 1e15),
    )
