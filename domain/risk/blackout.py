"""Blackouts as risk and the strategies see them (quantitative rules, 5.7).

The windows are those of domain/analytics/economic_calendar.py, read here from the imported
calendar; beside them stand the rules that touch only some entries. Codes None: no calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

from domain.analytics.economic_calendar import MISSING_CALENDAR, Window, blackouts
from domain.instruments import Strategy
from domain.parameter import ParameterState
from domain.session import NEW_YORK, Session

FOMC, EARLY, TEN = "FOMC", "DATA_0830", "DATA_1000"
ASSUMED = (FOMC, EARLY, TEN)
"""Without a calendar the windows at 14:00, 08:30 and 10:00 are blacked out."""


def windows(session: Session, codes: Sequence[str] | None) -> tuple[Window, ...]:
    """All windows of the day without new entries."""
    return blackouts(session, ASSUMED if codes is None else codes)


def blackout_at(session: Session, codes: Sequence[str] | None, now: datetime) -> str:
    """Code of the first window that covers `now`, empty for none. Start in, end out."""
    for window in windows(session, codes):
        if window.start <= now < window.end:
            return window.code if codes is not None else f"{window.code} {MISSING_CALENDAR}"
    return ""


def range_blocked_until(session: Session, codes: Sequence[str] | None) -> datetime | None:
    """On a day with an FOMC statement there is no premium-selling entry before 15:00."""
    if codes is None or FOMC not in codes:
        return None
    return datetime.combine(session.session_date, time(15, 0), NEW_YORK)


def size_factor(
    session: Session,
    codes: Sequence[str] | None,
    strategy: Strategy,
    *,
    is_range: bool,
    parameters: ParameterState,
) -> float:
    """0.5 for premium selling on the day of an early release, and for MOC on expiry days."""
    factor = 1.0
    if is_range and codes is not None and EARLY in codes:
        factor *= 0.5
    if strategy is Strategy.CLOSING and is_expiration_day(session, parameters):
        factor *= 0.5
    return factor


def is_expiration_day(session: Session, parameters: ParameterState) -> bool:
    """Quarterly option expiry or index rebalance, as entered by the operator."""
    dates = parameters.text("risk.blackout.expiration_dates").split(",")
    return session.session_date.isoformat() in {text.strip() for text in dates}
