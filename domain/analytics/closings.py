"""A year of closing volatilities of one symbol: rank and percentile of the latest.

Filled by closing_volatility.py, read by the report. The latest is measured against the 252 before
it; with fewer, or a flat history, there is neither.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from domain.analytics.ewma import clip

CLOSINGS = 252


def rank_of(latest: float, earlier: Sequence[float]) -> float | None:
    """100 (IV - min)/(max - min), within [0, 100]; None of a flat history."""
    low, high = min(earlier), max(earlier)
    return clip(100 * (latest - low) / (high - low), 0.0, 100.0) if high > low else None


def percentile_of(latest: float, earlier: Sequence[float]) -> float | None:
    """100 times the share of days strictly below; None of a flat history."""
    if min(earlier) == max(earlier):
        return None
    return 100 * sum(value < latest for value in earlier) / len(earlier)


@dataclass(slots=True)
class Closings:
    """The latest 253 closing values and what they say; `newest` is of the session in progress."""

    values: deque[float] = field(default_factory=lambda: deque(maxlen=CLOSINGS + 1))
    session_date: date | None = None
    newest: tuple[float, datetime] | None = None
    rank: float | None = None
    percentile: float | None = None

    @property
    def is_warm(self) -> bool:
        return len(self.values) > CLOSINGS

    def add(self, session_date: date, value: float) -> None:
        self.values.append(value)
        self.session_date = session_date
        if self.is_warm:
            *earlier, latest = self.values
            self.rank, self.percentile = rank_of(latest, earlier), percentile_of(latest, earlier)
