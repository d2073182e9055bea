"""Volatilities and exposures of a morning's chain recomputed, contract by contract."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from domain.instruments import Right, parse_occ_symbol
from tests.domain.analytics.build import RATE, expiry_of, years_to
from tests.oracle.morning import history, moment, morning, same

CHAIN_AT = (1, 60, 99, 141, 300, 432)
"""Bars since the open at whose end the money of the next two expiries is recomputed."""


def black_scholes(spot: float, strike: float, years: float, sigma: float, *, call: bool) -> float:
    deviation, normal = sigma * math.sqrt(years), statistics.NormalDist()
    d1 = (math.log(spot / strike) + (RATE + sigma * sigma / 2) * years) / deviation
    sign = 1 if call else -1
    kept = strike * math.exp(-RATE * years) * normal.cdf(sign * (d1 - deviation))
    return sign * (spot * normal.cdf(sign * d1) - kept)


Quotes = dict[tuple[date, float, bool], tuple[float, float]]


def quotes_at(ended: int) -> tuple[float, Quotes]:
    """The spot, and the newest bid and ask of each contract by expiry, strike and right."""
    spot, found, lines = 0.0, Quotes(), set()
    for event in morning()[0]:
        body: Any = event.body
        if event.market_time > moment(ended):
            break
        if event.type == "IbTicksReceived" and body.symbol == "SPY":
            (_, bid, _), (_, ask, _) = body.ticks
            if body.expiry:
                key = date.fromisoformat(body.expiry), body.strike, body.right == "C"
                found[key] = bid, ask
                lines.add(key)
            else:
                spot = (bid + ask) / 2
        elif event.type == "UwRestReceived":
            for row in json.loads(bytes(body.payload))["data"]:
                _, expiry, right, strike = parse_occ_symbol(row["option_symbol"])
                key = expiry, float(strike), right is Right.CALL
                if key not in lines:
                    found[key] = float(row["nbbo_bid"]), float(row["nbbo_ask"])
    return spot, found


def volatility(
    spot: float, strike: float, years: float, quote: tuple[float, float], *, call: bool
) -> float | None:
    """Of the mid, where those of bid and ask are near enough to it."""
    bid, ask = quote
    if bid < 0.01 or ask - bid > max(0.50, 0.25 * (bid + ask) / 2):
        return None
    solved = []
    for price in ((bid + ask) / 2, bid, ask):
        if price <= 0.005 or price >= (spot if call else strike):
            return None
        solved.append(
            brentq(
                lambda v, p=price: black_scholes(spot, strike, years, v, call=call) - p,
                1e-3, 8.0, xtol=1e-14, rtol=1e-14,
            )
        )  # fmt: skip
    mid, low, high = solved
    d1 = (math.log(spot / strike) + (RATE + mid * mid / 2) * years) / (mid * math.sqrt(years))
    vega = spot * statistics.NormalDist().pdf(d1) * math.sqrt(years) * 0.01
    return mid if (high - low) / 2 <= 0.05 and vega >= 0.0005 else None


@pytest.mark.parametrize("days", [0, 1])
@pytest.mark.parametrize("ended", CHAIN_AT)
def test_the_money_of_an_expiry_is_between_the_strikes_around_the_forward(
    ended: int, days: int
) -> None:
    spot, quotes = quotes_at(ended)
    expiry, years = expiry_of(days), years_to(days, moment(ended))
    forward = spot * math.exp(RATE * years)
    strikes = sorted({k for e, k, _ in quotes if e == expiry})
    low, high = max(k for k in strikes if k < forward), min(k for k in strikes if k >= forward)
    put = volatility(spot, low, years, quotes[expiry, low, False], call=False)
    call = volatility(spot, high, years, quotes[expiry, high, True], call=True)
    assert put is not None and call is not None
    share = math.log(forward / low) / math.log(high / low)
    atm = math.sqrt(put * put + share * (call * call - put * put))
    role = f"{days}dte"
    same(f"atm_iv_{role}", ended, atm)
    nearest = min(strikes, key=lambda k: (abs(k - forward), k))
    straddle = sum(sum(quotes[expiry, nearest, right]) / 2 for right in (True, False))
    same(f"em_1sd_{role}", ended, math.sqrt(math.pi / 2) * straddle)
    variance = morning()[1][ended][f"v_to_expiry_{role}"].value
    assert isinstance(variance, float)
    same(f"vrp_{role}", ended, math.sqrt(atm * atm * years / variance))


def test_exposure_is_the_gamma_of_every_contract_by_its_own_volatility() -> None:
    """At the first bar, when no volatility is remembered: others are the smile's."""
    spot, quotes = quotes_at(1)
    interest: dict[tuple[date, float, bool], float] = {}
    for row in history("uw.option-contracts").popitem()[1]["data"]:
        _, expiry, right, strike = parse_occ_symbol(row["option_symbol"])
        interest[expiry, float(strike), right is Right.CALL] = row["open_interest"]
    by_strike: dict[bool, Counter[float]] = {True: Counter(), False: Counter()}
    known: list[tuple[float, float, float, float]] = []
    for days in (0, 1, 3):
        expiry, years = expiry_of(days), years_to(days, moment(1))
        forward = spot * math.exp(RATE * years)
        own = {}
        strikes = sorted({k for e, k, _ in quotes if e == expiry})
        for strike in strikes:
            call = strike >= forward
            own[strike] = volatility(spot, strike, years, quotes[expiry, strike, call], call=call)
        valid = {math.log(k / forward): v * v for k, v in own.items() if v is not None}
        assert len(valid) >= 5
        for strike in strikes:
            sigma = math.sqrt(np.interp(math.log(strike / forward), [*valid], [*valid.values()]))
            calls, puts = (interest[expiry, strike, right] for right in (True, False))
            known.append((strike, years, sigma, calls - puts))
            gamma = gamma_at(spot, strike, years, sigma) * 100 * spot * spot * 0.01
            by_strike[True][strike] += gamma * calls
            by_strike[False][strike] += gamma * puts
    total = math.fsum(by_strike[True].values()) - math.fsum(by_strike[False].values())
    same("gex_total", 1, total)
    volumes = [row[5] for row in history("ib.bars.1day").popitem()[1]][-20:]
    norm = total / (statistics.fmean(volumes) * spot)
    same("gex_norm", 1, norm)
    same("gex_regime", 1, "POS" if norm > 0.02 else "NEG" if norm < -0.02 else "NEUTRAL")
    same("call_wall", 1, max(by_strike[True].items(), key=lambda one: one[1])[0])
    same("put_wall", 1, max(by_strike[False].items(), key=lambda one: one[1])[0])
    profile = [
        (x, math.fsum(gamma_at(x, k, t, v) * n for k, t, v, n in known) * x * x)
        for x in (spot * (0.90 + 0.0025 * j) for j in range(81))
    ]
    roots = [
        a + (b - a) * at_a / (at_a - at_b)
        for (a, at_a), (b, at_b) in pairwise(profile)
        if at_a * at_b < 0
    ]
    same("gex_flip", 1, min(roots, key=lambda root: abs(root - spot), default=None))


def gamma_at(spot: float, strike: float, years: float, sigma: float) -> float:
    deviation = sigma * math.sqrt(years)
    d1 = (math.log(spot / strike) + (RATE + sigma * sigma / 2) * years) / deviation
    return statistics.NormalDist().pdf(d1) / (spot * deviation)
