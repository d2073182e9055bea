"""Positions, stops and exits: what we hold, from fills and evidenced adjustments alone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from domain.event import DeskEvent, MarketEvent
from domain.events.signals import ExitPlan
from domain.instruments import Direction, Strategy, Structure, Value


class ExitReason(StrEnum):
    """In order of precedence: a higher reason replaces a lower one's order."""

    KILL = "KILL"
    FORCED_FLAT = "FORCED_FLAT"
    ASSIGNMENT_GUARD = "ASSIGNMENT_GUARD"
    BROKER_MARGIN = "BROKER_MARGIN"
    STOP = "STOP"
    INVALIDATED = "INVALIDATED"
    TRAIL = "TRAIL"
    TARGET = "TARGET"
    TIME = "TIME"
    PROTECTIVE_STOP = "PROTECTIVE_STOP"
    OPERATOR = "OPERATOR"


class LegPosition(Value):
    con_id: int
    quantity: int
    """Signed contracts held."""


class PositionOpened(DeskEvent):
    """The first fill of an entry. Stream `position/<position_id>`."""

    schema_version = 2

    position_id: str
    signal_id: str
    decision_id: str
    strategy: Strategy
    symbol: str
    direction: Direction
    structure: Structure
    planned_units: int
    exit_plan: ExitPlan
    max_loss_per_unit_usd: Decimal
    risk_units: Decimal
    """R: max loss of the planned units over the bucket's share of equity, to the nearest 0.25."""
    opened_at: datetime

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """In the first version a structure was no roll, and it still is none here."""
        return state


class PositionChanged(DeskEvent):
    """A fill was applied. Prices are of the structure, a share, signed as bought."""

    position_id: str
    fill_id: str
    legs: tuple[LegPosition, ...]
    units: int
    average_entry_price: Decimal
    average_exit_price: Decimal | None
    realised_pnl: Decimal
    fees: Decimal


class PositionReopened(DeskEvent):
    """A fill came after the position was closed: it is held again, and must be left again.

    It will close again, with the result of its whole life: `closed_pnl`, which the earlier close
    stated, is to be taken out of every sum of closes. Its PositionChanged follows.
    """

    position_id: str
    strategy: Strategy
    fill_id: str
    legs: tuple[LegPosition, ...]
    units: int
    reopened_at: datetime
    closed_pnl: Decimal


class PositionMarked(MarketEvent, frozen=True):
    """Mark of an open position, at most once a second of market time. Stream `marks/<id>`."""

    schema_version = 2

    position_id: str
    symbol: str
    mark: str
    """Decimal text: price of the structure a share."""
    bid: str
    ask: str
    unrealised_pnl: str
    underlying_price: float
    """Mid of its last sound quote, for 2 seconds after that crossed; then the last trade."""
    quote_age_seconds: float
    quality: str
    """OK, or DEGRADED when the quote of a leg is not sound."""
    underlying_quality: str = "OK"
    """DEGRADED when its price is that of a trade."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version told nothing of the underlying's quote."""
        return state


class StopMoved(DeskEvent):
    """The working stop of a position, held by the platform, took this value."""

    position_id: str
    stop_price: Decimal
    previous_stop_price: Decimal | None
    high_water_mark: Decimal
    kind: str
    """initial, trail, tighten, operator, roll."""


class PositionWatermark(DeskEvent):
    """What trailing stops rest on, so that a restart needs no quotes from before it.

    Prices of the structure a share, as bought; of the underlying where named. Null before the
    first value. Stream `watermark/<position_id>`.
    """

    position_id: str
    best_mark: Decimal | None
    """The highest mark since entry."""
    spread: Decimal | None
    """Smoothed spread of the structure."""
    underlying_extreme: float | None
    """The best price of the underlying since entry, in our direction."""
    chandelier: float | None
    """The trail on the underlying; never falls (mirrored: rises)."""
    closes_beyond: int
    """Closes of a minute in a row beyond that trail."""
    closes_back: int
    """Closes of a minute in a row that invalidate the idea."""


class ExitPlanChangeRequested(DeskEvent):
    """The operator wants a position to be left at other prices or times; null leaves one as it is.
    Stream `control/<route>`."""

    position_id: str
    stop_price: Decimal | None
    target_price: Decimal | None
    time_stop_at: datetime | None
    who: str
    route: str
    reason: str


class ExitPlanChanged(DeskEvent):
    """From now on the position is left by this plan."""

    position_id: str
    exit_plan: ExitPlan
    who: str
    reason: str


class ExitDecided(DeskEvent):
    """A position is to be left now. `evidence` names the quotes or rule that decided it."""

    position_id: str
    reason: ExitReason
    profile: str
    """Ladder: patient, normal, urgent, market_equivalent."""
    mark: Decimal | None
    threshold: str
    evidence: tuple[str, ...]


class PositionClosed(DeskEvent):
    position_id: str
    signal_id: str
    strategy: Strategy
    symbol: str
    reason: ExitReason
    units: int
    entry_price: Decimal
    exit_price: Decimal
    realised_pnl: Decimal
    """After fees, in dollars."""
    fees: Decimal
    pnl_over_max_loss: Decimal
    opened_at: datetime
    closed_at: datetime


class LegPnl(Value):
    """What a leg brought, dollars before fees, and its market when it was last looked at."""

    con_id: int
    delta_pnl: float
    gamma_pnl: float
    vega_pnl: float
    theta_pnl: float
    slippage: float
    residual: float
    total: float
    volatility: float | None
    mid: Decimal | None


class PnlExplained(DeskEvent):
    """dV = delta dS + gamma dS^2 / 2 + vega d(iv) + theta dt + slippage + residual, dollars.

    With the greeks of the entry, summed over legs and minutes; `total` is after fees. Each minute
    while the position is open (stream `explained/<position_id>`) and, final, when it is closed.
    Slippage is that of fills against the mid of their leg, negative when it cost.
    """

    schema_version = 2

    position_id: str
    delta_pnl: float
    gamma_pnl: float
    vega_pnl: float
    theta_pnl: float
    fees: float
    residual: float
    total: float
    signal_id: str = ""
    strategy: Strategy | None = None
    slippage: float = 0.0
    is_final: bool = True
    legs: tuple[LegPnl, ...] = ()
    first_underlying_price: float | None = None
    """At the first fill."""
    underlying_price: float | None = None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version was made once, at the close, for all legs and the whole life."""
        return state


class PositionAdjusted(DeskEvent):
    """A change without a fill of ours: expiry, exercise, assignment, import, operator."""

    schema_version = 2

    position_id: str
    con_id: int
    quantity: int
    kind: str
    evidence: str
    price: Decimal | None = None
    """What the contract was worth a share: at expiry, exercise and assignment its intrinsic value.
    Null when nobody can tell."""

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """The first version did not say what it was worth."""
        return state


class AdjustmentRequested(DeskEvent):
    """The operator explains what the broker holds and no fill of ours does. Answered by
    PositionAdjusted (kind `operator`) or ControlRefused. Stream `control/<route>`."""

    con_id: int
    quantity: int
    """The broker's holding less ours."""
    position_id: str
    """Whose it is; empty for no position of the desk, which nothing watches or leaves then."""
    price: Decimal | None
    """What the contract cost a share; null without a position."""
    evidence: str
    who: str
    route: str
    reason: str
    reauthenticated: bool


class FillInferred(DeskEvent):
    """The broker holds something else than our fills say and no execution explains it.

    What it changes of a position has no price: `theirs` less `ours` contracts.
    """

    con_id: int
    ours: int
    theirs: int
    position_id: str
