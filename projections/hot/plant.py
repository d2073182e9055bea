"""Hot views of the plant: clock, processes, broker, halt, approvals, alerts.

Pure: an event in, Redis commands out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from domain.event import Recorded
from domain.events.approvals import ApprovalDecided, ApprovalExpired, ApprovalRequested
from domain.events.controls import (
    AlertAcknowledged,
    AlertRaised,
    FlattenStarted,
    TradingHalted,
    TradingReleased,
    TradingStateChanged,
)
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerConnected,
    BrokerDisconnected,
    BrokerReady,
    ReconciliationCompleted,
)
from domain.events.system import (
    ClockStarted,
    ParametersChanged,
    ProcessFault,
    ProcessHeartbeat,
    SessionPlanned,
)
from projections.hot.fields import change, named, put
from projections.redis_target import Command

LIMITS = "risk."
"""How names of limits of risk begin."""
DECIDED_MAX = 200
ALERTS_MAX = 200


def clock(event: Recorded, body: ClockStarted) -> list[Command]:
    """market time now = base_market_time + (now - real_at) x speed."""
    return [put("clock", **named(body), real_at=event.recorded_at, position=event.position)]


def session(_: Recorded, body: SessionPlanned) -> list[Command]:
    return [put("session", **named(body.day), library=body.library)]


def heartbeat(event: Recorded, body: ProcessHeartbeat) -> list[Command]:
    return [
        ("SADD", "processes", body.process),
        put(
            f"process:{body.process}",
            state=body.state,
            run_id=body.run_id,
            position=body.position,
            figures=body.figures,
            build=event.build,
            heard_at=event.recorded_at,
        ),
    ]


def fault(event: Recorded, body: ProcessFault) -> list[Command]:
    about = {"state": "fault", "error": body.error, "detail": body.detail}
    return [
        ("SADD", "processes", body.process),
        put(f"process:{body.process}", **about, fault_at=event.recorded_at),
    ]


def broker_connected(event: Recorded, body: BrokerConnected) -> list[Command]:
    return [put("broker", **named(body), state="connected", at=event.recorded_at)]


def broker_ready(event: Recorded, body: BrokerReady) -> list[Command]:
    return [put("broker", **named(body), state="ready", at=event.recorded_at)]


def broker_disconnected(event: Recorded, body: BrokerDisconnected) -> list[Command]:
    return [put("broker", **named(body), state="disconnected", at=event.recorded_at)]


def account(event: Recorded, body: BrokerAccountSeen) -> list[Command]:
    about = {"daily_pnl": body.daily_pnl, "unrealised_pnl": body.unrealised_pnl}
    values = {f"value:{name}": value for name, value in sorted(body.values.items())}
    return [
        put(
            "account",
            account=body.account,
            **about,
            **values,
            realised_pnl=body.realised_pnl,
            at=event.recorded_at,
        )
    ]


def reconciled(event: Recorded, body: ReconciliationCompleted) -> list[Command]:
    about = {"clean": body.clean, "differences": body.differences}
    return [put("reconciliation", **about, at=event.market_time)]


def halted(event: Recorded, body: TradingHalted) -> list[Command]:
    return [put("halt", state="halted", who=body.who, reason=body.reason, at=event.market_time)]


def released(event: Recorded, body: TradingReleased) -> list[Command]:
    return [put("halt", state="trading", who=body.who, reason=body.reason, at=event.market_time)]


def trading_state(event: Recorded, body: TradingStateChanged) -> list[Command]:
    return [put("trading", **named(body), at=event.market_time, position=event.position)]


def limits(event: Recorded, body: ParametersChanged) -> list[Command]:
    """One JSON text a limit of risk: value, who, why, since, until."""
    about = {"who": body.who, "why": body.why, "since": event.market_time, "until": body.until}
    named_so = {
        name: msgspec.json.encode({"value": value, **about}).decode()
        for name, value in sorted(body.values.items())
        if name.startswith(LIMITS)
    }
    return [put("limits", **named_so)] if named_so else []


def flatten(event: Recorded, body: FlattenStarted) -> list[Command]:
    return [put("flatten", **named(body), at=event.market_time)]


def approval_requested(event: Recorded, body: ApprovalRequested) -> list[Command]:
    """The queue of approvals: pending ones by the moment at which they expire."""
    expires = str(int(body.expires_at.timestamp() * 1_000))
    return [
        put(f"approval:{body.approval_id}", **named(body), state="pending", at=event.market_time),
        ("ZADD", "approvals:pending", expires, body.approval_id),
    ]


def _approval_ended(event: Recorded, approval_id: str, **fields: Any) -> list[Command]:
    return [
        change(f"approval:{approval_id}", **fields, decided_at=event.market_time),
        ("ZREM", "approvals:pending", approval_id),
        ("ZADD", "approvals:ended", str(event.position), approval_id),
        ("KEEP", "approvals:ended", "approval:", str(DECIDED_MAX)),
    ]


def approval_decided(event: Recorded, body: ApprovalDecided) -> list[Command]:
    state = "approved" if body.approved else "rejected"
    return _approval_ended(event, body.approval_id, state=state, who=body.who)


def approval_expired(event: Recorded, body: ApprovalExpired) -> list[Command]:
    return _approval_ended(event, body.approval_id, state="expired")


def alert(event: Recorded, body: AlertRaised) -> list[Command]:
    return [
        put(f"alert:{body.alert_id}", **named(body), state="raised", at=event.recorded_at),
        ("ZADD", "alerts", str(event.position), body.alert_id),
        ("KEEP", "alerts", "alert:", str(ALERTS_MAX)),
    ]


def acknowledged(event: Recorded, body: AlertAcknowledged) -> list[Command]:
    fields = {"state": "acknowledged", "who": body.who, "comment": body.comment}
    return [
        change(
            f"alert:{body.alert_id}", **fields, until=body.until, acknowledged_at=event.recorded_at
        )
    ]


VIEWS: Mapping[type[Any], Callable[[Recorded, Any], list[Command]]] = {
    ClockStarted: clock,
    SessionPlanned: session,
    ProcessHeartbeat: heartbeat,
    ProcessFault: fault,
    BrokerConnected: broker_connected,
    BrokerReady: broker_ready,
    BrokerDisconnected: broker_disconnected,
    BrokerAccountSeen: account,
    ReconciliationCompleted: reconciled,
    TradingHalted: halted,
    TradingReleased: released,
    TradingStateChanged: trading_state,
    ParametersChanged: limits,
    FlattenStarted: flatten,
    ApprovalRequested: approval_requested,
    ApprovalDecided: approval_decided,
    ApprovalExpired: approval_expired,
    AlertRaised: alert,
    AlertAcknowledged: acknowledged,
}
