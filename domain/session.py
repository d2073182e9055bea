"""Trading sessions: rule times as offsets from open and close, in New York time.

All rule times are offsets from T_open or T_close, so that half days move by themselves. The day
comes from a SessionPlanned event; nothing here reads a calendar or a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from domain.events.session_hours import SessionOverridden
from domain.events.system import PlannedDay, SessionPlanned

NEW_YORK = ZoneInfo("America/New_York")
SESSION_MINUTES = 390
YEAR_SECONDS = 365 * 86_400
LATE_OPTIONS = timedelta(minutes=15)
"""Options on the three funds trade so long after the close."""
_FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Session:
    """The planned day with the sessions around it."""

    plan: SessionPlanned

    @property
    def day(self) -> PlannedDay:
        return self.plan.day

    @property
    def session_date(self) -> date:
        return self.plan.day.session_date

    @property
    def open_at(self) -> datetime:
        return self.plan.day.open_at

    @property
    def close_at(self) -> datetime:
        return self.plan.day.close_at

    def after_open(self, minutes: float = 0, seconds: float = 0) -> datetime:
        return self.open_at + timedelta(minutes=minutes, seconds=seconds)

    def before_close(self, minutes: float = 0, seconds: float = 0) -> datetime:
        return self.close_at - timedelta(minutes=minutes, seconds=seconds)

    def is_open(self, at: datetime) -> bool:
        """Regular session: includes its start, excludes its end."""
        return self.open_at <= at < self.close_at

    def minute(self, at: datetime) -> int:
        """Whole minutes since the open, negative before it."""
        return int((at - self.open_at).total_seconds() // 60)

    def closing(self, session_date: date) -> datetime | None:
        """T_close of this, an earlier or a later planned session; None when it is not planned."""
        for day in (self.plan.day, *self.plan.later, *self.plan.earlier):
            if day.session_date == session_date:
                return day.close_at
        return None

    def days_to_expiry(self, expiry: date) -> int:
        """DTE: calendar days from the session date to the expiry date."""
        return (expiry - self.session_date).days


def overridden(plan: SessionPlanned, overrides: Mapping[date, SessionOverridden]) -> SessionPlanned:
    """The plan with what the exchange has changed; sessions that it closes are left out.

    The planned day itself stays when it is closed: then another day is to be planned.
    """

    def hours(days: Iterable[PlannedDay]) -> tuple[PlannedDay, ...]:
        changed = ((day, overrides.get(day.session_date)) for day in days)
        return tuple(
            day if over is None else _with_hours(day, over)
            for day, over in changed
            if over is None or over.open_at is not None
        )

    return plan.model_copy(
        update={
            "day": (hours((plan.day,)) or (plan.day,))[0],
            "earlier": hours(plan.earlier),
            "later": hours(plan.later),
        }
    )


def _with_hours(day: PlannedDay, over: SessionOverridden) -> PlannedDay:
    assert over.open_at is not None and over.close_at is not None
    return PlannedDay(
        session_date=day.session_date,
        open_at=over.open_at,
        close_at=over.close_at,
        options_close_at=over.close_at + LATE_OPTIONS,
        is_half_day=over.close_at - over.open_at < timedelta(minutes=SESSION_MINUTES),
    )


def new_york(at: datetime) -> datetime:
    return at.astimezone(NEW_YORK)


def third_friday(year: int, month: int) -> date:
    """Day of the monthly option expiry, be the exchange open on it or not."""
    middle = date(year, month, 15)
    return middle + timedelta(days=(_FRIDAY - middle.weekday()) % 7)
