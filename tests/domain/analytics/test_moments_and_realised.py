"""EW moments, realised variance, volatility by the minute, VWAP: against plain computations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from domain.analytics.ewma import EwMoments, minutes_moments
from domain.analytics.realised import (
    MinuteVolatility,
    SessionCloses,
    bipower_variation,
    grid_returns,
    jump_score,
    parkinson,
    session_variance,
    subsampled_variance,
)
from domain.analytics.vwap import Vwap


def test_ew_mean_and_variance_equal_weighted_sums() -> None:
    values = [1.0, 4.0, 2.0, 8.0, 5.0]
    moments = EwMoments(half_life=10.0, warm_after=50.0)
    for value in values:
        moments.update(value, 10.0)
    # alpha is one half: weights of the closed form are 1/16, 1/16, 1/8, 1/4, 1/2.
    weights = np.array([1 / 16, 1 / 16, 1 / 8, 1 / 4, 1 / 2])
    mean = float(weights @ values)
    assert moments.mean == pytest.approx(mean, abs=1e-12)
    assert moments.variance == pytest.approx(float(weights @ (np.array(values) - mean) ** 2))


def test_first_observation_starts_at_itself_without_variance() -> None:
    moments = minutes_moments(5)
    moments.update(3.0, 5.0)
    assert (moments.mean, moments.variance) == (3.0, 0.0)


def test_score_is_against_the_state_before_and_is_clipped() -> None:
    moments = EwMoments(10.0, 50.0, mean=1.0, variance=4.0, observed=60.0, count=6)
    assert moments.score(3.0) == 1.0
    assert moments.score(1e9) == 4.0
    assert moments.score(-1e9) == -4.0


def test_moments_are_warm_after_five_half_lives() -> None:
    moments = minutes_moments(1)
    for k in range(60):
        assert not moments.is_warm, k
        moments.update(0.0, 5.0)
    assert moments.is_warm


def test_mean_score_is_the_mean_over_its_standard_error() -> None:
    moments = EwMoments(300.0, 1500.0, mean=0.3, variance=1.0, count=10)
    alpha = 1 - 2 ** (-10 / 300)
    assert moments.mean_score(10.0) == pytest.approx(0.3 / math.sqrt(alpha / (2 - alpha)))


def test_subsampled_variance_is_the_mean_of_shifted_grids() -> None:
    closes = 600 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 1e-4, 613)))
    total = []
    for shift in range(60):
        returns = np.diff(np.log(closes[shift::60]))
        if returns.size:
            total.append(float(np.sum(returns**2)) * (612 / 60) / returns.size)
    assert subsampled_variance(closes) == pytest.approx(float(np.mean(total)), rel=1e-12)


def test_subsampled_variance_recovers_the_variance_of_a_random_walk() -> None:
    sigma = 1e-4
    closes = 600 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, sigma, 4_680)))
    assert subsampled_variance(closes) == pytest.approx(4_680 * sigma**2, rel=0.25)


def test_too_few_bars_give_no_variance() -> None:
    assert subsampled_variance(np.full(60, 600.0)) is None


def test_bipower_variation_follows_its_definition() -> None:
    returns = np.array([0.01, -0.02, 0.03, -0.01])
    plain = 0.01 * 0.02 + 0.02 * 0.03 + 0.03 * 0.01
    assert bipower_variation([returns]) == pytest.approx(math.pi / 2 * 4 / 3 * plain)


def test_a_jump_is_flagged_and_a_calm_day_is_not() -> None:
    calm = np.random.default_rng(3).normal(0, 5e-4, 77)
    jumped = calm.copy()
    jumped[40] += 0.01
    quiet, loud = jump_score([calm]), jump_score([jumped])
    assert quiet is not None and loud is not None
    assert quiet < 3.09 < loud


def test_jump_score_follows_huang_and_tauchen() -> None:
    r = np.array([0.01, 0.012, 0.009, 0.02, 0.011])
    n, mu = 5, 2 ** (2 / 3) * math.gamma(7 / 6) / math.gamma(0.5)
    rv = float(np.sum(r**2))
    bv = math.pi / 2 * n / (n - 1) * sum(r[i] * r[i - 1] for i in range(1, n))
    tq = (
        n * mu**-3 * n / (n - 2) * sum((r[i - 2] * r[i - 1] * r[i]) ** (4 / 3) for i in range(2, n))
    )
    wide = (math.pi**2 / 4 + math.pi - 5) / n * max(1, tq / bv**2)
    assert jump_score([r]) == pytest.approx((1 - bv / rv) / math.sqrt(wide), rel=1e-12)


def test_grid_returns_take_bars_1_61_121() -> None:
    closes = np.arange(1.0, 182.0)
    expected = [math.log(61 / 1), math.log(121 / 61), math.log(181 / 121)]
    assert grid_returns(closes).tolist() == pytest.approx(expected)


def test_gap_up_to_a_minute_is_carried_and_a_longer_one_splits() -> None:
    closes = SessionCloses()
    closes.add(0, 100.0)
    closes.add(5, 101.0)
    assert closes.runs == [[100.0, 100.0, 100.0, 100.0, 100.0, 101.0]]
    closes.add(25, 102.0)
    assert len(closes.runs) == 2


def test_session_with_much_missing_has_no_variance() -> None:
    closes = SessionCloses()
    for index in (*range(100), *range(400, 500)):
        closes.add(index, 100.0)
    assert closes.realised() == (None, "COVERAGE")


def test_split_session_is_scaled_by_covered_time() -> None:
    path = 600 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 1e-4, 1_000)))
    closes = SessionCloses()
    for index in (*range(500), *range(530, 1_000)):
        closes.add(index, float(path[index]))
    first = subsampled_variance(path[:500])
    second = subsampled_variance(path[530:])
    assert first is not None and second is not None
    expected = (first + second) * 999 / (499 + 469)
    assert closes.realised()[0] == pytest.approx(expected)


def test_parkinson_and_five_minute_variance() -> None:
    assert parkinson(101.0, 100.0) == pytest.approx(math.log(1.01) ** 2 / (4 * math.log(2)))
    bars = [(100.0, 101.0, 99.0, 101.0), (101.0, 102.0, 100.0, 100.0)]
    expected = math.log(1.01) ** 2 + math.log(100 / 101) ** 2
    assert session_variance(bars) == pytest.approx(expected)


def test_sigma_is_the_root_of_the_weighted_mean_square() -> None:
    minutes = MinuteVolatility()
    minutes.add(100.5, 99.5, 100.0, adjacent=True, index=0, bars=12)
    minutes.add(101.5, 100.0, 101.0, adjacent=True, index=0, bars=12)
    minutes.add(101.0, 99.0, 100.0, adjacent=True, index=0, bars=12)
    first, second = math.log(1.01) ** 2, math.log(100 / 101) ** 2
    alpha = 1 - 2 ** (-60 / 1800)
    assert minutes.sigma == pytest.approx(math.sqrt(first + alpha * (second - first)))
    annual = minutes.annual
    assert annual == pytest.approx((minutes.sigma or 0) * math.sqrt(252 * 390))


def test_average_true_range_needs_fourteen_minutes_and_counts_gaps() -> None:
    minutes = MinuteVolatility()
    minutes.add(100.0, 99.0, 99.5, adjacent=True, index=0, bars=12)
    for _ in range(13):
        assert minutes.average_true_range is None
        minutes.add(101.0, 100.0, 100.5, adjacent=True, index=0, bars=12)
    # The first range is plain; the second reaches down to the close before, 1.5; twelve are 1.
    assert minutes.average_true_range == pytest.approx((1 + 1.5 + 12) / 14)


def test_minute_after_a_gap_gives_no_return() -> None:
    minutes = MinuteVolatility()
    minutes.add(100.0, 99.0, 99.5, adjacent=True, index=0, bars=12)
    assert minutes.add(120.0, 119.0, 119.5, adjacent=False, index=0, bars=12) is None
    assert minutes.sigma is None


def test_vwap_and_its_sigma_are_weighted_by_volume() -> None:
    prices, volumes = np.array([600.1, 600.4, 599.8]), np.array([100.0, 300.0, 50.0])
    vwap = Vwap()
    for price, volume in zip(prices.tolist(), volumes.tolist(), strict=True):
        vwap.add(price, volume)
    mean = float(np.average(prices, weights=volumes))
    sigma = math.sqrt(float(np.average((prices - mean) ** 2, weights=volumes)))
    assert vwap.price == pytest.approx(mean, abs=1e-10)
    assert vwap.sigma == pytest.approx(sigma, rel=1e-9)
    assert vwap.deviation(601.0) == pytest.approx((601 - mean) / sigma, rel=1e-9)


def test_vwap_without_volume_is_null_and_without_spread_has_no_deviation() -> None:
    vwap = Vwap()
    vwap.add(600.0, 0.0)
    assert vwap.price is None and vwap.deviation(600.0) is None
    vwap.add(600.0, 10.0)
    assert vwap.price == 600.0
    assert vwap.sigma == 0.0 and vwap.deviation(601.0) is None
