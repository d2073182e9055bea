"""The trader's link: what TWS says about orders, executions and the account, as desk events.

Every message is handed on as it came, repeats included; nothing is concluded from it here. Used
by orders.py, which owns one link for each connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ib_async import CommissionReport, Contract, Execution, ExecutionFilter, Order, OrderStatus
from ib_async import OrderState as IbOrderState

from adapters.interactive_brokers import order_translation as translate
from adapters.interactive_brokers.link import IbLink
from adapters.interactive_brokers.session import SessionRule, WrongSession
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerCommissionSeen,
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerExecution,
    BrokerExecutionSeen,
    BrokerOrderSeen,
    BrokerTimeSeen,
    SnapshotOrder,
    SnapshotPosition,
)

BrokerEvent: TypeAlias = (
    BrokerOrderSeen
    | BrokerExecutionSeen
    | BrokerCommissionSeen
    | BrokerErrorSeen
    | BrokerAccountSeen
    | BrokerTimeSeen
    | BrokerDisconnected
)
OrderKey: TypeAlias = tuple[int, int]
SOCKET_RESET = 1300
CUT_OFF = frozenset({1100, 2110})
"""TWS has lost the broker's servers. Its socket stays open; it repeats this every few seconds."""
UNREADABLE_CODE = 0
"""Code of our own error event for a message that ib_async could not decode."""
ORDER_MESSAGES = ("'3'", "'5'", "'11'", "'59'", "'61'", "'101'")


@dataclass(slots=True)
class _OpenOrders:
    """The order in which openOrder and orderStatus came while they were asked for."""

    keys: dict[OrderKey, None] = field(default_factory=dict)


