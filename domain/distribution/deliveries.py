"""The delivery stage: when each message leaves, and what happens after every kind of outcome.

An attempt is on the log before its first byte leaves (DeliveryAttempted is emitted here and
carried out by the outbox). An unknown outcome is never retried blindly: the vendor is read back
first, also for every attempt that an earlier run left without outcome.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from domain.event import Recorded
from domain.events.positions import PositionReopened
from domain.events.publication import (
    DeliveryAttempted,
    DeliveryConfirmed,
    DeliveryEscalated,
    DeliveryExpired,
    DeliveryNotFound,
    DeliveryReconciling,
    DeliveryRejected,
    DeliveryScheduled,
    DeliveryUnknown,
)
from domain.events.system import ParametersChanged, WorkerStarted
from domain.parameter import ParameterState
from domain.stage import Emission

NONCE_LENGTH = 24
LATE = "later than the lateness limit"
REOPENED = "the trade it tells of was opened again"
POST = "post"
READ_BACKS_MAX = 5
"""Of one attempt and one run."""


class Status(StrEnum):
    WAITING = "waiting"
    ATTEMPTED = "attempted"
    READING_BACK = "reading_back"
    CONFIRMED = "confirmed"
    ENDED = "ended"


@dataclass(slots=True)
class Delivery:
    """A delivery that is not forgotten yet."""

    scheduled: DeliveryScheduled
    correlation_id: UUID
    status: Status = Status.WAITING
    attempts: int = 0
    read_backs: int = 0
    attempted_at: datetime | None = None
    """Real time of the last attempt: the vendor's repeat window is real."""
    asked_for: int = 0
    """Position of the input for which the last attempt or read-back was emitted."""
    remote_id: str = ""


@dataclass(slots=True)
class DeliveryState:
    parameters: ParameterState = field(default_factory=ParameterState)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    waiting: dict[str, None] = field(default_factory=dict)
    """Ids that have not been attempted yet or may be again, oldest first."""
    due: list[Emission] = field(default_factory=list)


def nonce(delivery_id: str) -> str:
    """The idempotency key of all attempts of one delivery; Discord allows 25 characters."""
    return b32encode(sha256(delivery_id.encode()).digest()).decode()[:NONCE_LENGTH]


def body_sha256(scheduled: DeliveryScheduled) -> str:
    """Hash of everything that will be sent."""
    parts = [scheduled.title, scheduled.body]
    parts += [f"{name}={value}" for name, value in sorted(scheduled.fields.items())]
    return sha256("\0".join(parts).encode()).hexdigest()


