"""Initial margin of option and stock positions by the strategy rules of Regulation T.

Long options are paid in full and covered spreads need what they can lose from here; short options
that nothing covers need the larger of 20 % of the underlying less what they are out of the money
and 10 %; stock needs 50 %. The account and the what-if answers use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

CONTRACT_SHARES = 100
STOCK_INITIAL = 0.5
STOCK_MAINTENANCE = 0.25


@dataclass(frozen=True, slots=True)
class Holding:
    """A position with its mark in dollars a share. `right` is "" for stock."""

    symbol: str
    expiry: date | None
    strike: float
    right: str
    quantity: int
    mark: float
    underlying_price: float

    @property
    def value(self) -> float:
        return self.quantity * self.mark * (CONTRACT_SHARES if self.right else 1)


@dataclass(frozen=True, slots=True)
class Margin:
    initial: float
    maintenance: float


def margin_of(holdings: Sequence[Holding]) -> Margin:
    """Requirement in dollars of everything held."""
    initial = maintenance = 0.0
    groups: dict[tuple[str, date], list[Holding]] = {}
    for holding in holdings:
        if holding.expiry is None:
            worth = abs(holding.quantity) * holding.underlying_price
            initial += STOCK_INITIAL * worth
            maintenance += STOCK_MAINTENANCE * worth
        elif holding.quantity:
            groups.setdefault((holding.symbol, holding.expiry), []).append(holding)
    for key in sorted(groups):
        needed = _options_of_one_expiry(groups[key])
        initial += needed
        maintenance += needed
    return Margin(initial, maintenance)


def _options_of_one_expiry(holdings: Sequence[Holding]) -> float:
    quantities: dict[tuple[str, float], int] = {}
    for holding in holdings:
        key = (holding.right, holding.strike)
        quantities[key] = quantities.get(key, 0) + holding.quantity
    spot = holdings[0].underlying_price
    naked = _take_naked(quantities, "C") + _take_naked(quantities, "P")
    value = sum(holding.value for holding in holdings)
    worst = _least_payoff(quantities)
    bare = 0.0
    marks = {(h.right, h.strike): h.mark for h in holdings}
    for right, strike, count in naked:
        out_of_money = max(strike - spot, 0.0) if right == "C" else max(spot - strike, 0.0)
        floor = 0.1 * (spot if right == "C" else strike)
        risk = max(0.2 * spot - out_of_money, floor)
        mark = marks[(right, strike)]
        bare += count * CONTRACT_SHARES * (risk + mark)
        value += count * CONTRACT_SHARES * mark
    return max(value - worst, 0.0) + bare


def _take_naked(
    quantities: dict[tuple[str, float], int], right: str
) -> list[tuple[str, float, int]]:
    """Remove the short options that no long one of the same right covers, furthest out first."""
    uncovered = -sum(count for (kind, _), count in quantities.items() if kind == right)
    taken = []
    shorts = [strike for (kind, strike), count in quantities.items() if kind == right and count < 0]
    for strike in sorted(shorts, reverse=right == "C"):
        if uncovered <= 0:
            break
        count = min(uncovered, -quantities[(right, strike)])
        quantities[(right, strike)] += count
        uncovered -= count
        taken.append((right, strike, count))
    return taken


def _least_payoff(quantities: Mapping[tuple[str, float], int]) -> float:
    """Least value at expiry over all underlying prices, in dollars."""
    strikes = sorted({strike for (_, strike), count in quantities.items() if count})
    if not strikes:
        return 0.0
    prices = [0.0, *strikes, strikes[-1] * 2]
    return min(CONTRACT_SHARES * _payoff(quantities, price) for price in prices)


def _payoff(quantities: Mapping[tuple[str, float], int], price: float) -> float:
    total = 0.0
    for (right, strike), count in quantities.items():
        intrinsic = max(price - strike, 0.0) if right == "C" else max(strike - price, 0.0)
        total += count * intrinsic
    return total
