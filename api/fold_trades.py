"""Signals, decisions, orders and positions as rows: one function an event type.

Called through the table in api/desk_fold.py. Pure.
"""

from __future__ import annotations

from api.fold_state import DeskFold, Row, at, legs_of, text
from domain.event import Recorded
from domain.events import orders, positions, risk, rolls
from domain.events import signals as signal_events
from domain.numbers import cents


def signal_raised(fold: DeskFold, event: Recorded, body: signal_events.SignalRaised) -> None:
    row = {
        "signal_id": body.signal_id,
        "strategy": body.strategy.value,
        "variant": body.variant,
        "symbol": body.symbol,
        "direction": body.direction.value,
        **_score(body),
        "gates": _gates(body.gates),
        "state": "candidate",
        "detail": "",
        "is_over": False,
    }
    fold.add(fold.signals, body.signal_id, event, row)


def _score(body: signal_events.SignalRaised | signal_events.SignalValidated) -> Row:
    return {
        "score": f"{body.score:.3f}",
        "probability": f"{body.probability:.3f}",
        "coverage": f"{body.coverage:.2f}",
    }


def _gates(gates: tuple[signal_events.Gate, ...]) -> list[Row]:
    return [gate.model_dump(mode="json") for gate in gates]


def gates_changed(fold: DeskFold, event: Recorded, body: signal_events.SignalGatesChanged) -> None:
    fold.change(fold.signals, body.signal_id, event, gates=_gates(body.gates))


def validated(fold: DeskFold, event: Recorded, body: signal_events.SignalValidated) -> None:
    fold.change(
        fold.signals,
        body.signal_id,
        event,
        state="valid",
        **_score(body),
        gates=_gates(body.gates),
        structure=legs_of(body.structure),
        valid_until=at(body.valid_until),
        detail=body.rationale,
    )


def expired(fold: DeskFold, event: Recorded, body: signal_events.SignalExpired) -> None:
    values = {"state": "expired", "detail": body.reason, "is_over": True}
    fold.change(fold.signals, body.signal_id, event, **values)


def invalidated(fold: DeskFold, event: Recorded, body: signal_events.SignalInvalidated) -> None:
    detail = f"{body.condition}: {body.measured}, limit {body.threshold}"
    values = {"state": "invalidated", "detail": detail, "is_over": True}
    fold.change(fold.signals, body.signal_id, event, **values)


def decided(fold: DeskFold, event: Recorded, body: risk.RiskDecided) -> None:
    state = "approved" if body.approved else "refused"
    detail = f"{body.units} units" if body.approved else " ".join(body.denials)
    values = {"state": state, "detail": detail, "decision_event_id": str(event.event_id)}
    fold.change(fold.signals, body.signal_id, event, **values, is_over=True)


def entry_refused(fold: DeskFold, event: Recorded, body: orders.EntryRefused) -> None:
    values = {"state": "not sent", "detail": " ".join(body.codes), "is_over": True}
    fold.change(fold.signals, body.signal_id, event, **values)


# Orders


def intended(fold: DeskFold, event: Recorded, body: orders.OrderIntended) -> None:
    row = {
        "order_ref": body.order_ref,
        "order_id": body.order_id,
        "purpose": body.purpose.value,
        "position_id": body.position_id,
        "signal_id": body.signal_id,
        "symbol": body.structure.symbol,
        "structure": legs_of(body.structure),
        "action": body.action.value,
        "quantity": body.quantity,
        "filled": 0,
        "remaining": body.quantity,
        "order_type": body.order_type.value,
        "limit_price": str(body.limit_price),
        "stop_price": text(body.stop_price),
        "state": "intended",
        "reason": "",
        "is_over": False,
    }
    fold.add(fold.orders, body.order_ref, event, row)


def modified(fold: DeskFold, event: Recorded, body: orders.OrderModifyIntended) -> None:
    fold.change(
        fold.orders,
        body.order_ref,
        event,
        quantity=body.quantity,
        limit_price=str(body.limit_price),
        stop_price=text(body.stop_price),
        reason=body.reason,
    )


def order_changed(fold: DeskFold, event: Recorded, body: orders.OrderChanged) -> None:
    fold.change(
        fold.orders,
        body.order_ref,
        event,
        state=body.state.value,
        filled=body.filled,
        remaining=body.remaining,
        reason=body.reason,
        is_over=body.state.is_final,
    )


