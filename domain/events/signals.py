"""Signals: what a strategy wants, with every gate and every feature that led to it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from domain.event import DeskEvent
from domain.instruments import Direction, Strategy, Structure, Value


class Result(StrEnum):
    """Outcome of a gate or a risk check. Unevaluable never passes an entry."""

    PASS = "pass"  # noqa: S105  an outcome
    FAIL = "fail"
    UNEVALUABLE = "unevaluable"


class Gate(Value):
    """One condition: what was measured, against what, with which outcome."""

    code: str
    result: Result
    measured: str
    threshold: str
    reason: str = ""


class Feature(Value):
    """One row of the feature table; contributions with bias and clip add up to the log-odds."""

    name: str
    raw: float | None
    unit: str
    x: float
    weight: float
    contribution: float
    as_of: datetime | None
    quality: str


class LegQuote(Value):
    """A leg as it stood at decision time: the values a decision embeds."""

    con_id: int
    bid: Decimal
    ask: Decimal
    bid_size: int
    ask_size: int
    quote_age_seconds: float
    implied_volatility: float
    delta: float
    gamma: float
    vega: float
    theta: float
    open_interest: int
    volume: int
    early_exercise_premium: float = 0.0
    """American less European value, dollars a share. `delta` is the American one where they differ
    by more than 0.02."""


class RiskInputs(Value):
    """What sizing and risk need, so that they decide without the ticks. Dollars a unit."""

    underlying_price: float
    underlying_bid: float
    underlying_ask: float
    net_bid: Decimal
    net_ask: Decimal
    net_mid: Decimal
    model_mid: Decimal
    legs: tuple[LegQuote, ...]
    target_usd: float
    """W: gain a unit at the target."""
    stop_usd: float
    """Ls: loss a unit at the stop."""
    cost_usd: float
    p_win: float
    n_eff: float
    model_hits: float | None
    trust: float
    rv_hat_day: float
    variance_remaining: float
    regime: str
    flip_side: str
    beta: float
    size_factor: float = 1.0
    """0.5 compounds for every rule that says half size."""


class ExitPlan(Value):
    """Where the position is to be left, in prices of the structure and of the underlying."""

    target_price: Decimal
    stop_price: Decimal
    time_stop_at: datetime
    forced_flat_at: datetime
    trail_activation: float = 0.25
    trail_fraction: float = 0.25
    invalidation: str = ""
    """Named rule on the underlying, such as noise_area_and_vwap; empty for none."""


class ModelRecord(Value):
    """What is known of the model behind a probability, when it is said: P2 of the bucket for a
    direction, P5 of neutral structures for sold premium."""

    model: str
    n_eff: float
    skill: float | None
    """Brier skill of the recent outcomes against their base rate; null while it cannot be told."""
    bin_low: float
    bin_high: float
    """Tenth into which the probability of the predicted side falls."""
    bin_count: int
    """Outcomes of predictions in that tenth."""
    bin_hit_rate: float | None
    """Their mean outcome for the predicted side; null without any."""


class SignalRaised(DeskEvent):
    """A candidate: the score conditions hold inside the window. Stream `signal/<signal_id>`.

    Its correlation id is derived from the signal id: the whole story of a trade carries it.
    """

    schema_version = 2

    signal_id: str
    strategy: Strategy
    variant: str
    symbol: str
    direction: Direction
    score: float
    probability: float
    coverage: float
    bias: float
    clip_adjust: float
    features: tuple[Feature, ...]
    gates: tuple[Gate, ...]
    params_version: int
    directional: tuple[Feature, ...] = ()
    """Where `features` are the terms of the premium-selling score: the feature table behind its
    directional pressure and its coverage, with contributions to the direction's log-odds."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version told the terms of a premium-selling score alone."""
        return state


class SignalGatesChanged(DeskEvent):
    """A candidate is still alive and the outcome of some gate changed."""

    signal_id: str
    gates: tuple[Gate, ...]


class ExpiryPassedOver(DeskEvent):
    """An expiry is not traded for the rest of the day: too little open interest at the strikes that
    a candidate would take. Stream `expiries/<symbol>`.

    Of those that remain the next nearest to its goal is the chosen one from the next refresh on.
    """

    strategy: Strategy
    symbol: str
    signal_id: str
    """The candidate that would have taken them."""
    expiry: date
    reason: str


class SignalValidated(DeskEvent):
    """All gates pass at one evaluation point: risk is asked. Carries what it was decided on."""

    schema_version = 4

    signal_id: str
    strategy: Strategy
    variant: str
    symbol: str
    direction: Direction
    structure: Structure
    score: float
    probability: float
    confidence: float
    coverage: float
    bias: float
    clip_adjust: float
    features: tuple[Feature, ...]
    gates: tuple[Gate, ...]
    rationale: str
    risk_inputs: RiskInputs
    exit_plan: ExitPlan
    valid_until: datetime
    """Age limit: no order may be sent or kept after it."""
    underlying_move_max: float
    """Staleness: largest move of the underlying since now, either way, in dollars."""
    mid_against_max: Decimal
    """Staleness: largest move of the structure's mid against us, the slippage budget."""
    params_version: int
    record: ModelRecord | None = None
    """Behind `confidence`; null in versions that did not tell it."""
    directional: tuple[Feature, ...] = ()
    """As in SignalRaised."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """In the first version legs were valued without early exercise."""
        return state

    @staticmethod
    def upcast_v2_v3(state: dict[str, Any]) -> dict[str, Any]:
        """Before the third version neither the record of the model nor the feature table behind a
        premium-selling score was told."""
        return state

    @staticmethod
    def upcast_v3_v4(state: dict[str, Any]) -> dict[str, Any]:
        """In the third version a structure was no roll, and that of a signal still is none."""
        return state


class SignalExpired(DeskEvent):
    signal_id: str
    reason: str


class SignalInvalidated(DeskEvent):
    """A valid signal is stale: no order may be sent or kept for it."""

    signal_id: str
    condition: str
    measured: str
    threshold: str
