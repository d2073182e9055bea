"""One position: its fills, what they make of it, and the events that say so.

Held and changed by the position stage (positions.py); nothing here decides when.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain.events.orders import OrderIntended
from domain.events.positions import (
    ExitReason,
    PnlExplained,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    PositionReopened,
)
from domain.events.risk import RiskDecided
from domain.events.rolls import RollProposed
from domain.events.signals import ExitPlan, SignalValidated
from domain.execution.explain import Explanation, leg_results
from domain.execution.ledger import Account, LegFill, account
from domain.instruments import Leg, Structure
from domain.numbers import significant
from domain.rolling import after_roll, all_legs
from domain.stage import Emission

ADJUSTMENT = "adjustment/"
"""Begins the id of what counts as a fill without being one."""
_COUNTED_FROM_FILL = "TREND"
"""Variant of the signals whose time stop is so long after the first fill."""


@dataclass(frozen=True, slots=True)
class Roll:
    """An order that is to roll a position, and what it was decided on."""

    order: OrderIntended
    proposed: RollProposed


@dataclass(slots=True)
class Position:
    """A decision's position; it exists from its intent and is open from its first fill."""

    position_id: str
    intent: OrderIntended
    signal: SignalValidated
    decision: RiskDecided
    correlation_id: UUID
    signalled_at: datetime
    """When its signal became valid."""
    fills: dict[str, LegFill] = field(default_factory=dict)
    fees: dict[str, Decimal] = field(default_factory=dict)
    adjustments: int = 0
    opened_at: datetime | None = None
    flat_since: datetime | None = None
    is_closed: bool = False
    is_reopened: bool = False
    """The newest fill opened it again after its close."""
    closed_pnl: Decimal = Decimal(0)
    """Result that its newest close stated."""
    exit_reason: ExitReason = ExitReason.OPERATOR
    last_order_ref: str = ""
    rolls: dict[str, Roll] = field(default_factory=dict)
    """By reference of its order."""
    rolled_by: str = ""
    """The order that made it another condor."""
    plan: ExitPlan | None = None
    """As it holds now; None before the first fill."""
    explanation: Explanation | None = None
    explained_at: datetime | None = None
    """When its explanation was begun or last written."""

    @property
    def structure(self) -> Structure:
        """As entered, or what a roll made of it."""
        if not self.rolled_by:
            return self.intent.structure
        return after_roll(self.intent.structure, self.rolls[self.rolled_by].order.structure)

    @property
    def legs(self) -> tuple[Leg, ...]:
        """Every contract that it may hold, those of its structure first."""
        rolls = (roll.order.structure for roll in self.rolls.values())
        return all_legs(self.intent.structure, self.structure, rolls)

    @property
    def account(self) -> Account:
        total = sum(self.fees.values(), Decimal(0))
        structure = self.structure
        beside = self.legs[len(structure.legs) :]
        return account(structure, list(self.fills.values()), total, beside)

    @property
    def has_all_fees(self) -> bool:
        fills = [fill_id for fill_id in self.fills if not fill_id.startswith(ADJUSTMENT)]
        return all(fill_id in self.fees for fill_id in fills)

    @property
    def held(self) -> dict[int, int]:
        return {leg.con_id: leg.quantity for leg in self.account.legs}

    @property
    def symbol(self) -> str:
        return self.intent.structure.symbol


def _of(
    position: Position,
    body: PositionOpened | PositionChanged | PositionReopened | PositionClosed | PnlExplained,
) -> Emission:
    return Emission(f"position/{position.position_id}", body, position.correlation_id)


def plan_from_fill(signal: SignalValidated, signalled_at: datetime, at: datetime) -> ExitPlan:
    """The plan as it holds from the first fill, at `at`, on.

    The signal has counted the time of a 0DTE TREND from the moment at which it became valid; its
    rule counts from the first fill (4.4). Every other time is one of the session.
    """
    plan = signal.exit_plan
    if signal.variant != _COUNTED_FROM_FILL:
        return plan
    time_stop_at = min(plan.time_stop_at + (at - signalled_at), plan.forced_flat_at)
    return plan.model_copy(update={"time_stop_at": time_stop_at})


def opened(position: Position, risk_units: Decimal, at: datetime) -> Emission:
    signal, decision = position.signal, position.decision
    body = PositionOpened(
        position_id=position.position_id,
        signal_id=signal.signal_id,
        decision_id=decision.decision_id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        direction=signal.direction,
        structure=position.intent.structure,
        planned_units=decision.units,
        exit_plan=plan_from_fill(signal, position.signalled_at, at),
        max_loss_per_unit_usd=decision.max_loss_usd / max(1, decision.units),
        risk_units=risk_units,
        opened_at=at,
    )
    return _of(position, body)


def changed(position: Position, fill_id: str) -> Emission:
    now = position.account
    body = PositionChanged(
        position_id=position.position_id,
        fill_id=fill_id,
        legs=now.legs,
        units=now.units,
        average_entry_price=now.entry_price,
        average_exit_price=now.exit_price,
        realised_pnl=now.realised_pnl,
        fees=now.fees,
    )
    return _of(position, body)


def reopened(position: Position, fill_id: str, at: datetime) -> Emission:
    now = position.account
    body = PositionReopened(
        position_id=position.position_id,
        strategy=position.signal.strategy,
        fill_id=fill_id,
        legs=now.legs,
        units=now.units,
        reopened_at=at,
        closed_pnl=position.closed_pnl,
    )
    return _of(position, body)


def closed(position: Position, reason: ExitReason) -> Emission:
    now, opened_at, closed_at = position.account, position.opened_at, position.flat_since
    assert opened_at is not None and closed_at is not None and now.is_flat
    units = max(1, now.entered_units)
    risked = position.decision.max_loss_usd / max(1, position.decision.units) * units
    over = now.realised_pnl / risked if risked else Decimal(0)
    body = PositionClosed(
        position_id=position.position_id,
        signal_id=position.signal.signal_id,
        strategy=position.signal.strategy,
        symbol=position.signal.symbol,
        reason=reason,
        units=now.entered_units,
        entry_price=now.entry_price,
        exit_price=now.exit_price if now.exit_price is not None else Decimal(0),
        realised_pnl=now.realised_pnl,
        fees=now.fees,
        pnl_over_max_loss=over.quantize(Decimal("0.0001")),
        opened_at=opened_at,
        closed_at=closed_at,
    )
    return _of(position, body)


def explained(position: Position, so_far: Explanation, *, is_final: bool) -> Emission:
    """Its profit in parts: those of the legs add up to those of the position."""
    legs = leg_results(position.legs, position.fills.values(), so_far)
    fees = float(position.account.fees)

    def total(name: str) -> float:
        return significant(sum(getattr(leg, name) for leg in legs)) or 0.0

    body = PnlExplained(
        position_id=position.position_id,
        signal_id=position.signal.signal_id,
        strategy=position.signal.strategy,
        delta_pnl=total("delta_pnl"),
        gamma_pnl=total("gamma_pnl"),
        vega_pnl=total("vega_pnl"),
        theta_pnl=total("theta_pnl"),
        slippage=total("slippage"),
        fees=fees,
        residual=total("residual"),
        total=significant(total("total") - fees) or 0.0,
        is_final=is_final,
        legs=legs,
        first_underlying_price=so_far.first_underlying,
        underlying_price=so_far.underlying,
    )
    if is_final:
        return _of(position, body)
    return Emission(f"explained/{position.position_id}", body, position.correlation_id)
