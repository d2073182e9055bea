"""Which expiries strategies trade, how wide and how often their chains are published.

Called by the chain refresh and the report; domain/signals names its buckets' expiries by role.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from domain.session import Session

_FRIDAY = 4
SWING_DAYS_MIN = 14
SWING_DAYS_MAX = 60
"""Bounds of what may be traded for weeks; parameters say which expiries inside them are."""


class ExpiryRole(StrEnum):
    """Which listed expiry a bucket trades; the value ends the names of that expiry's metrics."""

    TODAY = "0dte"
    NEXT_SESSION = "1dte"
    SWING = "14d"

    @property
    def words(self) -> str:
        return {"0dte": "day's", "1dte": "next session's", "14d": "swing"}[self.value]

    def is_expiry(self, expiry: date, session: Session) -> bool:
        """Whether a published chain of `expiry` is the one of this role, seen from `session`."""
        if self is ExpiryRole.SWING:
            return SWING_DAYS_MIN <= session.days_to_expiry(expiry) <= SWING_DAYS_MAX
        return expiry == self.expected(session)

    def expected(self, session: Session) -> date | None:
        """The expiry by the plan alone; None when that does not tell."""
        if self is ExpiryRole.TODAY:
            return session.session_date
        if self is ExpiryRole.SWING or not session.plan.later:
            return None
        return session.plan.later[0].session_date


REACH = {ExpiryRole.TODAY: 0.03, ExpiryRole.NEXT_SESSION: 0.04, ExpiryRole.SWING: 0.10}
"""Strikes so far from the spot are published, as a share of it."""
DEVIATIONS_TOLD = 2.0
"""Or so many standard deviations to the expiry, where that is farther."""


def is_monthly(expiry: date) -> bool:
    """The third Friday of a month, or the Thursday before it when that Friday is a holiday."""
    third = 15 + (_FRIDAY - expiry.replace(day=15).weekday()) % 7
    return expiry.day == third or (expiry.weekday() == _FRIDAY - 1 and expiry.day == third - 1)


def swing_expiry(
    expiries: Sequence[date], session: Session, days_min: float, days_max: float, target: float
) -> date | None:
    """The listed expiry nearest to the target; ties go to the monthly one, then to the nearer."""
    inside = [e for e in expiries if days_min <= session.days_to_expiry(e) <= days_max]

    def key(expiry: date) -> tuple[float, bool, date]:
        off = abs(session.days_to_expiry(expiry) - target)
        return off, not is_monthly(expiry), expiry

    return min(inside, key=key, default=None)
