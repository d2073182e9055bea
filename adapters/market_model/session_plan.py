"""The sessions a simulated market lives in: 280 before the simulated day and 100 after it.

Read from exchange-calendars (XNYS) by run/sandbox_market; the model itself only sees the plan, so
that tests can hand it a half day or a week of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

EARLIER_SESSIONS = 280
LATER_SESSIONS = 100


@dataclass(frozen=True, slots=True)
class SimSession:
    """One session, times in UTC."""

    session_date: date
    open_at: datetime
    close_at: datetime

    @property
    def seconds(self) -> int:
        return int((self.close_at - self.open_at).total_seconds())


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """The simulated day with the sessions around it, each list oldest first."""

    day: SimSession
    earlier: tuple[SimSession, ...]
    later: tuple[SimSession, ...]


def xnys_plan(session_date: date) -> SessionPlan:
    """The plan of one New York session.

    Raises:
        ValueError: the exchange is closed on that day.
    """
    import exchange_calendars  # brings pandas, which the model itself does without

    calendar = exchange_calendars.get_calendar(
        "XNYS",
        start=str(session_date - timedelta(days=430)),
        end=str(session_date + timedelta(days=160)),
    )
    if not calendar.is_session(str(session_date)):
        raise ValueError(f"session date must be a trading day of XNYS, was {session_date}")
    sessions = calendar.sessions
    index = int(sessions.get_loc(str(session_date)))

    def planned(label: object) -> SimSession:
        opening: datetime = calendar.session_open(label).to_pydatetime()
        closing: datetime = calendar.session_close(label).to_pydatetime()
        return SimSession(opening.date(), opening.astimezone(UTC), closing.astimezone(UTC))

    return SessionPlan(
        day=planned(sessions[index]),
        earlier=tuple(planned(s) for s in sessions[max(0, index - EARLIER_SESSIONS) : index]),
        later=tuple(planned(s) for s in sessions[index + 1 : index + 1 + LATER_SESSIONS]),
    )
