"""Realised variance of the session and short-term volatility, from 5-second and 1-minute bars.

Called by the stage. RV is subsampled over 60 grids [ZMA05]; bipower variation [BNS04] and the
jump test [HT05] use the unshifted 5-minute grid. 5-second squares are not used raw: bid-ask
bounce.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.analytics.ewma import EwMoments, minutes_moments
from domain.pricing.black_scholes import Floats

BAR_SECONDS = 5
BARS_PER_RETURN = 60
CARRY_BARS_MAX = 12
"""A gap of up to 60 s is filled with the last close; a longer one splits the session."""
COVERAGE_MIN = 0.80
MINUTES_A_YEAR = 252 * 390
ATR_MINUTES = 14
_MU = 2 ** (2 / 3) * math.gamma(7 / 6) / math.gamma(0.5)
_HT = math.pi**2 / 4 + math.pi - 5


def subsampled_variance(closes: Floats) -> float | None:
    """RV of one unbroken run of 5-second closes; None when no 5-minute return fits in it."""
    bars = closes.size
    if bars <= BARS_PER_RETURN:
        return None
    logs = np.log(closes)
    squares = (logs[BARS_PER_RETURN:] - logs[:-BARS_PER_RETURN]) ** 2
    expected = (bars - 1) / BARS_PER_RETURN
    total, grids = 0.0, 0
    rows = -(-squares.size // BARS_PER_RETURN)
    padded = np.full(rows * BARS_PER_RETURN, np.nan)
    padded[: squares.size] = squares
    by_grid = padded.reshape(rows, BARS_PER_RETURN)
    sums = np.nansum(by_grid, axis=0)
    counts = np.count_nonzero(~np.isnan(by_grid), axis=0)
    for grid_sum, count in zip(sums.tolist(), counts.tolist(), strict=True):
        if count:
            total += grid_sum * expected / count
            grids += 1
    return total / grids


def grid_returns(closes: Floats) -> Floats:
    """Log returns of the unshifted 5-minute grid: closes of bars 1, 61, 121, ..."""
    returns: Floats = np.diff(np.log(closes[::BARS_PER_RETURN]))
    return returns


def bipower_variation(returns: Floats) -> float | None:
    """BV with the small-sample factor n/(n-1)."""
    n = returns.size
    if n < 2:
        return None
    absolute = np.abs(returns)
    products = float(np.sum(absolute[1:] * absolute[:-1]))
    return math.pi / 2 * n / (n - 1) * products


def jump_score(returns: Floats) -> float | None:
    """z_J of Huang and Tauchen; above 3.09 there was a jump."""
    n = returns.size
    variance = float(np.sum(returns**2))
    bipower = bipower_variation(returns)
    if n < 3 or bipower is None or variance <= 0 or bipower <= 0:
        return None
    absolute = np.abs(returns)
    triple = float(np.sum((absolute[2:] * absolute[1:-1] * absolute[:-2]) ** (4 / 3)))
    tripower = n * _MU**-3 * (n / (n - 2)) * triple
    spread = math.sqrt(_HT / n * max(1.0, tripower / bipower**2))
    return (1 - bipower / variance) / spread


def session_variance(bars: Sequence[tuple[float, float, float, float]]) -> float | None:
    """RV of a past session from its 5-minute (open, high, low, close): the first from its open."""
    if not bars:
        return None
    total, previous = 0.0, bars[0][0]
    for _, _, _, close in bars:
        if previous <= 0 or close <= 0:
            return None
        total += math.log(close / previous) ** 2
        previous = close
    return total


def parkinson(high: float, low: float) -> float | None:
    """Daily variance from the range [PARK80]."""
    if low <= 0 or high < low:
        return None
    return math.log(high / low) ** 2 / (4 * math.log(2))


@dataclass(slots=True)
class SessionCloses:
    """5-second closes of the session in unbroken runs; `covered` counts bars that came."""

    runs: list[list[float]] = field(default_factory=list)
    last_index: int = -1
    covered: int = 0

    def add(self, index: int, close: float) -> None:
        """`index` counts bars since the open; older ones are the caller's to refuse."""
        missing = index - self.last_index - 1
        if not self.runs or missing > CARRY_BARS_MAX:
            self.runs.append([close])
        else:
            run = self.runs[-1]
            run.extend([run[-1]] * missing)
            run.append(close)
        self.last_index = index
        self.covered += 1

    def realised(self) -> tuple[float | None, str]:
        """RV since the open, scaled for gaps, or null with the reason."""
        elapsed = self.last_index + 1
        if elapsed == 0:
            return None, "NO_BARS"
        inside = sum(len(run) for run in self.runs)
        if inside / elapsed < COVERAGE_MIN:
            return None, "COVERAGE"
        total, counted = 0.0, 0
        for run in self.runs:
            part = subsampled_variance(np.array(run))
            if part is not None:
                total += part
                counted += len(run) - 1
        if counted == 0:
            return None, "TOO_FEW_BARS"
        return total * max(elapsed - 1, 1) / counted, ""


@dataclass(slots=True)
class MinuteVolatility:
    """EW(30 min) mean of squared one-minute log returns, and ATR(14) of the session."""

    squares: EwMoments = field(default_factory=lambda: minutes_moments(30))
    previous_close: float | None = None
    ranges: deque[float] = field(default_factory=lambda: deque(maxlen=ATR_MINUTES))
    minutes: int = 0

    def add(self, high: float, low: float, close: float, *, adjacent: bool) -> float | None:
        """Absorb a closed minute; returns its log return. A gap before it gives none."""
        previous = self.previous_close
        self.previous_close = close
        self.minutes += 1
        if previous is None or not adjacent:
            self.ranges.append(high - low)
            return None
        self.ranges.append(max(high, previous) - min(low, previous))
        change = math.log(close / previous)
        self.squares.update(change * change, 60.0)
        return change

    @property
    def sigma(self) -> float | None:
        """sigma_1m: standard deviation of a one-minute return."""
        return math.sqrt(self.squares.mean) if self.squares.count else None

    @property
    def is_warm(self) -> bool:
        return self.squares.observed >= 30 * 60 - 1e-9

    @property
    def annual(self) -> float | None:
        sigma = self.sigma
        return None if sigma is None else sigma * math.sqrt(MINUTES_A_YEAR)

    @property
    def average_true_range(self) -> float | None:
        if len(self.ranges) < ATR_MINUTES:
            return None
        return math.fsum(self.ranges) / ATR_MINUTES
