"""P1 in the stage: every 10 s, learned from when its horizon has ended, never from the future."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.event import Body
from domain.events.forecasts import DriftPredicted, DriftResolved
from domain.events.system import ClockStarted
from domain.forecasts.calibration import ALL, ANY, CalibrationKey
from domain.forecasts.drift import WARM_COUNT, Moments
from tests.domain.forecasts.build import Forecasts
from tests.domain.risk.build import CLOSE, DAY, NOON, session_planned

KEY = CalibrationKey("P1_10S", "SPY", ANY, True)


def made(bodies: list[Body]) -> list[DriftPredicted]:
    return [body for body in bodies if isinstance(body, DriftPredicted)]


def outcomes(bodies: list[Body]) -> list[tuple[int, float | None]]:
    return [
        (one.horizon_seconds, one.ticks)
        for body in bodies
        if isinstance(body, DriftResolved)
        for one in body.outcomes
    ]


def test_prior_forecast_by_hand() -> None:
    """0.02 * 1 + 0.5 * 0.2 ticks + 0.05 * 0.2; half of the weights for 60 s."""
    (found,) = made(Forecasts().evaluate())
    assert found.features == pytest.approx([1.0, 0.2, 0.2])
    assert found.ticks == pytest.approx([0.02 + 0.1 + 0.01, 0.01 + 0.05 + 0.005])
    assert found.intervals == {}, "no interval before residuals are known"


def test_depth_of_the_book_replaces_the_top_where_it_is_known() -> None:
    (found,) = made(Forecasts().evaluate(depth_imb=-0.5))
    assert found.features[2] == -0.5


def test_one_prediction_in_ten_seconds_and_none_without_inputs() -> None:
    desk = Forecasts()
    counts = [len(made(desk.evaluate())) for _ in range(12)]
    assert sum(counts) == 6
    assert made(desk.evaluate(after=10, ofi_norm=None)) == []


def test_none_in_the_last_minute_nor_while_the_clock_runs_thinned() -> None:
    assert made(Forecasts(CLOSE - timedelta(seconds=64)).evaluate(after=5)) == []
    desk = Forecasts()
    desk.when(thinned())
    assert made(desk.evaluate()) == []


def thinned() -> ClockStarted:
    return ClockStarted(base_market_time=NOON, speed=60, session_date=DAY, thinned=True)


def test_outcome_enters_only_when_its_horizon_has_ended() -> None:
    desk = Forecasts()
    desk.evaluate()
    assert outcomes(desk.evaluate(after=5, spot_mid=600.01)) == []
    model = desk.state.symbols["SPY"].drift.models[10]
    assert model.theta == [0.02, 0.5, 0.05]
    assert outcomes(desk.evaluate(after=5, spot_mid=600.03)) == [(10, pytest.approx(3.0))]
    # x = (1, 0.2, 0.2), P = 0.1: gain 0.1 x / (0.9995 + 0.108), residual 3 - 0.13.
    gain = 0.1 / (0.9995 + 0.1 * (1 + 0.04 + 0.04))
    step = gain * (3 - 0.13)
    assert model.theta == pytest.approx([0.02 + step, 0.5 + 0.2 * step, 0.05 + 0.2 * step])


def test_both_horizons_are_settled_and_scored_by_symbol_and_pooled() -> None:
    desk = Forecasts()
    desk.evaluate()
    found = [one for _ in range(12) for one in outcomes(desk.evaluate(after=5, spot_mid=600.02))]
    assert (60, pytest.approx(2.0)) in found
    key = CalibrationKey("P1_60S", "SPY", ANY, True)
    assert desk.state.calibrations[key].count == 1
    assert desk.state.calibrations[key._replace(symbol=ALL)].count == 1
    assert desk.state.calibrations[KEY].count == 6


def test_mid_that_is_missing_or_late_voids_the_outcome() -> None:
    desk = Forecasts()
    desk.evaluate()
    assert outcomes(desk.evaluate(after=10, spot_mid=None)) == [(10, None)]
    desk = Forecasts()
    desk.evaluate()
    assert outcomes(desk.evaluate(after=17)) == [(10, None)]
    found = desk.state.calibrations[KEY]
    assert (found.count, found.voided) == (0, 1)
    assert desk.state.symbols["SPY"].drift.models[10].theta == [0.02, 0.5, 0.05]


def test_intervals_come_with_residuals_and_widen_after_misses() -> None:
    desk = Forecasts()
    last: list[DriftPredicted] = []
    for n in range(WARM_COUNT + 12):
        last = made(desk.evaluate(after=10, spot_mid=600 + 0.01 * (n % 3))) or last
    (found,) = last
    low, high = found.intervals["95"][0]
    assert low < found.ticks[0] < high
    assert found.intervals["50"][0][0] > low
    width = desk.state.calibrations[KEY].widths[0.95]
    before = width.alpha
    desk.evaluate(after=10, spot_mid=620.0)
    assert width.alpha == pytest.approx(max(0.005, before + 0.02 * (0.05 - 1)))


def test_a_horizon_is_proven_by_enough_outcomes_and_recent_skill() -> None:
    """The flow of orders tells the next move: known by 50 outcomes, and lost when it errs."""
    desk = Forecasts()
    found: list[list[bool]] = []
    mid = 600.0
    for n in range(60):
        flow = 1.0 if n % 3 else -1.0
        found += [
            body.proven
            for body in made(desk.evaluate(after=10, spot_mid=mid, ofi_norm=flow, micro_price=mid))
        ]
        mid += 0.02 * flow
    assert found[0] == [False, False] and found[-1] == [True, False]
    first = [horizons[0] for horizons in found].index(True)
    assert desk.state.parameters.number("signals.trust_n_eff") <= first <= 52
    mid -= 1.0
    desk.evaluate(after=10, spot_mid=mid, ofi_norm=1.0, micro_price=mid)
    (last,) = made(desk.evaluate(after=10, spot_mid=mid - 1.0, ofi_norm=1.0, micro_price=mid - 1.0))
    assert last.proven == [False, False], "one large move the wrong way outweighs them"


def test_moments_are_normalised_weights_and_clip_only_when_warm() -> None:
    """Half-life of one: weights 1/4, 1/2, 1 over 1, 3, 2."""
    found = Moments()
    for value in (1.0, 3.0, 2.0):
        found.add(value, 1.0)
    mean = (0.25 + 1.5 + 2) / 1.75
    assert found.mean == pytest.approx(mean)
    squares = (0.25 + 4.5 + 4) / 1.75
    assert found.deviation == pytest.approx((squares - mean**2) ** 0.5)
    assert found.clipped(1e6, 5) == 1e6
    for n in range(WARM_COUNT):
        found.add(float(n % 2), 500)
    assert found.clipped(1e6, 5) == pytest.approx(found.mean + 5 * found.deviation)


def test_a_new_session_forgets_what_was_open_and_keeps_what_was_learned() -> None:
    desk = Forecasts()
    desk.evaluate()
    desk.evaluate(after=10, spot_mid=600.03)
    theta = list(desk.state.symbols["SPY"].drift.models[10].theta)
    desk.at += timedelta(days=1)
    desk.when(session_planned(DAY + timedelta(days=1)))
    drift = desk.state.symbols["SPY"].drift
    assert not drift.pending and not drift.open_horizons and drift.models[10].theta == theta


def test_folding_the_log_and_running_it_again_give_the_same() -> None:
    desk = Forecasts()
    for n in range(40):
        desk.evaluate(after=5, spot_mid=600 + 0.01 * (n % 5))
    assert desk.folded().states == desk.consumer.states
    assert desk.repeated() == [emitted for _, emitted in desk.inputs]
