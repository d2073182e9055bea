"""Exponentially weighted moments and the z-scores made of them.

Called by every family. A new observation is scored against the state before it is absorbed
[WEST79]. `dt` and half-lives are seconds of session time: nights decay nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SESSION_SECONDS = 390 * 60.0
FIVE_SESSIONS_SECONDS = 5 * SESSION_SECONDS
Z_LIMIT = 4.0
FLOOR = 1e-12


def clip(value: float, low: float, high: float) -> float:
    return low if value < low else high if value > high else value


@dataclass(slots=True)
class EwMoments:
    """Mean and variance with half-life `half_life` seconds, started at the first observation.

    `warm_after` is how many seconds of observations make a z-score of it meaningful.
    """

    half_life: float
    warm_after: float
    mean: float = 0.0
    variance: float = 0.0
    observed: float = 0.0
    count: int = 0
    imported: float = 0.0
    """Seconds of `observed` that are a vendor's history, not seen by us."""

    def score(self, value: float, floor: float = FLOOR) -> float:
        """z of a new observation against the present state, within +-4."""
        return clip((value - self.mean) / max(math.sqrt(self.variance), floor), -Z_LIMIT, Z_LIMIT)

    def update(self, value: float, dt: float) -> None:
        if self.count == 0:
            self.mean = value
        else:
            alpha = 1.0 - 2.0 ** (-dt / self.half_life)
            difference = value - self.mean
            self.variance = (1.0 - alpha) * (self.variance + alpha * difference * difference)
            self.mean += alpha * difference
        self.observed += dt
        self.count += 1

    def amend(self, change: float, dt: float, ago: int, observations: int) -> None:
        """As if so many observations in a row, the last of them `ago` updates back, had been larger
        by `change`: to the mean alone. `dt` is between observations."""
        if self.count == 0:
            return
        kept = 2.0 ** (-dt / self.half_life)
        after = self.observed - ago * dt
        # The first observation is the mean it starts with: what is before it has no other weight.
        weight = 1.0 if 0 < after <= observations * dt + 1e-9 else 1.0 - kept**observations
        self.mean += change * kept**ago * weight

    @property
    def is_warm(self) -> bool:
        return self.count > 0 and self.observed >= self.warm_after - 1e-9

    def import_ends(self, seconds: float) -> None:
        """What was absorbed so far was history of so many seconds of sessions."""
        self.observed = self.imported = max(self.observed, seconds)

    @property
    def rests_on_import(self) -> bool:
        """Warm by history alone: our own observations would not be enough yet."""
        return self.imported > 0 and self.observed - self.imported < self.warm_after - 1e-9

    def mean_score(self, dt: float) -> float:
        """z of the mean itself: over its standard error when observations come every `dt`."""
        alpha = 1.0 - 2.0 ** (-dt / self.half_life)
        error = math.sqrt(self.variance * alpha / (2.0 - alpha))
        return clip(self.mean / max(error, FLOOR), -Z_LIMIT, Z_LIMIT)


def minutes_moments(minutes: float) -> EwMoments:
    """EW(minutes), warm after five half-lives."""
    return EwMoments(minutes * 60.0, 5 * minutes * 60.0)


def five_sessions_moments() -> EwMoments:
    """EW(5 sessions), warm after five sessions."""
    return EwMoments(FIVE_SESSIONS_SECONDS, FIVE_SESSIONS_SECONDS)
