"""Does the price end where a structure gains (rules, 3.5)? Made with each P5, settled at expiry.

The price at expiry is lognormal under the forecast variance: without drift for neutral structures,
else shifted by what the direction prediction says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from domain.analytics.touch import normal_cdf
from domain.analytics.variance import (
    MEAN_REVERSION_A_DAY,
    VarianceForecast,
    overnight_variance,
    rho,
    variance_to_expiry,
)
from domain.instruments import Strategy
from domain.session import Session
from domain.signals.reading import Reading

MODEL = "P5_INSIDE"
SHIFT_SCALE = 0.5
SHIFT_MAX = 0.35
_AFTER_OPEN_MINUTES = 30.0
_INTRADAY_MINUTES = 30.0
_SWING_SESSIONS = 5


@dataclass(frozen=True, slots=True)
class Payoff:
    """A leg at expiry."""

    ratio: int
    strike: float
    is_call: bool

    def at(self, price: float) -> float:
        beyond = price - self.strike if self.is_call else self.strike - price
        return self.ratio * max(0.0, beyond)


def profitable(legs: Sequence[Payoff], cost: float) -> list[tuple[float, float]]:
    """Open ranges of the price at expiry with a gain over `cost`, ascending; the last may be
    without end. The payoff is straight between strikes."""

    def gain(price: float) -> float:
        return sum(leg.at(price) for leg in legs) - cost

    strikes = sorted({leg.strike for leg in legs})
    # A strike as far out again shows where the straight line behind the last one leads.
    beyond = 2 * strikes[-1]
    crossings = [0.0]
    for low, high in pairwise((0.0, *strikes, beyond)):
        at_low, at_high = gain(low), gain(high)
        if at_low * at_high < 0:
            crossings.append(low - at_low * (high - low) / (at_high - at_low))
        elif at_low == 0 < low:
            crossings.append(low)
    slope = gain(beyond) - gain(strikes[-1])
    if gain(beyond) * slope < 0:
        crossings.append(strikes[-1] - gain(strikes[-1]) * (beyond - strikes[-1]) / slope)
    bounds = [*crossings, math.inf]
    found: list[tuple[float, float]] = []
    for low, high in pairwise(bounds):
        middle = (low + high) / 2 if math.isfinite(high) else max(2 * low, 2 * beyond)
        if gain(middle) <= 0:
            continue
        if found and found[-1][1] == low:
            found[-1] = found[-1][0], high
        else:
            found.append((low, high))
    return found


def p_inside(
    ranges: Iterable[tuple[float, float]], spot: float, variance: float, drift: float
) -> float:
    """Probability that the price ends in one of the ranges."""
    deviation = math.sqrt(variance)

    def below(price: float) -> float:
        if price <= 0:
            return 0.0
        if math.isinf(price):
            return 1.0
        return normal_cdf((math.log(price / spot) - drift + variance / 2) / deviation)

    return math.fsum(below(high) - below(low) for low, high in ranges)


def shift(p_up: float, horizon_variance: float, variance: float) -> float:
    """Of the mean, from the direction prediction over its own horizon."""
    found = (2 * p_up - 1) * SHIFT_SCALE * math.sqrt(horizon_variance)
    reach = SHIFT_MAX * math.sqrt(variance)
    return min(reach, max(-reach, found))


def horizon_variance(
    strategy: Strategy, reading: Reading, session: Session, overnight_share: float
) -> float | None:
    """Forecast variance to the horizon of the strategy's direction prediction."""
    rest = reading.number("v_rem")
    if rest is None or strategy is Strategy.CLOSING:
        return rest
    length = (session.close_at - session.open_at).total_seconds() / 60
    if strategy is Strategy.ZERO_DTE:
        passed = (reading.at - session.open_at).total_seconds() / 60
        to_come = rho(passed, length)
        return rest * (1 - rho(passed + _INTRADAY_MINUTES, length) / to_come) if to_come > 0 else 0
    day, month, later = reading.number("rv_hat_day"), reading.number("rv_22d"), session.plan.later
    if day is None or month is None or len(later) < _SWING_SESSIONS:
        return None
    dates = [session.session_date, *(one.session_date for one in later[:_SWING_SESSIONS])]
    nights = [(after - before).days for before, after in pairwise(dates)]
    if strategy is Strategy.FOURTEEN_DTE:
        return variance_to_expiry(VarianceForecast(day, month), rest, nights, overnight_share)
    following = month + (day - month) * MEAN_REVERSION_A_DAY
    length = (later[0].close_at - later[0].open_at).total_seconds() / 60
    opening = following * (1 - rho(_AFTER_OPEN_MINUTES, length))
    return rest + overnight_variance(following, overnight_share, nights[0]) + opening


def range_values(ranges: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The ranges as a prediction records them; no `high` where there is no end."""
    values: dict[str, float] = {}
    for place, (low, high) in enumerate(ranges):
        values[f"low_{place}"] = low
        if math.isfinite(high):
            values[f"high_{place}"] = high
    return values


def is_inside(values: Mapping[str, float], price: float) -> bool:
    """Whether a price lies in one of the recorded ranges."""
    place = 0
    while (low := values.get(f"low_{place}")) is not None:
        if low < price < values.get(f"high_{place}", math.inf):
            return True
        place += 1
    return False
