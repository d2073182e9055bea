"""What is left of a day's variance follows its profile, not the clock, also on a half day."""

from __future__ import annotations

import math
from datetime import date, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from domain.execution.underlying import UnderlyingWatch
from domain.execution.watched import Watched, remaining_variance
from domain.session import Session
from tests.domain.execution.execution_build import session

DAY = date(2026, 7, 28)


def short(plan: Session) -> Session:
    day = plan.day.model_copy(
        update={"close_at": plan.open_at + timedelta(minutes=210), "is_half_day": True}
    )
    return Session(plan.plan.model_copy(update={"day": day}))


def held(opened_minutes: float, plan: Session, left_then: float | None) -> Watched:
    opened = SimpleNamespace(opened_at=plan.after_open(minutes=opened_minutes))
    found = SimpleNamespace(opened=opened, variance_remaining=left_then, rv_hat_day=1e-4)
    return cast(Watched, found)


def test_the_last_hour_keeps_its_fifth_of_the_day() -> None:
    """At 12:00 0.154 + 0.185 + 0.136 = 0.475 are over and 0.525 to come; at 15:00 0.2."""
    plan = Session(session(DAY))
    watched = held(150, plan, 6e-5)
    found = remaining_variance(watched, plan, plan.after_open(minutes=330))
    assert found == pytest.approx(6e-5 * 0.2 / 0.525)
    assert remaining_variance(watched, plan, plan.close_at) == pytest.approx(0, abs=1e-18)


def test_on_a_half_day_the_profile_is_compressed() -> None:
    """Half an hour of 390 minutes is 16.15 of 210."""
    plan = short(Session(session(DAY)))
    watched = held(0, plan, 1e-4)
    found = remaining_variance(watched, plan, plan.after_open(minutes=210 * 30 / 390))
    assert found == pytest.approx(1e-4 * (1 - 0.154))


def test_a_position_of_an_earlier_day_has_the_whole_forecast_at_the_open() -> None:
    plan = Session(session(DAY))
    assert remaining_variance(held(-1000, plan, 1.0), plan, plan.open_at) == pytest.approx(1e-4)


def test_without_a_variance_or_after_the_close_nothing_is_known() -> None:
    plan = Session(session(DAY))
    assert remaining_variance(held(150, plan, None), plan, plan.after_open(minutes=200)) is None
    assert remaining_variance(held(391, plan, 1e-5), plan, plan.after_open(minutes=392)) is None


def test_the_modelled_noise_area_widens_by_the_profile_too() -> None:
    """sqrt(2/pi) sqrt(RVhat (1 - rho)): after half an hour 0.154 of the variance is done."""
    plan = Session(session(DAY))
    watch = UnderlyingWatch(session_open=600.0, daily_close=(DAY - timedelta(days=1), 600.0))
    area = watch.area(29, plan, 1e-4)
    assert area is not None
    assert area.upper == pytest.approx(600 * (1 + math.sqrt(2 / math.pi * 1e-4 * 0.154)))
