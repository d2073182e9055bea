"""Option prices of the simulated market: European Black-Scholes-Merton on the escrowed spot.

Vectorised over contracts. Inputs are total variances, so that the caller decides how variance is
spread over time. Greeks per share: vega per vol point, theta per calendar day, rho per 1 % rate,
vanna and charm raw (per 1.00 of volatility, per year).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

YEAR_SECONDS = 365 * 86_400
TIME_FLOOR_YEARS = 60 / YEAR_SECONDS
_ROOT_TWO_PI = 2.5066282746310002
STANDARD_DEVIATIONS_MAX = 4.0
SMILE_FLOOR = 0.6


@dataclass(frozen=True, slots=True)
class Priced:
    """Theoretical values of many contracts; every field has one element a contract."""

    price: Floats
    implied_volatility: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    vanna: Floats
    charm: Floats
    moneyness: Floats
    """ln(K/F) in standard deviations to expiry."""


@dataclass(frozen=True, slots=True)
class Book:
    """Top of book of many contracts, in ticks of a cent, and sizes in contracts."""

    bid: Integers
    ask: Integers
    bid_size: Integers
    ask_size: Integers


def smile(z: Floats, skew: float, curvature: float) -> Floats:
    """Volatility at moneyness z over the volatility at the money."""
    x = np.clip(z, -STANDARD_DEVIATIONS_MAX, STANDARD_DEVIATIONS_MAX)
    return np.maximum(1 + skew * x + curvature * x * x, SMILE_FLOOR)


def price(
    spot: Floats | float,
    strike: Floats,
    call: NDArray[np.bool_],
    atm_variance: Floats,
    years: Floats,
    rate: float,
    skew: float,
    curvature: float,
) -> Priced:
    """Price contracts on escrowed `spot` with total variance `atm_variance` at the money."""
    t = np.maximum(years, TIME_FLOOR_YEARS)
    discounted = strike * np.exp(-rate * t)
    root_atm = np.sqrt(atm_variance)
    x = np.log(discounted / spot)
    z = x / root_atm
    root = root_atm * smile(z, skew, curvature)
    sigma = root / np.sqrt(t)
    d1 = -x / root + root / 2
    d2 = d1 - root
    w = np.where(call, 1.0, -1.0)
    n1, n2 = ndtr(w * d1), ndtr(w * d2)
    density = np.exp(-d1 * d1 / 2) / _ROOT_TWO_PI
    gamma = density / (spot * root)
    decay = -spot * density * sigma / (2 * np.sqrt(t)) - w * rate * discounted * n2
    return Priced(
        price=np.maximum(w * (spot * n1 - discounted * n2), 0.0),
        implied_volatility=sigma,
        delta=w * n1,
        gamma=gamma,
        vega=spot * density * np.sqrt(t) * 0.01,
        theta=decay / 365,
        rho=w * t * discounted * n2 * 0.01,
        vanna=-density * d2 / sigma,
        charm=-density * (2 * rate * t - d2 * root) / (2 * t * root),
        moneyness=z,
    )


def book(
    value: Floats, intrinsic: Floats, width_factor: float, numbers: Integers, slot: Integers | int
) -> Book:
    """Quotes around theoretical values.

    A spread is one tick near zero and grows with the price and with the depth in the money, as
    listed ETF options show it. Sizes change with the time slot, from a hash, so that a quote is a
    function of state alone. A value under half a tick has no bid.
    """
    spread = 1 + np.floor((0.35 * value + 0.6 * intrinsic) * width_factor).astype(np.int64)
    bid = np.maximum(np.round(value * 100 - spread / 2).astype(np.int64), 0)
    ask = bid + spread
    mixed = (numbers * 2_654_435_761 + (np.asarray(slot) + 1) * 40_503 * 7_919) & 0xFFFFFFFF
    mixed = (mixed ^ (mixed >> 15)) * 2_246_822_519 & 0xFFFFFFFF
    depth = 10 + (120 / (1 + 0.15 * value)).astype(np.int64)
    bid_size = 10 + (mixed & 0xFFFF) % depth
    ask_size = 10 + (mixed >> 16) % depth
    return Book(bid, ask, np.where(bid > 0, bid_size, 0), ask_size)
