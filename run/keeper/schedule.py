"""When jobs are due, by the clock of New York and the sessions of the exchange. Pure.

A time of day that a change of the clock leaves out comes as much later as the clock jumped; one
that it repeats comes once, the first time. Half days and holidays are those of the sessions given.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from domain.events.system import PlannedDay
from domain.session import NEW_YORK, new_york

FRIDAY = 4
EVERY_DAY = frozenset(range(7))
LOOKBACK = timedelta(days=7)
"""What was missed longer ago is not made up for."""


@dataclass(frozen=True, slots=True)
class Due:
    """One moment of a schedule."""

    due_at: datetime
    """UTC."""
    session_date: date
    """The session it belongs to; for a time of day the date in New York."""


class Schedule(Protocol):
    @property
    def needs_sessions(self) -> bool:
        """Whether it goes by the sessions of the exchange."""
        ...

    def between(
        self, since: datetime, until: datetime, sessions: Sequence[PlannedDay]
    ) -> list[Due]:
        """What is due in (since, until], the oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Daily:
    """At these times of the clock in New York, on these days of the week."""

    times: tuple[time, ...]
    weekdays: frozenset[int] = EVERY_DAY
    needs_sessions: bool = False

    def between(
        self, since: datetime, until: datetime, sessions: Sequence[PlannedDay]
    ) -> list[Due]:
        first = new_york(since).date() - timedelta(days=1)  # what the clock left out comes later
        days = (new_york(until).date() - first).days
        found: dict[datetime, Due] = {}
        for day in (first + timedelta(days=step) for step in range(days + 1)):
            if day.weekday() not in self.weekdays:
                continue
            for clock in self.times:
                due_at = datetime.combine(day, clock, NEW_YORK).astimezone(UTC)
                if since < due_at <= until:
                    found.setdefault(due_at, Due(due_at, day))
        return [found[due_at] for due_at in sorted(found)]


@dataclass(frozen=True, slots=True)
class AfterClose:
    """So long after the close of each session, also on half days."""

    delay: timedelta
    needs_sessions: bool = True

    def between(
        self, since: datetime, until: datetime, sessions: Sequence[PlannedDay]
    ) -> list[Due]:
        found = [Due(day.close_at + self.delay, day.session_date) for day in sessions]
        return sorted(
            (due for due in found if since < due.due_at <= until), key=lambda due: due.due_at
        )


def wanted(
    schedule: Schedule,
    *,
    finished: Collection[datetime],
    since: datetime,
    now: datetime,
    sessions: Sequence[PlannedDay],
    makes_up_for_each: bool,
) -> list[Due]:
    """What is to be done now, the oldest first: what is due, and what was missed.

    Of what was missed after `since` each, or the newest alone where one run does the work of all.
    """
    due = schedule.between(max(since, now - LOOKBACK), now, sessions)
    if not makes_up_for_each:
        due = due[-1:]
    return [one for one in due if one.due_at not in finished]
