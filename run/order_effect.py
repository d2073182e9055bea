"""The order effect: committed intents become bytes, each once; outcomes go on the log.

run/trader feeds it every batch that was committed. It sends only what this run committed, on the
connection that the intent names, in ascending id, after a last look at halt, connection and age;
what it does not send it lets lapse. It decides nothing and never sends anything twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from adapters.interactive_brokers.link import ClientIdInUse, LinkError, RequestFailed
from adapters.interactive_brokers.orders import NotSent
from adapters.interactive_brokers.session import WrongSession
from domain.event import DeskEvent, Proposed, Recorded
from domain.events.controls import AlertRaised, TradingHalted, TradingReleased
from domain.events.orders import (
    BROKER_STREAM,
    BrokerConnected,
    BrokerSnapshotReceived,
    BrokerSnapshotWanted,
    IntentLapsed,
    IntentSent,
    OrderCancelIntended,
    OrderChanged,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    Purpose,
    WhatIfAnswered,
)
from run import metrics
from run.last_look import leaving_time
from run.worker import Recorder
from store.contract import EventStore

WORK_MAX = 5_000
BROKER_EVENTS_PER_APPEND_MAX = 200
RECONNECT_SECONDS = (1.0, 2.0, 5.0, 10.0)
CLIENT_ID_WAIT_SECONDS = 2.0
WHAT_IFS_MAX = 8

Intent = OrderIntended | OrderModifyIntended | OrderCancelIntended


class Broker(Protocol):
    """What the effect needs of adapters.interactive_brokers.orders.IbOrders."""

    events: asyncio.Queue[Any]

    @property
    def is_connected(self) -> bool: ...
    async def connect(self, connection: str) -> BrokerConnected: ...
    async def wait_lost(self) -> str: ...
    async def close(self, reason: str = ...) -> None: ...
    async def snapshot(self) -> BrokerSnapshotReceived: ...
    def reserve_ids(self, first_above: int, count: int = ...) -> OrderIdBlockReserved: ...
    def place(self, intent: OrderIntended) -> None: ...
    def place_bracket(self, intents: Sequence[OrderIntended]) -> None: ...
    def modify(self, original: OrderIntended, change: OrderModifyIntended) -> None: ...
    def cancel(self, order_id: int) -> None: ...
    async def what_if(self, intent: OrderIntended) -> WhatIfAnswered: ...


class OrderEffect:
    """Carries out committed intents in order. `stop_entries` takes effect at once."""

    def __init__(
        self,
        broker: Broker,
        recorder: Recorder,
        store: EventStore,
        run_id: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        halted_outside: Callable[[], str] = lambda: "",
    ) -> None:
        """`halted_outside` says why no entry may leave whatever the log says: a file, a worker that
        stands. Asked before each entry."""
        self.broker = broker
        self.recorder = recorder
        self.store = store
        self.run_id = run_id
        self.connection = ""
        self.entries_stopped = ""
        """Why no entry leaves; empty while entries may."""
        self.live_entries: dict[str, int] = {}
        """Entries that were sent and have not ended: reference to order id."""
        self._now = now
        self._halted_outside = halted_outside
        self._work: asyncio.Queue[Recorded] = asyncio.Queue()
        self._intents: dict[str, OrderIntended] = {}
        self._bracket: list[Recorded] = []
        self._what_ifs: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._paged = ("", "")
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("order_effect")

    # What was committed.

    def on_committed(self, events: Sequence[Recorded]) -> None:
        """Queue what is to be done; called by the worker right after the commit.

        Raises:
            RuntimeError: more waits than can be sent in time; the process must stop.
        """
        for event in events:
            body = event.body
            if isinstance(body, TradingHalted):
                self.stop_entries(body.reason)
            elif isinstance(body, TradingReleased):
                self.entries_stopped = ""
            elif isinstance(body, OrderChanged) and body.state.is_final:
                self.live_entries.pop(body.order_ref, None)
            elif isinstance(body, Intent | OrderIdBlockReserved | BrokerSnapshotWanted):
                self._work.put_nowait(event)
        depth = self._work.qsize()
        metrics.QUEUE_DEPTH.labels("orders").set(depth)
        if depth > WORK_MAX:
            raise RuntimeError(f"order work must be at most {WORK_MAX}, was {depth}")

    def stop_entries(self, reason: str) -> None:
        """From now on no entry leaves, until a release is on the log."""
        self.entries_stopped = reason or "halt"

    @property
    def is_idle(self) -> bool:
        return self._work.empty() and not self._what_ifs

    async def run(self) -> None:
        """Carry out what was committed, in order, until cancelled."""
        while True:
            await self.perform(await self._work.get())

    async def drain(self) -> None:
        """Carry out what waits now."""
        while not self._work.empty():
            await self.perform(self._work.get_nowait())

    async def perform(self, event: Recorded) -> None:
        """Do one committed thing and record what became of it."""
        match event.body:
            case OrderIdBlockReserved() as body:
                await self._reserve(body)
            case BrokerSnapshotWanted() as body:
                if body.connection == self.connection:
                    await self.take_snapshot()
            case OrderIntended() as body:
                self._intents[body.order_ref] = body
                await self._place(event, body)
            case OrderModifyIntended() as body:
                await self._modify(event, body)
            case OrderCancelIntended() as body:
                await self._cancel(event, body)
            case _:
                raise AssertionError(f"no work for {event.type}")

    # Placing.

    async def _place(self, event: Recorded, body: OrderIntended) -> None:
        if body.purpose is Purpose.WHAT_IF:
            self._ask_what_if(event, body)
            return
        if not body.transmit:
            assert not self._bracket, "a bracket must be complete before the next begins"
            self._bracket = [event]
            return
        members = [*self._bracket, event]
        self._bracket = []
        refusal = await self._last_look(members)
        if not refusal:
            try:
                self.broker.place_bracket([_intended(member) for member in members])
            except NotSent as error:
                refusal = str(error)
        if refusal:
            await self._append([self._lapse(member, refusal) for member in members])
            return
        for member in members:
            intent = _intended(member)
            if intent.is_entry:
                self.live_entries[intent.order_ref] = intent.order_id
        await self._append([self._sent(member, 0) for member in members])

    async def _last_look(self, members: Sequence[Recorded]) -> str:
        """Why a committed order may not leave after all; empty when it may."""
        first = _intended(members[0])
        # The read waits, so it comes first: between the other looks and the send nothing does.
        late = await self._is_late(members[0], first.leaves_before) if first.is_entry else ""
        if first.connection != self.connection or not self.broker.is_connected:
            return f"its connection {first.connection} is gone"
        if first.is_entry and (halted := self.entries_stopped or self._halted_outside()):
            return f"halt: {halted}"
        return late

    async def _is_late(self, event: Recorded, leaves_before: datetime | None) -> str:
        if leaves_before is None or event.input_position is None:
            return ""
        leaves = await leaving_time(self.store, event, self._now)
        if leaves is None:
            return "its deciding input is not on the log"
        if leaves > leaves_before:
            return f"it must leave before {leaves_before}, was {leaves}"
        return ""

    def _ask_what_if(self, event: Recorded, body: OrderIntended) -> None:
        """Asked beside the queue: an answer may take seconds, and exits do not wait for it."""
        if len(self._what_ifs) >= WHAT_IFS_MAX or body.connection != self.connection:
            self._log.warning("what-if not asked", order_ref=body.order_ref)
            return
        task = asyncio.create_task(self._what_if(event, body), name=f"what-if {body.order_ref}")
        self._what_ifs.add(task)
        task.add_done_callback(self._what_ifs.discard)

    async def _what_if(self, event: Recorded, body: OrderIntended) -> None:
        try:
            answer = await self.broker.what_if(body)
        except NotSent as error:
            await self._append([self._lapse(event, str(error))])
            return
        await self._append([self._outcome(event, BROKER_STREAM, answer)])

    # Changing.

    async def _modify(self, event: Recorded, body: OrderModifyIntended) -> None:
        refusal = ""
        original = await self._original(body.order_ref)
        late = await self._is_late(event, body.leaves_before)
        if original is None:
            refusal = "its intent is not on the log"
        elif body.connection != self.connection:
            refusal = f"its connection {body.connection} is gone"
        elif original.is_entry and self.entries_stopped:
            refusal = f"halt: {self.entries_stopped}"
        refusal = refusal or late
        if not refusal and original is not None:
            try:
                self.broker.modify(original, body)
            except NotSent as error:
                refusal = str(error)
        if refusal:
            await self._append([self._lapse(event, refusal)])
        else:
            await self._append([self._sent(event, body.revision)])

    async def _cancel(self, event: Recorded, body: OrderCancelIntended) -> None:
        refusal = ""
        if body.connection != self.connection:
            refusal = f"its connection {body.connection} is gone"
        else:
            try:
                self.broker.cancel(body.order_id)
            except NotSent as error:
                refusal = str(error)
        await self._append([self._lapse(event, refusal) if refusal else self._sent(event, 0)])

    async def _original(self, order_ref: str) -> OrderIntended | None:
        """The intent of an order; of an earlier run's it is read from the log."""
        known = self._intents.get(order_ref)
        if known is not None:
            return known
        for event in await self.store.read_stream(f"order/{order_ref}"):
            if isinstance(event.body, OrderIntended):
                self._intents[order_ref] = event.body
                return event.body
        return None

    # The connection.

    async def connect_once(self) -> None:
        """Open a connection and record it. Raises LinkError when it cannot be made."""
        self._connections += 1
        name = f"{self.run_id[:12]}-{self._connections}"
        connected = await self.broker.connect(name)
        self.connection, self._paged = name, ("", "")
        await self.recorder.record(BROKER_STREAM, connected)

    async def hold_connection(self) -> None:
        """Connect, and connect again when it is lost; never under another client id."""
        failures = 0
        while True:
            try:
                await self.connect_once()
                failures = 0
                reason = await self.broker.wait_lost()
                self._log.warning("broker connection lost", reason=reason)
            except ClientIdInUse:
                self._log.warning("client id in use: another trader or its watchdog lives")
                await asyncio.sleep(CLIENT_ID_WAIT_SECONDS)
            except LinkError as error:
                if isinstance(error, WrongSession):
                    await self._page("BROKER_SESSION", str(error))
                self._log.warning("broker not reachable", error=str(error))
                pause = RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)]
                failures += 1
                await asyncio.sleep(pause)
            self.connection = ""
            await self.broker.close()

    async def _reserve(self, body: OrderIdBlockReserved) -> None:
        if body.connection != self.connection or not self.broker.is_connected:
            return
        reserved = self.broker.reserve_ids(body.first - 1, body.last - body.first + 1)
        assert (reserved.first, reserved.last) == (body.first, body.last), (
            f"ids must be {body.first} to {body.last}, was {reserved.first} to {reserved.last}"
        )
        await self.take_snapshot()

    async def take_snapshot(self) -> None:
        """Record what the broker lists; without an answer the connection is given up, and paged."""
        try:
            snapshot = await self.broker.snapshot()
        except (NotSent, LinkError, RequestFailed) as error:
            await self.broker.close(f"no snapshot: {error}")
            await self._page("BROKER_SNAPSHOT", f"the broker's lists must be answered, was {error}")
            return
        await self.recorder.record(BROKER_STREAM, snapshot)

    async def _page(self, code: str, text: str) -> None:
        """Tell the operator; what is wrong with one attempt to connect is told once."""
        name = f"{self.run_id[:12]}-{self._connections}"
        if (code, text) != self._paged:
            self._paged = (code, text)
            alert = AlertRaised(
                alert_id=f"{code.lower()}-{name}", severity="critical", code=code, text=text
            )
            await self.recorder.record("alert/trader", alert)

    async def record_events(self) -> None:
        """Write what the broker says to the log, in its order, until cancelled."""
        while True:
            await self.record_waiting(await self.broker.events.get())

    async def record_waiting(self, first: DeskEvent) -> None:
        """Write one event and what waits behind it, in one append."""
        bodies = [first]
        while len(bodies) < BROKER_EVENTS_PER_APPEND_MAX and not self.broker.events.empty():
            bodies.append(self.broker.events.get_nowait())
        await self.recorder.append([self.recorder.propose(BROKER_STREAM, b) for b in bodies])

    # Outcomes.

    def _outcome(self, event: Recorded, stream: str, body: DeskEvent) -> Proposed:
        return self.recorder.propose(
            stream,
            body,
            occurred_at=self._now(),
            causation_id=event.event_id,
            correlation_id=event.correlation_id,
        )

    def _sent(self, event: Recorded, revision: int) -> Proposed:
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
            connection=self.connection,
            run_id=self.run_id,
            latency_seconds=latency_seconds,
        )
        return self._outcome(event, f"sent/{body.order_ref}", sent)

    def _lapse(self, event: Recorded, reason: str) -> Proposed:
        body = _intent(event)
        self._log.info("intent lapsed", order_ref=body.order_ref, reason=reason)
        lapsed = IntentLapsed(
            order_ref=body.order_ref,
            order_id=body.order_id,
            intent_id=str(event.event_id),
            request=_request(body),
            reason=reason,
        )
        return self._outcome(event, f"sent/{body.order_ref}", lapsed)

    async def _append(self, events: list[Proposed]) -> None:
        """An outcome that cannot be written stops the process: nothing more may leave."""
        await self.recorder.append(events)


def _intended(event: Recorded) -> OrderIntended:
    assert isinstance(event.body, OrderIntended)
    return event.body


def _intent(event: Recorded) -> Intent:
    assert isinstance(event.body, Intent)
    return event.body


def _request(body: Intent) -> str:
    match body:
        case OrderIntended():
            return "place"
        case OrderModifyIntended():
            return "modify"
        case OrderCancelIntended():
            return "cancel"
