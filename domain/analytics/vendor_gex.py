"""The vendor's gamma exposure, which stands in when ours is missing; the two are never mixed.

Folded by the stage from channel gex and from the REST answer gex-levels, read by the report. The
vendor's vanna and charm have units of their own and stand in for nothing: they are only scored
against themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from domain.analytics.ewma import EwMoments, five_sessions_moments
from domain.analytics.gex import Regime


@dataclass(frozen=True, slots=True)
class VendorLevels:
    """`flip` is null when the vendor's profile has no root, or the vendor does not say."""

    flip: float | None
    call_wall: float | None
    put_wall: float | None
    at: float


@dataclass(slots=True)
class VendorGex:
    """Of one symbol and session. Times are epoch seconds of market time."""

    total: float | None = None
    """Dollars of delta for a 1 % move, by open interest."""
    at: float = 0.0
    norm: float | None = None
    levels: VendorLevels | None = None
    regime: Regime = field(default_factory=Regime)
    """With a hysteresis of its own: ours would otherwise begin where the vendor's ended."""

    def take_total(self, total: float, at: float) -> None:
        self.total, self.at = total, at

    def judge(self, spot: float, adv20: float | None, enter: float, leave: float) -> None:
        """Norm, regime and side of the flip at this spot."""
        if self.total is None or adv20 is None or not (adv20 > 0 and spot > 0):
            self.norm = None
            return
        self.norm = self.total / (adv20 * spot)
        self.regime.update(self.norm, enter, leave)
        if self.levels is not None:
            self.regime.update_side(spot, self.levels.flip, self.total)

    def fresh_total(self, now: float, age_max: float) -> float | None:
        return self.total if self.total is not None and now - self.at <= age_max else None

    def fresh_levels(self, now: float, age_max: float) -> VendorLevels | None:
        return self.levels if self.levels is not None and now - self.levels.at <= age_max else None


@dataclass(slots=True)
class SelfScored:
    """A number of the vendor's whose unit is not ours: z against EW(5 sessions) of itself.

    One observation a closed minute, while the vendor tells it; `at` is epoch seconds.
    """

    value: float | None = None
    at: float = 0.0
    score: float | None = None
    moments: EwMoments = field(default_factory=five_sessions_moments)

    def take(self, value: float | None, at: float) -> None:
        if value is not None and math.isfinite(value):
            self.value, self.at = value, at

    def close_minute(self, now: float, age_max: float) -> None:
        self.score = None
        if self.value is None or now - self.at > age_max:
            return
        self.score = self.moments.score(self.value) if self.moments.is_warm else None
        self.moments.update(self.value, 60.0)

    def begin_session(self) -> None:
        """The moments carry over the night."""
        self.value = self.score = None
