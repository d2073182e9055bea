"""The curve of interest rates: what an option of a given life is discounted with.

Folded from RateUpdated by analytics, risk and the guard against early exercise alike, so that a
forward and the rules about it rest on one rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.events.interest_rates import RateUpdated
from domain.numbers import significant

DEFAULT_RATE = "risk_free_rate"
"""The parameter that stands in while no curve is entered."""


@dataclass(frozen=True, slots=True)
class RateCurve:
    """Annualised, continuously compounded rates by calendar days, ascending."""

    days: tuple[float, ...]
    rates: tuple[float, ...]

    def at(self, years: float) -> float:
        """Linear between tenors, flat outside; rounded as events have it."""
        return significant(float(np.interp(years * 365, self.days, self.rates))) or 0.0


def curve_of(body: RateUpdated) -> RateCurve:
    points = body.points
    return RateCurve(tuple(float(p.days) for p in points), tuple(p.rate for p in points))


def rate_at(curve: RateCurve | None, default: float, years: float) -> float:
    """The rate for a life of so many years: of the curve, the default while there is none."""
    return default if curve is None else curve.at(years)
