"""Judging intervals and rates: Wilson, Kupiec, adaptive width (rules, 3.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

LEVELS = (0.5, 0.8, 0.95)
ADAPTING = 0.02
MISS_MIN, MISS_MAX = 0.005, 0.5
_NORMAL = NormalDist()
_Z95 = 1.959963984540054


def normal_quantile(p: float) -> float:
    return _NORMAL.inv_cdf(p)


def wilson(rate: float, count: float) -> tuple[float, float] | None:
    """95 % interval of a rate seen in `count` outcomes; None without any.

    `count` may be fractional: overlapping outcomes count less (n_eff).
    """
    if count <= 0:
        return None
    z2 = _Z95 * _Z95
    center = (rate + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z95 * math.sqrt(rate * (1 - rate) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return max(0.0, center - half), min(1.0, center + half)


def _log_likelihood(p: float, covered: float, count: float) -> float:
    """ln p^covered (1-p)^(count-covered), with 0 ln 0 = 0."""
    missed = count - covered
    hit = covered * math.log(p) if covered > 0 else 0.0
    return hit + (missed * math.log(1 - p) if missed > 0 else 0.0)


def kupiec(nominal: float, covered: float, count: float) -> tuple[float, float] | None:
    """Likelihood ratio of the nominal coverage against the seen one, and its chi2(1) p-value."""
    if count <= 0:
        return None
    seen = covered / count
    against = _log_likelihood(nominal, covered, count)
    ratio = max(0.0, -2 * (against - _log_likelihood(seen, covered, count)))
    return ratio, math.erfc(math.sqrt(ratio / 2))


@dataclass(slots=True)
class AdaptiveWidth:
    """alpha_t of one nominal level: a miss widens the next interval, a hit narrows it [GC21]."""

    level: float
    alpha: float = -1.0

    def __post_init__(self) -> None:
        if self.alpha < 0:
            self.alpha = 1 - self.level

    def update(self, *, missed: bool) -> None:
        moved = self.alpha + ADAPTING * ((1 - self.level) - float(missed))
        self.alpha = min(MISS_MAX, max(MISS_MIN, moved))

    @property
    def z(self) -> float:
        """Half-width in standard deviations."""
        return normal_quantile(1 - self.alpha / 2)


def level_name(level: float) -> str:
    """The name of a level in events: 50, 80, 95."""
    return f"{level * 100:g}"
