"""Daily variance from open, high, low and close of the last 20 sessions.

Called when history is read. Each is the mean over the sessions of a daily variance, without units;
Yang-Zhang alone has the night in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from domain.analytics.daily import DailyBar

SESSIONS = 20
TRADING_DAYS = 252


@dataclass(frozen=True, slots=True)
class RangeVariances:
    parkinson: float
    garman_klass: float
    rogers_satchell: float
    yang_zhang: float


def annual(daily_variance: float) -> float:
    """Annualised volatility of a daily variance."""
    return math.sqrt(TRADING_DAYS * max(daily_variance, 0.0))


def range_variances(bars: Sequence[DailyBar]) -> RangeVariances | None:
    """Of the last 20 sessions; None when there are not 21, which the first night needs."""
    if len(bars) < SESSIONS + 1:
        return None
    used = bars[-SESSIONS:]
    if any(min(bar.open, bar.high, bar.low, bar.close) <= 0 for bar in bars[-SESSIONS - 1 :]):
        return None
    ranges = [math.log(bar.high / bar.low) ** 2 for bar in used]
    days = [math.log(bar.close / bar.open) for bar in used]
    rogers = _mean(
        [
            math.log(bar.high / bar.close) * math.log(bar.high / bar.open)
            + math.log(bar.low / bar.close) * math.log(bar.low / bar.open)
            for bar in used
        ]
    )
    nights = [
        math.log(bar.open / before.close)
        for before, bar in zip(bars[-SESSIONS - 1 : -1], used, strict=True)
    ]
    k = 0.34 / (1.34 + (SESSIONS + 1) / (SESSIONS - 1))
    return RangeVariances(
        parkinson=_mean(ranges) / (4 * math.log(2)),
        garman_klass=0.5 * _mean(ranges) - (2 * math.log(2) - 1) * _mean([c * c for c in days]),
        rogers_satchell=rogers,
        yang_zhang=_sample_variance(nights) + k * _sample_variance(days) + (1 - k) * rogers,
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _sample_variance(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
