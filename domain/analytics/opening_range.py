"""Opening range with its break, and the noise area of the day.

Called by the stage with bars and closed minutes. Sources: noise area [ZAB24]; the break is a
prior. Minutes count from T_open; half days count where they have the minute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.analytics.realised import BAR_SECONDS

NOISE_SESSIONS = 14
_MEAN_ABSOLUTE = math.sqrt(2 / math.pi)
WIDTH_MIN_USD = 0.01


OPENING_MINUTES = (5, 15, 30)
"""Ranges that are always kept, whichever is traded."""


@dataclass(slots=True)
class OpeningRange:
    """High and low of [T_open, T_open + n minutes) and the break out of it."""

    minutes: float
    high: float | None = None
    low: float | None = None
    bars: int = 0
    """Of the range itself."""
    is_complete: bool = False
    break_direction: int = 0
    inside_closes: int = 0

    def add_bar(self, seconds_since_open: float, high: float, low: float) -> None:
        """A 5-second bar that starts at `seconds_since_open`; the range ends with its last one."""
        if seconds_since_open < self.minutes * 60:
            self.high = high if self.high is None else max(self.high, high)
            self.low = low if self.low is None else min(self.low, low)
            self.bars += 1
        if seconds_since_open + BAR_SECONDS >= self.minutes * 60:
            self.is_complete = self.high is not None

    @property
    def coverage(self) -> float:
        """Share of the range's bars that came."""
        return min(self.bars * BAR_SECONDS / (self.minutes * 60), 1.0)

    def add_minute(self, end_minute: int, close: float) -> None:
        """A closed minute that ends `end_minute` minutes after the open."""
        if self.high is None or self.low is None or end_minute <= self.minutes:
            return
        self.is_complete = True
        margin = max(0.01, 0.05 * (self.high - self.low))
        if close > self.high + margin:
            self.break_direction, self.inside_closes = 1, 0
        elif close < self.low - margin:
            self.break_direction, self.inside_closes = -1, 0
        elif self.low <= close <= self.high:
            self.inside_closes += 1
            if self.inside_closes >= 2:
                self.break_direction = 0
        else:
            self.inside_closes = 0


def mean_absolute_moves(
    sessions: Sequence[tuple[float, Mapping[int, float]]], minutes: int
) -> list[float | None] | None:
    """m_t for each minute 0..minutes-1 over the last 14 sessions; None with fewer.

    A session is its open and its closes by minute since the open.
    """
    if len(sessions) < NOISE_SESSIONS:
        return None
    used = [(o, closes) for o, closes in sessions[-NOISE_SESSIONS:] if o > 0]
    result: list[float | None] = []
    for minute in range(minutes):
        moves = [abs(closes[minute] / o - 1) for o, closes in used if minute in closes]
        result.append(math.fsum(moves) / len(moves) if moves else None)
    return result


def model_move(rv_hat: float, share_to_come: float) -> float:
    """m_t from the variance forecast, until there are 14 sessions."""
    return _MEAN_ABSOLUTE * math.sqrt(rv_hat * (1.0 - share_to_come))


@dataclass(frozen=True, slots=True)
class NoiseArea:
    upper: float
    lower: float

    def position(self, price: float) -> float | None:
        """x: beyond +-1 is outside; None when the area is narrower than a cent."""
        if self.upper - self.lower < WIDTH_MIN_USD:
            return None
        return 2 * (price - (self.upper + self.lower) / 2) / (self.upper - self.lower)


def noise_area(session_open: float, previous_close: float, move: float) -> NoiseArea:
    """`previous_close` is taken less the dividend on an ex-date."""
    return NoiseArea(
        max(session_open, previous_close) * (1 + move),
        min(session_open, previous_close) * (1 - move),
    )
