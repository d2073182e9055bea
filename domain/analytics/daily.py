"""Measures of past sessions: ADV20, beta to SPY, moving averages and their deviations.

Called by the stage when history is read. A past day's variance is its 5-minute realised one, else
its Parkinson value (marked by the caller).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from domain.analytics.ewma import clip

SESSIONS_20 = 20
BETA_SESSIONS = 60
BETA_LOW = 0.8
BETA_HIGH = 1.6


@dataclass(frozen=True, slots=True)
class DailyBar:
    session_date: date
    open: float
    high: float
    low: float
    close: float
    volume: float


def average_daily_volume(bars: Sequence[DailyBar]) -> float | None:
    """Mean share volume of the last 20 full sessions; None with fewer."""
    if len(bars) < SESSIONS_20:
        return None
    return math.fsum(bar.volume for bar in bars[-SESSIONS_20:]) / SESSIONS_20


def _sample_deviation(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@dataclass(frozen=True, slots=True)
class Trend:
    """sma20 and sd20 of closes (sd20 relative to sma20), sd5 of 5-day returns, close 5 ago."""

    sma20: float
    sd20: float
    sd5: float
    close_5_sessions_ago: float


def trend_of(bars: Sequence[DailyBar]) -> Trend | None:
    """Of the sessions before today; None under 21 of them."""
    if len(bars) < SESSIONS_20 + 1:
        return None
    closes = [bar.close for bar in bars[-SESSIONS_20 - 1 :]]
    returns = [math.log(b / a) for a, b in pairwise(closes)]
    last = closes[1:]
    mean = math.fsum(last) / SESSIONS_20
    return Trend(
        sma20=mean,
        sd20=_sample_deviation(last) / mean,
        sd5=math.sqrt(5) * _sample_deviation(returns),
        close_5_sessions_ago=closes[-5],
    )


def beta_to(
    own: Mapping[date, float], market: Mapping[date, float], default: float
) -> tuple[float, int]:
    """Beta under EW(60 sessions) of daily log returns, and the sessions it rests on.

    `own` and `market` are closes by session. The default until 60 sessions; within [0.8, 1.6].
    """
    days = sorted(day for day in own if day in market)
    alpha = 1.0 - 2.0 ** (-1.0 / BETA_SESSIONS)
    mean_x = mean_y = covariance = variance = 0.0
    count = 0
    for before, day in pairwise(days):
        x = math.log(market[day] / market[before])
        y = math.log(own[day] / own[before])
        if count == 0:
            mean_x, mean_y = x, y
        else:
            dx, dy = x - mean_x, y - mean_y
            covariance = (1.0 - alpha) * (covariance + alpha * dx * dy)
            variance = (1.0 - alpha) * (variance + alpha * dx * dx)
            mean_x += alpha * dx
            mean_y += alpha * dy
        count += 1
    if count < BETA_SESSIONS or variance <= 0.0:
        return default, count
    return clip(covariance / variance, BETA_LOW, BETA_HIGH), count
