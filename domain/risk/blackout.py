"""Blackouts as risk and the strategies see them (quantitative rules, 5.7).

The windows are those of domain/analytics/economic_calendar.py, read here from the imported
calendar; beside them stand the rules that touch only some entries. Codes None: no calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from domain.analytics.economic_calendar import MISSING_CALENDAR, Window, blackouts
from domain.instruments import Strategy
from domain.parameter import ParameterState
from domain.session import NEW_YORK, Session, third_friday

FOMC, EARLY, TEN = "FOMC", "DATA_0830", "DATA_1000"
RELEASED_AT = {EARLY: time(8, 30), TEN: time(10, 0), "AUCTION_1300": time(13, 0)}
"""New York time of what a code names; an unknown code counts as due."""
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
    """On a day with an FOMC statement no range is sold the same day before 15:00."""
    if codes is None or FOMC not in codes:
        return None
    return datetime.combine(session.session_date, time(15, 0), NEW_YORK)


def size_factor(
    session: Session,
    codes: Sequence[str] | None,
    strategy: Strategy,
    *,
    sells_premium: bool,
    parameters: ParameterState,
) -> float:
    """0.5 for a 0DTE range on the day of an early release, for a premium sold over a weekend or a
    holiday, for MOC on expiry days."""
    factor = 1.0
    if strategy is Strategy.ZERO_DTE and sells_premium and codes is not None and EARLY in codes:
        factor *= 0.5
    if strategy is Strategy.ONE_DTE and sells_premium and nights_between(session) > 1:
        factor *= 0.5
    if strategy is Strategy.CLOSING and is_expiration_day(session, parameters):
        factor *= 0.5
    return factor


def nights_between(session: Session) -> int:
    """Calendar nights to the next session; more than one over a weekend or a holiday."""
    later = session.plan.later
    return (later[0].session_date - session.session_date).days if later else 1


def events_ahead(session: Session, codes: Sequence[str], minutes: float) -> tuple[str, ...]:
    """Releases that forbid a premium sold over this night: those due until so many minutes after
    the next open, and an FOMC statement whenever it comes that day."""
    later = session.plan.later
    if not later:
        return tuple(codes)
    day = later[0]
    until = day.open_at + timedelta(minutes=minutes)
    due = {
        code: datetime.combine(day.session_date, at, NEW_YORK) for code, at in RELEASED_AT.items()
    }
    return tuple(code for code in codes if code == FOMC or due.get(code, day.open_at) < until)


def is_expiration_day(session: Session, parameters: ParameterState) -> bool:
    """Quarterly option expiry, with which most indices rebalance, or a day the operator entered."""
    dates = parameters.text("risk.blackout.expiration_dates").split(",")
    named = {text.strip() for text in dates}
    return _is_quarterly_expiry(session) or session.session_date.isoformat() in named


def _is_quarterly_expiry(session: Session) -> bool:
    """The third Friday of a quarter's last month, or the session before it when that is closed."""
    day = session.session_date
    if day.month % 3:
        return False
    third = third_friday(day.year, day.month)
    following = session.plan.later[0].session_date if session.plan.later else None
    return day == third or (day < third and following is not None and following > third)
