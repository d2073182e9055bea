"""The trader's way to the broker: one connection, one fixed client id, each intent sent once.

run/trader owns an IbOrders: it connects, takes a snapshot, reserves order ids, sends intents that
are committed on the log, and writes every event of `events` to the log. Nothing here decides,
retries or re-sends; a doubt ends in a new connection and a new snapshot.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.interactive_brokers import order_translation as translate
from adapters.interactive_brokers.link import LinkError, RequestFailed, opened
from adapters.interactive_brokers.order_link import BrokerEvent, OrderLink
from adapters.interactive_brokers.send_checks import (
    AGAIN,
    DEFECT,
    SLOW,
    NotSent,
    Own,
    check_id,
    check_members,
)
from adapters.interactive_brokers.session import SANDBOX, SessionRule, is_paper
from domain.events.orders import (
    BrokerConnected,
    BrokerDisconnected,
    BrokerSnapshotReceived,
    BrokerTimeSeen,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    WhatIfAnswered,
)

__all__ = ["IbOrders", "NotSent"]

EVENTS_MAX = 20_000
HEARTBEAT_SECONDS = 2.0
HEARTBEAT_ANSWER_SECONDS = 4.0
SNAPSHOT_REQUEST_SECONDS = 5.0
QUIET_SECONDS = 8.0
"""Without a further word of being cut off, TWS counts as back; it repeats itself more often."""
WHAT_IF_SECONDS = 4.0
ID_BLOCK_SIZE = 10_000
SENDS_A_SECOND_MAX = 20
"""Orders, cancels and requests; far below the 45 at which ib_async starts to queue."""
KEPT_FOR_EXITS = 8
"""Of these, what entries, what-ifs and requests leave to exits and cancels."""
MESSAGES_OF_A_LISTING = 2
"""The most that one of the snapshot's five requests sends."""


