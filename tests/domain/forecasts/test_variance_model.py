"""P3: forecasts of the next session and of the rest of this one, their refit and their score."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from domain.event import Body
from domain.events.analytics import PredictionMade, PredictionResolved, PredictionVoided
from domain.events.forecasts import VarianceRefitted
from domain.forecasts import variance_model
from domain.forecasts.calibration import ANY, CalibrationKey
from tests.domain.forecasts.build import Forecasts
from tests.domain.risk.build import CLOSE, DAY, OPEN, one, session_planned

B = (-1.1883, 0.5379, 0.2274, 0.1287)
S = 0.5993
TOMORROW = DAY + timedelta(days=1)


def made(bodies: list[Body], model: str) -> list[PredictionMade]:
    return [b for b in bodies if isinstance(b, PredictionMade) and b.model == model]


def whole_day(**closing: float | str | None) -> tuple[Forecasts, list[Body]]:
    """A session of bars, an evaluation in it and the one at its close."""
    desk = Forecasts(OPEN)
    desk.evaluate(after=0)
    desk.bars(CLOSE)
    return desk, desk.evaluate(after=0, **{"rv_today": 8e-5, "rv_1d": 8e-5, **closing})


def test_shipped_coefficients_and_the_shift_of_another_symbol() -> None:
    assert tuple(variance_model.start(1.0).theta) == B
    shifted = variance_model.start(1.4).theta
    shift = (1 - 0.5379 - 0.2274 - 0.1287) * math.log(1.4)
    assert shifted[0] == pytest.approx(B[0] + shift)


def test_refit_of_one_session_by_hand() -> None:
    """P0 = 0.01 I: theta moves by 0.01 x r / (0.998 + 0.01 x'x)."""
    _, emitted = whole_day()
    found = one(emitted, VarianceRefitted)
    x = (1.0, math.log(5e-5), math.log(6e-5), math.log(7e-5))
    assert found.features == pytest.approx(x) and found.outcome == pytest.approx(math.log(8e-5))
    residual = math.log(8e-5) - sum(b * value for b, value in zip(B, x, strict=True))
    step = 0.01 * residual / (0.998 + 0.01 * sum(value * value for value in x))
    by_hand = [b + step * value for b, value in zip(B, x, strict=True)]
    assert found.coefficients == pytest.approx(by_hand)


def test_next_session_is_forecast_once_with_what_was_just_learned() -> None:
    desk, emitted = whole_day()
    (found,) = made(emitted, "P3_DAY")
    refit = one(emitted, VarianceRefitted)
    x = (1.0, math.log(8e-5), math.log(6e-5), math.log(7e-5))
    mean = math.exp(sum(c * v for c, v in zip(refit.coefficients, x, strict=True)) + S * S / 2)
    assert found.values["variance"] == pytest.approx(mean)
    assert found.values["reference"] == 7e-5
    assert found.horizon_end == session_planned(TOMORROW).day.close_at
    low, high = found.intervals["95"]
    median = math.log(mean) - S * S / 2
    assert math.log(low) == pytest.approx(median - 1.959963984540054 * S)
    assert math.log(high) == pytest.approx(median + 1.959963984540054 * S)
    again = desk.evaluate(rv_today=8e-5, rv_1d=8e-5)
    assert made(again, "P3_DAY") == [] and not any(isinstance(b, VarianceRefitted) for b in again)


def test_next_close_settles_it_against_the_mean_of_22_days() -> None:
    desk, emitted = whole_day()
    forecast = made(emitted, "P3_DAY")[0].values["variance"]
    desk.at = session_planned(TOMORROW).day.open_at
    desk.when(session_planned(TOMORROW))
    desk.evaluate(after=0)
    desk.bars(session_planned(TOMORROW).day.close_at)
    emitted = desk.evaluate(after=0, rv_today=9e-5, rv_1d=9e-5)
    assert one(emitted, PredictionResolved).outcome == 9e-5
    score = desk.state.calibrations[CalibrationKey("P3_DAY", "SPY", ANY, True)].variance
    assert score is not None
    ratio = 9e-5 / forecast
    assert score[0].loss == pytest.approx(ratio - math.log(ratio) - 1)
    assert score[0].reference == pytest.approx(9 / 7 - math.log(9 / 7) - 1)


def test_a_session_with_missing_bars_teaches_nothing_and_voids_the_forecast() -> None:
    desk, _ = whole_day()
    desk.at = session_planned(TOMORROW).day.open_at
    desk.when(session_planned(TOMORROW))
    desk.evaluate(after=0)
    desk.at += timedelta(hours=2)
    desk.bars(session_planned(TOMORROW).day.close_at)
    emitted = desk.evaluate(after=0, rv_today=9e-5)
    assert one(emitted, PredictionVoided).model == "P3_DAY"
    assert not any(isinstance(b, VarianceRefitted) for b in emitted)


def test_rest_of_the_session_every_half_hour_and_its_outcome_at_the_close() -> None:
    desk = Forecasts(OPEN)
    desk.bars(OPEN + timedelta(minutes=30))
    (found,) = made(desk.evaluate(after=0), "P3_REST")
    assert found.values["variance"] == 4e-5 and found.values["rv_so_far"] == 1e-5
    assert found.values["reference"] == pytest.approx(0.8 * 7e-5)
    assert made(desk.evaluate(after=5), "P3_REST") == []
    desk.bars(CLOSE)
    emitted = desk.evaluate(after=0, rv_today=6e-5)
    resolved = [b for b in emitted if isinstance(b, PredictionResolved)]
    assert [(b.prediction_id, b.outcome) for b in resolved] == [
        (found.prediction_id, pytest.approx(5e-5))
    ]


def test_without_past_variances_there_is_no_forecast_of_the_next_session() -> None:
    _, emitted = whole_day(rv_22d=None)
    assert made(emitted, "P3_DAY") == []


def test_folding_the_log_and_running_it_again_give_the_same() -> None:
    desk, _ = whole_day()
    assert desk.folded().states == desk.consumer.states
    assert desk.repeated() == [emitted for _, emitted in desk.inputs]
