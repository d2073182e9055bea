"""The interest rates that options are priced with.

Entered by the operator with run/rates, by the demo's director in its market.
"""

from __future__ import annotations

from datetime import date

from domain.event import DeskEvent
from domain.instruments import Value

RATES_STREAM = "rates/curve"
RATE_MIN, RATE_MAX = 0.0, 0.10
"""A rate beyond these is a slip; `risk_free_rate` has the same bounds."""
TENOR_DAYS_MAX = 3_650
TENORS_MAX = 20


class RatePoint(Value):
    """One tenor of the curve."""

    days: int
    """Calendar days to its end."""
    rate: float
    """Annualised decimal, continuously compounded."""


class RateUpdated(DeskEvent):
    """The curve of rates is this one from now on, whole. Stream `rates/curve`.

    Linear between tenors, flat outside. Until the first of them options are priced with the
    parameter `risk_free_rate`.
    """

    as_of: date
    """The day of which the rates are."""
    source: str
    points: tuple[RatePoint, ...]
    """Ascending days, 1 to 20 of them; none is given twice."""
    who: str


def curve_problem(points: tuple[RatePoint, ...]) -> str:
    """Why these points are no curve, which then must not be written; empty when they are one."""
    days = [point.days for point in points]
    if not 1 <= len(points) <= TENORS_MAX:
        return f"a curve must have 1 to {TENORS_MAX} tenors, has {len(points)}"
    if days != sorted(set(days)):
        return f"tenors must ascend, each given once, were {days} days"
    if not 1 <= days[0] <= days[-1] <= TENOR_DAYS_MAX:
        return f"tenors must be of 1 to {TENOR_DAYS_MAX} days, were {days} days"
    for point in points:
        if not RATE_MIN <= point.rate <= RATE_MAX:
            return f"a rate must be from {RATE_MIN:.0%} to {RATE_MAX:.0%}, was {point.rate:.4%}"
    return ""
