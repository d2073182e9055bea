"""Market tide: net premium of the whole market, its slope and z-score.

Called by the stage. The socket sends increments of about two seconds, which are added up from
T_open; REST sends running totals, which repair gaps. Slopes use closed minutes and interpolate
none.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.analytics.ewma import EwMoments, five_sessions_moments
from domain.analytics.flow_mode import RECORDS_MIN, FlowMode

SLOPE_MINUTES = 15
SLOPE_POINTS_MIN = 10
STALE_SECONDS = 150.0


def least_squares_slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Slope of (minute, value) points; None under two different minutes."""
    n = len(points)
    if n < 2:
        return None
    mean_x = math.fsum(x for x, _ in points) / n
    mean_y = math.fsum(y for _, y in points) / n
    spread = math.fsum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        return None
    return math.fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread


@dataclass(slots=True)
class Tide:
    """Totals in dollars since T_open; `minutes` keeps the end of each of the last 15 minutes."""

    calls: float = 0.0
    puts: float = 0.0
    updated_at: float | None = None
    minutes: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=SLOPE_MINUTES))
    slope: float | None = None
    slope_z: float | None = None
    slope_at: float = 0.0
    """When the last minute was taken."""
    mode: FlowMode = field(default_factory=FlowMode)
    slopes: EwMoments = field(default_factory=five_sessions_moments)

    def begin_session(self) -> None:
        self.calls = self.puts = 0.0
        self.updated_at = None
        self.minutes.clear()
        self.slope = self.slope_z = None
        self.mode = FlowMode()

    def add_increment(self, calls: float, puts: float, at: float) -> bool:
        """Also says how the records look, after 30 of them and after each gap."""
        gap = self.updated_at is not None and at - self.updated_at > STALE_SECONDS
        self.calls += calls
        self.puts += puts
        self.updated_at = at
        self.mode.add(calls, puts)
        if self.mode.records == RECORDS_MIN or gap:
            return self.mode.contradicts_increments()
        return False

    def set_total(self, calls: float, puts: float, at: float) -> None:
        """REST repairs: the running totals as the vendor has them."""
        self.calls, self.puts, self.updated_at = calls, puts, at

    @property
    def value(self) -> float | None:
        """NCP - NPP of the whole market, dollars."""
        return None if self.updated_at is None else self.calls - self.puts

    def close_minute(self, minute: int, at: float) -> None:
        """Sample at a minute's end; a silent feed leaves a hole."""
        value = self.value
        if value is None or self.updated_at is None or at - self.updated_at > STALE_SECONDS:
            return
        self.minutes.append((float(minute), value))
        self.slope_at = at
        recent = [point for point in self.minutes if point[0] > minute - SLOPE_MINUTES]
        if len(recent) < SLOPE_POINTS_MIN:
            self.slope = self.slope_z = None
            return
        self.slope = least_squares_slope(recent)
        if self.slope is not None:
            self.slope_z = self.slopes.score(self.slope) if self.slopes.is_warm else None
            self.slopes.update(self.slope, 60.0)


def seed_slopes(
    moments: EwMoments, sessions: Sequence[Sequence[tuple[float, float]]], session_seconds: float
) -> None:
    """Warm the slope's moments from past sessions of (minute since open, total).

    The vendor's history has 5-minute rows: a slope needs 3 of them within 15 minutes.
    """
    for points in sessions:
        previous = 0.0
        for index, (minute, _) in enumerate(points):
            recent = [p for p in points[: index + 1] if p[0] > minute - SLOPE_MINUTES]
            slope = least_squares_slope(recent) if len(recent) >= 3 else None
            if slope is not None:
                moments.update(slope, max(minute - previous, 1.0) * 60.0)
            previous = minute
    if sessions:
        moments.import_ends(len(sessions) * session_seconds)
