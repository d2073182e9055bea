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
MINUTE_BARS = 60 // BAR_SECONDS
EW_MINUTES = 30
ATR_MINUTES = 14
JUMP_SCORE = 3.09
_MU = 2 ** (2 / 3) * math.gamma(7 / 6) / math.gamma(0.5)
_HT = math.pi**2 / 4 + math.pi - 5


def subsampled_variance(closes: Floats) -> float | None:
    """RV of one unbroken run of 5-second closes; None when no 5-minute return fits in it."""
    bars = closes.size
    if bars <= BARS_PER_RETURN:
        return None
    # Of the ratio: between two logarithms the last digits of both would be left, which are not
    # the same on every processor.
    squares = np.log(closes[BARS_PER_RETURN:] / closes[:-BARS_PER_RETURN]) ** 2
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
    grid = closes[::BARS_PER_RETURN]
    returns: Floats = np.log(grid[1:] / grid[:-1])
    return returns


def bipower_variation(runs: Sequence[Floats]) -> float | None:
    """BV of returns in unbroken runs, with the small-sample factor: n/(n-1) of one run."""
    n, pairs = _counts(runs, 2)
    if pairs == 0:
        return None
    products = sum(float(np.sum(np.abs(r[1:] * r[:-1]))) for r in runs)
    return math.pi / 2 * n / pairs * products


def median_variation(runs: Sequence[Floats]) -> float | None:
    """MedRV: squares of the median of three returns in a row [ADS12]."""
    n, triples = _counts(runs, 3)
    if triples == 0:
        return None
    total = 0.0
    for r in runs:
        if r.size >= 3:
            three = np.abs(np.stack((r[:-2], r[1:-1], r[2:])))
            total += float(np.sum(np.median(three, axis=0) ** 2))
    return math.pi / (6 - 4 * math.sqrt(3) + math.pi) * n / triples * total


def jump_score(runs: Sequence[Floats]) -> float | None:
    """z_J of Huang and Tauchen; above JUMP_SCORE there was a jump."""
    n, triples = _counts(runs, 3)
    variance = sum(float(np.sum(r**2)) for r in runs)
    bipower = bipower_variation(runs)
    if triples == 0 or bipower is None or variance <= 0 or bipower <= 0:
        return None
    triple = 0.0
    for r in runs:
        absolute = np.abs(r)
        triple += float(np.sum((absolute[2:] * absolute[1:-1] * absolute[:-2]) ** (4 / 3)))
    tripower = n * _MU**-3 * (n / triples) * triple
    spread = math.sqrt(_HT / n * max(1.0, tripower / bipower**2))
    return (1 - bipower / variance) / spread


def _counts(runs: Sequence[Floats], neighbours: int) -> tuple[int, int]:
    """Returns in all, and how many groups of so many neighbours they have."""
    sizes = [r.size for r in runs]
    return sum(sizes), sum(max(size - neighbours + 1, 0) for size in sizes)


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
    """5-second closes of the session in unbroken runs; `covered` counts bars that came, `carried`
    those in whose place the last close stands."""

    runs: list[list[float]] = field(default_factory=list)
    last_index: int = -1
    covered: int = 0
    carried: int = 0

    @property
    def elapsed_seconds(self) -> int:
        """From the open to the end of the last bar."""
        return (self.last_index + 1) * BAR_SECONDS

    def missing_before(self, index: int) -> int:
        """Bars between the last one and this one that did not come; before the first one none."""
        return index - self.last_index - 1 if self.runs else 0

    def add(self, index: int, close: float) -> None:
        """`index` counts bars since the open; older ones are the caller's to refuse."""
        missing = self.missing_before(index)
        if not self.runs or missing > CARRY_BARS_MAX:
            self.runs.append([close])
        else:
            run = self.runs[-1]
            run.extend([run[-1]] * missing)
            self.carried += missing
            run.append(close)
        self.last_index = index
        self.covered += 1

    @property
    def flaw(self) -> str:
        """What is wrong with sums over these closes: nothing, or that bars are missing in them."""
        if self.carried:
            return "CARRIED_BARS"
        return "GAPS_SCALED" if self.runs and self.gap_scale > 1 else ""

    @property
    def gap_scale(self) -> float:
        """Time since the open over the time that the runs cover; 1 without gaps."""
        return (self.last_index + 1) / sum(len(run) for run in self.runs)

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
    """EW(30 min) mean of squared one-minute log returns, and ATR(14) of the session.

    `heard` has the session's last closed minutes by index, with the share of its bars that came.
    """

    squares: EwMoments = field(default_factory=lambda: minutes_moments(30))
    previous_close: float | None = None
    ranges: deque[float] = field(default_factory=lambda: deque(maxlen=ATR_MINUTES))
    heard: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=EW_MINUTES))
    minutes: int = 0
    mean_coverage: float = 1.0
    """Share of the bars that came in the last 30 minutes, or since the open; 1 before it."""
    range_coverage: float = 1.0
    """The same of the minutes of ATR."""

    def begin_session(self) -> None:
        """The mean carries over the night, which is neither a return nor a range."""
        self.previous_close = None
        self.ranges.clear()
        self.heard.clear()
        self.mean_coverage = self.range_coverage = 1.0

    def _coverage(self, minutes: int) -> float:
        last = self.heard[-1][0]
        asked = min(minutes, last + 1)
        return math.fsum(share for index, share in self.heard if index > last - asked) / asked

    def add(
        self, high: float, low: float, close: float, *, adjacent: bool, index: int, bars: int
    ) -> float | None:
        """Absorb a closed minute, of so many bars; returns its log return. A gap before it gives
        none."""
        self.heard.append((index, min(bars / MINUTE_BARS, 1.0)))
        self.mean_coverage = self._coverage(EW_MINUTES)
        self.range_coverage = self._coverage(ATR_MINUTES)
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
