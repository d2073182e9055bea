"""Audit rows of what left the desk and of what people did: publications, approvals, reports,
controls, alerts.

Pure: an event in, changes of tables out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.event import Recorded
from domain.events.approvals import ApprovalDecided, ApprovalExpired, ApprovalRequested
from domain.events.controls import (
    AlertAcknowledged,
    AlertRaised,
    CacheFlushRequested,
    ControlRefused,
    FeedPauseRequested,
    FeedResumeRequested,
    FlattenRequested,
    FlattenStarted,
    HaltRequested,
    LoginFailed,
    LoginSucceeded,
    ReleaseRequested,
    TradeCancelRequested,
    TradingHalted,
    TradingReleased,
    TradingStateChanged,
)
from domain.events.parameters import ParametersChangeRequested
from domain.events.positions import AdjustmentRequested, ExitPlanChangeRequested
from domain.events.publication import (
    DeliveryAttempted,
    DeliveryConfirmed,
    DeliveryEscalated,
    DeliveryExpired,
    DeliveryNotFound,
    DeliveryRejected,
    DeliveryScheduled,
    DeliveryUnknown,
    PublicationWithheld,
)
from domain.events.reports import (
    DraftChecked,
    DraftFailed,
    DraftReceived,
    DraftRequested,
    ReportDue,
    ReportSkipped,
)
from domain.events.risk import CashFlowRecorded, CashFlowRequested, LimitsChangeRequested
from domain.events.system import ClockAccepted, InputSkipped, ParametersChanged
from projections.audit.desk import origin, taken, where
from projections.rows import Change, Update, Upsert, json_text

_DELIVERY = (
    "delivery_id",
    "source_event_id",
    "kind",
    "vendor",
    "channel",
    "tier",
    "public_id",
    "trade_id",
    "title",
    "body",
    "reply_to",
    "approval_id",
    "policy_version",
    "event_at",
    "due_at",
)


def scheduled(event: Recorded, body: DeliveryScheduled) -> list[Change]:
    values = origin(event) | taken(body, _DELIVERY) | {"fields": json_text(body.fields)}
    return [
        Upsert("publications", "delivery_id", values | {"state": "scheduled", "attempts": 0}),
    ]


def _delivery(event: Recorded, delivery_id: str, **values: Any) -> list[Change]:
    return [
        Update("publications", "delivery_id", where(event) | {"delivery_id": delivery_id} | values)
    ]


def attempted(event: Recorded, body: DeliveryAttempted) -> list[Change]:
    return _delivery(
        event,
        body.delivery_id,
        state="attempted",
        attempts=body.attempt,
        attempted_at=event.market_time,
    )


def confirmed(event: Recorded, body: DeliveryConfirmed) -> list[Change]:
    return _delivery(
        event,
        body.delivery_id,
        state="confirmed",
        remote_id=body.remote_id,
        remote_at=body.remote_at,
        reason=f"by {body.via}",
        ended_at=event.market_time,
    )


def rejected(event: Recorded, body: DeliveryRejected) -> list[Change]:
    state = "rejected" if body.permanent else "retry"
    ended = {"ended_at": event.market_time} if body.permanent else {}
    reason = f"{body.vendor_code}: {body.text}"
    return _delivery(event, body.delivery_id, state=state, reason=reason, **ended)


def unknown(event: Recorded, body: DeliveryUnknown) -> list[Change]:
    return _delivery(event, body.delivery_id, state="unknown", reason=body.reason)


def not_found(event: Recorded, body: DeliveryNotFound) -> list[Change]:
    return _delivery(event, body.delivery_id, state="not_found", reason=body.evidence)


def delivery_expired(event: Recorded, body: DeliveryExpired) -> list[Change]:
    at = event.market_time
    return _delivery(event, body.delivery_id, state="expired", reason=body.reason, ended_at=at)


def escalated(event: Recorded, body: DeliveryEscalated) -> list[Change]:
    return _delivery(event, body.delivery_id, state="escalated", reason=body.reason)


def withheld(event: Recorded, body: PublicationWithheld) -> list[Change]:
    values = origin(event) | taken(body, ("source_event_id", "reason"))
    return [Upsert("withheld_publications", "event_position", values)]


def approval_requested(event: Recorded, body: ApprovalRequested) -> list[Change]:
    names = ("approval_id", "kind", "subject_id", "revision", "text", "targets", "expires_at")
    values = origin(event) | taken(body, names)
    values |= {"state": "pending", "requested_at": event.market_time}
    values |= {"who": None, "decided_at": None}  # a new revision is open again
    return [Upsert("approvals", "approval_id", values)]


def approval_decided(event: Recorded, body: ApprovalDecided) -> list[Change]:
    values = where(event) | taken(body, ("approval_id", "revision", "who"))
    values |= {"state": "approved" if body.approved else "rejected"}
    return [Update("approvals", "approval_id", values | {"decided_at": event.market_time})]


def approval_expired(event: Recorded, body: ApprovalExpired) -> list[Change]:
    values = where(event) | taken(body, ("approval_id", "revision"))
    return [
        Update(
            "approvals",
            "approval_id",
            values | {"state": "expired", "decided_at": event.market_time},
        )
    ]


def report_due(event: Recorded, body: ReportDue) -> list[Change]:
    names = ("report_id", "kind", "session_date", "prompt_version", "headlines")
    values = origin(event) | taken(body, names) | {"facts": json_text(body.facts)}
    return [
        Upsert("reports", "report_id", values | {"state": "due", "due_at": event.market_time}),
    ]


def _report(event: Recorded, report_id: str, **values: Any) -> list[Change]:
    return [Update("reports", "report_id", where(event) | {"report_id": report_id} | values)]


def draft_requested(event: Recorded, body: DraftRequested) -> list[Change]:
    return _report(event, body.report_id, state="asked", attempt=body.attempt, model=body.model)


def _money(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def draft_received(event: Recorded, body: DraftReceived) -> list[Change]:
    return _report(
        event,
        body.report_id,
        state="drafted",
        attempt=body.attempt,
        model=body.model,
        draft=body.text,
        input_tokens=body.input_tokens,
        output_tokens=body.output_tokens,
        cost_usd=_money(body.cost_usd),
    )


def draft_failed(event: Recorded, body: DraftFailed) -> list[Change]:
    return _report(event, body.report_id, state="failed", attempt=body.attempt, reason=body.reason)


def draft_checked(event: Recorded, body: DraftChecked) -> list[Change]:
    return _report(
        event,
        body.report_id,
        state="checked",
        verdict=body.verdict,
        findings=body.findings,
        final_text=body.final_text,
    )


def report_skipped(event: Recorded, body: ReportSkipped) -> list[Change]:
    return _report(event, body.report_id, state="skipped", reason=body.reason)


def control(event: Recorded, body: Any) -> list[Change]:
    """What people asked for, and what the desk did about it: one row each."""
    values = origin(event) | {"market_time": event.market_time, "type": event.type}
    values |= {
        "who": getattr(body, "who", ""),
        "route": getattr(body, "route", ""),
        "reason": getattr(body, "reason", "") or getattr(body, "why", ""),
        "detail": json_text(body),
    }
    return [Upsert("controls", "event_position", values)]


def alert(event: Recorded, body: AlertRaised) -> list[Change]:
    values = where(event) | taken(body, ("alert_id", "severity", "code", "text"))
    return [Upsert("alerts", "alert_id", values | {"state": "raised"})]


def acknowledged(event: Recorded, body: AlertAcknowledged) -> list[Change]:
    values = where(event) | {"alert_id": body.alert_id, "state": "acknowledged"}
    values |= {"acknowledged_by": body.who, "comment": body.comment, "silent_until": body.until}
    return [Update("alerts", "alert_id", values)]


_CONTROLS: tuple[type[Any], ...] = (
    HaltRequested,
    TradingHalted,
    ReleaseRequested,
    TradingReleased,
    TradingStateChanged,
    LimitsChangeRequested,
    ParametersChangeRequested,
    FlattenRequested,
    FlattenStarted,
    ExitPlanChangeRequested,
    AdjustmentRequested,
    CashFlowRequested,
    CashFlowRecorded,
    ControlRefused,
    FeedPauseRequested,
    FeedResumeRequested,
    CacheFlushRequested,
    TradeCancelRequested,
    LoginSucceeded,
    LoginFailed,
    ParametersChanged,
    InputSkipped,
    ClockAccepted,
)

TABLES: Mapping[type[Any], Callable[[Recorded, Any], list[Change]]] = {
    **dict.fromkeys(_CONTROLS, control),
    DeliveryScheduled: scheduled,
    DeliveryAttempted: attempted,
    DeliveryConfirmed: confirmed,
    DeliveryRejected: rejected,
    DeliveryUnknown: unknown,
    DeliveryNotFound: not_found,
    DeliveryExpired: delivery_expired,
    DeliveryEscalated: escalated,
    PublicationWithheld: withheld,
    ApprovalRequested: approval_requested,
    ApprovalDecided: approval_decided,
    ApprovalExpired: approval_expired,
    ReportDue: report_due,
    DraftRequested: draft_requested,
    DraftReceived: draft_received,
    DraftFailed: draft_failed,
    DraftChecked: draft_checked,
    ReportSkipped: report_skipped,
    AlertRaised: alert,
    AlertAcknowledged: acknowledged,
}
