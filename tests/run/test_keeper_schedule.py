"""Jobs go by New York time: over changes of the clock, half days, holidays, missed nights."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from adapters.calendar import plan_session
from domain.events.system import PlannedDay
from domain.session import NEW_YORK
from run.keeper.jobs import JOBS
from run.keeper.runner import Job
from run.keeper.schedule import LOOKBACK, AfterClose, Daily, Due, Schedule, wanted

NIGHT = Daily((time(3, 30),))
HOURLY = Daily(tuple(time(hour, 40) for hour in range(24)))
REPORT = AfterClose(timedelta(hours=4, minutes=30))


def local(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)


BEFORE = local(2026, 1, 1)


def sessions_around(day: date) -> tuple[PlannedDay, ...]:
    plan = plan_session(day)
    return (*plan.earlier, plan.day, *plan.later)


def clocks(dues: list[Due]) -> list[str]:
    return [f"{due.due_at.astimezone(NEW_YORK):%m-%d %H:%M}" for due in dues]


@pytest.mark.parametrize("week", [local(2026, 3, 5), local(2026, 10, 29)], ids=["spring", "autumn"])
def test_a_night_of_a_week_with_a_change_of_the_clock_comes_once_a_day_at_its_time(
    week: datetime,
) -> None:
    dues = NIGHT.between(week, week + timedelta(days=7, hours=2), ())
    assert {clock[-5:] for clock in clocks(dues)} == {"03:30"}
    assert len({due.session_date for due in dues}) == len(dues) == 7


def test_an_hour_that_is_left_out_comes_later_and_one_that_is_repeated_comes_once() -> None:
    spring = HOURLY.between(local(2026, 3, 8), local(2026, 3, 9), ())
    assert len(spring) == 23
    assert clocks(spring)[1:3] == ["03-08 01:40", "03-08 03:40"]
    autumn = HOURLY.between(local(2026, 11, 1), local(2026, 11, 2), ())
    assert len(autumn) == 24
    one, two = (due.due_at for due in autumn[1:3])
    assert two - one == timedelta(hours=2)
    left_out = Daily((time(2, 30),)).between(local(2026, 3, 8), local(2026, 3, 9), ())
    assert clocks(left_out) == ["03-08 03:30"]


def test_a_report_follows_each_close_also_on_half_days_and_never_on_holidays() -> None:
    """Thanksgiving 2026 is the 26th; the 27th closes at 13:00; then a weekend."""
    sessions = sessions_around(date(2026, 11, 25))
    dues = REPORT.between(local(2026, 11, 25), local(2026, 12, 1), sessions)
    assert clocks(dues) == ["11-25 20:30", "11-27 17:30", "11-30 20:30"]
    assert [due.session_date.day for due in dues] == [25, 27, 30]


@pytest.mark.parametrize("change", [date(2026, 3, 9), date(2026, 11, 2)], ids=["spring", "autumn"])
def test_the_report_keeps_its_distance_to_the_close_over_a_change_of_the_clock(
    change: date,
) -> None:
    start = local(change.year, change.month, change.day) - timedelta(days=4)
    dues = REPORT.between(start, start + timedelta(days=8), sessions_around(change))
    assert len(dues) >= 5
    assert {clock[-5:] for clock in clocks(dues)} == {"20:30"}


def missed(
    schedule: Schedule,
    now: datetime,
    finished: set[datetime] | None = None,
    since: datetime = BEFORE,
    *,
    each: bool = False,
) -> list[str]:
    found = wanted(
        schedule,
        finished=finished or set(),
        since=since,
        now=now,
        sessions=sessions_around(date(2026, 11, 25)),
        makes_up_for_each=each,
    )
    return clocks(found)


def test_missed_nights_are_made_up_for_once_where_one_run_does_the_work_of_all() -> None:
    now = local(2026, 11, 28, 12)
    assert missed(NIGHT, now) == ["11-28 03:30"]
    assert missed(NIGHT, now, {local(2026, 11, 28, 3, 30)}) == []
    assert missed(NIGHT, now, {local(2026, 11, 27, 3, 30)}) == ["11-28 03:30"]


def test_missed_reports_are_each_made_up_for_within_a_week() -> None:
    now = local(2026, 11, 28, 12)
    done = {local(2026, 11, 25, 20, 30)}
    assert missed(REPORT, now, done, each=True) == [
        *("11-23 20:30", "11-24 20:30", "11-27 17:30"),
    ]
    assert now - LOOKBACK > local(2026, 11, 20, 20, 30), "a report of before is not made"


def test_nothing_was_missed_before_the_log_had_a_keeper() -> None:
    now = local(2026, 11, 28, 12)
    assert missed(NIGHT, now, since=now) == []
    assert missed(REPORT, now, since=local(2026, 11, 27, 12), each=True) == ["11-27 17:30"]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_job_is_due_within_a_week_and_looks_back_no_further_than_it_reads(job: Job) -> None:
    start = local(2026, 10, 29)
    dues = job.schedule.between(start, start + LOOKBACK, sessions_around(date(2026, 10, 30)))
    assert 0 < 2 * len(dues) < 400
