"""P1: where the mid will be 10 and 60 s on, in ticks (rules, 3.1). For the timing of orders alone.

One least-squares model for each symbol and horizon. An observation enters when its horizon has
ended; features are winsorised against their past before they are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.events.forecasts import DriftOutcome, DriftPredicted
from domain.forecasts.least_squares import LeastSquares
from domain.numbers import significant
from domain.parameter import ParameterState
from domain.signals.reading import Reading

MODEL = "P1"
MODEL_VERSION = "1"
TICK_USD = 0.01
HORIZONS_SECONDS = (10, 60)
START = {10: (0.02, 0.5, 0.05), 60: (0.01, 0.25, 0.025)}
"""Prior: ticks for ofi_norm, micro-price offset in ticks, depth imbalance."""
START_VARIANCE = 0.1
WARM_COUNT = 30
"""Observations before features are winsorised and intervals given."""
EARLY_MAX = timedelta(seconds=1)
"""Evaluation points jitter: one this much before the horizon's end is taken for it."""
LATE_MAX = timedelta(seconds=6)


@dataclass(slots=True)
class Moments:
    """Mean and deviation over observations weighted 2^(-age / half-life)."""

    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    count: int = 0

    def add(self, value: float, half_life: float) -> None:
        decay = math.pow(2, -1 / half_life)
        self.weight = self.weight * decay + 1
        self.total = self.total * decay + value
        self.squares = self.squares * decay + value * value
        self.count += 1

    @property
    def mean(self) -> float:
        return self.total / self.weight if self.weight > 0 else 0.0

    @property
    def deviation(self) -> float:
        if self.weight <= 0:
            return 0.0
        return math.sqrt(max(0.0, self.squares / self.weight - self.mean**2))

    def clipped(self, value: float, deviations: float) -> float:
        """Within so many deviations of the mean, once enough was seen."""
        if self.count < WARM_COUNT:
            return value
        reach = deviations * self.deviation
        return min(self.mean + reach, max(self.mean - reach, value))


def _start(seconds: int) -> LeastSquares:
    return LeastSquares.start(START[seconds], START_VARIANCE)


@dataclass(slots=True)
class DriftModel:
    """The two models of one symbol, and what they wait for."""

    features: list[Moments] = field(default_factory=lambda: [Moments() for _ in range(3)])
    models: dict[int, LeastSquares] = field(
        default_factory=lambda: {seconds: _start(seconds) for seconds in HORIZONS_SECONDS}
    )
    residuals: dict[int, Moments] = field(
        default_factory=lambda: {seconds: Moments() for seconds in HORIZONS_SECONDS}
    )
    pending: dict[datetime, DriftPredicted] = field(default_factory=dict)
    open_horizons: dict[tuple[datetime, int], None] = field(default_factory=dict)
    slot: int = -1

    def inputs(self, reading: Reading, deviations: float) -> tuple[float, list[float]] | None:
        """Mid and winsorised features; None while one is missing."""
        mid, micro = reading.number("spot_mid"), reading.number("micro_price")
        flow, depth = reading.number("ofi_norm"), depth_imbalance(reading)
        if mid is None or micro is None or flow is None or depth is None:
            return None
        raw = (flow, (micro - mid) / TICK_USD, depth)
        pairs = zip(self.features, raw, strict=True)
        return mid, [_rounded(moments.clipped(value, deviations)) for moments, value in pairs]

    def deviation(self, seconds: int) -> float | None:
        """Of the residuals; None while they are few."""
        found = self.residuals[seconds]
        return found.deviation if found.count >= WARM_COUNT else None

    def made(self, body: DriftPredicted, slot: int, parameters: ParameterState) -> None:
        self.slot = slot
        half_life = parameters.number("forecasts.drift_half_life")
        for moments, value in zip(self.features, body.features, strict=True):
            moments.add(value, half_life)
        self.pending[body.made_at] = body
        for seconds in body.horizons_seconds:
            self.open_horizons[body.made_at, seconds] = None

    def due(self, at: datetime, mid: float | None) -> list[DriftOutcome]:
        """Horizons that have ended, with what became of the mid."""
        found = []
        for made_at, seconds in self.open_horizons:
            end = made_at + timedelta(seconds=seconds)
            if at < end - EARLY_MAX:
                continue
            known = mid is not None and at - end <= LATE_MAX
            change = (mid - self.pending[made_at].mid) / TICK_USD if known and mid else None
            found.append(DriftOutcome(made_at, seconds, significant(change)))
        return found

    def resolved(self, outcome: DriftOutcome, parameters: ParameterState) -> DriftPredicted | None:
        """Learn from one outcome; returns the prediction that it belongs to."""
        key = outcome.made_at, outcome.horizon_seconds
        if key not in self.open_horizons:
            return None
        del self.open_horizons[key]
        made = self.pending[outcome.made_at]
        if all((outcome.made_at, seconds) not in self.open_horizons for seconds in START):
            del self.pending[outcome.made_at]
        if outcome.ticks is not None:
            seconds = outcome.horizon_seconds
            model = self.models[seconds]
            model.trace_max = parameters.number("forecasts.drift_trace_max")
            model.update(
                made.features, outcome.ticks, parameters.number("forecasts.drift_forgetting")
            )
            forecast = made.ticks[made.horizons_seconds.index(seconds)]
            half_life = parameters.number("forecasts.drift_half_life")
            self.residuals[seconds].add(outcome.ticks - forecast, half_life)
        return made

    def night(self) -> None:
        """A new session: what was open is known no more."""
        self.pending.clear()
        self.open_horizons.clear()
        self.slot = -1


def depth_imbalance(reading: Reading) -> float | None:
    """Of several levels where analytics tell it, else of the top of the book."""
    found = (reading.number(name) for name in ("depth_imb", "book_imbalance"))
    return next((value for value in found if value is not None), None)


def _rounded(value: float) -> float:
    found = significant(value)
    assert found is not None, f"a feature must be finite, was {value}"
    return found + 0.0