class DeliveryStage:
    """Stage `deliveries` of the outbox."""

    name = "deliveries"
    types = frozenset(
        {
            "ParametersChanged",
            "WorkerStarted",
            "ClockTicked",
            "DeliveryScheduled",
            "DeliveryAttempted",
            "DeliveryReconciling",
            "DeliveryConfirmed",
            "DeliveryRejected",
            "DeliveryUnknown",
            "DeliveryNotFound",
            "DeliveryExpired",
            "DeliveryEscalated",
            "PositionReopened",
        }
    )

    def initial(self) -> DeliveryState:
        return DeliveryState()

    def react(self, state: DeliveryState, event: Recorded) -> Sequence[Emission]:
        return state.due

    def evolve(self, state: DeliveryState, event: Recorded) -> DeliveryState:
        state.due = []
        match event.body:
            case ParametersChanged() as body:
                state.parameters.apply(body)
            case DeliveryScheduled() as body:
                state.deliveries[body.delivery_id] = Delivery(body, event.correlation_id)
                state.waiting[body.delivery_id] = None
                self._release(state, event, [body.delivery_id])
            case WorkerStarted() as body:
                self._settle(state, body.resumed_after)
            case PositionReopened() as body:
                self._withdraw(state, event, body.position_id)
            case (
                DeliveryAttempted()
                | DeliveryReconciling()
                | DeliveryConfirmed()
                | DeliveryRejected()
                | DeliveryUnknown()
                | DeliveryNotFound()
                | DeliveryExpired()
                | DeliveryEscalated()
            ) as body:
                delivery = state.deliveries.get(body.delivery_id)
                if delivery is not None:
                    self._follow(state, event, delivery)
            case _:
                self._release(state, event, list(state.waiting))
        return state

    def _follow(self, state: DeliveryState, event: Recorded, delivery: Delivery) -> None:
        if delivery.status in (Status.CONFIRMED, Status.ENDED):
            return  # a late echo changes nothing any more
        made = delivery.scheduled.delivery_id
        match event.body:
            case DeliveryAttempted() as body:
                delivery.status, delivery.attempts = Status.ATTEMPTED, body.attempt
                delivery.attempted_at, delivery.read_backs = event.recorded_at, 0
                delivery.asked_for = event.input_position or 0
                state.waiting.pop(made, None)
            case DeliveryReconciling():
                delivery.status = Status.READING_BACK
                delivery.read_backs += 1
                delivery.asked_for = event.input_position or 0
            case DeliveryConfirmed() as body:
                delivery.status, delivery.remote_id = Status.CONFIRMED, body.remote_id
                state.waiting.pop(made, None)
                replies = [i for i in state.waiting if _replies(state, i, made)]
                self._release(state, event, replies)
            case DeliveryRejected() as body:
                self._again(state, event, delivery, permanent=body.permanent, why=body.text)
            case DeliveryUnknown() as body:
                self._read_back(state, delivery, body.reason)
            case DeliveryNotFound() as body:
                self._again(state, event, delivery, permanent=False, why=body.evidence)
            case _:
                delivery.status = Status.ENDED
                state.waiting.pop(made, None)

    def _read_back(self, state: DeliveryState, delivery: Delivery, reason: str) -> None:
        made = delivery.scheduled.delivery_id
        if delivery.read_backs >= READ_BACKS_MAX:
            escalated = DeliveryEscalated(delivery_id=made, reason=f"still unknown: {reason}")
            self._emit(state, delivery, escalated)
            return
        reconciling = DeliveryReconciling(delivery_id=made, attempt=delivery.attempts)
        self._emit(state, delivery, reconciling)

    def _again(
        self,
        state: DeliveryState,
        event: Recorded,
        delivery: Delivery,
        *,
        permanent: bool,
        why: str,
    ) -> None:
        limit = state.parameters.number("publication.attempts_max")
        made = delivery.scheduled.delivery_id
        if permanent:
            delivery.status = Status.ENDED
        elif delivery.attempts >= limit:
            reason = f"{delivery.attempts} attempts: {why}"
            self._emit(state, delivery, DeliveryEscalated(delivery_id=made, reason=reason))
        else:
            delivery.status = Status.WAITING
            state.waiting[made] = None
            self._release(state, event, [made])

    def _settle(self, state: DeliveryState, resumed_after: int) -> None:
        """A new run: an earlier one's attempt without outcome may have reached the vendor, which
        is asked. What this run itself attempted while it caught up is under way."""
        for delivery in list(state.deliveries.values()):
            under_way = delivery.status in (Status.ATTEMPTED, Status.READING_BACK)
            if under_way and delivery.asked_for <= resumed_after:
                delivery.read_backs = 0
                self._read_back(state, delivery, "the run ended before the outcome was recorded")

    def _withdraw(self, state: DeliveryState, event: Recorded, trade_id: str) -> None:
        """A public post that is not due yet would tell of an end that did not last."""
        for made in list(state.waiting):
            delivery = state.deliveries[made]
            of_it = delivery.scheduled.kind == POST and delivery.scheduled.trade_id == trade_id
            if of_it and event.market_time < delivery.scheduled.due_at:
                self._emit(state, delivery, DeliveryExpired(delivery_id=made, reason=REOPENED))

    def _release(self, state: DeliveryState, event: Recorded, ids: Iterable[str]) -> None:
        lateness = timedelta(seconds=state.parameters.number("publication.lateness_seconds_max"))
        for made in ids:
            delivery = state.deliveries[made]
            scheduled = delivery.scheduled
            if event.market_time < scheduled.due_at or not _parent_done(state, scheduled):
                continue
            if event.market_time > scheduled.due_at + lateness:
                late = DeliveryExpired(delivery_id=made, reason=LATE)
                self._emit(state, delivery, late)
                continue
            attempted = DeliveryAttempted(
                delivery_id=made,
                attempt=delivery.attempts + 1,
                idempotency_key=nonce(made),
                body_sha256=body_sha256(scheduled),
            )
            self._emit(state, delivery, attempted)

    def _emit(
        self,
        state: DeliveryState,
        delivery: Delivery,
        body: DeliveryAttempted | DeliveryReconciling | DeliveryExpired | DeliveryEscalated,
    ) -> None:
        stream = f"delivery/{delivery.scheduled.delivery_id}"
        state.due.append(Emission(stream, body, delivery.correlation_id))


def _replies(state: DeliveryState, delivery_id: str, parent_id: str) -> bool:
    return state.deliveries[delivery_id].scheduled.reply_to == parent_id


def _parent_done(state: DeliveryState, scheduled: DeliveryScheduled) -> bool:
    """A reply never overtakes its entry: it waits until the entry was delivered or given up."""
    if not scheduled.reply_to:
        return True
    parent = state.deliveries.get(scheduled.reply_to)
    return parent is None or parent.status in (Status.CONFIRMED, Status.ENDED)
