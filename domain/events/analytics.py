"""Metrics and predictions: numbers computed from the market, one event a symbol and refresh."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from domain.event import DeskEvent, MarketEvent


class Quality(StrEnum):
    OK = "OK"
    WARMUP = "WARMUP"
    WARMUP_MODEL = "WARMUP_MODEL"
    STALE = "STALE"
    DEGRADED = "DEGRADED"
    MISSING = "MISSING"
    EXPIRED = "EXPIRED"


class Metric(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value with what is needed to judge it. `value` null always has a reason."""

    name: str
    value: float | str | None
    unit: str
    as_of: datetime
    quality: Quality
    reason: str = ""


class MetricComputed(MarketEvent, frozen=True):
    """All metrics of a symbol at one evaluation point. Stream `metrics/<symbol>`."""

    symbol: str
    evaluated_at: datetime
    """Market time of the closed bar that triggered the evaluation."""
    params_version: int
    metrics: list[Metric]


class PredictionMade(DeskEvent):
    """A forecast, made traded or not. Stream `predictions/<model>`."""

    prediction_id: str
    model: str
    model_version: str
    symbol: str
    bucket: str
    made_at: datetime
    horizon_end: datetime
    kind: str
    values: dict[str, float]
    scheduled: bool


class PredictionResolved(DeskEvent):
    prediction_id: str
    model: str
    symbol: str
    outcome: float


class PredictionVoided(DeskEvent):
    prediction_id: str
    model: str
    symbol: str
    reason: str
