"""Hours that an exchange changes at short notice take the place of the calendar's in every plan."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from adapters.calendar import plan_session, session_at
from domain.events.session_hours import SessionOverridden
from domain.phase import Phase, phase_at
from domain.session import Session, overridden

DAY = date(2026, 12, 9)
NEXT = date(2026, 12, 10)
PLAN = plan_session(DAY)


def said(day: date, opening: datetime | None, closing: datetime | None) -> SessionOverridden:
    return SessionOverridden(
        session_date=day, open_at=opening, close_at=closing, who="ann", why="notice"
    )


def at(hour: int, minute: int = 0, day: date = DAY) -> datetime:
    """In winter New York is five hours behind."""
    return datetime(day.year, day.month, day.day, hour + 5, minute, tzinfo=UTC)


def test_an_early_close_ends_options_a_quarter_of_an_hour_later() -> None:
    plan = overridden(PLAN, {DAY: said(DAY, at(9, 30), at(13))})
    assert plan.day.close_at == at(13)
    assert plan.day.options_close_at == at(13, 15)
    assert plan.day.is_half_day
    assert phase_at(plan, at(13, 5)) is Phase.LATE_OPTIONS
    assert (plan.earlier, plan.later) == (PLAN.earlier, PLAN.later)


def test_a_late_open_moves_what_counts_from_the_open() -> None:
    session = Session(overridden(PLAN, {DAY: said(DAY, at(10, 30), at(16))}))
    assert session.after_open(minutes=30) == at(11)
    assert not session.is_open(at(10)) and session.is_open(at(10, 30))


def test_a_session_to_come_that_is_called_off_is_no_session() -> None:
    """The next session is then the one after: its expiry, its dividends, its closes."""
    session = Session(overridden(PLAN, {NEXT: said(NEXT, None, None)}))
    assert session.plan.later == PLAN.later[1:]
    assert session.closing(NEXT) is None


def test_an_override_that_gives_the_calendars_hours_takes_another_back() -> None:
    assert overridden(PLAN, {DAY: said(DAY, PLAN.day.open_at, PLAN.day.close_at)}) == PLAN


@pytest.mark.parametrize("closed", [frozenset(), frozenset({DAY}), frozenset({DAY, NEXT})])
def test_a_moment_of_a_closed_day_belongs_to_the_next_session(closed: frozenset[date]) -> None:
    found = session_at(at(8), closed)
    assert found == DAY + timedelta(days=len(closed))
