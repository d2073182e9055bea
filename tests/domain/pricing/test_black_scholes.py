"""Implied volatility and greeks against QuantLib and vollib, and their properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib as ql
from hypothesis import given, settings
from hypothesis import strategies as st
from vollib.black_scholes import black_scholes
from vollib.black_scholes.implied_volatility import implied_volatility

from domain.pricing.black_scholes import (
    TIME_FLOOR_YEARS,
    IvReason,
    gamma_at,
    greeks,
    implied_vol,
    prices,
    second_order,
)

RATE = 0.0375
GRID = [
    (600.0, strike, years, volatility, call)
    for strike in (540.0, 585.0, 600.0, 615.0, 660.0)
    for years in (0.5 / 365, 7 / 365, 30 / 365, 1.0)
    for volatility in (0.08, 0.16, 0.45)
    for call in (True, False)
]


def reference(spot: float, strike: float, years: float, volatility: float, call: bool):
    kind = ql.Option.Call if call else ql.Option.Put
    discount = math.exp(-RATE * years)
    return ql.BlackCalculator(
        ql.PlainVanillaPayoff(kind, strike),
        spot / discount,
        volatility * math.sqrt(years),
        discount,
    )


@pytest.mark.parametrize(("spot", "strike", "years", "volatility", "call"), GRID)
def test_price_and_greeks_agree_with_quantlib(spot, strike, years, volatility, call) -> None:
    ours = greeks(spot, strike, years, RATE, volatility, call)
    theirs = reference(spot, strike, years, volatility, call)
    price = prices(spot, strike, years, RATE, volatility, call)[0]
    assert price == pytest.approx(theirs.value(), abs=1e-8)
    assert ours.delta[0] == pytest.approx(theirs.delta(spot), rel=1e-7, abs=1e-12)
    assert ours.gamma[0] == pytest.approx(theirs.gamma(spot), rel=1e-7, abs=1e-12)
    assert ours.vega[0] == pytest.approx(theirs.vega(years) / 100, rel=1e-7, abs=1e-12)
    assert ours.theta[0] == pytest.approx(theirs.theta(spot, years) / 365, rel=1e-7, abs=1e-9)
    assert ours.rho[0] == pytest.approx(theirs.rho(years) / 100, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(("spot", "strike", "years", "volatility", "call"), GRID)
def test_implied_volatility_agrees_with_vollib(spot, strike, years, volatility, call) -> None:
    flag = "c" if call else "p"
    price = black_scholes(flag, spot, strike, years, RATE, volatility)
    vega_point = greeks(spot, strike, years, RATE, volatility, call).vega[0]
    ours = implied_vol(price, spot, strike, years, RATE, call)
    intrinsic = max(0.0, (1 if call else -1) * (spot - strike * math.exp(-RATE * years)))
    if price <= intrinsic + 0.005:
        assert ours.reason(0) == "NO_ARBITRAGE_BOUND"
        assert math.isnan(ours.values[0])
    elif vega_point > 0.001:
        theirs = implied_volatility(price, spot, strike, years, RATE, flag)
        assert ours.values[0] == pytest.approx(theirs, abs=1e-9)
        assert ours.values[0] == pytest.approx(volatility, abs=1e-9)


def test_vanna_and_charm_are_the_slopes_of_delta() -> None:
    spot, strike, years, volatility = 600.0, 610.0, 20 / 365, 0.18
    _, vanna, charm = second_order(
        *(np.array([v]) for v in (spot, strike, years, RATE, volatility))
    )
    bump = 1e-5
    up = greeks(spot, strike, years, RATE, volatility + bump, True).delta[0]
    down = greeks(spot, strike, years, RATE, volatility - bump, True).delta[0]
    assert vanna[0] == pytest.approx((up - down) / (2 * bump) / 100, rel=1e-6)
    later = greeks(spot, strike, years - bump, RATE, volatility, True).delta[0]
    earlier = greeks(spot, strike, years + bump, RATE, volatility, True).delta[0]
    assert charm[0] == pytest.approx((later - earlier) / (2 * bump) / 365, rel=1e-5)


def test_call_below_intrinsic_has_no_volatility_and_is_not_zero() -> None:
    found = implied_vol(19.99, 600.0, 580.0, 1 / 365, RATE, True)
    assert math.isnan(found.values[0])
    assert found.reason(0) == "NO_ARBITRAGE_BOUND"


def test_each_null_has_its_reason() -> None:
    prices = [0.0, np.nan, 600.0, 0.02, 1.0, 5.0]
    strikes = [630.0, 600.0, 600.0, 700.0, 600.0, 600.0]
    years = [0.1, 0.1, 0.1, 5.0, 0.0, 0.1]
    found = implied_vol(prices, 600.0, strikes, years, 0.0, True)
    names = [found.reason(i) for i in range(6)]
    assert names[:3] == ["ZERO_BID", "NO_QUOTE", "NO_ARBITRAGE_BOUND"]
    assert names[4] == "EXPIRED"
    assert names[5] == "OK"
    assert np.isnan(found.values[:3]).all() and np.isnan(found.values[4])
    assert np.isfinite(found.values[5])


def test_volatility_outside_the_accepted_range_is_null() -> None:
    price = prices(600.0, 601.0, 1.0, 0.0, 6.0, True)
    assert implied_vol(price, 600.0, 601.0, 1.0, 0.0, True).reason(0) == "OUT_OF_RANGE"


def test_time_is_floored_at_sixty_seconds() -> None:
    half_minute = 30 / (365 * 86_400)
    short = greeks(600.0, 600.5, half_minute, RATE, 0.2, True)
    floored = greeks(600.0, 600.5, TIME_FLOOR_YEARS, RATE, 0.2, True)
    assert short.gamma[0] == floored.gamma[0]
    at = prices(600.0, 600.5, [half_minute, TIME_FLOOR_YEARS], RATE, 0.2, True)
    assert at[0] == at[1]


@pytest.mark.parametrize(
    ("spot", "call", "value", "delta"),
    [
        (605.0, True, 5.0, 1.0),
        (595.0, True, 0.0, 0.0),
        (600.0, True, 0.0, 0.5),
        (605.0, False, 0.0, 0.0),
        (595.0, False, 5.0, -1.0),
        (600.0, False, 0.0, -0.5),
    ],
)
def test_expired_option_is_worth_its_intrinsic_value(spot, call, value, delta) -> None:
    result = greeks(spot, 600.0, 0.0, RATE, 0.2, call)
    assert prices(spot, 600.0, 0.0, RATE, 0.2, call)[0] == value
    assert result.delta[0] == delta
    assert result.gamma[0] == result.vega[0] == result.theta[0] == result.rho[0] == 0.0


def test_missing_volatility_gives_no_greeks() -> None:
    result = greeks(600.0, 600.0, 0.1, RATE, [np.nan, 0.2], True)
    assert np.isnan(result.delta[0]) and np.isnan(result.gamma[0])
    assert np.isfinite(result.delta[1])


def test_gamma_profile_equals_the_greek() -> None:
    spots = np.array([580.0, 600.0, 620.0])
    profile = gamma_at(spots[:, None], np.array([600.0, 610.0]), 0.05, RATE, 0.2)
    single = greeks(620.0, 610.0, 0.05, RATE, 0.2, True).gamma[0]
    assert profile.shape == (3, 2)
    assert profile[2, 1] == pytest.approx(single, rel=1e-12)


def test_prices_are_missing_with_their_spot_or_volatility_and_intrinsic_at_expiry() -> None:
    columns = [
        np.array([600.0, 600.0, 600.0, 0.0, 580.0, 600.0]),
        np.array([600.0, 590.0, 610.0, 600.0, 600.0, 600.0]),
        np.array([0.01, 0.0, -0.1, 0.01, 0.5, 0.01]),
        np.full(6, 0.04),
        np.array([0.15, 0.2, 0.2, 0.2, 0.3, 0.0]),
        np.array([1.0, 1.0, 0.0, 1.0, 0.0, 1.0]),
    ]
    found = prices(*columns)
    assert np.isnan(found).tolist() == [False, False, False, True, False, True]
    assert found[1:3].tolist() == [10.0, 10.0]


def test_large_batches_give_the_same_bits_as_single_calls() -> None:
    strikes = np.linspace(500.0, 700.0, 3_000)
    priced = prices(600.0, strikes, 0.1, RATE, 0.2, strikes >= 600.0)
    together = implied_vol(priced, 600.0, strikes, 0.1, RATE, strikes >= 600.0).values
    for index in (0, 700, 1_500, 2_200):
        alone = implied_vol(
            priced[index], 600.0, strikes[index], 0.1, RATE, strikes[index] >= 600.0
        )
        assert np.array_equal(alone.values[0], together[index], equal_nan=True)


moneyness = st.floats(0.8, 1.25)
times = st.floats(1 / 365, 2.0)
sigmas = st.floats(0.03, 1.5)


@settings(max_examples=60, deadline=None)
@given(moneyness, times, sigmas)
def test_call_less_put_is_the_discounted_forward(ratio, years, sigma) -> None:
    strike = 600.0 * ratio
    both = greeks(600.0, strike, years, RATE, sigma, [True, False])
    parity = 600.0 - strike * math.exp(-RATE * years)
    call, put = prices(600.0, strike, years, RATE, sigma, [True, False])
    assert call - put == pytest.approx(parity, abs=1e-8)
    assert both.delta[0] - both.delta[1] == pytest.approx(1.0, abs=1e-10)


@settings(max_examples=60, deadline=None)
@given(moneyness, times, sigmas)
def test_greeks_have_their_signs(ratio, years, sigma) -> None:
    both = greeks(600.0, 600.0 * ratio, years, RATE, sigma, [True, False])
    assert 0 <= both.delta[0] <= 1 and -1 <= both.delta[1] <= 0
    assert (both.gamma >= 0).all() and (both.vega >= 0).all()
    assert both.theta[0] <= 0
    assert both.rho[0] >= 0 >= both.rho[1]


@settings(max_examples=60, deadline=None)
@given(moneyness, times, sigmas, st.floats(0.001, 0.5))
def test_price_rises_with_volatility_inside_its_bounds(ratio, years, sigma, more) -> None:
    strike = 600.0 * ratio
    price = prices(600.0, strike, years, RATE, [sigma, sigma + more], True)
    lower = max(0.0, 600.0 - strike * math.exp(-RATE * years))
    assert price[1] >= price[0] - 1e-12
    assert lower - 1e-9 <= price[0] <= 600.0


@settings(max_examples=60, deadline=None)
@given(moneyness, times, sigmas, st.booleans())
def test_volatility_survives_the_round_trip(ratio, years, sigma, call) -> None:
    strike = 600.0 * ratio
    asked = 600.0, strike, years, RATE, sigma, call
    found = implied_vol(prices(*asked), 600.0, strike, years, RATE, call)
    if found.reasons[0] == IvReason.OK and greeks(*asked).vega[0] > 0.001:
        assert found.values[0] == pytest.approx(sigma, abs=1e-9)