class OrderLink(IbLink):
    """One connection of the trader."""

    def __init__(
        self,
        connection: str,
        emit: Callable[[BrokerEvent], None],
        on_lost: Callable[[str], None],
    ) -> None:
        super().__init__(on_lost)
        self._connection = connection
        self._emit = emit
        self._listing: _OpenOrders | None = None
        self._dirty_values: dict[str, str] = {}
        self._pnl_request = -1
        self.account = ""
        self.account_values: dict[str, str] = {}
        self.orders: dict[OrderKey, SnapshotOrder] = {}
        """The last word on each order of this connection, by (client id, order id)."""
        self.references: dict[int, str] = {}
        """Our own order ids to orderRef, also before TWS has said anything."""
        self.acknowledged: set[int] = set()
        """Order ids of ours whose openOrder was seen on this connection."""
        self.client_id = -1
        self.was_cut_off = False

    # Requests.

    async def start(self, host: str, port: int, client_id: int, session: SessionRule) -> None:
        """Open, pick the account, and subscribe to its P&L.

        Raises:
            WrongSession: the session has no account that may be traded; the connection is closed.
        """
        self.client_id = client_id
        await self.open(host, port, client_id)
        try:
            self.account = session.choose(self.client.getAccounts())
        except WrongSession as error:
            self.close(str(error))
            raise
        self._pnl_request = self.client.getReqId()
        self.client.reqPnL(self._pnl_request, self.account, "")

    async def open_orders(self, seconds: float) -> tuple[SnapshotOrder, ...]:
        """Live orders of all clients, each with its last status."""
        listing = self._listing = _OpenOrders()
        try:
            await self.ask_alone("open orders", self.client.reqAllOpenOrders, seconds)
        finally:
            self._listing = None
        return tuple(self.orders[key] for key in listing.keys)

    async def completed_orders(self, seconds: float) -> tuple[SnapshotOrder, ...]:
        found = await self.ask_alone(
            "completed orders", lambda: self.client.reqCompletedOrders(False), seconds
        )
        return tuple(found)

    async def executions(self, seconds: float) -> tuple[BrokerExecution, ...]:
        request, ours = self.client.getReqId(), ExecutionFilter(acctCode=self.account)
        found = await self.ask_alone(
            request, lambda: self.client.reqExecutions(request, ours), seconds
        )
        return tuple(found)

    async def positions(self, seconds: float) -> tuple[SnapshotPosition, ...]:
        found = await self.ask_alone("positions", self.client.reqPositions, seconds)
        self.client.cancelPositions()
        return tuple(found)

    async def all_account_values(self, seconds: float) -> dict[str, str]:
        """Every value anew; the subscription stays."""

        def subscribe_again() -> None:
            self.client.reqAccountUpdates(False, self.account)
            self.client.reqAccountUpdates(True, self.account)

        await self.ask_alone("account values", subscribe_again, seconds)
        return dict(self.account_values)

    async def what_if(
        self, order_id: int, contract: Contract, order: Order, seconds: float
    ) -> IbOrderState:
        """Margin figures for an order that is not placed.

        Raises:
            RequestFailed: TWS would reject the order.
            TimeoutError: no usable answer; the link stays, because the answer carries the id.
        """
        future: asyncio.Future[list[IbOrderState]] = asyncio.get_running_loop().create_future()
        assert order_id not in self._futures, f"order id must be new, was {order_id}"
        self._futures[order_id] = future
        self._results[order_id] = []
        try:
            self.client.placeOrder(order_id, contract, order)
            async with asyncio.timeout(seconds):
                # TWS may say the same answer twice before we are awake.
                state, *_ = await future
            return state
        finally:
            self._futures.pop(order_id, None)
            self._results.pop(order_id, None)

    # Orders.

    def openOrder(
        self, order_id: int, contract: Contract, order: Order, state: IbOrderState
    ) -> None:
        if order.whatIf:
            change = translate.exact(float(state.initMarginChange or "nan"))
            if change is not None:  # TWS may first send one with unset figures
                self.part(order_id, state)
                self.end(order_id)
            return
        key = (order.clientId, order_id if order_id > 0 else -order.permId)
        seen = translate.opened(contract, order, state.status, self.orders.get(key))
        self.orders[key] = seen
        if order.clientId == self.client_id:
            self.acknowledged.add(order_id)
            self.references.setdefault(order_id, order.orderRef)
        if self._listing is not None:
            self._listing.keys[key] = None
        self._seen("openOrder", seen, Decimal(0), Decimal(0))

    def openOrderEnd(self) -> None:
        self.end("open orders")

    def orderStatus(
        self,
        order_id: int,
        status: str,
        filled: float,
        remaining: float,
        average_price: float,
        perm_id: int,
        parent_id: int,
        last_price: float,
        client_id: int,
        why_held: str,
        _cap_price: float = 0.0,
    ) -> None:
        told = OrderStatus(
            orderId=order_id,
            status=status,
            filled=filled,
            remaining=remaining,
            permId=perm_id,
            parentId=parent_id,
            clientId=client_id,
            whyHeld=why_held,
        )
        key = (client_id, order_id if order_id > 0 else -perm_id)
        before = self.orders.get(key)
        if before is None:
            seen = translate.only_status(told, self.references.get(order_id, ""))
        else:
            seen = self.orders[key] = translate.with_status(before, told)
        average, last = translate.known(average_price), translate.known(last_price)
        self._seen("orderStatus", seen, average, last)

    def _seen(self, source: str, order: SnapshotOrder, average: Decimal, last: Decimal) -> None:
        self._emit(
            BrokerOrderSeen(
                connection=self._connection,
                source=source,
                order=order,
                average_price=average,
                last_price=last,
            )
        )

    def completedOrder(self, contract: Contract, order: Order, state: IbOrderState) -> None:
        self.part("completed orders", translate.completed(contract, order, state))

    def completedOrdersEnd(self) -> None:
        self.end("completed orders")

    # Executions.

    def execDetails(self, request_id: int, contract: Contract, detail: Execution) -> None:
        seen = translate.execution(contract, detail)
        if request_id in self._results:
            self.part(request_id, seen)
        else:
            self._emit(BrokerExecutionSeen(connection=self._connection, execution=seen))

    def execDetailsEnd(self, request_id: int) -> None:
        self.end(request_id)

    def commissionReport(self, report: CommissionReport) -> None:
        """Also one that overtakes its execution, or belongs to a listed one."""
        self._emit(
            BrokerCommissionSeen(
                connection=self._connection,
                exec_id=report.execId,
                commission=translate.exact(report.commission),
                currency=report.currency,
                realised_pnl=translate.realised(report),
            )
        )

    # Positions and account.

    def position(self, account: str, contract: Contract, quantity: float, cost: float) -> None:
        if (
            quantity and account == self.account
        ):  # one closed today may still be listed, with nothing
            self.part("positions", translate.position(account, contract, quantity, cost))

    def positionEnd(self) -> None:
        self.end("positions")

    def updatePortfolio(self, *_: object) -> None:
        """Marks of positions: the desk makes its own."""

    def updateAccountValue(self, key: str, value: str, currency: str, account: str) -> None:
        if account and account != self.account:
            return
        name = key if currency in ("", "USD") else f"{key}.{currency}"
        self.account_values[name] = value
        self._dirty_values[name] = value

    def accountDownloadEnd(self, _account: str) -> None:
        self.end("account values")

    def tcpDataArrived(self) -> None: ...

    def tcpDataProcessed(self) -> None:
        """A packet is done: the account values in it are one event."""
        if self._dirty_values:
            values, self._dirty_values = self._dirty_values, {}
            self._emit(
                BrokerAccountSeen(connection=self._connection, account=self.account, values=values)
            )

    def pnl(self, request_id: int, daily: float, unrealised: float, realised: float) -> None:
        if request_id == self._pnl_request:
            self._emit(
                BrokerAccountSeen(
                    connection=self._connection,
                    account=self.account,
                    values={},
                    daily_pnl=translate.exact(daily),
                    unrealised_pnl=translate.exact(unrealised),
                    realised_pnl=translate.exact(realised),
                )
            )

    # Errors.

    def heard_error(self, request_id: int, code: int, text: str) -> None:
        self._emit(
            BrokerErrorSeen(
                connection=self._connection,
                request_id=request_id,
                code=code,
                text=text,
                order_ref=self.references.get(request_id, ""),
            )
        )
        if code == SOCKET_RESET:
            self.close("TWS moved to another port (1300)")
        elif code in CUT_OFF:
            # What is sent into such a TWS is neither refused nor worked, and its lists are old.
            self.was_cut_off = True
            self.close(f"TWS is cut off from the broker's servers ({code})")

    def message_unreadable(self, text: str) -> None:
        """A lost order message is a hole in what we know: connect anew and take a snapshot."""
        self._emit(
            BrokerErrorSeen(
                connection=self._connection,
                request_id=-1,
                code=UNREADABLE_CODE,
                text=text[:500],
            )
        )
        if any(f"fields: [{kind}" in text for kind in ORDER_MESSAGES) or "orderStatus" in text:
            self.close("a message about orders could not be read")
