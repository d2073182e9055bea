"""Builders for the 0DTE tests: a strategy with a valid signal, and what becomes of that signal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from domain.event import Body
from domain.events.orders import OrderChanged, OrderIntended, OrderState, OrderType, Purpose
from domain.events.positions import PositionOpened
from domain.events.risk import RiskDecided
from domain.events.signals import (
    SignalExpired,
    SignalGatesChanged,
    SignalInvalidated,
    SignalRaised,
    SignalValidated,
)
from domain.instruments import Side
from domain.instruments import Strategy as Bucket
from tests.domain.risk.build import NOON, one
from tests.domain.signals.build import Strategy

SIGNAL_ID = "sig-2026-10-06-SPY-0DTE-bullish-1"


def signals(bodies: list[Body]) -> list[str]:
    kinds = (SignalRaised, SignalValidated, SignalExpired, SignalInvalidated, SignalGatesChanged)
    return [type(body).__name__ for body in bodies if isinstance(body, kinds)]


def valid(**parameters: Any) -> tuple[Strategy, SignalValidated]:
    """A strategy with one valid signal, at the moment it became valid."""
    strategy = Strategy(**parameters)
    found: SignalValidated = one(strategy.evaluate(after=0.0), SignalValidated)
    return strategy, found


def refused(signal_id: str = SIGNAL_ID) -> RiskDecided:
    return RiskDecided(
        decision_id=f"dec-{signal_id}", signal_id=signal_id, strategy=Bucket.ZERO_DTE,
        symbol="SPY", approved=False, units=0, denials=("SIZE",), checks=(), size=None,
        max_loss_usd=Decimal(0), max_profit_usd=None, equity_usd=None, broker_ready_id="",
        decided_at=NOON,
    )  # fmt: skip


def ordered(signal: SignalValidated) -> OrderIntended:
    return OrderIntended(
        order_ref="ref-1", order_id=1, client_id=1, connection="c", broker_ready_id="b",
        purpose=Purpose.ENTRY, signal_id=signal.signal_id, decision_id="d", position_id="p",
        structure=signal.structure, action=Side.BUY, quantity=5, order_type=OrderType.LIMIT,
        limit_price=Decimal("0.75"), stop_price=None, account="DU1",
    )  # fmt: skip


def order_changed(state: OrderState, filled: int = 0) -> OrderChanged:
    return OrderChanged(
        order_ref="ref-1", order_id=1, perm_id=1, state=state, filled=filled, remaining=0, reason=""
    )


def opened(signal: SignalValidated) -> PositionOpened:
    return PositionOpened(
        position_id="p", signal_id=signal.signal_id, decision_id="d", strategy=Bucket.ZERO_DTE,
        symbol="SPY", direction=signal.direction, structure=signal.structure, planned_units=5,
        exit_plan=signal.exit_plan, max_loss_per_unit_usd=Decimal(80), risk_units=Decimal(1),
        opened_at=NOON,
    )  # fmt: skip
