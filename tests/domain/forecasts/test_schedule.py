"""When direction and variance are predicted, and how far, for every strategy and on half days."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from domain.forecasts.schedule import direction_horizon, direction_slot, variance_slot
from domain.instruments import Strategy
from domain.session import Session
from tests.domain.risk.build import CLOSE, OPEN, session


def slots(strategy: Strategy, day: Session) -> list[datetime]:
    """Minutes of the session at which a slot begins."""
    found: dict[int, datetime] = {}
    at = day.open_at
    while at <= day.close_at:
        slot = direction_slot(strategy, day, at)
        if slot is not None:
            found.setdefault(slot, at)
        at += timedelta(minutes=1)
    return list(found.values())


def test_every_five_minutes_from_half_an_hour_after_open_to_half_an_hour_before_close() -> None:
    found = slots(Strategy.ZERO_DTE, session())
    assert found[0] == OPEN + timedelta(minutes=30) and found[-1] == CLOSE - timedelta(minutes=30)
    assert len(found) == 67


@pytest.mark.parametrize(
    ("strategy", "minutes"),
    [(Strategy.ONE_DTE, [60, 30]), (Strategy.FOURTEEN_DTE, [30]), (Strategy.CLOSING, [9, 5])],
)
@pytest.mark.parametrize("half", [False, True])
def test_slots_before_the_close_move_with_a_half_day(
    strategy: Strategy, minutes: list[int], half: bool
) -> None:
    day = session(half=half)
    assert slots(strategy, day) == [day.before_close(minutes=m) for m in minutes]


def test_a_slot_is_missed_after_a_minute() -> None:
    at = CLOSE - timedelta(minutes=30)
    assert direction_slot(Strategy.FOURTEEN_DTE, session(), at + timedelta(seconds=60)) == 0
    assert direction_slot(Strategy.FOURTEEN_DTE, session(), at + timedelta(seconds=61)) is None
    assert direction_slot(Strategy.FOURTEEN_DTE, session(), at - timedelta(seconds=1)) is None


def test_how_far_each_direction_prediction_looks() -> None:
    day, late = session(), CLOSE - timedelta(minutes=20)
    later = day.plan.later
    noon = OPEN + timedelta(hours=3)
    assert direction_horizon(Strategy.ZERO_DTE, day, noon) == noon + timedelta(minutes=30)
    assert direction_horizon(Strategy.ZERO_DTE, day, late) == CLOSE
    end = direction_horizon(Strategy.ONE_DTE, day, late)
    assert end == later[0].open_at + timedelta(minutes=30)
    assert direction_horizon(Strategy.FOURTEEN_DTE, day, late) == later[4].close_at
    assert direction_horizon(Strategy.CLOSING, day, late) == CLOSE


def test_no_horizon_beyond_the_plan() -> None:
    day = session()
    short = Session(day.plan.model_copy(update={"later": day.plan.later[:4]}))
    assert direction_horizon(Strategy.FOURTEEN_DTE, short, OPEN) is None


def test_rest_of_the_session_is_forecast_every_half_hour() -> None:
    day = session()
    assert variance_slot(day, OPEN + timedelta(minutes=29)) is None
    assert variance_slot(day, OPEN + timedelta(minutes=30)) == 0
    assert variance_slot(day, OPEN + timedelta(minutes=60, seconds=20)) == 1
    assert variance_slot(day, CLOSE - timedelta(minutes=30)) == 11
    assert variance_slot(day, CLOSE - timedelta(minutes=15)) is None
