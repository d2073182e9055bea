"""Approvals, deliveries and reports as rows: one function an event type.

Called through the table in api/desk_fold.py. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.fold_state import DeskFold, at
from domain.event import Recorded
from domain.events import approvals, publication, reports


def approval_requested(fold: DeskFold, event: Recorded, body: approvals.ApprovalRequested) -> None:
    row = {
        "approval_id": body.approval_id,
        "kind": body.kind,
        "subject_id": body.subject_id,
        "revision": body.revision,
        "text": body.text,
        "targets": list(body.targets),
        "expires_at": at(body.expires_at),
        "state": "waiting",
        "who": "",
        "is_over": False,
    }
    fold.add(fold.approvals, body.approval_id, event, row)


def prompted(fold: DeskFold, event: Recorded, body: approvals.ApprovalPrompted) -> None:
    fold.change(fold.approvals, body.approval_id, event, state="asked")


def approval_decided(fold: DeskFold, event: Recorded, body: approvals.ApprovalDecided) -> None:
    state = "approved" if body.approved else "rejected"
    values = {"state": state, "who": body.who, "is_over": True}
    fold.change(fold.approvals, body.approval_id, event, **values)


def approval_expired(fold: DeskFold, event: Recorded, body: approvals.ApprovalExpired) -> None:
    fold.change(fold.approvals, body.approval_id, event, state="expired", is_over=True)


# Deliveries


def scheduled(fold: DeskFold, event: Recorded, body: publication.DeliveryScheduled) -> None:
    row = {
        "delivery_id": body.delivery_id,
        "kind": body.kind,
        "vendor": body.vendor.value,
        "channel": body.channel,
        "tier": body.tier.value if body.tier else None,
        "trade_id": body.trade_id,
        "title": body.title,
        "body": body.body,
        "due_at": at(body.due_at),
        "approval_id": body.approval_id,
        "attempts": 0,
        "remote_id": None,
        "state": "scheduled",
        "detail": "",
        "is_over": False,
    }
    fold.add(fold.publications, body.delivery_id, event, row)


def delivery(
    state: str, detail: Callable[[Any], str], *, is_over: bool = False
) -> Callable[[DeskFold, Recorded, Any], None]:
    def apply(fold: DeskFold, event: Recorded, body: Any) -> None:
        values = {"state": state, "detail": detail(body), "is_over": is_over}
        if isinstance(body, publication.DeliveryAttempted):
            values["attempts"] = body.attempt
        if isinstance(body, publication.DeliveryConfirmed):
            values["remote_id"] = body.remote_id
        fold.change(fold.publications, body.delivery_id, event, **values)

    return apply


def rejected(fold: DeskFold, event: Recorded, body: publication.DeliveryRejected) -> None:
    state = "rejected" if body.permanent else "retrying"
    detail = f"{body.vendor_code} {body.text}".strip()
    values = {"state": state, "detail": detail, "is_over": body.permanent}
    fold.change(fold.publications, body.delivery_id, event, **values)


# Reports


def report_due(fold: DeskFold, event: Recorded, body: reports.ReportDue) -> None:
    row = {
        "report_id": body.report_id,
        "kind": body.kind,
        "session_date": body.session_date.isoformat(),
        "facts": [fact.model_dump(mode="json") for fact in body.facts],
        "model": "",
        "cost_usd": None,
        "verdict": "",
        "findings": [],
        "text": "",
        "state": "due",
        "is_over": False,
    }
    fold.add(fold.reports, body.report_id, event, row)


def draft_requested(fold: DeskFold, event: Recorded, body: reports.DraftRequested) -> None:
    fold.change(fold.reports, body.report_id, event, state="asked", model=body.model)


def draft_received(fold: DeskFold, event: Recorded, body: reports.DraftReceived) -> None:
    values = {"state": "drafted", "model": body.model, "cost_usd": body.cost_usd}
    fold.change(fold.reports, body.report_id, event, **values)


def draft_checked(fold: DeskFold, event: Recorded, body: reports.DraftChecked) -> None:
    fold.change(
        fold.reports,
        body.report_id,
        event,
        state="checked",
        verdict=body.verdict,
        findings=list(body.findings),
        text=body.final_text,
    )


def draft_failed(fold: DeskFold, event: Recorded, body: reports.DraftFailed) -> None:
    fold.change(fold.reports, body.report_id, event, state="failed", text=body.reason)


def report_skipped(fold: DeskFold, event: Recorded, body: reports.ReportSkipped) -> None:
    values = {"state": "skipped", "text": body.reason, "is_over": True}
    fold.change(fold.reports, body.report_id, event, **values)
