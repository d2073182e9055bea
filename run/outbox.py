"""The outbox daemon: publication, reports, approvals and deliveries.

Its stages decide; this module carries out what they emitted after it is committed, one lane a
vendor and channel so that a slow one holds up nothing else, and records every outcome. Nothing
here is awaited by the trader.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from adapters.claude.answers import DraftAnswer
from adapters.outcome import CannotTell, FindOutcome, Found, NotFound, NotSent, SendOutcome, Sent
from domain.commentary.prompt import RULES, SCHEMA, facts_block
from domain.commentary.stage import ReportState
from domain.distribution.approvals import ApprovalState
from domain.distribution.deliveries import LATE, Delivery, DeliveryState
from domain.event import DeskEvent, Recorded
from domain.events.approvals import (
    ApprovalAnswered,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalPrompted,
    ApprovalPromptWanted,
    ApprovalRequested,
)
from domain.events.controls import AlertRaised
from domain.events.publication import (
    DeliveryAttempted,
    DeliveryConfirmed,
    DeliveryExpired,
    DeliveryNotFound,
    DeliveryReconciling,
    DeliveryRejected,
    DeliveryScheduled,
    DeliveryUnknown,
    Vendor,
)
from domain.events.reports import DraftFailed, DraftReceived, DraftRequested
from run import metrics
from run.last_look import leaving_time
from run.people import Desks, open_desks
from run.remedies import remedy
from run.service import Process, command
from run.worker import Worker
from run.workers import WORKERS

READS = ("discord_", "telegram_", "x_", "reddit_", "claude_", "publication_secret")
NEEDS = ("telegram_token", "telegram_chat_id", "publication_secret")
"""Approvals and the ids in public messages; a vendor without its keys refuses by itself."""
LANE_LENGTH_MAX = 1_000
REFUSAL_LENGTH_MAX = 500
RETRY_AFTER_SECONDS_MAX = 60.0
RETRY_AFTER_SECONDS = 1.0
"""The first pause; each further one is twice as long, so that a vendor that starts again is not
given up within seconds."""
NONCE_WINDOW = timedelta(seconds=60)
READ_BACK_MARGIN = timedelta(minutes=10)
DRAFT_TOKENS_MAX = 2_000
STREAM = "outbox"

_State = TypeVar("_State")


class LaneFull(Exception):
    """A lane has more waiting than it may: the outbox stops rather than forget a delivery."""


def pause(tries: int) -> float:
    """Real seconds before another try after so many."""
    return min(RETRY_AFTER_SECONDS * 2.0 ** max(0, tries - 1), RETRY_AFTER_SECONDS_MAX)


class Outbox:
    """Carries out the emissions of the outbox worker, one lane at a time in order."""

    def __init__(
        self, process: Process, worker: Worker, desks: Desks, now: Callable[[], datetime]
    ) -> None:
        self._process = process
        self._worker = worker
        self._desks = desks
        self._now = now
        self._lanes: dict[str, asyncio.Queue[Recorded]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def figures(self) -> dict[str, float]:
        """Depths of the lanes, for the heartbeat."""
        depths = {f"queue_{name}": float(q.qsize()) for name, q in self._lanes.items()}
        deliveries = self._state(3, DeliveryState).deliveries.values()
        depths["unknown_deliveries"] = float(
            sum(d.status.value in ("attempted", "reading_back") for d in deliveries)
        )
        return depths

    def _state(self, index: int, kind: type[_State]) -> _State:
        state = self._worker.consumer.states[index]
        assert isinstance(state, kind)
        return state

    async def run(self) -> None:
        """Own the lanes; ends with the first lane that fails."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._prompt_again(), name="outbox.prompt-again")
            await asyncio.Event().wait()

    async def _prompt_again(self) -> None:
        """After a restart ask again for what is pending: a second prompt is harmless."""
        await self._worker.ready.wait()
        for pending in list(self._state(2, ApprovalState).pending.values()):
            await self._prompt(pending.request)

    def carry_out(self, emitted: Sequence[Recorded]) -> None:
        """Put committed emissions into their lanes; called by the worker, never blocks."""
        for event in emitted:
            lane = self._lane_of(event)
            if lane:
                self._put(lane, event)

    def _lane_of(self, event: Recorded) -> str:
        match event.body:
            case DeliveryAttempted() | DeliveryReconciling():
                scheduled = self._delivery(event.body.delivery_id).scheduled
                return f"{scheduled.vendor.value}.{scheduled.channel}"
            case ApprovalRequested() | ApprovalPromptWanted():
                return "telegram.approvals"
            case ApprovalDecided() | ApprovalExpired():
                return "telegram.approvals"
            case ApprovalAnswered():
                return "telegram.answers"
            case DraftRequested():
                return "claude"
            case _:
                return ""

    def _put(self, name: str, event: Recorded) -> None:
        queue = self._lanes.get(name)
        if queue is None:
            assert self._tasks is not None, "lanes must be running before the worker commits"
            queue = self._lanes[name] = asyncio.Queue(LANE_LENGTH_MAX)
            self._tasks.create_task(self._serve(name, queue), name=f"outbox.{name}")
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            raise LaneFull(f"lane {name} must hold at most {LANE_LENGTH_MAX}") from None
        metrics.QUEUE_DEPTH.labels(name).set(queue.qsize())

    async def _serve(self, name: str, queue: asyncio.Queue[Recorded]) -> None:
        while True:
            event = await queue.get()
            metrics.QUEUE_DEPTH.labels(name).set(queue.qsize())
            await self._do(event)

    async def _do(self, event: Recorded) -> None:
        match event.body:
            case DeliveryAttempted():
                await self._deliver(event)
            case DeliveryReconciling():
                await self._read_back(event)
            case ApprovalRequested() as body:
                await self._prompt(body, event)
            case ApprovalPromptWanted() as body:
                pending = self._state(2, ApprovalState).pending.get(body.approval_id)
                if pending is not None:
                    await self._prompt(pending.request, event)
            case ApprovalAnswered() as body:
                await self._desks.answer(body.callback_id, body.text)
            case ApprovalDecided() as body:
                word = "Approved" if body.approved else "Rejected"
                await self._desks.close_prompts(body.approval_id, f"{word} by {body.who}.")
            case ApprovalExpired() as body:
                await self._desks.close_prompts(body.approval_id, "Expired.")
            case DraftRequested() as body:
                await self._draft(body, event)
            case _:
                pass

    def _delivery(self, delivery_id: str) -> Delivery:
        return self._state(3, DeliveryState).deliveries[delivery_id]

    async def _record(self, body: DeskEvent, cause: Recorded | None) -> None:
        await self._process.recorder.record(
            STREAM,
            body,
            causation_id=None if cause is None else cause.event_id,
            correlation_id=None if cause is None else cause.correlation_id,
        )

    async def _deliver(self, event: Recorded) -> None:
        assert isinstance(event.body, DeliveryAttempted)
        delivery = self._delivery(event.body.delivery_id)
        scheduled = delivery.scheduled
        if await self._is_late(event, scheduled):
            late = DeliveryExpired(delivery_id=scheduled.delivery_id, reason=LATE)
            await self._record(late, event)
            return
        parent = self._state(3, DeliveryState).deliveries.get(scheduled.reply_to)
        reply_to = parent.remote_id if parent is not None else ""
        outcome = await self._desks.send(scheduled, event.body.idempotency_key, reply_to)
        metrics.DELIVERIES.labels(scheduled.vendor.value, type(outcome).__name__).inc()
        await self._record_outcome(scheduled.delivery_id, outcome, event)

    async def _is_late(self, event: Recorded, scheduled: DeliveryScheduled) -> bool:
        """A worker that was down decides by the time of its inputs; readers live now."""
        leaves = await leaving_time(self._process.store, event, self._now)
        parameters = self._state(3, DeliveryState).parameters
        limit = parameters.number("publication.lateness_seconds_max")
        return leaves is None or leaves > scheduled.due_at + timedelta(seconds=limit)

    async def _record_outcome(
        self, delivery_id: str, outcome: SendOutcome, cause: Recorded
    ) -> None:
        body: DeskEvent
        match outcome:
            case Sent(remote_id, remote_at):
                body = DeliveryConfirmed(
                    delivery_id=delivery_id,
                    remote_id=remote_id,
                    remote_at=remote_at,
                    via="response",
                )
            case NotSent(permanent, code, _, retry_after):
                if not permanent:
                    wait = pause(self._delivery(delivery_id).attempts)
                    wait = wait if retry_after is None else retry_after
                    await asyncio.sleep(min(wait, RETRY_AFTER_SECONDS_MAX))
                body = DeliveryRejected(
                    delivery_id=delivery_id,
                    permanent=permanent,
                    vendor_code=code,
                    text=self._refusal(delivery_id, outcome),
                )
            case _:
                body = DeliveryUnknown(delivery_id=delivery_id, reason=outcome.reason[:500])
        await self._record(body, cause)

    def _refusal(self, delivery_id: str, outcome: NotSent) -> str:
        """The vendor's words and what to do; a passing one is tried again by itself."""
        if not outcome.permanent:
            return outcome.text[:REFUSAL_LENGTH_MAX]
        vendor = self._delivery(delivery_id).scheduled.vendor
        told = remedy(vendor, outcome.vendor_code)
        return f"{outcome.text[: REFUSAL_LENGTH_MAX - len(told) - 2]}: {told}"

    async def _read_back(self, event: Recorded) -> None:
        assert isinstance(event.body, DeliveryReconciling)
        delivery = self._delivery(event.body.delivery_id)
        scheduled = delivery.scheduled
        since = self._now() - READ_BACK_MARGIN
        found: FindOutcome = await self._desks.find(scheduled, since)
        body: DeskEvent
        match found:
            case Found(remote_id, remote_at):
                body = DeliveryConfirmed(
                    delivery_id=scheduled.delivery_id,
                    remote_id=remote_id,
                    remote_at=remote_at,
                    via="reconcile",
                )
            case NotFound(evidence):
                body = DeliveryNotFound(delivery_id=scheduled.delivery_id, evidence=evidence[:500])
            case CannotTell() if self._repeats_safely(delivery):
                evidence = "a repeat makes no second message, or does no harm"
                body = DeliveryNotFound(delivery_id=scheduled.delivery_id, evidence=evidence)
            case CannotTell(reason):
                await asyncio.sleep(pause(delivery.read_backs))
                body = DeliveryUnknown(delivery_id=scheduled.delivery_id, reason=reason[:500])
        await self._record(body, event)

    def _repeats_safely(self, delivery: Delivery) -> bool:
        """Discord answers a repeated nonce of the past few minutes with the message it made. A page
        on Telegram that comes twice is better than one that does not come."""
        if delivery.scheduled.vendor is Vendor.TELEGRAM:
            return True
        if delivery.scheduled.vendor is not Vendor.DISCORD or delivery.attempted_at is None:
            return False
        return self._now() - delivery.attempted_at < NONCE_WINDOW

    async def _prompt(self, request: ApprovalRequested, cause: Recorded | None = None) -> None:
        prompted = await self._desks.prompt(request)
        if isinstance(prompted, str):
            await self._tell_nobody_was_asked(request, prompted, cause)
            return
        chat_id, message_id = prompted
        body = ApprovalPrompted(
            approval_id=request.approval_id,
            revision=request.revision,
            chat_id=chat_id,
            message_id=message_id,
        )
        await self._record(body, cause)

    async def _tell_nobody_was_asked(
        self, request: ApprovalRequested, why: str, cause: Recorded | None
    ) -> None:
        """The approval will expire without a press: the page says why."""
        alert = AlertRaised(
            alert_id=f"approval-not-asked-{request.approval_id}-{request.revision}",
            severity="critical",
            code="APPROVAL_NOT_ASKED",
            text=f"{request.kind} {request.subject_id} expires without a press: {why}",
        )
        await self._record(alert, cause)

    async def _draft(self, request: DraftRequested, cause: Recorded) -> None:
        report = self._state(1, ReportState).drafts[request.report_id].due
        answer = await self._desks.draft(RULES, facts_block(report), SCHEMA, DRAFT_TOKENS_MAX)
        body: DeskEvent
        if isinstance(answer, DraftAnswer):
            body = DraftReceived(
                report_id=request.report_id,
                attempt=request.attempt,
                model=answer.model,
                request_id=answer.request_id,
                stop_reason=answer.stop_reason,
                text=answer.text,
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                cost_usd=str(answer.cost_usd),
            )
        else:
            reason = f"{answer.kind}: {answer.text}"[:500]
            body = DraftFailed(report_id=request.report_id, attempt=request.attempt, reason=reason)
        await self._record(body, cause)


def _now() -> datetime:
    return datetime.now(UTC)


async def main(process: Process, now: Callable[[], datetime] = _now) -> None:
    """Run the worker and its lanes until the process is asked to stop."""
    async with open_desks(process.settings) as desks:
        emitted: list[Outbox] = []
        worker = Worker(
            "outbox",
            WORKERS["outbox"](process.settings),
            process.store,
            process.build,
            configuration_sha256=process.configuration_sha256,
            on_committed=lambda events: emitted[0].carry_out(events),
            figures=lambda: emitted[0].figures(),
            cache=process.state_cache(),
        )
        outbox = Outbox(process, worker, desks, now)
        emitted.append(outbox)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(outbox.run(), name="outbox.lanes")
            await asyncio.sleep(0)  # the lanes exist before the first commit
            tasks.create_task(worker.run(), name="outbox.worker")


if __name__ == "__main__":
    sys.exit(command("outbox", main, __doc__, reads=READS, needs=NEEDS))
