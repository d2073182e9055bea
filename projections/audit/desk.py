"""Audit rows of the desk: signals, decisions, orders, fills, positions.

Pure: an event in, changes of tables out; one small function for each type of event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from domain.event import Recorded
from domain.events.orders import (
    CommissionRecorded,
    EntryRefused,
    FillRecorded,
    IntentLapsed,
    IntentSent,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    WhatIfAnswered,
)
from domain.events.positions import (
    ExitDecided,
    ExitPlanChanged,
    FillInferred,
    PnlExplained,
    PositionAdjusted,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    PositionReopened,
    StopMoved,
)
from domain.events.risk import MarginChecked, RiskDecided
from domain.events.rolls import PositionRolled
from domain.events.signals import (
    SignalExpired,
    SignalGatesChanged,
    SignalInvalidated,
    SignalRaised,
    SignalValidated,
)
from domain.instruments import MULTIPLIER
from projections.rows import Change, Update, Upsert, json_text

_SIGNAL = (
    "signal_id",
    "strategy",
    "variant",
    "symbol",
    "direction",
    "score",
    "probability",
    "coverage",
    "bias",
    "clip_adjust",
    "params_version",
)
_EXPLAINED = (
    "features",
    "directional",
    "gates",
    "structure",
    "risk_inputs",
    "exit_plan",
    "record",
)
"""What a valid signal was decided on, as JSON."""
_DECISION = (
    "decision_id",
    "signal_id",
    "strategy",
    "symbol",
    "approved",
    "units",
    "denials",
    "max_loss_usd",
    "max_profit_usd",
    "equity_usd",
    "broker_ready_id",
    "decided_at",
)
_ORDER = (
    "order_ref",
    "order_id",
    "purpose",
    "signal_id",
    "decision_id",
    "position_id",
    "action",
    "quantity",
    "order_type",
    "limit_price",
    "stop_price",
    "account",
    "attempt",
)
_FILL = (
    "exec_id",
    "fill_id",
    "order_ref",
    "position_id",
    "side",
    "quantity",
    "price",
    "executed_at",
    "corrects",
)
_POSITION = (
    "position_id",
    "signal_id",
    "decision_id",
    "strategy",
    "symbol",
    "direction",
    "planned_units",
    "max_loss_per_unit_usd",
    "risk_units",
    "opened_at",
)


def taken(body: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """These fields of a body."""
    return {name: getattr(body, name) for name in names}


def where(event: Recorded) -> dict[str, Any]:
    """The way back to the raw event."""
    return {"event_position": event.position, "recorded_at": event.recorded_at}


def origin(event: Recorded) -> dict[str, Any]:
    """The same for a row that the event makes, with the story it belongs to."""
    return where(event) | {"correlation_id": event.correlation_id}


def raised(event: Recorded, body: SignalRaised) -> list[Change]:
    values = origin(event) | taken(body, _SIGNAL)
    for name in ("features", "directional", "gates"):
        values[name] = json_text(getattr(body, name))
    values |= {"state": "raised", "raised_at": event.market_time}
    return [Upsert("signals", "signal_id", values)]


def gates_changed(event: Recorded, body: SignalGatesChanged) -> list[Change]:
    values = where(event) | {"signal_id": body.signal_id, "gates": json_text(body.gates)}
    return [Update("signals", "signal_id", values)]


def validated(event: Recorded, body: SignalValidated) -> list[Change]:
    values = origin(event) | taken(body, (*_SIGNAL, "confidence", "rationale", "valid_until"))
    for name in _EXPLAINED:
        values[name] = json_text(getattr(body, name))
    values |= {"state": "valid", "validated_at": event.market_time}
    return [Upsert("signals", "signal_id", values)]


def _signal_ended(event: Recorded, signal_id: str, state: str, reason: str) -> Change:
    values = where(event) | {"signal_id": signal_id, "state": state, "end_reason": reason}
    return Update("signals", "signal_id", values | {"ended_at": event.market_time})


def expired(event: Recorded, body: SignalExpired) -> list[Change]:
    return [_signal_ended(event, body.signal_id, "expired", body.reason)]


def invalidated(event: Recorded, body: SignalInvalidated) -> list[Change]:
    reason = f"{body.condition}: {body.measured} against {body.threshold}"
    return [_signal_ended(event, body.signal_id, "invalid", reason)]


def decided(event: Recorded, body: RiskDecided) -> list[Change]:
    values = origin(event) | taken(body, _DECISION)
    values |= {"checks": json_text(body.checks), "size": json_text(body.size)}
    state = {"state": "approved" if body.approved else "refused", "signal_id": body.signal_id}
    return [
        Upsert("decisions", "decision_id", values),
        Update("signals", "signal_id", where(event) | state),
    ]


def margin_checked(event: Recorded, body: MarginChecked) -> list[Change]:
    values = where(event) | {"decision_id": body.decision_id, "margin": json_text(body)}
    return [Update("decisions", "decision_id", values)]


def entry_refused(event: Recorded, body: EntryRefused) -> list[Change]:
    values = {"decision_id": body.decision_id, "entry_refused_codes": body.codes}
    return [
        Update("decisions", "decision_id", where(event) | values),
        _signal_ended(event, body.signal_id, "entry_refused", ", ".join(body.codes)),
    ]


def intended(event: Recorded, body: OrderIntended) -> list[Change]:
    values = origin(event) | taken(body, _ORDER)
    values |= {"symbol": body.structure.symbol, "structure": json_text(body.structure)}
    values |= {"revision": 0, "state": "intended", "filled": 0, "remaining": body.quantity}
    return [Upsert("orders", "order_ref", values | {"intended_at": event.market_time})]


def modified(event: Recorded, body: OrderModifyIntended) -> list[Change]:
    names = ("order_ref", "quantity", "limit_price", "stop_price", "revision")
    return [Update("orders", "order_ref", where(event) | taken(body, names))]


def sent(event: Recorded, body: IntentSent) -> list[Change]:
    if body.request != "place":
        return []
    values = {"order_ref": body.order_ref, "sent_at": event.market_time}
    values |= {"send_latency_seconds": body.latency_seconds}
    return [Update("orders", "order_ref", where(event) | values)]


def lapsed(event: Recorded, body: IntentLapsed) -> list[Change]:
    values: dict[str, Any] = {"order_ref": body.order_ref}
    values["reason"] = f"{body.request} lapsed: {body.reason}"
    if body.request == "what_if":  # of others OrderChanged tells it
        values |= {"state": "lapsed", "changed_at": event.market_time}
    return [Update("orders", "order_ref", where(event) | values)]


def what_if_answered(event: Recorded, body: WhatIfAnswered) -> list[Change]:
    """Nothing was placed, and nothing is awaited any more. The figures are in the decision's
    margin."""
    values = {"order_ref": body.order_ref, "state": "answered", "reason": body.warning}
    return [
        Update("orders", "order_ref", where(event) | values | {"changed_at": event.market_time})
    ]


def order_changed(event: Recorded, body: OrderChanged) -> list[Change]:
    names = ("order_ref", "perm_id", "state", "filled", "remaining", "reason", "broker_code")
    values = where(event) | taken(body, names) | {"changed_at": event.market_time}
    return [Update("orders", "order_ref", values)]


def filled(event: Recorded, body: FillRecorded) -> list[Change]:
    values = origin(event) | taken(body, _FILL) | {"contract": json_text(body.contract)}
    values |= slippage(body)
    return [Upsert("fills", "exec_id", values)]


def slippage(body: FillRecorded) -> dict[str, Decimal | None]:
    """What the fill cost against the mid of its decision; positive is a cost."""
    cost = body.slippage_decision
    return {
        "reference_price": None if cost is None else body.price - body.side.sign * cost,
        "slippage": cost,
        "slippage_usd": None if cost is None else cost * body.quantity * MULTIPLIER,
        "slippage_at_fill": body.slippage_mid,
    }


def commission(event: Recorded, body: CommissionRecorded) -> list[Change]:
    return [Update("fills", "exec_id", where(event) | taken(body, ("exec_id", "commission")))]


def opened(event: Recorded, body: PositionOpened) -> list[Change]:
    values = origin(event) | taken(body, _POSITION) | {"state": "open"}
    values |= {"structure": json_text(body.structure), "exit_plan": json_text(body.exit_plan)}
    return [
        Upsert("positions", "position_id", values),
        _signal_ended(event, body.signal_id, "traded", body.position_id),
    ]


def changed(event: Recorded, body: PositionChanged) -> list[Change]:
    names = ("position_id", "units", "average_entry_price", "average_exit_price", "realised_pnl")
    values = where(event) | taken(body, (*names, "fees")) | {"legs": json_text(body.legs)}
    return [Update("positions", "position_id", values)]


def reopened(event: Recorded, body: PositionReopened) -> list[Change]:
    values = taken(body, ("position_id", "units")) | {"state": "open", "closed_at": None}
    values |= {"legs": json_text(body.legs), "exit_reason": None}
    return [Update("positions", "position_id", where(event) | values)]


def stop_moved(event: Recorded, body: StopMoved) -> list[Change]:
    values = where(event) | taken(body, ("position_id", "stop_price"))
    return [Update("positions", "position_id", values)]


def plan_changed(event: Recorded, body: ExitPlanChanged) -> list[Change]:
    values = {"position_id": body.position_id, "exit_plan": json_text(body.exit_plan)}
    return [Update("positions", "position_id", where(event) | values)]


def rolled(event: Recorded, body: PositionRolled) -> list[Change]:
    values = where(event) | taken(body, ("position_id", "max_loss_per_unit_usd"))
    values |= {"structure": json_text(body.structure), "exit_plan": json_text(body.exit_plan)}
    return [Update("positions", "position_id", values)]


def exit_decided(event: Recorded, body: ExitDecided) -> list[Change]:
    values = {"position_id": body.position_id, "state": "exiting", "exit_reason": body.reason}
    return [Update("positions", "position_id", where(event) | values)]


def closed(event: Recorded, body: PositionClosed) -> list[Change]:
    names = ("position_id", "units", "realised_pnl", "fees", "pnl_over_max_loss", "closed_at")
    values = where(event) | taken(body, names) | {"state": "closed", "exit_reason": body.reason}
    values |= {"average_entry_price": body.entry_price, "average_exit_price": body.exit_price}
    return [Update("positions", "position_id", values)]


def explained(event: Recorded, body: PnlExplained) -> list[Change]:
    values = {"position_id": body.position_id, "explained": json_text(body)}
    return [Update("positions", "position_id", where(event) | values)]


def adjusted(event: Recorded, body: PositionAdjusted) -> list[Change]:
    names = ("position_id", "con_id", "quantity", "kind", "evidence")
    return [Upsert("adjustments", "event_position", origin(event) | taken(body, names))]


def inferred(event: Recorded, body: FillInferred) -> list[Change]:
    values = origin(event) | taken(body, ("position_id", "con_id"))
    values |= {"quantity": body.theirs - body.ours, "kind": "inferred"}
    values |= {"evidence": f"broker holds {body.theirs}, our fills say {body.ours}"}
    return [Upsert("adjustments", "event_position", values)]


TABLES: Mapping[type[Any], Callable[[Recorded, Any], list[Change]]] = {
    SignalRaised: raised,
    SignalGatesChanged: gates_changed,
    SignalValidated: validated,
    SignalExpired: expired,
    SignalInvalidated: invalidated,
    RiskDecided: decided,
    MarginChecked: margin_checked,
    EntryRefused: entry_refused,
    OrderIntended: intended,
    OrderModifyIntended: modified,
    IntentSent: sent,
    IntentLapsed: lapsed,
    WhatIfAnswered: what_if_answered,
    OrderChanged: order_changed,
    FillRecorded: filled,
    CommissionRecorded: commission,
    PositionOpened: opened,
    PositionChanged: changed,
    PositionReopened: reopened,
    StopMoved: stop_moved,
    ExitPlanChanged: plan_changed,
    PositionRolled: rolled,
    ExitDecided: exit_decided,
    PositionClosed: closed,
    PnlExplained: explained,
    PositionAdjusted: adjusted,
    FillInferred: inferred,
}
