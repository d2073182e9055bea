"""Which function folds which event into the live tables.

Used by api/desk_tables.py, which feeds it from the log. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api import fold_calibration as calibration
from api import fold_feeds as feeds
from api import fold_limits as limits
from api import fold_messages as messages
from api import fold_plant as plant
from api import fold_trades as trades
from api.fold_state import DeskFold
from domain.event import DeskEvent, Recorded
from domain.events import (
    approvals,
    controls,
    feed_health,
    forecasts,
    jobs,
    orders,
    positions,
    publication,
    reports,
    risk,
    rolls,
)
from domain.events import signals as signal_events
from domain.events.feeds import LineClosed
from domain.events.system import (
    ClockStarted,
    JobFinished,
    JobStarted,
    ParametersChanged,
    SessionPlanned,
)


def _nothing(_: Any) -> str:
    return ""


def _reason(body: Any) -> str:
    return str(body.reason)


def _attempt(body: publication.DeliveryAttempted) -> str:
    return f"attempt {body.attempt}"


def _via(body: publication.DeliveryConfirmed) -> str:
    return f"by {body.via}"


def _evidence(body: publication.DeliveryNotFound) -> str:
    return body.evidence


def _decided(fold: DeskFold, event: Recorded, body: risk.RiskDecided) -> None:
    trades.decided(fold, event, body)
    limits.measured(fold, event, body)


HANDLERS: Mapping[type[Any], Callable[[DeskFold, Recorded, Any], None]] = {
    signal_events.SignalRaised: trades.signal_raised,
    signal_events.SignalGatesChanged: trades.gates_changed,
    signal_events.SignalValidated: trades.validated,
    signal_events.SignalExpired: trades.expired,
    signal_events.SignalInvalidated: trades.invalidated,
    risk.RiskDecided: _decided,
    orders.EntryRefused: trades.entry_refused,
    orders.OrderIntended: trades.intended,
    orders.OrderModifyIntended: trades.modified,
    orders.OrderChanged: trades.order_changed,
    orders.WhatIfAnswered: trades.what_if_answered,
    orders.IntentLapsed: trades.lapsed,
    orders.BrokerConnected: plant.broker("connected"),
    orders.BrokerReady: plant.broker("ready"),
    orders.BrokerDisconnected: plant.broker("disconnected"),
    orders.ReconciliationCompleted: plant.reconciled,
    orders.BrokerAccountSeen: plant.account,
    positions.PositionOpened: trades.opened,
    positions.PositionChanged: trades.changed,
    positions.PositionReopened: trades.reopened,
    rolls.PositionRolled: trades.rolled,
    positions.StopMoved: trades.stop_moved,
    positions.ExitPlanChanged: trades.plan_changed,
    positions.ExitDecided: trades.exit_decided,
    positions.ExitPlanChanged: trades.plan_changed,
    positions.PositionClosed: trades.closed,
    positions.PnlExplained: trades.explained,
    approvals.ApprovalRequested: messages.approval_requested,
    approvals.ApprovalPrompted: messages.prompted,
    approvals.ApprovalDecided: messages.approval_decided,
    approvals.ApprovalExpired: messages.approval_expired,
    publication.DeliveryScheduled: messages.scheduled,
    publication.DeliveryAttempted: messages.delivery("sending", _attempt),
    publication.DeliveryReconciling: messages.delivery("asking the vendor", _nothing),
    publication.DeliveryConfirmed: messages.delivery("confirmed", _via, is_over=True),
    publication.DeliveryRejected: messages.rejected,
    publication.DeliveryUnknown: messages.delivery("unknown", _reason),
    publication.DeliveryNotFound: messages.delivery("not delivered", _evidence),
    publication.DeliveryExpired: messages.delivery("expired", _reason, is_over=True),
    publication.DeliveryEscalated: messages.delivery("waits for the operator", _reason),
    reports.ReportDue: messages.report_due,
    reports.DraftRequested: messages.draft_requested,
    reports.DraftReceived: messages.draft_received,
    reports.DraftChecked: messages.draft_checked,
    reports.DraftFailed: messages.draft_failed,
    reports.ReportSkipped: messages.report_skipped,
    forecasts.CalibrationUpdated: calibration.calibrated,
    controls.AlertRaised: plant.alert,
    controls.AlertAcknowledged: plant.acknowledged,
    controls.TradingHalted: plant.halted,
    controls.TradingReleased: plant.released,
    controls.TradingStateChanged: plant.trading_state,
    feed_health.FeedStateChanged: feeds.feed,
    feed_health.FeedGapOpened: feeds.gap_opened,
    feed_health.FeedGapClosed: feeds.gap_closed,
    feed_health.FeedStale: feeds.stale,
    feed_health.FeedFresh: feeds.fresh,
    feed_health.FeedStreamSilent: feeds.silent,
    feed_health.FeedStreamVerified: feeds.verified,
    LineClosed: feeds.line_closed,
    feed_health.FeedDriftSeen: feeds.drifted,
    feed_health.FeedRateChanged: feeds.rate_changed,
    feed_health.EndpointDisabled: feeds.disabled,
    feed_health.RestBudgetPlanned: feeds.budget,
    feed_health.IngestionReported: feeds.ingestion_reported,
    jobs.JobScheduled: feeds.job_scheduled,
    JobStarted: feeds.job_started,
    JobFinished: feeds.job_finished,
    ClockStarted: plant.clock,
    SessionPlanned: plant.planned,
    ParametersChanged: limits.changed,
}

TYPES = frozenset(cls.__name__ for cls in HANDLERS)
assert all(issubclass(cls, DeskEvent) for cls in HANDLERS)


def apply(fold: DeskFold, event: Recorded) -> None:
    """Fold one event; types without a row change nothing but the position."""
    fold.position = event.position
    handler = HANDLERS.get(type(event.body))
    if handler is not None:
        handler(fold, event, event.body)
