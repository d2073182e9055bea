"""Metrics and predictions: numbers computed from the market, one event a symbol and refresh."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import msgspec
from pydantic import Field

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


class ExDividend(msgspec.Struct, frozen=True):
    """Dollars a share that a holder at the open of the ex-date no longer gets."""

    ex_date: date
    amount: float


class ChainEvaluated(MarketEvent, frozen=True):
    """The contracts of one expiry near the spot, as evaluated at one moment.

    Stream `chain-metrics/<symbol>`. Of today's expiry, and of the next session's while it may be
    traded, at every bar, right before the MetricComputed of the same moment; of the swing expiry
    and of what is held every `swing_chain_refresh` seconds, with a refresh of the whole chain
    between two bars. Held is an expiry of which a broker line is open.
    Columns have one entry a contract, ascending strike, the call before the put; null is unknown.
    Contracts that the broker has not listed are left out.
    """

    schema_version = 4

    symbol: str
    expiry: date
    evaluated_at: datetime
    params_version: int
    spot: float
    forward: float
    years: float
    rate: float
    quality: Quality
    reason: str
    """Of a quality other than OK; with OK, RATE_DEFAULT while no curve of rates is entered."""
    con_id: list[int]
    strike: list[float]
    right: str
    """One letter a contract, C or P."""
    bid: list[float | None]
    ask: list[float | None]
    bid_size: list[int | None]
    """Null when the source gives no sizes."""
    ask_size: list[int | None]
    usable: list[bool]
    """Two-sided, not locked or crossed, sizes above 0, young enough for metrics."""
    quote_age_seconds: list[float | None]
    from_line: list[bool]
    """The quote came from a broker line, which alone may carry an entry."""
    implied_volatility: list[float | None]
    own_volatility: list[bool]
    """Own quote inverted now; otherwise the last own one or the smile's."""
    delta: list[float | None]
    gamma: list[float | None]
    vega: list[float | None]
    theta: list[float | None]
    broker_delta: list[float | None]
    """The broker's model delta, null when older than 60 s."""
    open_interest: list[int | None]
    volume: list[int | None]
    dividends: tuple[ExDividend, ...] = ()
    """Those up to the expiry, on which the forward rests."""
    time_floored: bool = False
    """Less than 60 s are left: greeks and volatilities are those of 60 s."""
    premiums_unchecked: tuple[float, ...] = ()
    """Strikes whose volatility comes from a far put with early exercise still in its price, or
    taken out more than 60 s ago: a refresh checks so many and no more."""
    is_traded: bool = True
    """False for an expiry that no strategy enters now and on which something is held."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """In the first version the forward alone told of dividends."""
        return state

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> dict[str, Any]:
        """The second version marked neither floored time nor unchecked premiums."""
        return state

    @staticmethod
    def upcast_v3_v4(state: dict[str, Any]) -> dict[str, Any]:
        """Until the third version only what may be entered was published."""
        return state


class BarIgnored(MarketEvent, frozen=True):
    """A bar older than the last one taken: closed aggregates are never opened again."""

    symbol: str
    start: datetime
    last_start: datetime


class FlowModeContradicted(DeskEvent):
    """A channel's numbers look like running totals, but it is configured to carry increments.

    The configured mode stands, and what rests on it is DEGRADED for the rest of the session.
    Stream `flow-modes/<channel>`.
    """

    channel: str
    configured: str
    records: int
    change_share: float
    """Sum of changes over sum of sizes; below 0.5 it looks like totals."""
    at: datetime


class PredictionMade(DeskEvent):
    """A forecast, made traded or not. Stream `predictions/<model>`."""

    schema_version = 2
    digests_of_numbers = ("inputs",)

    prediction_id: str
    model: str
    model_version: str
    symbol: str
    bucket: str
    made_at: datetime
    horizon_end: datetime
    kind: str
    """prob, point or variance."""
    values: dict[str, float]
    scheduled: bool
    inputs: str = ""
    """Digest of the metrics that went in; the event that caused this one has them."""
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Low and high by level (50, 80, 95)."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version had no digest and no intervals."""
        return state


class PredictionResolved(DeskEvent):
    """What became of a forecast."""

    schema_version = 2

    prediction_id: str
    model: str
    symbol: str
    outcome: float
    detail: dict[str, float] = Field(default_factory=dict)
    """Further outcomes of the same forecast, by name."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version had one outcome."""
        return state


class PredictionVoided(DeskEvent):
    """The data at its end were missing: it counts nowhere."""

    prediction_id: str
    model: str
    symbol: str
    reason: str
