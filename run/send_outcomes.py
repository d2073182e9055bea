"""What became of a committed intent, as events for the log: sent, lapsed, or answered.

Made by the order effect right after it acted, with the intent as their cause.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from domain.event import DeskEvent, Proposed, Recorded
from domain.events.orders import (
    IntentLapsed,
    IntentSent,
    OrderCancelIntended,
    OrderIntended,
    OrderModifyIntended,
    Purpose,
)
from run import metrics
from run.worker import Recorder

Intent = OrderIntended | OrderModifyIntended | OrderCancelIntended


class SendOutcomes:
    """Outcomes of one run's intents."""

    def __init__(self, recorder: Recorder, run_id: str, now: Callable[[], datetime]) -> None:
        self._recorder = recorder
        self._run_id = run_id
        self._now = now
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("order_effect")

    def of(self, event: Recorded, stream: str, body: DeskEvent) -> Proposed:
        """A fact that follows from an intent."""
        return self._recorder.propose(
            stream,
            body,
            occurred_at=self._now(),
            causation_id=event.event_id,
            correlation_id=event.correlation_id,
        )

    def sent(self, event: Recorded, revision: int, connection: str) -> Proposed:
        """The bytes were handed over on `connection`."""
        body = _intent(event)
        request = _request(body)
        latency_seconds = max(0.0, (self._now() - event.recorded_at).total_seconds())
        metrics.ORDERS_SENT.labels(request).inc()
        metrics.INTENT_TO_SENT_SECONDS.labels(request).observe(latency_seconds)
        sent = IntentSent(
            order_ref=body.order_ref,
            order_id=body.order_id,
            intent_id=str(event.event_id),
            request=request,
            revision=revision,
            connection=connection,
            run_id=self._run_id,
            latency_seconds=latency_seconds,
        )
        return self.of(event, f"sent/{body.order_ref}", sent)

    def lapsed(self, event: Recorded, reason: str) -> Proposed:
        """Nothing left, and nothing will: its id is never used."""
        body = _intent(event)
        self._log.info("intent lapsed", order_ref=body.order_ref, reason=reason)
        lapsed = IntentLapsed(
            order_ref=body.order_ref,
            order_id=body.order_id,
            intent_id=str(event.event_id),
            request=_request(body),
            reason=reason,
        )
        return self.of(event, f"sent/{body.order_ref}", lapsed)


def _intent(event: Recorded) -> Intent:
    assert isinstance(event.body, Intent)
    return event.body


def _request(body: Intent) -> str:
    match body:
        case OrderIntended(purpose=Purpose.WHAT_IF):
            return "what_if"
        case OrderIntended():
            return "place"
        case OrderModifyIntended():
            return "modify"
        case OrderCancelIntended():
            return "cancel"
