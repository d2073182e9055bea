"""A broker with behaviour: one session of a trader with the ledger that outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from adapters.interactive_brokers.link import LinkError
from adapters.interactive_brokers.orders import NotSent
from domain.events.orders import (
    BrokerConnected,
    BrokerDisconnected,
    BrokerOrderSeen,
    BrokerSnapshotReceived,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    SnapshotPosition,
    WhatIfAnswered,
)
from tests.crash.fake_ledger import ACCOUNT, CLIENT_ID, LIVE, Ledger

Point = Callable[[str], None]


class FakeBroker:
    """One session of the trader with the ledger; has the interface of IbOrders."""

    def __init__(self, ledger: Ledger, run_id: str, point: Point) -> None:
        self.ledger = ledger
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.said: list[Any] = []
        self.connection = ""
        self._run_id = run_id
        self._point = point
        self._block = (0, -1)
        self._shown: set[int] = set()
        self._last_id = 0

    @property
    def is_connected(self) -> bool:
        return self.ledger.session is self

    def deliver(self) -> None:
        """What was said reaches the client."""
        said, self.said = self.said, []
        for body in said:
            if isinstance(body, BrokerOrderSeen) and body.source == "openOrder":
                self._shown.add(body.order.order_id)
            self.events.put_nowait(body)

    async def connect(self, connection: str) -> BrokerConnected:
        self._point("connect")
        assert self.ledger.session is None, "one session at a time"
        self.ledger.session = self
        self.connection = connection
        self._shown.clear()
        self._last_id = 0
        return BrokerConnected(
            connection=connection,
            run_id=self._run_id,
            account=ACCOUNT,
            paper=True,
            client_id=CLIENT_ID,
            server_version=178,
            next_valid_id=self.ledger.next_valid_id,
        )

    def lose(self) -> None:
        """The connection breaks; the client hears of it."""
        if self.is_connected:
            self.ledger.drop_connection()
            self.said.clear()
            self.events.put_nowait(BrokerDisconnected(connection=self.connection, reason="lost"))

    async def wait_lost(self) -> str:
        raise AssertionError("driven by hand")

    async def close(self, reason: str = "") -> None:
        self.lose()

    async def snapshot(self) -> BrokerSnapshotReceived:
        self._point("snapshot")
        if not self.is_connected:
            raise LinkError("not connected")
        ledger = self.ledger
        ledger.arrive()
        rows = [ledger.row(order) for order in ledger.orders.values()]
        live = tuple(row for row in rows if row.status in LIVE)
        self._shown.update(row.order_id for row in live)
        done = tuple(
            row.model_copy(update={"order_id": 0, "client_id": 0})
            for row in rows
            if row.status not in LIVE
        )
        positions = tuple(
            SnapshotPosition(
                con_id=con_id,
                symbol="SPY",
                sec_type="OPT",
                expiry="20261006",
                strike=ledger.contracts[con_id].strike,
                right=ledger.contracts[con_id].right.value,
                quantity=Decimal(quantity),
                average_cost=Decimal(0),
                account=ACCOUNT,
            )
            for con_id, quantity in sorted(ledger.positions.items())
            if quantity
        )
        return BrokerSnapshotReceived(
            connection=self.connection,
            open_orders=live,
            completed_orders=done,
            executions=tuple(ledger.executions),
            positions=positions,
            account_values={"NetLiquidation": "1000000", "ExcessLiquidity": "900000"},
            taken_at=ledger.now,
        )

    def reserve_ids(self, first_above: int, count: int = 0) -> OrderIdBlockReserved:
        self._block = (first_above + 1, first_above + count)
        return OrderIdBlockReserved(
            connection=self.connection,
            client_id=CLIENT_ID,
            first=self._block[0],
            last=self._block[1],
            next_valid_id=self.ledger.next_valid_id,
        )

    def place(self, intent: OrderIntended) -> None:
        self.place_bracket([intent])

    def place_bracket(self, intents: Sequence[OrderIntended]) -> None:
        self._point("before place")
        if not self.is_connected:
            raise NotSent("not connected")
        for intent in intents:
            if intent.order_id <= self._last_id:
                raise NotSent(f"order id must be above {self._last_id}, was {intent.order_id}")
            wrong = intent.connection != self.connection
            if wrong or not self._block[0] <= intent.order_id <= self._block[1]:
                self.ledger.wrongs.append(f"id {intent.order_id} of {intent.connection}")
        self._last_id = intents[-1].order_id
        self.ledger.wire += [("place", intent) for intent in intents]
        self._point("after place")

    def modify(self, original: OrderIntended, change: OrderModifyIntended) -> None:
        self._point("before modify")
        if not self.is_connected:
            raise NotSent("not connected")
        if change.order_id not in self._shown:
            raise NotSent("its openOrder must have been seen")
        self.ledger.wire.append(("modify", change))
        self._point("after modify")

    def cancel(self, order_id: int) -> None:
        self._point("before cancel")
        if not self.is_connected:
            raise NotSent("not connected")
        self.ledger.wire.append(("cancel", order_id))
        self._point("after cancel")

    async def what_if(self, intent: OrderIntended) -> WhatIfAnswered:
        raise AssertionError("no what-if in these runs")