def what_if_answered(fold: DeskFold, event: Recorded, body: orders.WhatIfAnswered) -> None:
    """Nothing was placed, and nothing is awaited any more."""
    told = f"initial margin {body.initial_change} USD"
    if body.initial_change is None:
        told = body.warning or "no numbers"
    fold.change(fold.orders, body.order_ref, event, state="answered", reason=told, is_over=True)


def lapsed(fold: DeskFold, event: Recorded, body: orders.IntentLapsed) -> None:
    """Of an order that is placed OrderChanged tells it."""
    if body.request == "what_if":
        values = {"state": "lapsed", "reason": body.reason, "is_over": True}
        fold.change(fold.orders, body.order_ref, event, **values)


# Positions


def opened(fold: DeskFold, event: Recorded, body: positions.PositionOpened) -> None:
    max_loss = body.max_loss_per_unit_usd * body.planned_units
    row = {
        "position_id": body.position_id,
        "signal_id": body.signal_id,
        "strategy": body.strategy.value,
        "symbol": body.symbol,
        "direction": body.direction.value,
        "structure": legs_of(body.structure),
        "units": 0,
        "planned_units": body.planned_units,
        "entry_price": None,
        "exit_price": None,
        "stop_price": str(body.exit_plan.stop_price),
        "target_price": str(body.exit_plan.target_price),
        "forced_flat_at": at(body.exit_plan.forced_flat_at),
        "max_loss_usd": str(max_loss),
        "realised_pnl": "0",
        "fees": "0",
        "state": "open",
        "exit_reason": None,
        "explained": None,
        "opened_at": at(body.opened_at),
        "closed_at": None,
        "is_over": False,
    }
    fold.add(fold.positions, body.position_id, event, row)
    fold.change(fold.signals, body.signal_id, event, state="traded", is_over=True)


def changed(fold: DeskFold, event: Recorded, body: positions.PositionChanged) -> None:
    fold.change(
        fold.positions,
        body.position_id,
        event,
        units=body.units,
        entry_price=str(body.average_entry_price),
        exit_price=text(body.average_exit_price),
        realised_pnl=str(body.realised_pnl),
        fees=str(body.fees),
    )


def reopened(fold: DeskFold, event: Recorded, body: positions.PositionReopened) -> None:
    """A late fill: it is among the open ones again."""
    values = {"units": body.units, "state": "open", "exit_reason": None}
    values |= {"closed_at": None, "is_over": False}
    fold.change(fold.positions, body.position_id, event, **values)


def stop_moved(fold: DeskFold, event: Recorded, body: positions.StopMoved) -> None:
    fold.change(fold.positions, body.position_id, event, stop_price=str(body.stop_price))


def plan_changed(fold: DeskFold, event: Recorded, body: positions.ExitPlanChanged) -> None:
    target = str(body.exit_plan.target_price)
    fold.change(fold.positions, body.position_id, event, target_price=target)


def rolled(fold: DeskFold, event: Recorded, body: rolls.PositionRolled) -> None:
    """Another structure with another plan. The loss is that of the units that were rolled."""
    fold.change(
        fold.positions,
        body.position_id,
        event,
        structure=legs_of(body.structure),
        stop_price=str(body.exit_plan.stop_price),
        target_price=str(body.exit_plan.target_price),
        max_loss_usd=str(body.max_loss_per_unit_usd * body.units),
    )


def exit_decided(fold: DeskFold, event: Recorded, body: positions.ExitDecided) -> None:
    values = {"state": "leaving", "exit_reason": body.reason.value}
    fold.change(fold.positions, body.position_id, event, **values)


EXPLAINED = ("delta_pnl", "gamma_pnl", "vega_pnl", "theta_pnl", "slippage", "residual")
"""Parts of a profit before fees; they add up with the fees to its total."""


def explained(fold: DeskFold, event: Recorded, body: positions.PnlExplained) -> None:
    parts = {name: str(cents(getattr(body, name))) for name in EXPLAINED}
    fold.change(fold.positions, body.position_id, event, explained=parts)


def closed(fold: DeskFold, event: Recorded, body: positions.PositionClosed) -> None:
    fold.change(
        fold.positions,
        body.position_id,
        event,
        units=0,
        state="closed",
        exit_reason=body.reason.value,
        entry_price=str(body.entry_price),
        exit_price=str(body.exit_price),
        realised_pnl=str(body.realised_pnl),
        fees=str(body.fees),
        closed_at=at(body.closed_at),
        is_over=True,
    )
