"""Escrowed dividends, the check of the forward, and early exercise against QuantLib's tree."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import numpy as np
import pytest
import QuantLib as ql

from domain.pricing.american import american_check, early_exercise_premium
from domain.pricing.black_scholes import greeks, prices
from domain.pricing.dividends import (
    Dividend,
    ParityQuotes,
    check_forward,
    ex_time,
    forward_of,
    present_value,
    years_until,
)

NOW = datetime(2026, 10, 6, 14, 0, tzinfo=UTC)
EXPIRY = datetime(2026, 11, 6, 21, 0, tzinfo=UTC)
DIVIDEND = Dividend(date(2026, 10, 20), 1.75, False)
TODAY = date(2026, 10, 6)
RATE = 0.0375


def test_present_value_counts_ex_dates_up_to_the_expiry() -> None:
    years = years_until(datetime(2026, 10, 20, 13, 30, tzinfo=UTC), NOW)
    late = Dividend(date(2026, 12, 18), 2.0, True)
    past = Dividend(date(2026, 10, 6), 1.0, False)
    assert present_value([past, DIVIDEND, late], NOW, EXPIRY, RATE) == pytest.approx(
        1.75 * math.exp(-RATE * years), abs=1e-12
    )


def test_ex_time_is_the_opening_in_new_york() -> None:
    assert ex_time(date(2026, 10, 20)).astimezone(UTC).hour == 13
    assert ex_time(date(2026, 12, 18)).astimezone(UTC).hour == 14


def test_forward_grows_the_escrowed_spot() -> None:
    found = forward_of(600.0, [DIVIDEND], NOW, EXPIRY, RATE)
    assert found.spot_escrowed == pytest.approx(600 - 1.7475, abs=0.001)
    assert found.forward == pytest.approx(found.spot_escrowed * math.exp(RATE * found.years))


def chain(spot: float, width: float = 0.02) -> ParityQuotes:
    strikes = np.arange(590.0, 611.0)
    forward = forward_of(spot, [], NOW, EXPIRY, RATE)
    call = prices(forward.spot_escrowed, strikes, forward.years, RATE, 0.15, True)
    put = prices(forward.spot_escrowed, strikes, forward.years, RATE, 0.15, False)
    half = width / 2
    usable = np.ones(strikes.size, dtype=bool)
    return ParityQuotes.of(strikes, call - half, call + half, put - half, put + half, usable)


def test_forward_of_the_quotes_agrees_with_ours() -> None:
    expected = forward_of(600.0, [], NOW, EXPIRY, RATE)
    check = check_forward(chain(600.0), 600.0, expected, 0.001, 0.003)
    assert check.ok
    assert check.implied == pytest.approx(expected.forward, abs=1e-9)


def test_missing_dividend_is_a_forward_mismatch() -> None:
    expected = forward_of(600.0, [DIVIDEND], NOW, EXPIRY, RATE)
    check = check_forward(chain(600.0), 600.0, expected, 0.001, 0.003)
    assert (check.ok, check.reason) == (False, "FORWARD_MISMATCH")


def test_without_tight_quotes_the_forward_is_unchecked() -> None:
    expected = forward_of(600.0, [], NOW, EXPIRY, RATE)
    check = check_forward(chain(600.0, width=3.0), 600.0, expected, 0.001, 0.003)
    assert (check.ok, check.reason, check.implied) == (False, "FORWARD_UNCHECKED", None)


def binomial(spot: float, strike: float, volatility: float, days: int) -> float:
    today = ql.Date(6, 10, 2026)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, count)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, RATE, count)),
        ql.BlackVolTermStructureHandle(
            ql.BlackConstantVol(today, ql.NullCalendar(), volatility, count)
        ),
    )
    option = ql.VanillaOption(
        ql.PlainVanillaPayoff(ql.Option.Put, strike), ql.AmericanExercise(today, today + days)
    )
    option.setPricingEngine(ql.BinomialVanillaEngine(process, "lr", 801))
    return float(option.NPV())


@pytest.mark.parametrize("strike", [580.0, 600.0, 620.0])
def test_american_put_agrees_with_a_tree(strike) -> None:
    check = american_check(600.0, strike, RATE, 0.15, TODAY, date(2026, 11, 5), [], is_call=False)
    assert check.price == pytest.approx(binomial(600.0, strike, 0.15, 30), abs=0.005)
    assert check.early_exercise_premium == pytest.approx(check.price - check.european)
    assert check.early_exercise_premium == pytest.approx(
        early_exercise_premium(600.0, strike, RATE, 0.15, TODAY, date(2026, 11, 5), is_call=False),
        abs=2e-4,
    )


def test_call_without_dividend_is_never_exercised_early() -> None:
    check = american_check(600.0, 590.0, RATE, 0.15, TODAY, date(2026, 11, 5), [], is_call=True)
    assert check.early_exercise_premium == 0.0
    assert check.delta == pytest.approx(check.delta_american, abs=0.02)


def test_dividend_makes_a_deep_call_worth_exercising() -> None:
    due = [Dividend(date(2026, 10, 7), 1.75, False)]
    check = american_check(600.0, 580.0, RATE, 0.10, TODAY, date(2026, 10, 9), due, is_call=True)
    assert check.early_exercise_premium > 1.0
    assert check.price == pytest.approx(20.06, abs=0.02)


def test_american_delta_is_used_when_it_differs_much() -> None:
    check = american_check(600.0, 660.0, RATE, 0.10, TODAY, date(2027, 4, 6), [], is_call=False)
    european = greeks(600.0, 660.0, 182 / 365, RATE, 0.10, False).delta[0]
    assert abs(check.delta_american - european) > 0.02
    assert check.delta == check.delta_american == pytest.approx(-1.0, abs=0.01)


def test_answers_do_not_depend_on_the_call_before() -> None:
    first = american_check(600.0, 600.0, RATE, 0.15, TODAY, date(2026, 11, 5), [], is_call=False)
    american_check(300.0, 310.0, RATE, 0.3, date(2025, 1, 2), date(2025, 3, 3), [], is_call=False)
    again = american_check(600.0, 600.0, RATE, 0.15, TODAY, date(2026, 11, 5), [], is_call=False)
    assert first == again


def test_on_the_day_of_expiry_there_is_no_premium() -> None:
    assert early_exercise_premium(600, 650, RATE, 0.2, TODAY, TODAY, is_call=False) == 0.0
    check = american_check(600.0, 610.0, RATE, 0.2, TODAY, TODAY, [], is_call=False)
    assert (check.price, check.delta, check.early_exercise_premium) == (10.0, -1.0, 0.0)
