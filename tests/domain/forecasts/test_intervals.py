"""Wilson, Kupiec, normal quantiles and adaptive widths against published values."""

from __future__ import annotations

import math

import pytest

from domain.forecasts.intervals import AdaptiveWidth, kupiec, level_name, normal_quantile, wilson


def test_wilson_interval_of_eight_in_ten() -> None:
    """statsmodels proportion_confint(8, 10, method="wilson") is (0.4901625, 0.9433178)."""
    found = wilson(0.8, 10)
    assert found == pytest.approx((0.4901625, 0.9433178), abs=1e-7)


def test_wilson_interval_at_the_ends_and_without_outcomes() -> None:
    low, high = wilson(0.0, 10) or (1.0, 0.0)
    z2 = 1.959963984540054**2
    assert low == 0 and high == pytest.approx(z2 / (10 + z2))
    assert wilson(0.5, 0) is None


def test_kupiec_ratio_of_ninety_in_a_hundred_by_hand() -> None:
    """-2 (90 ln 0.95 + 10 ln 0.05 - 90 ln 0.9 - 10 ln 0.1); chi2(1) beyond it is 0.0421."""
    ratio, p = kupiec(0.95, 90, 100) or (0.0, 0.0)
    log = math.log
    by_hand = -2 * (90 * log(0.95) + 10 * log(0.05) - 90 * log(0.9) - 10 * log(0.1))
    assert ratio == pytest.approx(by_hand) and ratio == pytest.approx(4.1308, abs=1e-3)
    assert p == pytest.approx(0.0421, abs=1e-4)


def test_kupiec_ratio_with_every_outcome_covered_and_with_none() -> None:
    """0^0 counts as 1."""
    ratio, _ = kupiec(0.95, 100, 100) or (0.0, 0.0)
    assert ratio == pytest.approx(-200 * math.log(0.95))
    ratio, _ = kupiec(0.95, 0, 2) or (0.0, 0.0)
    assert ratio == pytest.approx(-4 * math.log(0.05))
    assert kupiec(0.5, 0, 0) is None
    assert kupiec(0.5, 5, 10) == (0.0, 1.0)


def test_normal_quantile_of_the_usual_level() -> None:
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054)


def test_a_miss_widens_the_next_interval_and_a_hit_narrows_it() -> None:
    width = AdaptiveWidth(0.95)
    assert width.z == pytest.approx(1.959963984540054)
    width.update(missed=True)
    assert width.alpha == pytest.approx(0.05 + 0.02 * (0.05 - 1))
    assert width.z > 1.96
    width.update(missed=False)
    assert width.alpha == pytest.approx(0.031 + 0.02 * 0.05)


def test_width_stays_in_its_bounds() -> None:
    width = AdaptiveWidth(0.5)
    for _ in range(200):
        width.update(missed=True)
    assert width.alpha == 0.005
    for _ in range(200):
        width.update(missed=False)
    assert width.alpha == 0.5
    assert [level_name(level) for level in (0.5, 0.8, 0.95)] == ["50", "80", "95"]
