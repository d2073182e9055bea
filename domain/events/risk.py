"""Risk decisions: every check with limit, value and outcome, and the size vector."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.event import DeskEvent
from domain.events.controls import TradingState
from domain.events.signals import Result
from domain.instruments import Strategy, Structure, Value


class Check(Value):
    """One risk check. `code` is from the one enum of denial codes (domain/risk/codes.py)."""

    code: str
    result: Result
    limit: str
    value: str
    input: str
    """Where the value came from: event ids, or what is missing."""


class SizeVector(Value):
    """Units allowed by each rule of sizing; the smallest binds."""

    r1_bucket: float
    r2_kelly: float
    r3_volatility: float
    r4_limits: float
    r5_liquidity: float
    binding: str
    units: int


class ScenarioCell(Value):
    move_percent: float
    """Move of SPY; others move by beta times it."""
    shift_points: float
    days: int
    pnl_usd: float


class ScenarioGrid(Value):
    """P&L of the book over the grid (order: moves, shifts, days) with its worst cells."""

    pnl_usd: tuple[float, ...]
    worst_near: ScenarioCell
    worst: ScenarioCell


class RiskDecided(DeskEvent):
    """Approved or refused, with every check. Stream `decision/<decision_id>`."""

    schema_version = 2

    decision_id: str
    signal_id: str
    strategy: Strategy
    symbol: str
    approved: bool
    units: int
    denials: tuple[str, ...]
    """Codes of the checks that did not pass; empty when approved."""
    checks: tuple[Check, ...]
    size: SizeVector | None
    max_loss_usd: Decimal
    """Of all units, fees included."""
    max_profit_usd: Decimal | None
    equity_usd: Decimal | None
    broker_ready_id: str
    decided_at: datetime
    scenario: ScenarioGrid | None = None
    trading_state: TradingState | None = None
    """In which it was decided; null in the first version."""
    send_before: datetime | None = None
    """No order of it may leave later: the signal is over, or the broker's margin answer too old."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version did not say."""
        return state


class MarginChecked(DeskEvent):
    """The broker's what-if answer for a decision, verbatim numbers, or why there is none."""

    decision_id: str
    order_ref: str
    initial_change: Decimal | None
    maintenance_change: Decimal | None
    equity_with_loan_change: Decimal | None
    commission: Decimal | None
    local_estimate: Decimal
    accepted: bool
    reason: str


class WhatIfWanted(DeskEvent):
    """Risk asks for the broker's margin change before it decides. Stream `decision/<decision_id>`.

    The order side asks the broker and answers with WhatIfAnswered whose order_ref is the
    decision_id; of a roll that is its roll_id.
    """

    schema_version = 2

    decision_id: str
    signal_id: str
    structure: Structure
    quantity: int
    limit_price: Decimal

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version knew no rolls."""
        return state


class CashFlowRecorded(DeskEvent):
    """A deposit (positive) or withdrawal, entered by the operator: it is no profit or loss.
    Stream `cash-flows`."""

    amount: Decimal
    who: str
    reason: str


class CashFlowRequested(DeskEvent):
    """The operator says that money came (positive) or went. Answered by CashFlowRecorded or
    ControlRefused. Stream `control/<route>`."""

    amount: Decimal
    evidence: str
    who: str
    route: str
    reason: str
    reauthenticated: bool


class LimitsChangeRequested(DeskEvent):
    """The operator wants limits of risk to take these values, for good or `until` a time.

    Answered by ParametersChanged or ControlRefused; one with `until` is followed by another
    ParametersChanged that brings the values back. Stream `control/<route>`.
    """

    values: dict[str, float | str | bool]
    who: str
    route: str
    reason: str
    reauthenticated: bool
    until: datetime | None = None
