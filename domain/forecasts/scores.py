"""Scores of resolved predictions, as sums that outcomes are added to (rules, 3.6).

Each class keeps one way of weighing: `decay` 1 for ever, 2^(-1/half-life) for the recent ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

BINS = 10
_P_MIN = 1e-6
_LEAST = 1e-12


@dataclass(slots=True)
class Bin:
    """Outcomes whose p fell into one tenth."""

    weight: float = 0.0
    p: float = 0.0
    y: float = 0.0


def bin_of(p: float) -> int:
    """Index of the tenth; 1 belongs to the last one."""
    return min(BINS - 1, int(p * BINS))


@dataclass(slots=True)
class ProbabilityScore:
    """Brier, log loss, Murphy's parts and calibration of probabilities; y may be fractional."""

    weight: float = 0.0
    y: float = 0.0
    y_squared: float = 0.0
    brier_sum: float = 0.0
    log_sum: float = 0.0
    bins: list[Bin] = field(default_factory=lambda: [Bin() for _ in range(BINS)])

    def add(self, p: float, y: float, decay: float) -> None:
        self.weight = self.weight * decay + 1
        self.y = self.y * decay + y
        self.y_squared = self.y_squared * decay + y * y
        self.brier_sum = self.brier_sum * decay + (p - y) ** 2
        clipped = min(1 - _P_MIN, max(_P_MIN, p))
        loss = -(y * math.log(clipped) + (1 - y) * math.log(1 - clipped))
        self.log_sum = self.log_sum * decay + loss
        if decay != 1.0:
            for one in self.bins:
                one.weight *= decay
                one.p *= decay
                one.y *= decay
        into = self.bins[bin_of(p)]
        into.weight += 1
        into.p += p
        into.y += y

    @property
    def base(self) -> float | None:
        return self.y / self.weight if self.weight > 0 else None

    @property
    def brier(self) -> float | None:
        return self.brier_sum / self.weight if self.weight > 0 else None

    @property
    def log_loss(self) -> float | None:
        return self.log_sum / self.weight if self.weight > 0 else None

    @property
    def skill(self) -> float | None:
        """1 - BS / BS_ref, of the base rate; None while all outcomes are alike."""
        if self.weight <= 0:
            return None
        base = self.y / self.weight
        reference = self.y_squared / self.weight - base * base
        return None if reference <= _LEAST else 1 - self.brier_sum / self.weight / reference

    @property
    def skill_half(self) -> float | None:
        """The same against always saying one half."""
        return None if self.weight <= 0 else 1 - self.brier_sum / self.weight / 0.25

    @property
    def reliability(self) -> float | None:
        """Murphy: squared distance of each bin's p from its outcomes."""
        if self.weight <= 0:
            return None
        filled = (one for one in self.bins if one.weight > _LEAST)
        return math.fsum((one.p - one.y) ** 2 / one.weight for one in filled) / self.weight

    @property
    def resolution(self) -> float | None:
        """Murphy: squared distance of each bin's outcomes from the base rate."""
        if self.weight <= 0:
            return None
        base = self.y / self.weight
        filled = (one for one in self.bins if one.weight > _LEAST)
        parts = (one.weight * (one.y / one.weight - base) ** 2 for one in filled)
        return math.fsum(parts) / self.weight

    @property
    def uncertainty(self) -> float | None:
        """Murphy: base (1 - base); of fractional outcomes their variance."""
        if self.weight <= 0:
            return None
        return self.y_squared / self.weight - (self.y / self.weight) ** 2

    @property
    def calibration_error(self) -> float | None:
        """ECE: mean distance of p from the outcomes of its bin."""
        if self.weight <= 0:
            return None
        return math.fsum(abs(one.p - one.y) for one in self.bins) / self.weight


@dataclass(slots=True)
class IntervalScore:
    """How often an interval of one level held the outcome, and how wide it was."""

    weight: float = 0.0
    covered: float = 0.0
    width_sum: float = 0.0

    def add(self, low: float, high: float, y: float, decay: float) -> None:
        self.weight = self.weight * decay + 1
        self.covered = self.covered * decay + float(low <= y <= high)
        self.width_sum = self.width_sum * decay + (high - low)

    @property
    def coverage(self) -> float | None:
        return self.covered / self.weight if self.weight > 0 else None

    @property
    def width(self) -> float | None:
        return self.width_sum / self.weight if self.weight > 0 else None


@dataclass(slots=True)
class PointScore:
    """Errors of a forecast of a change; an outcome or forecast of zero has no sign."""

    weight: float = 0.0
    error_sum: float = 0.0
    squared_sum: float = 0.0
    zero_sum: float = 0.0
    """Squared outcomes: the error of always saying no change."""
    signed: float = 0.0
    hits: float = 0.0

    def add(self, forecast: float, y: float, decay: float) -> None:
        self.weight = self.weight * decay + 1
        self.error_sum = self.error_sum * decay + (forecast - y)
        self.squared_sum = self.squared_sum * decay + (forecast - y) ** 2
        self.zero_sum = self.zero_sum * decay + y * y
        self.signed *= decay
        self.hits *= decay
        if forecast != 0 and y != 0:
            self.signed += 1
            self.hits += float((forecast > 0) == (y > 0))

    @property
    def mean_error(self) -> float | None:
        return self.error_sum / self.weight if self.weight > 0 else None

    @property
    def rmse(self) -> float | None:
        return math.sqrt(self.squared_sum / self.weight) if self.weight > 0 else None

    @property
    def skill(self) -> float | None:
        """1 - MSE over that of no change; None while nothing moved."""
        return None if self.zero_sum <= _LEAST else 1 - self.squared_sum / self.zero_sum

    @property
    def sign_hits(self) -> float | None:
        return self.hits / self.signed if self.signed > 0 else None


@dataclass(slots=True)
class VarianceScore:
    """QLIKE of a variance forecast beside that of a reference."""

    weight: float = 0.0
    loss_sum: float = 0.0
    reference_sum: float = 0.0

    def add(self, forecast: float, reference: float, y: float, decay: float) -> None:
        self.weight = self.weight * decay + 1
        self.loss_sum = self.loss_sum * decay + qlike(forecast, y)
        self.reference_sum = self.reference_sum * decay + qlike(reference, y)

    @property
    def loss(self) -> float | None:
        return self.loss_sum / self.weight if self.weight > 0 else None

    @property
    def reference(self) -> float | None:
        return self.reference_sum / self.weight if self.weight > 0 else None

    @property
    def skill(self) -> float | None:
        return None if self.reference_sum <= _LEAST else 1 - self.loss_sum / self.reference_sum


def qlike(forecast: float, y: float) -> float:
    """RV/f - ln(RV/f) - 1 [PAT11]: 0 when right, dear when too low."""
    ratio = y / forecast
    return ratio - math.log(ratio) - 1


def ranks(values: list[float]) -> list[float]:
    """Ranks from 1; equal values share their mean rank."""
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in range(start, end + 1):
            found[order[place]] = (start + end) / 2 + 1
        start = end + 1
    return found


def rank_correlation(pairs: list[tuple[float, float]]) -> float | None:
    """Spearman's; None under 3 pairs or when one side is all alike."""
    if len(pairs) < 3:
        return None
    a, b = ranks([pair[0] for pair in pairs]), ranks([pair[1] for pair in pairs])
    mean = (len(pairs) + 1) / 2
    cross = math.fsum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    size = math.fsum((x - mean) ** 2 for x in a) * math.fsum((y - mean) ** 2 for y in b)
    return None if size <= 0 else cross / math.sqrt(size)
