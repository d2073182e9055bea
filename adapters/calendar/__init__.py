"""Session hours from the exchange-calendars library, as SessionPlanned has them.

Calendar XNYS: right for every full holiday and 13:00 close of 2024 to 2027. Options on SPY, QQQ
and IWM trade until 15 minutes after the close. Read by run/feeds, never by a stage.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.metadata import version
from typing import Any

from domain.events.system import PlannedDay, SessionPlanned
from domain.session import LATE_OPTIONS

CALENDAR = "XNYS"
EARLIER_SESSIONS = 30
LATER_SESSIONS = 60
_FULL_SESSION = timedelta(hours=6, minutes=30)
_AFTER_CLOSE = timedelta(hours=4)


class NoSession(LookupError):
    """The exchange is closed on the day asked for."""


@cache
def _calendar(start: date, end: date) -> Any:
    # Brings pandas, a third of a service's start, and most services never ask for a session.
    import exchange_calendars

    return exchange_calendars.get_calendar(CALENDAR, start=str(start), end=str(end))


def _planned(calendar: Any, label: Any) -> PlannedDay:
    opening: datetime = calendar.session_open(label).to_pydatetime().astimezone(UTC)
    closing: datetime = calendar.session_close(label).to_pydatetime().astimezone(UTC)
    return PlannedDay(
        session_date=label.date(),
        open_at=opening,
        close_at=closing,
        options_close_at=closing + LATE_OPTIONS,
        is_half_day=closing - opening < _FULL_SESSION,
    )


def plan_session(day: date) -> SessionPlanned:
    """The plan of one session with 30 sessions before and 60 after it.

    Raises:
        NoSession: a weekend, a holiday, or an unscheduled closure the library knows of.
    """
    calendar = _calendar(day - timedelta(days=75), day + timedelta(days=120))
    label = str(day)
    if not calendar.is_session(label):
        raise NoSession(f"session date must be a trading day of {CALENDAR}, was {day}")
    sessions = calendar.sessions
    index = int(sessions.get_loc(label))
    return SessionPlanned(
        day=_planned(calendar, sessions[index]),
        earlier=tuple(_planned(calendar, s) for s in sessions[index - EARLIER_SESSIONS : index]),
        later=tuple(
            _planned(calendar, s) for s in sessions[index + 1 : index + 1 + LATER_SESSIONS]
        ),
        library=f"exchange-calendars {version('exchange-calendars')}",
        calendar=CALENDAR,
    )


def session_on_or_before(day: date) -> date:
    """The newest trading day that is not after `day`."""
    calendar = _calendar(day - timedelta(days=75), day + timedelta(days=120))
    found: date = calendar.date_to_session(str(day), direction="previous").date()
    return found


def session_at(moment: datetime, closed: Collection[date] = ()) -> date:
    """The session that a real moment belongs to: until 4 hours after its close, then the next.

    `closed` are days on which the exchange stays closed against its calendar.
    """
    today = moment.astimezone(UTC).date()
    calendar = _calendar(today - timedelta(days=75), today + timedelta(days=120))
    over = moment.astimezone(UTC) - _AFTER_CLOSE
    index = int((calendar.closes <= over).sum())
    while (found := calendar.sessions[index].date()) in closed:
        index += 1
    assert isinstance(found, date)
    return found
