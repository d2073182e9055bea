"""The desk folded over the same facts under other parameters: what it would have decided.

Used by what-if. Each worker decides anew and evolves with its own decisions; another worker gets
them at the place where the recorded ones stand. What the world answered to an order, message,
approval or report that is not made now is left out; what it would have answered to one that is
made only now is not known, and nothing is invented.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from domain.comparison import body_differences
from domain.event import Body, Recorded, Retention
from domain.events.approvals import ApprovalRequested
from domain.events.orders import OrderIntended
from domain.events.publication import DeliveryScheduled
from domain.events.reports import ReportDue
from domain.events.system import ParametersChanged
from domain.parameter import ParameterValue
from run.replay.consumption import Place, Replayed

_SUBJECTS = ("order_ref", "delivery_id", "approval_id", "report_id")
_OPENERS = (OrderIntended, DeliveryScheduled, ApprovalRequested, ReportDue)
"""Decisions that the world answers: an order, a message, an approval asked for, a report."""

NEW, GONE, CHANGED = "new", "gone", "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision on one input that comes out otherwise. `event` is the decision as it would be,
    for GONE as it was; `fields` holds (name, recorded, now) of a changed one."""

    kind: str
    source: Recorded
    event: Recorded
    fields: tuple[tuple[str, Any, Any], ...] = ()


def subjects(body: Body) -> set[str]:
    """Ids of the orders, messages, approvals and reports that a body is about."""
    parts = (body, getattr(body, "order", None), getattr(body, "execution", None))
    found = {str(getattr(part, name, "")) for part in parts for name in _SUBJECTS}
    return found - {""}


def differences(
    source: Recorded, recorded: Sequence[Recorded], now: Sequence[Recorded]
) -> list[Difference]:
    """Decisions on one input, as recorded and as made now, paired by type and stream."""
    waiting: dict[tuple[str, str], deque[Recorded]] = {}
    for own in recorded:
        waiting.setdefault((own.type, own.stream), deque()).append(own)
    found: list[Difference] = []
    for again in now:
        pair = waiting.get((again.type, again.stream))
        if not pair:
            found.append(Difference(NEW, source, again))
        elif fields := body_differences(pair.popleft().body, again.body):
            found.append(Difference(CHANGED, source, again, tuple(fields)))
    left = [own for pair in waiting.values() for own in pair]
    return found + [Difference(GONE, source, own) for own in left]


@dataclass(slots=True)
class Alternative:
    """All workers under `values` for the positions behind `after`."""

    workers: Sequence[Replayed]
    values: Mapping[str, ParameterValue]
    after: int
    found: list[Difference] = field(default_factory=list)
    numbers: int = 0
    """Market events, such as metrics and marks, that come out otherwise."""
    failed: dict[str, str] = field(default_factory=dict)
    """Workers whose stages could not go on, and where and why."""
    orders: dict[str, OrderIntended] = field(default_factory=dict)
    """Orders of the log in this stretch, by reference."""
    recorded_values: dict[str, ParameterValue] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)
    _not_made: set[str] = field(default_factory=set)
    _decided: dict[tuple[str, int], tuple[int, list[Recorded]]] = field(default_factory=dict)
    _parameters: Recorded | None = None
    _has_begun: bool = False

    def take(self, place: Place) -> None:
        """Take the next position of the log."""
        event = place.event
        if event is None:
            return
        if isinstance(event.body, ParametersChanged):
            self._parameters = event
            self.recorded_values.update(event.body.values)
        if place.position <= self.after:
            for worker in self.workers:
                if worker.takes(event):
                    worker.consumer.fold(event, place.emitted.get(worker.name, ()))
            return
        if not self._has_begun:
            self._begin()
        stands = self._standing(event)
        if not stands:
            self._leave_out(event, place)
        for index, one in enumerate(stands):
            self._give(one, place if index == 0 else Place(place.position, one, {}))

    def _begin(self) -> None:
        """The other values hold from here on, also when they were set on the log before."""
        self._has_begun = True
        if self._parameters is not None:
            changed = self._with_values(self._parameters)
            for worker in self.workers:
                worker.consumer.evolve(changed)

    def _with_values(self, event: Recorded) -> Recorded:
        assert isinstance(event.body, ParametersChanged)
        values = {**event.body.values, **self.values}
        return replace(event, body=event.body.model_copy(update={"values": values}))

    def _standing(self, event: Recorded) -> list[Recorded]:
        """What stands at the place of a recorded event now: itself, what is decided instead, with
        what follows the last such place, or nothing."""
        if not event.is_emission or event.input_position is None:
            if isinstance(event.body, ParametersChanged):
                return [self._with_values(event)]
            return [] if subjects(event.body) & self._not_made else [event]
        key = (event.worker, event.input_position)
        if key not in self._decided:
            return [event]
        count, decided = self._decided[key]
        is_last = event.ordinal == count - 1
        if is_last:
            del self._decided[key]
        end = len(decided) if is_last else event.ordinal + 1
        return [_placed(own, event) for own in decided[event.ordinal : end]]

    def _leave_out(self, event: Recorded, place: Place) -> None:
        """An input that is not there now: nothing is decided on it."""
        for worker in self.workers:
            recorded = place.emitted.get(worker.name, ())
            if recorded:
                self._compare(worker, event, recorded, [])

    def _give(self, event: Recorded, place: Place) -> None:
        """Let every worker that consumes it decide; what has no place on the log comes next."""
        queue = deque([(event, place)])
        while queue:
            source, at = queue.popleft()
            for worker in self.workers:
                if worker.name in self.failed or not worker.takes(source):
                    continue
                recorded = at.emitted.get(worker.name, ())
                now = self._step(worker, source)
                self._compare(worker, source, recorded, now)
                if not recorded:
                    queue.extend((own, Place(at.position, own, {})) for own in now)

    def _step(self, worker: Replayed, source: Recorded) -> list[Recorded]:
        try:
            return worker.consumer.step(source)
        except Exception as error:
            # Facts that do not fit the decisions made now; what came before still stands.
            where = f"position {source.position} {source.type}"
            self.failed[worker.name] = f"{where}: {error!r}"
            return []

    def _compare(
        self,
        worker: Replayed,
        source: Recorded,
        recorded: Sequence[Recorded],
        now: list[Recorded],
    ) -> None:
        if recorded:
            self._decided[worker.name, source.position] = (len(recorded), now)
        for own in recorded:
            if isinstance(own.body, OrderIntended):
                self.orders[own.body.order_ref] = own.body
        self._made |= _opened(now)
        self._not_made = (self._not_made | _opened(recorded)) - self._made
        for one in differences(source, recorded, now):
            if type(one.event.body).retention is Retention.DESK:
                self.found.append(one)
            else:
                self.numbers += 1

    def outcome(self, order: OrderIntended) -> str:
        """What the log knows of an order that is decided otherwise; empty when it is the same."""
        recorded = self.orders.get(order.order_ref)
        if recorded is None:
            return "no recorded outcome"
        same = ("action", "quantity", "limit_price", "stop_price", "structure")
        if any(getattr(recorded, name) != getattr(order, name) for name in same):
            return "the recorded outcome is that of another quantity or price"
        return ""


def _opened(events: Sequence[Recorded]) -> set[str]:
    bodies = (event.body for event in events if isinstance(event.body, _OPENERS))
    return set().union(*(subjects(body) for body in bodies))


def _placed(own: Recorded, event: Recorded) -> Recorded:
    """A decision made now, at the place of the recorded one."""
    return replace(
        own,
        position=event.position,
        version=event.version,
        recorded_at=event.recorded_at,
        market_time=event.market_time,
    )
