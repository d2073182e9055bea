"""Properties of prices: greeks are slopes, early exercise is never worth less than nothing."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.pricing.american import american_check
from domain.pricing.black_scholes import greeks, prices
from domain.pricing.dividends import Dividend

STRIKE, TODAY = 600.0, date(2026, 10, 6)
ratios, times = st.floats(0.9, 1.1), st.floats(0.01, 1.0)
sigmas, rates = st.floats(0.08, 0.6), st.floats(0.0, 0.1)
DAY_YEARS = 1 / 365


@given(ratios, times, sigmas, rates, st.booleans())
def test_every_first_order_greek_is_the_slope_of_the_price(
    ratio: float, years: float, sigma: float, rate: float, call: bool
) -> None:
    """In its unit: a dollar, a vol point, a calendar day that passes, a per cent of rate."""
    spot, found = STRIKE * ratio, greeks(STRIKE * ratio, STRIKE, years, rate, sigma, call)

    def price(s: float = spot, t: float = years, r: float = rate, v: float = sigma) -> float:
        return float(prices(s, STRIKE, t, r, v, call).item())

    step = 1e-3 * STRIKE * sigma * years**0.5
    up, here, down = price(s=spot + step), price(), price(s=spot - step)
    assert found.delta.item() == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-5)
    curvature = (up - 2 * here + down) / step**2
    assert found.gamma.item() == pytest.approx(curvature, rel=1e-3, abs=1e-5)
    small = 1e-5
    slope = (price(v=sigma + small) - price(v=sigma - small)) / (2 * small)
    assert found.vega.item() == pytest.approx(slope * 0.01, rel=1e-4, abs=1e-5)
    slope = (price(r=rate + small) - price(r=rate - small)) / (2 * small)
    assert found.rho.item() == pytest.approx(slope * 0.01, rel=1e-4, abs=1e-5)
    short = years * 1e-4
    slope = (price(t=years - short) - price(t=years + short)) / (2 * short)
    assert found.theta.item() == pytest.approx(slope * DAY_YEARS, rel=1e-4, abs=1e-5)


@given(ratios, times, sigmas, rates)
def test_a_put_is_a_call_with_spot_and_discounted_strike_exchanged(
    ratio: float, years: float, sigma: float, rate: float
) -> None:
    """Put-call symmetry."""
    spot = STRIKE * ratio
    put = prices(spot, STRIKE, years, rate, sigma, False).item()
    discounted = STRIKE * math.exp(-rate * years)
    mirrored = prices(discounted, spot, years, 0.0, sigma, True).item()
    assert put == pytest.approx(mirrored, rel=1e-8, abs=1e-8)


@settings(max_examples=25)
@given(ratios, st.integers(1, 120), sigmas, st.booleans(), st.floats(0.0, 3.0))
def test_an_american_option_is_worth_at_least_the_european_and_its_exercise(
    ratio: float, days: int, sigma: float, call: bool, dividend: float
) -> None:
    """Within the accuracy of the grid; with a dividend in the middle of its life and without."""
    spot, expiry = STRIKE * ratio, TODAY + timedelta(days=days)
    ex_date = TODAY + timedelta(days=max(1, days // 2))
    paid = [Dividend(ex_date, dividend, False)] if dividend > 0.01 else []
    found = american_check(spot, STRIKE, 0.0375, sigma, TODAY, expiry, paid, is_call=call)
    exercised = max(0.0, spot - STRIKE if call else STRIKE - spot)
    assert found.early_exercise_premium >= 0.0
    assert found.price >= found.european - 0.02
    assert found.price >= exercised - 0.02
