"""Rates by tenor: linear between, flat outside, and nothing that is no curve."""

from __future__ import annotations

from datetime import date

import pytest

from domain.events.interest_rates import RatePoint, RateUpdated, curve_problem
from domain.pricing.rates import curve_of, rate_at


def update(*points: tuple[int, float]) -> RateUpdated:
    return RateUpdated(
        as_of=date(2026, 11, 27),
        source="Treasury bills",
        points=tuple(RatePoint(days=days, rate=rate) for days, rate in points),
        who="ann",
    )


@pytest.mark.parametrize(
    ("days", "rate"),
    [(0, 0.040), (30, 0.040), (45, 0.039), (60, 0.038), (75, 0.0375), (90, 0.037), (900, 0.037)],
)
def test_rate_is_linear_between_tenors_and_flat_outside(days: float, rate: float) -> None:
    """By hand: half way from 4.0 % to 3.8 % are 3.9 %."""
    curve = curve_of(update((30, 0.040), (60, 0.038), (90, 0.037)))
    assert rate_at(curve, 0.01, days / 365) == pytest.approx(rate, abs=1e-12)


def test_default_holds_while_no_curve_is_entered() -> None:
    assert rate_at(None, 0.0375, 0.1) == 0.0375


def test_flat_curve_gives_its_rate_to_the_last_digit() -> None:
    """Else entering the default as a curve would move every price."""
    curve = curve_of(update((1, 0.0375), (30, 0.0375), (365, 0.0375)))
    assert {curve.at(days / 7000) for days in range(7000)} == {0.0375}


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((30, 0.101),),
        ((30, -0.001),),
        ((30, float("nan")),),
        ((0, 0.03),),
        ((4_000, 0.03),),
        ((30, 0.03), (30, 0.04)),
        ((60, 0.03), (30, 0.04)),
        tuple((day, 0.03) for day in range(1, 22)),
    ],
)
def test_what_is_no_curve_is_refused_with_the_reason(points: tuple[tuple[int, float], ...]) -> None:
    assert "must" in curve_problem(update(*points).points)
