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

from adapters.interactive_brokers.link import ClientIdInUse, LinkError
from adapters.interactive_brokers.orders import NotSent
from adapters.interactive_brokers.session import WrongSession
from domain.event import DeskEvent, Proposed, Recorded
from domain.events.controls import AlertRaised, TradingHalted, TradingReleased
from domain.events.orders import (
    BROKER_STREAM,
    CANCELLED,
    REGULAR,
    BrokerConnected,
    BrokerSnapshotReceived,
    BrokerSnapshotWanted,
    OrderCancelIntended,
    OrderChanged,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    Purpose,
    WhatIfAnswered,
)
from run import metrics
from run.broker_looks import BrokerLooks
from run.last_look import leaving_time
from run.send_outcomes import SendOutcomes
from run.send_queue import Look, SendQueue
from run.worker import Recorder
from store.contract import EventStore

WORK_MAX = 5_000
BROKER_EVENTS_PER_APPEND_MAX = 200
RECONNECT_SECONDS = (1.0, 2.0, 5.0, 10.0)
CLIENT_ID_WAIT_SECONDS = 2.0
WHAT_IFS_MAX = 8


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
        deciding_input: Callable[[int], Recorded | None] = lambda _: None,
    ) -> None:
        """`halted_outside` says why no entry may leave whatever the log says: a file, a worker that
        stands. Asked before each entry. `deciding_input` is what the worker still has of the inputs
        at their positions: their age need not be asked of the log."""
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
        self._deciding_input = deciding_input
        self._work = SendQueue()
        self.looks = BrokerLooks(broker, recorder, self._work, self._page)
        self._outcomes = SendOutcomes(recorder, run_id, now)
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
            else:
                self._queue(event)
        depth = len(self._work)
        metrics.QUEUE_DEPTH.labels("orders").set(depth)
        if depth > WORK_MAX:
            raise RuntimeError(f"order work must be at most {WORK_MAX}, was {depth}")

    def _queue(self, event: Recorded) -> None:
        match event.body:
            case OrderCancelIntended():
                self._work.put_cancel(event)
            case OrderIdBlockReserved():
                self._work.put_exit(event)
            case BrokerSnapshotWanted(connection=connection, reason=reason):
                self._work.put_look(Look(connection, reason not in (REGULAR, CANCELLED)))
            case OrderModifyIntended() as body:
                # One of an earlier run is not known here: what may be an exit is not held back.
                original = self._intents.get(body.order_ref)
                is_entry = original is not None and original.opens
                (self._work.put_entry if is_entry else self._work.put_change)(event)
            case OrderIntended(purpose=Purpose.WHAT_IF):
                self._work.put_entry(event)
            case OrderIntended() as body:
                self._intents[body.order_ref] = body
                self._bracket.append(event)
                if not body.transmit:
                    return  # its children follow, and leave with it
                members, self._bracket = self._bracket, []
                is_entry = _intended(members[0]).opens
                (self._work.put_entry if is_entry else self._work.put_exit)(*members)
            case _:
                pass

    def stop_entries(self, reason: str) -> None:
        """From now on no entry leaves, until a release is on the log."""
        self.entries_stopped = reason or "halt"

    @property
    def is_idle(self) -> bool:
        return not len(self._work) and not self._what_ifs

    async def run(self) -> None:
        """Send what was committed until cancelled; `run_looks` runs beside it."""
        while True:
            await self._perform(await self._work.wait_send())

    async def run_looks(self) -> None:
        """Take the snapshots that are wanted, one at a time, until cancelled."""
        while True:
            await self._look(await self._work.wait_look())

    async def drain(self) -> None:
        """Carry out what waits now, sends and looks in their ranks."""
        while True:
            if (members := self._work.next_send()) is not None:
                await self._perform(members)
            elif (look := self._work.next_look()) is not None:
                await self._look(look)
            else:
                return

    async def _perform(self, members: Sequence[Recorded]) -> None:
        """Do one committed thing and record what became of it."""
        event = members[0]
        match event.body:
            case OrderIdBlockReserved() as body:
                self._reserve(body)
            case OrderIntended(purpose=Purpose.WHAT_IF) as body:
                await self._ask_what_if(event, body)
            case OrderIntended():
                await self._place(members)
            case OrderModifyIntended() as body:
                await self._modify(event, body)
            case OrderCancelIntended() as body:
                await self._cancel(event, body)
            case _:
                raise AssertionError(f"no work for {event.type}")

    # Placing.

    async def _place(self, members: Sequence[Recorded]) -> None:
        refusal = await self._last_look(members)
        if not refusal:
            try:
                self.broker.place_bracket([_intended(member) for member in members])
            except NotSent as error:
                refusal = str(error)
        if refusal:
            await self._append([self._outcomes.lapsed(member, refusal) for member in members])
            return
        self.looks.order_left()
        for member in members:
            intent = _intended(member)
            if intent.opens:
                self.live_entries[intent.order_ref] = intent.order_id
        await self._append([self._outcomes.sent(member, 0, self.connection) for member in members])

    async def _last_look(self, members: Sequence[Recorded]) -> str:
        """Why a committed order may not leave after all; empty when it may."""
        first = _intended(members[0])
        # It may wait for a read, so it comes first: between the other looks and the send nothing
        # does.
        late = await self._is_late(members[0], first.leaves_before) if first.opens else ""
        if first.connection != self.connection or not self.broker.is_connected:
            return f"its connection {first.connection} is gone"
        if first.opens and (halted := self.entries_stopped or self._halted_outside()):
            return f"halt: {halted}"
        return late

    async def _is_late(self, event: Recorded, leaves_before: datetime | None) -> str:
        if leaves_before is None or event.input_position is None:
            return ""
        leaves = await leaving_time(self.store, event, self._now, self._deciding_input)
        if leaves is None:
            return "its deciding input is not on the log"
        if leaves > leaves_before:
            return f"it must leave before {leaves_before}, was {leaves}"
        return ""

    async def _ask_what_if(self, event: Recorded, body: OrderIntended) -> None:
        """Asked beside the queue: an answer may take seconds, and exits do not wait for it."""
        refusal = f"its connection {body.connection} is gone"
        if body.connection == self.connection:
            refusal = f"{WHAT_IFS_MAX} are asked already"
        if body.connection != self.connection or len(self._what_ifs) >= WHAT_IFS_MAX:
            await self._append([self._outcomes.lapsed(event, refusal)])
            return
        task = asyncio.create_task(self._what_if(event, body), name=f"what-if {body.order_ref}")
        self._what_ifs.add(task)
        task.add_done_callback(self._what_ifs.discard)

    async def _what_if(self, event: Recorded, body: OrderIntended) -> None:
        try:
            answer = await self.broker.what_if(body)
        except NotSent as error:
            await self._append([self._outcomes.lapsed(event, str(error))])
            return
        await self._append([self._outcomes.of(event, BROKER_STREAM, answer)])

    # Changing.

    async def _modify(self, event: Recorded, body: OrderModifyIntended) -> None:
        refusal = ""
        original = await self._original(body.order_ref)
        late = await self._is_late(event, body.leaves_before)
        if original is None:
            refusal = "its intent is not on the log"
        elif body.connection != self.connection:
            refusal = f"its connection {body.connection} is gone"
        elif original.opens and (halted := self.entries_stopped or self._halted_outside()):
            refusal = f"halt: {halted}"
        refusal = refusal or late
        if not refusal and original is not None:
            try:
                self.broker.modify(original, body)
            except NotSent as error:
                refusal = str(error)
        if refusal:
            await self._append([self._outcomes.lapsed(event, refusal)])
        else:
            await self._append([self._outcomes.sent(event, body.revision, self.connection)])

    async def _cancel(self, event: Recorded, body: OrderCancelIntended) -> None:
        refusal = ""
        if body.connection != self.connection:
            refusal = f"its connection {body.connection} is gone"
        else:
            try:
                self.broker.cancel(body.order_id)
            except NotSent as error:
                refusal = str(error)
        if refusal:
            await self._append([self._outcomes.lapsed(event, refusal)])
        else:
            await self._append([self._outcomes.sent(event, 0, self.connection)])

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

    def _reserve(self, body: OrderIdBlockReserved) -> None:
        if body.connection != self.connection or not self.broker.is_connected:
            return
        reserved = self.broker.reserve_ids(body.first - 1, body.last - body.first + 1)
        assert (reserved.first, reserved.last) == (body.first, body.last), (
            f"ids must be {body.first} to {body.last}, was {reserved.first} to {reserved.last}"
        )
        self._work.put_look(Look(body.connection, in_doubt=True))

    async def _look(self, look: Look) -> None:
        try:
            await self.looks.take(look, lambda: self.connection)
        finally:
            self._work.looked()

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

    async def _append(self, events: list[Proposed]) -> None:
        """An outcome that cannot be written stops the process: nothing more may leave."""
        await self.recorder.append(events)


def _intended(event: Recorded) -> OrderIntended:
    assert isinstance(event.body, OrderIntended)
    return event.body
