"""Forecast variance, intraday profile, nights, touch probabilities: identities and simulations."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from domain.analytics.history import History
from domain.analytics.past import past_of
from domain.analytics.report_day import add_variance
from domain.analytics.reporting import Report
from domain.analytics.stage import AnalyticsStage
from domain.analytics.state import AnalyticsState, SymbolState
from domain.analytics.touch import normal_cdf, p_finish_beyond, p_touch
from domain.analytics.variance import (
    VarianceForecast,
    har_forecast,
    har_means,
    overnight_variance,
    remaining_variance,
    rho,
    variance_ratio,
    variance_to_expiry,
)
from domain.events.forecasts import VarianceRefitted
from tests.domain.analytics.build import DAY, OPEN, recorded, session


def test_har_forecast_of_constant_variance() -> None:
    level = 8e-5
    found = har_forecast([level] * 22, 1.0)
    assert found is not None
    slopes = 0.5379 + 0.2274 + 0.1287
    expected = math.exp(-1.1883 + slopes * math.log(level) + 0.5993**2 / 2)
    assert found.rv_hat == pytest.approx(expected, rel=1e-12)
    assert found.mean_month == pytest.approx(level)


def test_har_uses_the_last_day_week_and_month() -> None:
    series = [1e-4] * 5 + [2e-4] * 17 + [3e-4] * 4 + [5e-4]
    month = series[-22:]
    found = har_forecast(series, 1.4)
    shift = (1 - 0.5379 - 0.2274 - 0.1287) * math.log(1.4)
    logs = (
        0.5379 * math.log(5e-4)
        + 0.2274 * math.log(sum(month[-5:]) / 5)
        + 0.1287 * math.log(sum(month) / 22)
    )
    assert found is not None
    assert found.rv_hat == pytest.approx(math.exp(-1.1883 + shift + logs + 0.5993**2 / 2))


def test_under_twenty_two_sessions_there_is_no_forecast() -> None:
    assert har_forecast([1e-4] * 21, 1.0) is None
    assert har_forecast([1e-4] * 21 + [0.0], 1.0) is None


@pytest.mark.parametrize(
    ("minutes", "left"),
    [(0, 1.0), (15, 0.923), (30, 0.846), (90, 0.661), (330, 0.2), (360, 0.1), (390, 0.0)],
)
def test_profile_of_a_full_day(minutes, left) -> None:
    assert rho(minutes, 390.0) == pytest.approx(left, abs=1e-12)


def test_half_day_has_the_profile_compressed() -> None:
    assert rho(105.0, 210.0) == pytest.approx(rho(195.0, 390.0))
    assert rho(210.0, 210.0) == pytest.approx(0.0, abs=1e-12)


def test_realised_part_moves_the_rest_by_its_damped_ratio() -> None:
    assert remaining_variance(1e-4, 0.5, 1e-4, 0.6) == pytest.approx(0.5e-4 * 2**0.6)
    assert remaining_variance(1e-4, 0.5, 1.0, 0.6) == pytest.approx(0.5e-4 * 4**0.6)
    assert remaining_variance(1e-4, 0.95, 1.0, 0.6) == pytest.approx(0.95e-4)
    # Half was done when 0.5e-4 was measured, so that the day is as forecast, whatever came since.
    assert remaining_variance(1e-4, 0.4, 0.5e-4, 0.6, 0.5) == pytest.approx(0.4e-4)
    assert remaining_variance(1e-4, 0.5, None, 0.6) == pytest.approx(0.5e-4)


def test_night_has_its_share_of_a_full_day() -> None:
    night = overnight_variance(0.6e-4, 0.40, 1)
    assert night / (night + 0.6e-4) == pytest.approx(0.40)
    assert overnight_variance(0.6e-4, 0.40, 3) == pytest.approx(1.2 * night)


def test_variance_to_expiry_adds_nights_and_reverting_days() -> None:
    forecast = VarianceForecast(rv_hat=2e-4, mean_month=1e-4)
    assert variance_to_expiry(forecast, 0.5e-4, [], 0.4) == 0.5e-4
    day2, day3 = 1e-4 + 1e-4 * 0.94, 1e-4 + 1e-4 * 0.94**2
    night = 0.4 / 0.6
    expected = 0.5e-4 + day2 * (1 + night) + day3 * (1 + night * 1.2)
    assert variance_to_expiry(forecast, 0.5e-4, [1, 3], 0.4) == pytest.approx(expected)


def test_after_the_close_day_one_is_the_next_session() -> None:
    forecast = VarianceForecast(rv_hat=2e-4, mean_month=1e-4)
    expected = 2e-4 * (1 + 0.4 / 0.6)
    assert variance_to_expiry(forecast, None, [1], 0.4) == pytest.approx(expected)


def test_variance_ratio_compares_total_variances() -> None:
    years = 6.5 / (24 * 365)
    ratio = variance_ratio(0.16, years, 0.16**2 * years / 1.21)
    assert ratio == pytest.approx(1.21)
    assert variance_ratio(0.16, years, 0.0) is None


def test_touch_probability_at_its_limits() -> None:
    assert p_touch(600.0, 600.0, 1e-4) == 1.0
    assert p_touch(600.0, 610.0, 0.0) == 0.0
    assert p_touch(600.0, 610.0, 1e4) == pytest.approx(600 / 610, rel=1e-6)
    assert p_touch(600.0, 590.0, 1e4) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("barrier", [590.0, 596.0, 603.0, 612.0])
def test_touch_follows_the_formula_of_the_specification(barrier) -> None:
    v = 0.01**2
    b, root = math.log(barrier / 600), 0.01
    if b > 0:
        expected = normal_cdf((-b - v / 2) / root) + math.exp(-b) * normal_cdf((-b + v / 2) / root)
    else:
        expected = normal_cdf((b + v / 2) / root) + math.exp(-b) * normal_cdf((b - v / 2) / root)
    assert p_touch(600.0, barrier, v) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("barrier", "drift"), [(606.0, 0.0), (593.0, 0.0), (606.0, 0.004)])
def test_touch_agrees_with_a_simulation(barrier, drift) -> None:
    rng = np.random.default_rng(11)
    variance, steps, paths = 0.01**2, 400, 20_000
    moves = rng.normal((drift - variance / 2) / steps, math.sqrt(variance / steps), (paths, steps))
    walk = np.cumsum(moves, axis=1)
    b = math.log(barrier / 600)
    # Continuity correction of a discretely watched barrier (Broadie, Glasserman, Kou).
    shifted = b - math.copysign(0.5826 * math.sqrt(variance / steps), b)
    hit = walk.max(axis=1) >= shifted if b > 0 else walk.min(axis=1) <= shifted
    assert p_touch(600.0, barrier, variance, drift) == pytest.approx(hit.mean(), abs=0.012)
    beyond = walk[:, -1] >= b if b > 0 else walk[:, -1] <= b
    assert p_finish_beyond(600.0, barrier, variance, drift) == pytest.approx(
        beyond.mean(), abs=0.012
    )


def test_touch_is_about_twice_finish_for_small_variance() -> None:
    ratio = p_touch(600.0, 606.0, 1e-4) / p_finish_beyond(600.0, 606.0, 1e-4)
    assert 1.95 < ratio < 2.05


def test_refitted_coefficients_take_the_place_of_the_shipped_ones() -> None:
    series, refitted = [1e-4] * 21 + [2e-4], (-1.0, 0.5, 0.2, 0.1)
    found = har_forecast(series, 1.4, refitted)
    day, week, month = 2e-4, (4 * 1e-4 + 2e-4) / 5, (21 * 1e-4 + 2e-4) / 22
    logs = 0.5 * math.log(day) + 0.2 * math.log(week) + 0.1 * math.log(month)
    assert found is not None
    assert found.rv_hat == pytest.approx(math.exp(-1.0 + logs + 0.5993**2 / 2))
    assert har_means(series) == pytest.approx((day, week, month))


@pytest.mark.parametrize(("minutes", "last"), [(389, 22e-5), (390, 9e-5)])
def test_a_session_joins_the_past_variances_when_it_is_over(minutes: int, last: float) -> None:
    """Before its close the last session counts, from then on the session itself."""
    day = session()
    symbol = SymbolState("SPY")
    variances = tuple(n * 1e-5 for n in range(1, 23))
    symbol.past = replace(past_of(History(), day, "SPY", 1.0, 1.0), variances=variances)
    symbol.bars.realised = 9e-5
    symbol.bars.last_end = day.after_open(minutes=minutes)
    report = Report(symbol.bars.last_end)
    state = AnalyticsState()
    state.session = day
    add_variance(report, state, symbol, day, report.now)
    found = {metric.name: metric.value for metric in report.metrics}
    mean = sum(variances) / 22 if last == 22e-5 else (sum(variances) - 1e-5 + 9e-5) / 22
    assert found["rv_1d"] == pytest.approx(last)
    assert found["rv_22d"] == pytest.approx(mean)


def test_a_refit_on_the_log_is_what_the_next_forecast_is_made_with() -> None:
    stage = AnalyticsStage()
    body = VarianceRefitted(
        symbol="QQQ", session_date=DAY, features=(1.0,), outcome=-9.0, coefficients=(-1.0, 0.5)
    )
    state = stage.evolve(stage.initial(), recorded(body, OPEN))
    assert state.symbols["QQQ"].coefficients == (-1.0, 0.5)
    assert state.symbols["SPY"].coefficients is None
