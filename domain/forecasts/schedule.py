"""When predictions are made and how far they look, for each strategy (rules, 3 and 3.2).

On a schedule, traded or not, so that the record is not selected by our own entries.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.analytics.traded import ExpiryRole
from domain.instruments import Strategy
from domain.session import Session

SLOT_LATE_MAX = timedelta(seconds=60)
DRIFT_EVERY_SECONDS = 10
VARIANCE_EVERY = timedelta(minutes=30)
_INTRADAY_EVERY = timedelta(minutes=5)
_INTRADAY_EDGE = timedelta(minutes=30)
_INTRADAY_HORIZON = timedelta(minutes=30)
_AFTER_OPEN = timedelta(minutes=30)
_SWING_SESSIONS = 5
_BEFORE_CLOSE_MINUTES = {
    Strategy.ONE_DTE: (60, 30),
    Strategy.FOURTEEN_DTE: (30,),
    Strategy.CLOSING: (9, 5),
}
EXPIRY_ROLES = {
    Strategy.ZERO_DTE: ExpiryRole.TODAY,
    Strategy.ONE_DTE: ExpiryRole.NEXT_SESSION,
    Strategy.FOURTEEN_DTE: ExpiryRole.SWING,
    Strategy.CLOSING: ExpiryRole.NEXT_SESSION,
}


def direction_slot(strategy: Strategy, session: Session, at: datetime) -> int | None:
    """Number of the slot whose direction prediction is due at `at`; None outside the schedule."""
    if strategy is Strategy.ZERO_DTE:
        return _slot(
            at, session.open_at + _INTRADAY_EDGE, session.close_at - _INTRADAY_EDGE, _INTRADAY_EVERY
        )
    for slot, minutes in enumerate(_BEFORE_CLOSE_MINUTES[strategy]):
        if timedelta(0) <= at - session.before_close(minutes=minutes) <= SLOT_LATE_MAX:
            return slot
    return None


def variance_slot(session: Session, at: datetime) -> int | None:
    """Number of the half hour whose rest of the session is to be forecast."""
    first, last = session.open_at + VARIANCE_EVERY, session.close_at - VARIANCE_EVERY
    return _slot(at, first, last, VARIANCE_EVERY)


def _slot(at: datetime, first: datetime, last: datetime, every: timedelta) -> int | None:
    if not first <= at <= last + SLOT_LATE_MAX:
        return None
    slot = int((at - first) / every)
    slot_at = first + slot * every
    return slot if slot_at <= last and at - slot_at <= SLOT_LATE_MAX else None


def direction_horizon(strategy: Strategy, session: Session, at: datetime) -> datetime | None:
    """Until when a direction prediction looks; None when the plan does not reach so far."""
    later = session.plan.later
    match strategy:
        case Strategy.ZERO_DTE:
            return min(at + _INTRADAY_HORIZON, session.close_at)
        case Strategy.ONE_DTE:
            return later[0].open_at + _AFTER_OPEN if later else None
        case Strategy.FOURTEEN_DTE:
            return later[_SWING_SESSIONS - 1].close_at if len(later) >= _SWING_SESSIONS else None
        case Strategy.CLOSING:
            return session.close_at
