"""European Black-Scholes-Merton on the escrowed spot: implied volatility and greeks of arrays.

Called with whole chains by analytics and with single legs by signals and risk. The library
(pyvolr) inverts and differentiates; bounds, the floor of time and the expiry rule are ours,
because it answers 0 for a zero price and delta 0 for an expired option at the strike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyvolr import bs
from scipy.special import ndtr

from domain.session import YEAR_SECONDS

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.int8]

TIME_FLOOR_YEARS = 60 / YEAR_SECONDS
BOUND_MARGIN_USD = 0.005
VOLATILITY_MIN = 0.01
VOLATILITY_MAX = 5.00
_SQRT_TWO_PI = float(np.sqrt(2 * np.pi))


class IvReason(IntEnum):
    """Why an implied volatility is null; OK when it is not. The name goes into events."""

    OK = 0
    NO_QUOTE = 1
    ZERO_BID = 2
    NO_ARBITRAGE_BOUND = 3
    OUT_OF_RANGE = 4
    EXPIRED = 5


@dataclass(frozen=True, slots=True)
class ImpliedVolatilities:
    """`values` are annualised decimals, NaN where `reasons` is not IvReason.OK."""

    values: Floats
    reasons: Codes

    def reason(self, index: int) -> str:
        return IvReason(int(self.reasons[index])).name


@dataclass(frozen=True, slots=True)
class Greeks:
    """Per share. vega: a vol point; theta: a calendar day; rho: 1 % of rate."""

    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats


def _broadcast(*values: ArrayLike) -> list[Floats]:
    """One-dimensional columns of one length; numbers and columns of one are repeated."""
    arrays = [np.asarray(value, dtype=np.float64).ravel() for value in values]
    length = max(array.size for array in arrays)
    if any(array.size == 0 for array in arrays):
        length = 0
    return [
        np.ascontiguousarray(array) if array.size == length else np.full(length, array[:1])
        for array in arrays
    ]


def floored_years(t_years: ArrayLike) -> Floats:
    """Time for greeks and implied volatility: at least 60 s. Expiry itself is not floored away."""
    return np.maximum(np.asarray(t_years, dtype=np.float64), TIME_FLOOR_YEARS)


def implied_vol(
    prices: ArrayLike,
    spot_escrowed: ArrayLike,
    strikes: ArrayLike,
    t_years: ArrayLike,
    rate: ArrayLike,
    is_call: ArrayLike,
) -> ImpliedVolatilities:
    """Implied volatility of each price (dollars per share; NaN for no quote).

    Null with a reason at or below intrinsic value plus half a cent, at or above the upper bound,
    outside [0.01, 5.00], at a price of 0, and at or after expiry. `t_years` is ACT/365, floored
    at 60 s.
    """
    price, spot, strike, years, r, call = _broadcast(
        prices, spot_escrowed, strikes, t_years, rate, is_call
    )
    sign = np.where(call > 0, 1.0, -1.0)
    time = floored_years(years)
    discounted = strike * np.exp(-r * time)
    lower = np.maximum(0.0, sign * (spot - discounted))
    upper = np.where(call > 0, spot, discounted)
    reasons = np.zeros(price.shape, dtype=np.int8)
    reasons[(price <= lower + BOUND_MARGIN_USD) | (price >= upper)] = IvReason.NO_ARBITRAGE_BOUND
    reasons[price <= 0.0] = IvReason.ZERO_BID
    reasons[~(np.isfinite(price) & np.isfinite(spot) & (spot > 0))] = IvReason.NO_QUOTE
    reasons[years <= 0.0] = IvReason.EXPIRED
    values = np.full(price.shape, np.nan)
    good = reasons == IvReason.OK
    if good.any():
        solved = bs.implied_vol(
            price[good],
            sign[good].astype(np.int8),
            spot[good],
            strike[good],
            time[good],
            r[good],
            on_error="ignore",
        )
        solved = np.asarray(solved, dtype=np.float64)
        inside = (solved >= VOLATILITY_MIN) & (solved <= VOLATILITY_MAX)
        values[good] = np.where(inside, solved, np.nan)
        reasons[good] = np.where(inside, IvReason.OK, IvReason.OUT_OF_RANGE)
    return ImpliedVolatilities(values, reasons)


def greeks(
    spot_escrowed: ArrayLike,
    strikes: ArrayLike,
    t_years: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> Greeks:
    """NaN where spot or volatility is missing.

    At or after expiry: delta 1 or 0 (call), -1 or 0 (put), +-0.5 at the strike exactly, other
    greeks 0, whatever the volatility.
    """
    spot, strike, years, r, sigma, call = _broadcast(
        spot_escrowed, strikes, t_years, rate, volatility, is_call
    )
    sign = np.where(call > 0, 1.0, -1.0)
    time = floored_years(years)
    usable = (sigma > 0) & np.isfinite(sigma) & (spot > 0)
    sigma = np.where(usable, sigma, np.nan)
    raw = bs.greeks(sign.astype(np.int8), spot, strike, time, r, sigma)
    delta, gamma, vega, theta, rho = (
        np.asarray(raw[name], dtype=np.float64)
        for name in ("delta", "gamma", "vega", "theta", "rho")
    )
    dead = ~usable
    for column in (delta, gamma, vega, theta, rho):
        column[dead] = np.nan
    result = Greeks(delta, gamma, vega * 0.01, theta / 365, rho * 0.01)
    expired = years <= 0.0
    if expired.any():
        _settle(result, expired, spot, strike, sign)
    return result


def prices(
    spot_escrowed: ArrayLike,
    strikes: ArrayLike,
    t_years: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
) -> Floats:
    """Dollars a share; NaN where spot or volatility is missing. At or after expiry the intrinsic
    value, whatever the volatility."""
    spot, strike, years, r, sigma, call = _broadcast(
        spot_escrowed, strikes, t_years, rate, volatility, is_call
    )
    sign = np.where(call > 0, 1.0, -1.0)
    usable = (sigma > 0) & np.isfinite(sigma) & (spot > 0)
    sigma = np.where(usable, sigma, np.nan)
    flag = sign.astype(np.int8)
    found = np.asarray(
        bs.price(flag, spot, strike, floored_years(years), r, sigma), dtype=np.float64
    )
    found[~usable] = np.nan
    return np.where(years <= 0.0, np.maximum(0.0, sign * (spot - strike)), found)


def _d1(
    spot: Floats, strike: Floats, time: Floats, rate: Floats | float, deviation: Floats
) -> Floats:
    d1: Floats = (np.log(spot / strike) + rate * time) / deviation + deviation / 2
    return d1


def second_order(
    spot_escrowed: Floats,
    strikes: Floats,
    t_years: Floats,
    rate: Floats | float,
    volatility: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Gamma, vanna (a vol point) and charm (a day that passes), the same for calls and puts.

    The closed forms of q = 0, since no library has the last two.
    """
    time = floored_years(t_years)
    deviation = volatility * np.sqrt(time)
    d1 = _d1(spot_escrowed, strikes, time, rate, deviation)
    d2 = d1 - deviation
    density = np.exp(-0.5 * d1 * d1) / _SQRT_TWO_PI
    gamma = density / (spot_escrowed * deviation)
    vanna = -density * d2 / volatility * 0.01
    charm = -density * (2 * rate * time - d2 * deviation) / (2 * time * deviation) / 365
    return gamma, vanna, charm


