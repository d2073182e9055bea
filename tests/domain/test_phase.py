"""Phases of a trading day: half days, holidays, weekends and both changes of the clock."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from adapters.calendar import plan_session
from domain.phase import Phase, phase_at
from domain.session import NEW_YORK

FULL = (
    ("03:59:59", Phase.CLOSED),
    ("04:00:00", Phase.PRE),
    ("09:29:59", Phase.PRE),
    ("09:30:00", Phase.REGULAR),
    ("15:59:59", Phase.REGULAR),
    ("16:00:00", Phase.LATE_OPTIONS),
    ("16:14:59", Phase.LATE_OPTIONS),
    ("16:15:00", Phase.AFTER),
    ("19:59:59", Phase.AFTER),
    ("20:00:00", Phase.CLOSED),
)
HALF = (
    ("04:00:00", Phase.PRE),
    ("12:59:59", Phase.REGULAR),
    ("13:00:00", Phase.LATE_OPTIONS),
    ("13:15:00", Phase.AFTER),
    ("16:59:59", Phase.AFTER),
    ("17:00:00", Phase.CLOSED),
)


def at(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), NEW_YORK)


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 3, 6),  # the Friday before summer time
        date(2026, 3, 9),  # the Monday after
        date(2026, 10, 30),  # the Friday before winter time
        date(2026, 11, 2),  # the Monday after
        date(2026, 10, 6),
    ],
)
def test_phases_of_a_full_day_keep_new_york_time_through_changes_of_the_clock(day: date) -> None:
    plan = plan_session(date(2026, 10, 6) if day.month > 9 else date(2026, 3, 6))
    assert [phase_at(plan, at(day, clock)) for clock, _ in FULL] == [p for _, p in FULL]


@pytest.mark.parametrize("day", [date(2026, 11, 27), date(2026, 12, 24)])
def test_a_half_day_ends_early_and_so_does_its_after_hours_trade(day: date) -> None:
    plan = plan_session(date(2026, 11, 25))
    assert [phase_at(plan, at(day, clock)) for clock, _ in HALF] == [p for _, p in HALF]


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 11, 26),  # Thanksgiving
        date(2026, 11, 28),  # a Saturday
        date(2026, 11, 1),  # the Sunday with an hour twice
        date(2027, 6, 1),  # beyond the plan
    ],
)
def test_without_a_session_the_whole_day_is_closed(day: date) -> None:
    plan = plan_session(date(2026, 11, 25))
    midnight = at(day, "00:00:00")
    hours = [midnight + timedelta(hours=hour) for hour in range(25)]
    assert {phase_at(plan, hour) for hour in hours} == {Phase.CLOSED}
