"""Session plans: half days, late options close, and the sessions around a day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from adapters.calendar import NoSession, plan_session, session_on_or_before


def test_a_full_day_closes_at_four_and_options_a_quarter_later() -> None:
    plan = plan_session(date(2026, 11, 23))
    assert plan.day.open_at == datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    assert plan.day.close_at == datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
    assert plan.day.options_close_at == datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
    assert not plan.day.is_half_day


def test_the_day_after_thanksgiving_is_a_half_day() -> None:
    plan = plan_session(date(2026, 11, 27))
    assert plan.day.close_at == datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    assert plan.day.is_half_day


def test_earlier_and_later_sessions_surround_the_day_in_order() -> None:
    plan = plan_session(date(2026, 11, 23))
    dates = [d.session_date for d in (*plan.earlier, plan.day, *plan.later)]
    assert dates == sorted(dates)
    assert len(plan.earlier) == 30 and len(plan.later) == 60
    assert plan.earlier[-1].session_date == date(2026, 11, 20)
    assert date(2026, 11, 26) not in dates


def test_a_recorded_day_of_2013_is_planned_too() -> None:
    assert plan_session(date(2013, 10, 8)).day.open_at == datetime(2013, 10, 8, 13, 30, tzinfo=UTC)


def test_a_closed_day_is_refused_by_name() -> None:
    with pytest.raises(NoSession, match="2026-11-26"):
        plan_session(date(2026, 11, 26))


def test_a_weekend_leads_to_the_friday_before() -> None:
    assert session_on_or_before(date(2026, 11, 22)) == date(2026, 11, 20)