class IbOrders:
    """Connection, snapshot, ids and sends of the one trader.

    `now` is the wall clock. `events` is read by the caller; the last event of a connection is
    its BrokerDisconnected. When more than `events_max` wait, the connection is given up.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: int,
        run_id: str,
        now: Callable[[], datetime],
        *,
        session: SessionRule = SANDBOX,
        events_max: int = EVENTS_MAX,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        answer_seconds: float = HEARTBEAT_ANSWER_SECONDS,
        request_seconds: float = SNAPSHOT_REQUEST_SECONDS,
        quiet_seconds: float = QUIET_SECONDS,
        sends_a_second_max: int = SENDS_A_SECOND_MAX,
    ) -> None:
        self._host, self._port = host, port
        self._client_id = client_id
        self._run_id = run_id
        self._now = now
        self._session = session
        self._events_max = events_max
        self._heartbeat_seconds = heartbeat_seconds
        self._answer_seconds = answer_seconds
        self._request_seconds = request_seconds
        self._quiet_seconds = quiet_seconds
        self._sends_max = sends_a_second_max
        self._was_cut_off = False
        self.events: asyncio.Queue[BrokerEvent] = asyncio.Queue()
        self._link: OrderLink | None = None
        self._connection = ""
        self._lost: asyncio.Future[str] | None = None
        self._heartbeat: asyncio.Task[None] | None = None
        self._block: OrderIdBlockReserved | None = None
        self._last_sent_id = 0
        self._sent_at: deque[float] = deque()

    # The connection.

    @property
    def is_connected(self) -> bool:
        return self._link is not None and self._link.is_open

    async def connect(self, connection: str) -> BrokerConnected:
        """Open a new connection under the name `connection`.

        Raises:
            ClientIdInUse: another trader or its watchdog lives; wait, keep the id.
            WrongSession: it is not the session that the settings mean.
            LinkError: TWS is not there or not ready.
        """
        self._session.check_address(self._host, self._port)
        assert not self.is_connected, "the earlier connection must be closed first"
        self._connection = connection
        self._block, self._last_sent_id = None, 0
        self._sent_at.clear()
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._lost = lost

        def when_lost(reason: str) -> None:
            self._emit(BrokerDisconnected(connection=connection, reason=reason))
            self._was_cut_off = self._was_cut_off or link.was_cut_off
            if not lost.done():
                lost.set_result(reason)

        link = OrderLink(connection, self._emit, when_lost)
        await link.start(self._host, self._port, self._client_id, self._session)
        await self._until_quiet(link, lost)
        self._link = link
        self._heartbeat = asyncio.create_task(self._beat(link), name="ib-orders-heartbeat")
        return BrokerConnected(
            connection=connection,
            run_id=self._run_id,
            account=link.account,
            paper=is_paper(link.account),
            client_id=self._client_id,
            server_version=link.client.serverVersion(),
            next_valid_id=link.next_valid_id,
        )

    async def _until_quiet(self, link: OrderLink, lost: asyncio.Future[str]) -> None:
        """A TWS that was cut off must have stopped saying so before it is trusted again.

        Raises:
            LinkError: it is still cut off, or the connection was lost.
        """
        if not self._was_cut_off:
            return
        done, _ = await asyncio.wait({lost}, timeout=self._quiet_seconds)
        if done:
            raise LinkError(f"the broker is not reached yet: {lost.result()}")
        self._was_cut_off = False

    async def wait_lost(self) -> str:
        """Returns the reason once the present connection is gone."""
        assert self._lost is not None, "connect first"
        return await asyncio.shield(self._lost)

    async def close(self, reason: str = "closed by us") -> None:
        if self._link is not None:
            self._link.close(reason)
            self._link = None
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            await asyncio.gather(self._heartbeat, return_exceptions=True)
            self._heartbeat = None

    async def _beat(self, link: OrderLink) -> None:
        """Ask for TWS's time for as long as the link lives; silence closes it."""
        while link.is_open:
            await self._request_room(1)
            asked = time.perf_counter()
            try:
                broker_time = await link.current_time(self._answer_seconds)
            except LinkError:
                return
            self._emit(
                BrokerTimeSeen(
                    connection=self._connection,
                    broker_time=broker_time,
                    round_trip_seconds=time.perf_counter() - asked,
                )
            )
            await asyncio.sleep(self._heartbeat_seconds)

    def _emit(self, event: BrokerEvent) -> None:
        """Queue an event; a reader too far behind costs the connection, never an event."""
        self.events.put_nowait(event)
        if self.events.qsize() > self._events_max and self.is_connected:
            assert self._link is not None
            self._link.close(f"more than {self._events_max} events wait to be recorded")

    def _sending_link(self) -> OrderLink:
        if not self.is_connected:
            raise NotSent(
                "a connection must be open, was none: it is made again by itself; when that does"
                " not happen, look whether TWS or the gateway runs and takes API clients"
            )
        return opened(self._link)

    # What is.

    async def snapshot(self) -> BrokerSnapshotReceived:
        """Open and completed orders, executions, positions and account, asked one by one.

        Raises:
            LinkError: a request stayed unanswered; the connection is closed, connect anew.
            RequestFailed: TWS refused a request.
        """
        link = opened(self._link)
        seconds = self._request_seconds
        await self._request_room(MESSAGES_OF_A_LISTING)
        open_orders = await link.open_orders(seconds)
        completed_orders = await link.completed_orders(seconds)
        await self._request_room(MESSAGES_OF_A_LISTING)
        executions = await link.executions(seconds)
        await self._request_room(MESSAGES_OF_A_LISTING)
        positions = await link.positions(seconds)
        await self._request_room(MESSAGES_OF_A_LISTING)
        account_values = await link.all_account_values(seconds)
        return BrokerSnapshotReceived(
            connection=self._connection,
            open_orders=open_orders,
            completed_orders=completed_orders,
            executions=executions,
            positions=positions,
            account_values=account_values,
            taken_at=self._now(),
        )

    def reserve_ids(self, first_above: int, count: int = ID_BLOCK_SIZE) -> OrderIdBlockReserved:
        """A block of order ids above `first_above`, nextValidId and every id of this connection.

        The library's own counter, which also numbers requests, is moved above the block. The
        caller commits the event before it uses an id.

        Raises:
            LinkError: there is no connection.
        """
        link = opened(self._link)
        first = max(first_above + 1, link.next_valid_id, link.client.getReqId())
        self._block = OrderIdBlockReserved(
            connection=self._connection,
            client_id=self._client_id,
            first=first,
            last=first + count - 1,
            next_valid_id=link.next_valid_id,
        )
        link.client.updateReqId(self._block.last + 1)
        return self._block

    # Sends. Plain functions: what the caller checked right before still holds.

    def place(self, intent: OrderIntended) -> None:
        """Send one order, once.

        Raises:
            NotSent: nothing left; the reason is in the text.
        """
        self.place_bracket([intent])

    def place_bracket(self, intents: Sequence[OrderIntended]) -> None:
        """Send parent and children in one go: only the last is transmitted, and frees the rest.

        Raises:
            NotSent: none of them left.
        """
        link = self._sending_link()
        check_members(self._own(link), intents, self._last_sent_id)
        self._check_room(link, len(intents), is_exit=not any(i.opens for i in intents))
        ids = {intent.order_ref: intent.order_id for intent in intents}
        orders = []
        for intent in intents:
            if intent.parent_ref and intent.parent_ref not in ids:
                raise NotSent(
                    f"a child must go with its parent, was alone: {intent.order_ref}: {DEFECT}"
                )
            parent_id = ids[intent.parent_ref] if intent.parent_ref else 0
            order = translate.order_of(intent, parent_id)
            orders.append((translate.structure_contract(intent.structure), order, intent))
        for contract, order, intent in orders:
            link.references[intent.order_id] = intent.order_ref
            self._last_sent_id = intent.order_id
            self._count(1)
            link.client.placeOrder(intent.order_id, contract, order)

    def _own(self, link: OrderLink) -> Own:
        return Own(self._connection, self._client_id, link.account, self._block)

    def _check_room(self, link: OrderLink, count: int, *, is_exit: bool) -> None:
        """Nothing may wait in the library or in the socket once we say it was sent."""
        most = self._sends_max - (0 if is_exit else KEPT_FOR_EXITS)
        if self._sent_within_a_second() + count > most:
            raise NotSent(
                f"sends must be at most {most} a second, was one more:"
                f" wait a second, or send fewer {'orders' if is_exit else 'entries'}"
            )
        if link.is_throttled:
            raise NotSent(f"the library must send at once, was holding messages back: {SLOW}")
        if link.unsent_bytes():
            raise NotSent(
                f"the socket must be empty, was {link.unsent_bytes()} bytes behind: {SLOW}"
            )

    def _sent_within_a_second(self) -> int:
        now = time.monotonic()
        while self._sent_at and now - self._sent_at[0] > 1.0:
            self._sent_at.popleft()
        return len(self._sent_at)

    def _count(self, messages: int) -> None:
        self._sent_at.extend([time.monotonic()] * messages)

    async def _request_room(self, messages: int) -> None:
        """Wait, about a second at most, until a request takes nothing of what exits may need.

        Entries are refused meanwhile, so that room comes. It is counted before it is asked.
        """
        most = self._sends_max - KEPT_FOR_EXITS
        while self._sent_within_a_second() + messages > most:
            await asyncio.sleep(max(0.001, self._sent_at[0] + 1.0 - time.monotonic()))
        self._count(messages)

    def modify(self, original: OrderIntended, change: OrderModifyIntended) -> None:
        """Send a working order anew under its id: a clean order, never the echoed one.

        Raises:
            NotSent: its openOrder was not seen on this connection, or nothing can be sent.
        """
        link = self._sending_link()
        self._check_change(link, change, is_exit=not original.opens)
        seen = link.orders[(self._client_id, change.order_id)]
        order = translate.modified_order(original, change, seen)
        order.orderId = change.order_id
        contract = translate.structure_contract(original.structure)
        self._count(1)
        link.client.placeOrder(change.order_id, contract, order)

    def cancel(self, order_id: int) -> None:
        """Ask for the cancel of an order of ours; only the answer tells what became of it.

        Raises:
            NotSent: nothing can be sent.
        """
        link = self._sending_link()
        self._check_room(link, 1, is_exit=True)
        self._count(1)
        link.client.cancelOrder(order_id)

    def _check_change(self, link: OrderLink, change: OrderModifyIntended, *, is_exit: bool) -> None:
        if change.connection != self._connection:
            raise NotSent(
                f"change must be of connection {self._connection}, was {change.connection}: {AGAIN}"
            )
        if change.order_id not in link.acknowledged:
            raise NotSent(
                f"openOrder of {change.order_id} must have been seen on this connection, was not:"
                " the broker's list is asked for by itself, then it is decided again"
            )
        self._check_room(link, 1, is_exit=is_exit)

    async def what_if(
        self, intent: OrderIntended, seconds: float = WHAT_IF_SECONDS
    ) -> WhatIfAnswered:
        """Margin change of an order that is not placed; null numbers when no answer came.

        Raises:
            NotSent: nothing left.
        """
        link = self._sending_link()
        check_id(self._own(link), intent, self._last_sent_id)
        self._check_room(link, 1, is_exit=False)
        self._last_sent_id = intent.order_id
        self._count(1)
        link.references[intent.order_id] = intent.order_ref
        order = translate.order_of(intent.model_copy(update={"transmit": True}), 0)
        order.whatIf = True
        contract = translate.structure_contract(intent.structure)
        state, warning = None, ""
        try:
            state = await link.what_if(intent.order_id, contract, order, seconds)
        except RequestFailed as refused:
            warning = str(refused)
        except TimeoutError:
            warning = f"no answer within {seconds:g} s"
        except LinkError as lost:
            warning = str(lost)
        return translate.what_if_answer(self._connection, intent, state, warning)
