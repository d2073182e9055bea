"""The variance the simulated market knows: its shape over the day, and the forecast it prices by.

The forecast is the log-HAR of [COR09] on five-minute realised variance with the intraday update
and the term structure that the desk uses too, so that implied over forecast volatility is what
the scenario asks for. Total variances are dimensionless, to the horizon, not annualised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SHARES = (
    (30, 0.154),
    (60, 0.185),
    (60, 0.136),
    (60, 0.105),
    (60, 0.093),
    (60, 0.127),
    (60, 0.200),
)
"""Minutes and share of a day's open-to-close variance, 09:30 to 16:00."""

OVERNIGHT_SHARE = 0.40
LONG_NIGHT_FACTOR = 1.2
MEAN_REVERSION = 0.94
UPDATE_EXPONENT = 0.6
HAR = (-1.1883, 0.5379, 0.2274, 0.1287)
HAR_RESIDUAL_SD = 0.5993
SYMBOL_FACTOR = {"SPY": 1.0, "QQQ": 1.4, "IWM": 1.6}
"""Daily variance relative to SPY's."""


def variance_density(session_seconds: int) -> Floats:
    """Share of the day's variance in each second; sums to 1. A half day compresses the profile."""
    edges = np.cumsum([0.0] + [minutes for minutes, _ in _SHARES]) / 390 * session_seconds
    cumulative = np.cumsum([0.0] + [share for _, share in _SHARES])
    done: Floats = np.interp(np.arange(session_seconds + 1), edges, cumulative)
    return np.diff(done)


def remaining_share(session_seconds: int) -> Floats:
    """rho: share of the day's variance still to come at each whole second, 1 at the open."""
    return np.concatenate(([1.0], 1.0 - np.cumsum(variance_density(session_seconds))))


def realised_variance(closes: Floats, step: int) -> float:
    """Subsampled five-minute realised variance [ZMA05] of prices `step` seconds apart."""
    lag = 300 // step
    if len(closes) <= lag:
        return 0.0
    logs = np.log(closes)
    squares = (logs[lag:] - logs[:-lag]) ** 2
    return float(squares.sum() / lag)


def forecast_next(symbol: str, realised: Sequence[float]) -> float:
    """Open-to-close variance of the next session from at least 22 sessions, oldest first."""
    b0, b_day, b_week, b_month = HAR
    factor = SYMBOL_FACTOR.get(symbol, 1.0)
    b0 += (1 - b_day - b_week - b_month) * math.log(factor)
    last = realised[-22:]
    log_forecast = (
        b0
        + b_day * math.log(last[-1])
        + b_week * math.log(sum(last[-5:]) / 5)
        + b_month * math.log(sum(last) / len(last))
    )
    return math.exp(log_forecast + HAR_RESIDUAL_SD**2 / 2)


def variance_after_today(forecast: float, mean: float, days: Sequence[date]) -> list[float]:
    """Variance from today's close to the close of each later session of `days`.

    `days` starts with today; element j of the answer ends with days[j], element 0 is 0.
    """
    total, result = 0.0, [0.0]
    for index in range(1, len(days)):
        day = mean + (forecast - mean) * MEAN_REVERSION**index
        night = day * OVERNIGHT_SHARE / (1 - OVERNIGHT_SHARE)
        if (days[index] - days[index - 1]).days > 1:
            night *= LONG_NIGHT_FACTOR
        total += night + day
        result.append(total)
    return result


def remaining_today(closes: Floats, forecast: float) -> Floats:
    """Variance still to come today at each whole minute, updated by what was realised so far.

    `closes` are the session's prices by the second, the opening price first. The factor of the
    realised part is faded in between a realised share of 5 % and 15 %, which spares the option
    prices the jump that a threshold would give them.
    """
    seconds = len(closes) - 1
    rho = remaining_share(seconds)
    logs = np.log(closes)
    minutes = seconds // 60 + 1
    result = np.empty(minutes)
    lag = 300
    squares = np.concatenate((np.zeros(lag), (logs[lag:] - logs[:-lag]) ** 2))
    sums = np.cumsum(squares) / lag
    for minute in range(minutes):
        at = minute * 60
        realised_share = 1.0 - rho[at]
        scale = 1.0
        if at > lag and realised_share > 0.05:
            # The mean of overlapping grids misses half a lag at each end.
            so_far = sums[at] * at / (at - lag)
            ratio = min(4.0, max(0.25, so_far / (forecast * realised_share)))
            fade = min(1.0, (realised_share - 0.05) / 0.10)
            scale = ratio ** (UPDATE_EXPONENT * fade)
        result[minute] = forecast * rho[at] * scale
    return result