def delta_and_vega(
    spot_escrowed: Floats,
    strikes: Floats,
    t_years: Floats,
    rate: Floats | float,
    volatility: Floats,
    is_call: Bools,
) -> tuple[Floats, Floats]:
    """Delta and vega (a vol point) alone, for the many strikes of a surface; none expired."""
    time = floored_years(t_years)
    root = np.sqrt(time)
    d1 = _d1(spot_escrowed, strikes, time, rate, volatility * root)
    delta: Floats = ndtr(d1) - np.where(is_call, 0.0, 1.0)
    vega: Floats = spot_escrowed * np.exp(-0.5 * d1 * d1) / _SQRT_TWO_PI * root * 0.01
    return delta, vega


def _settle(result: Greeks, expired: Bools, spot: Floats, strike: Floats, sign: Floats) -> None:
    inside = sign * (spot - strike)
    step = np.where(inside > 0, 1.0, np.where(inside == 0, 0.5, 0.0)) * sign
    known = expired & np.isfinite(spot)
    result.delta[known] = step[known]
    for column in (result.gamma, result.vega, result.theta, result.rho):
        column[known] = 0.0


def gamma_at(
    spot_escrowed: ArrayLike,
    strikes: ArrayLike,
    t_years: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
) -> Floats:
    """Gamma alone, for profiles over many spots; the arguments broadcast against each other."""
    spot = np.asarray(spot_escrowed, dtype=np.float64)
    time = floored_years(t_years)
    deviation = np.asarray(volatility, dtype=np.float64) * np.sqrt(time)
    drift = np.asarray(rate, dtype=np.float64) * time
    d1 = (np.log(spot / np.asarray(strikes, dtype=np.float64)) + drift) / deviation + deviation / 2
    density: Floats = np.exp(-0.5 * d1 * d1) / (_SQRT_TWO_PI * spot * deviation)
    return density
