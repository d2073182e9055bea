"""Forecasts by the thousand, the refit of the variance model, and the score of all forecasts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from domain.event import DeskEvent, MarketEvent
from domain.instruments import Value


class DriftPredicted(MarketEvent, frozen=True):
    """P1: where the mid will be 10 and 60 s on, in ticks; for timing orders alone.

    Stream `predictions/P1`, every 10 s. Columns go by `horizons_seconds`. Not a PredictionMade,
    because there are seven thousand of them a session and they are kept as long as quotes are.
    """

    schema_version = 2
    digests_of_numbers = ("inputs",)

    symbol: str
    model_version: str
    made_at: datetime
    mid: float
    horizons_seconds: list[int]
    features: list[float]
    """ofi_norm of 10 s, (micro - mid) in ticks, depth imbalance; winsorised."""
    ticks: list[float]
    intervals: dict[str, list[tuple[float, float]]]
    """By level (50, 80, 95), low and high for each horizon; empty while residuals are few."""
    inputs: str
    """Digest of what went in."""
    proven: list[bool] = msgspec.field(default_factory=list)
    """By horizon: enough outcomes and recent skill, without which it times no order."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version timed nothing."""
        return state


class DriftOutcome(msgspec.Struct, frozen=True):
    """What became of one horizon; `ticks` null when the mid was missing or late."""

    made_at: datetime
    horizon_seconds: int
    ticks: float | None


class DriftResolved(MarketEvent, frozen=True):
    """Horizons of P1 that ended at one evaluation point. Stream `predictions/P1`."""

    symbol: str
    resolved_at: datetime
    outcomes: list[DriftOutcome]


class VarianceRefitted(DeskEvent):
    """P3's model took in a session: one step of least squares. Stream `predictions/P3`.

    `features` are 1 and the logarithms of the variances known at the open (day, mean of 5, mean of
    22), `outcome` the logarithm of the session's; `coefficients` go with `features`.
    """

    symbol: str
    session_date: date
    features: tuple[float, ...]
    outcome: float
    coefficients: tuple[float, ...]


class CalibrationBin(Value):
    """Outcomes whose probability fell into one tenth; `low` and `high` are Wilson's 95 %."""

    p: float
    rate: float
    count: float
    low: float
    high: float


class Coverage(Value):
    """An interval of one nominal level. The Wilson interval and Kupiec's test use n_eff."""

    level: float
    coverage: float
    low: float
    high: float
    kupiec: float
    kupiec_p: float
    width: float
    alpha: float
    """Where the adaptive width stands; 1 - level at the start."""


class Scores(Value):
    """One way of weighing outcomes; null where a score does not apply or is not known yet."""

    count: float
    base: float | None = None
    brier: float | None = None
    skill: float | None = None
    """Against the base rate; of points against no change; of variances against the 22-day mean."""
    skill_half: float | None = None
    """Of probabilities, against always saying one half."""
    log_loss: float | None = None
    reliability: float | None = None
    resolution: float | None = None
    uncertainty: float | None = None
    calibration_error: float | None = None
    mean_error: float | None = None
    rmse: float | None = None
    sign_hits: float | None = None
    qlike: float | None = None
    qlike_reference: float | None = None


class CalibrationUpdated(DeskEvent):
    """The score of one model for a symbol and bucket, after new outcomes.

    Stream `calibration/<model>`. `symbol` ALL is pooled; `bucket` ANY for models that serve every
    bucket; `scheduled` false for predictions made at decisions, which are pooled apart.
    """

    model: str
    symbol: str
    bucket: str
    scheduled: bool
    kind: str
    as_of: datetime
    count: int
    voided: int
    n_eff: float
    ever: Scores
    recent: Scores
    """Weighted with a half-life of 200 outcomes."""
    bins: tuple[CalibrationBin, ...]
    coverage: tuple[Coverage, ...]
    rank_correlation: float | None
    """Of forecast and outcome, over the last 500."""
    a: float | None = None
    b: float | None = None
    """The recalibration in force; null for models without one."""
    gate: str = ""
    """MODEL_TRUST as it stands by this record: pass or fail; empty where it does not judge."""
    trust: float | None = None
    """Size factor by this record."""
