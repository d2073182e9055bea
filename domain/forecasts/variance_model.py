"""P3: variance of the next session and of the rest of this one (rules, 3.3).

The log-HAR regression is refitted by one step of least squares a session, for each symbol.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from domain.analytics.variance import (
    HAR_DAY,
    HAR_INTERCEPT,
    HAR_MONTH,
    HAR_RESIDUAL_SD,
    HAR_WEEK,
)
from domain.forecasts.calibration import Calibration
from domain.forecasts.intervals import level_name
from domain.forecasts.least_squares import LeastSquares
from domain.numbers import significant
from domain.signals.reading import Reading

DAY_MODEL, REST_MODEL = "P3_DAY", "P3_REST"
MODEL_VERSION = "1"
START_VARIANCE = 0.01
BARS_SHARE_MIN = 0.95
"""Share of a session's bars without which its variance is not taken for the session's."""


def start(variance_ratio: float) -> LeastSquares:
    """The shipped coefficients; the intercept is shifted by the symbol's variance over SPY's."""
    shift = (1 - HAR_DAY - HAR_WEEK - HAR_MONTH) * math.log(variance_ratio)
    return LeastSquares.start((HAR_INTERCEPT + shift, HAR_DAY, HAR_WEEK, HAR_MONTH), START_VARIANCE)


@dataclass(slots=True)
class VarianceModel:
    """One symbol's."""

    model: LeastSquares
    features: tuple[float, ...] | None = None
    """As the open knew them: what the session's variance is regressed on."""
    refitted_on: date | None = None
    predicted_on: date | None = None
    slot: int = -1

    def begin_session(self) -> None:
        self.features = None
        self.slot = -1


def features(reading: Reading) -> tuple[float, ...] | None:
    """1 and the logarithms of the day's, week's and month's variance; None while one is missing."""
    found = [reading.number(name) for name in ("rv_1d", "rv_5d", "rv_22d")]
    known = [value for value in found if value is not None and value > 0]
    if len(known) < len(found):
        return None
    return (1.0, *(rounded(math.log(value)) for value in known))


def mean_forecast(model: LeastSquares, x: Sequence[float]) -> float:
    """exp(x'theta + s^2/2): the mean of a lognormal variance."""
    return math.exp(model.predict(x) + HAR_RESIDUAL_SD**2 / 2)


def stepped(model: LeastSquares, x: Sequence[float], y: float, forgetting: float) -> LeastSquares:
    """A copy of the model that has seen one session more."""
    copy = LeastSquares(list(model.theta), [list(row) for row in model.spread], model.trace_max)
    copy.update(x, y, forgetting)
    return copy


def intervals(forecast: float, calibration: Calibration) -> dict[str, tuple[float, float]]:
    """Of a lognormal with that mean, in the widths that this symbol's misses have led to."""
    median = math.log(forecast) - HAR_RESIDUAL_SD**2 / 2
    found = {}
    for level, width in calibration.widths.items():
        reach = width.z * HAR_RESIDUAL_SD
        found[level_name(level)] = (
            rounded(math.exp(median - reach)),
            rounded(math.exp(median + reach)),
        )
    return found


def rounded(value: float) -> float:
    found = significant(value)
    assert found is not None, f"a forecast must be finite, was {value}"
    return found + 0.0
