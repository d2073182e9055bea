"""P4: strikes, probabilities, and outcomes from the bars, gaps and nights among them."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from statistics import NormalDist

import pytest

from domain.event import Body
from domain.events.analytics import PredictionMade, PredictionResolved, PredictionVoided
from domain.forecasts.barriers import nearest_strikes
from domain.forecasts.calibration import ALL, CalibrationKey
from tests.domain.forecasts.build import Forecasts
from tests.domain.risk.build import CLOSE, DAY, OPEN, long_call, session_planned, signal

FIRST = OPEN + timedelta(minutes=30)


def made(bodies: list[Body]) -> list[PredictionMade]:
    return [b for b in bodies if isinstance(b, PredictionMade) and b.model == "P4"]


def settled(bodies: list[Body]) -> dict[str, tuple[float, float] | None]:
    """By id: touched and finished beyond, None when void."""
    found: dict[str, tuple[float, float] | None] = {}
    for body in bodies:
        if isinstance(body, PredictionResolved):
            found[body.prediction_id] = body.outcome, body.detail["finish"]
        elif isinstance(body, PredictionVoided):
            found[body.prediction_id] = None
    return found


def predicted(at: datetime = CLOSE - timedelta(minutes=30)) -> tuple[Forecasts, list[str]]:
    """Barriers made at the last slot of the day, every bar of the day seen until then."""
    desk = Forecasts(OPEN)
    desk.bars(at - timedelta(seconds=5))
    desk.chain()
    desk.at += timedelta(seconds=5)
    desk.bar()
    found = made(desk.evaluate(after=0))
    return desk, [body.prediction_id for body in found if body.bucket == "0DTE"]


def test_strikes_nearest_one_and_two_deviations_on_both_sides() -> None:
    """sd = 600 * 0.005 = 3; halfway between two strikes the lower is taken."""
    strikes = [float(strike) for strike in range(590, 611)]
    found = nearest_strikes(strikes, 600.0, 0.005**2)
    assert found == [(-2, 594.0), (-1, 597.0), (1, 603.0), (2, 606.0)]
    assert nearest_strikes([602.0, 604.0], 600.0, 0.005**2) == [(1, 602.0)]


def test_no_strike_is_taken_for_one_that_is_far_away() -> None:
    assert nearest_strikes([599.0, 601.0, 630.0], 600.0, 0.005**2) == []


def test_probabilities_by_hand_with_forecast_and_implied_variance() -> None:
    desk = Forecasts(FIRST - timedelta(seconds=5))
    body = desk.chain()
    found = {b.values["sd"]: b for b in made(desk.evaluate()) if b.bucket == "0DTE"}
    assert sorted(found) == [-2, -1, 1, 2]
    values = found[1].values
    b, sd, v = math.log(values["strike"] / 600), math.sqrt(2.5e-5), 2.5e-5
    n = NormalDist().cdf
    touch = n((-b - v / 2) / sd) + math.exp(-b) * n((-b + v / 2) / sd)
    assert values["p"] == pytest.approx(touch)
    assert values["p_finish"] == pytest.approx(n((-v / 2 - b) / sd))
    sd = 0.16 * math.sqrt(body.years)
    assert values["p_finish_implied"] == pytest.approx(n((-sd * sd / 2 - b) / sd))
    assert found[1].horizon_end == CLOSE and found[1].inputs
    assert made(desk.evaluate()) == [], "once a slot"


def test_a_touched_strike_that_does_not_finish_beyond() -> None:
    desk, names = predicted()
    high = desk.state.pending[names[2]].body.values["strike"]
    desk.at += timedelta(seconds=5)
    desk.bar(high=high + 0.01)
    desk.bars(CLOSE)
    found = settled(desk.evaluate(after=0))
    assert [found[name] for name in names] == [(0, 0), (0, 0), (1, 0), (0, 0)]


def test_a_strike_below_is_touched_by_a_low_and_finished_beyond_by_the_last_close() -> None:
    desk, names = predicted()
    low = desk.state.pending[names[1]].body.values["strike"]
    desk.bars(CLOSE - timedelta(seconds=5))
    desk.at += timedelta(seconds=5)
    desk.bar(low=low - 0.1, close=low - 0.05)
    found = settled(desk.evaluate(after=0))
    assert found[names[1]] == (1, 1) and found[names[0]] == (0, 0)
    key = CalibrationKey("P4_TOUCH", "SPY", "0DTE", True)
    touch, finish = (
        desk.state.calibrations[key._replace(model=model, symbol=ALL)].probability
        for model in ("P4_TOUCH", "P4_FINISH")
    )
    assert touch is not None and touch[0].weight == 4 and touch[0].y == 1
    assert finish is not None and finish[0].y == 1


def test_bars_that_are_missing_void_what_was_not_touched_before() -> None:
    desk, names = predicted()
    high = desk.state.pending[names[2]].body.values["strike"]
    desk.at += timedelta(seconds=5)
    desk.bar(high=high)
    desk.at += timedelta(seconds=66)
    desk.bar()
    desk.bars(CLOSE)
    found = settled(desk.evaluate(after=0))
    assert [found[name] for name in names] == [None, None, (1, 0), None]


def test_no_bar_at_the_end_voids_all_at_once_or_when_overdue() -> None:
    desk, names = predicted()
    desk.at = CLOSE
    assert set(settled(desk.evaluate(after=0)).values()) == {None}
    desk, names = predicted()
    desk.at = CLOSE + timedelta(seconds=61)
    found = settled(desk.tick(after=0))
    assert {name: found.get(name, "open") for name in names} == dict.fromkeys(names)


def test_next_sessions_expiry_is_watched_over_the_night() -> None:
    tomorrow = DAY + timedelta(days=1)
    desk = Forecasts(OPEN)
    desk.bars(CLOSE - timedelta(minutes=60, seconds=5))
    desk.chain(tomorrow)
    desk.at += timedelta(seconds=5)
    desk.bar()
    found = {b.values["sd"]: b for b in made(desk.evaluate(after=0)) if b.bucket == "1DTE"}
    up = found[1]
    assert up.horizon_end == session_planned(tomorrow).day.close_at
    desk.bars(CLOSE)
    desk.at = session_planned(tomorrow).day.open_at
    desk.when(session_planned(tomorrow))
    desk.at += timedelta(seconds=5)
    desk.bar(high=up.values["strike"] + 5)
    desk.bars(up.horizon_end)
    outcome = settled(desk.evaluate(after=0))
    assert outcome[up.prediction_id] == (1, 0)
    assert outcome[found[-1].prediction_id] == (0, 0)
    # Made an hour before the close: it looked 7.5 hours of session time ahead.
    spacing = desk.state.calibrations[CalibrationKey("P4_TOUCH", "SPY", "1DTE", True)].spacings[
        "SPY"
    ]
    assert spacing.horizons / spacing.count == pytest.approx(7.5 * 3600)


def test_every_strike_of_a_decision_is_predicted_and_pooled_apart() -> None:
    desk = Forecasts(FIRST)
    desk.chain()
    desk.evaluate(after=120)
    (body,) = made(desk.when(signal(long_call(603), at=desk.at)))
    assert body.values["strike"] == 603 and body.scheduled is False
    assert body.prediction_id == "p4-sig-1-603"
