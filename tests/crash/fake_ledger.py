"""A broker's books: they outlive the trader and are the oracle.

It accepts, holds, fills, reduces and cancels orders by rules of its own, loses and repeats
callbacks as its seed says, and notes every wrong that a trader does to it in `wrongs`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, Protocol

from domain.events.orders import (
    BrokerCommissionSeen,
    BrokerErrorSeen,
    BrokerExecution,
    BrokerExecutionSeen,
    BrokerOrderSeen,
    OrderIntended,
    OrderModifyIntended,
    OrderType,
    SnapshotOrder,
)
from domain.instruments import OptionContract, Side

ACCOUNT = "DU1234567"
CLIENT_ID = 1
COMBINATION = 28812380
LIVE = ("PreSubmitted", "Submitted", "PendingCancel")


class Session(Protocol):
    """Whom the broker tells: one connection of the trader."""

    connection: str
    said: list[Any]


@dataclass(slots=True)
class BookedOrder:
    """An order as the broker has it."""

    intent: OrderIntended
    perm_id: int
    quantity: int
    limit: Decimal
    stop: Decimal | None
    status: str = "Submitted"
    filled: int = 0
    why_held: str = ""

    @property
    def remaining(self) -> int:
        return max(0, self.quantity - self.filled)

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


@dataclass
class Ledger:
    """The broker itself: orders, executions and positions of the account."""

    random: Random
    now: datetime
    child_rule: str = "full at once"
    """full at once, held until full, sized to fill, cancelled with the rest."""
    drop: float = 0.0
    repeat: float = 0.0
    refuse_joins: bool = False
    """A group with an ended member lets nobody join."""
    whims: float = 0.0
    """Chance a step that a working order is cancelled by the exchange."""
    lose_unsent: bool = False
    """Bytes under way when the connection ends never arrive."""
    orders: dict[int, BookedOrder] = field(default_factory=dict)
    executions: list[BrokerExecution] = field(default_factory=list)
    commissions: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    contracts: dict[int, OptionContract] = field(default_factory=dict)
    quotes: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)
    wire: list[tuple[str, Any]] = field(default_factory=list)
    """Requests handed to the socket that have not arrived."""
    session: Session | None = None
    wrongs: list[str] = field(default_factory=list)
    perm_id: int = 5_000_000
    execution_number: int = 0

    @property
    def next_valid_id(self) -> int:
        return max(self.orders, default=0) + 1

    def of_reference(self, order_ref: str) -> list[BookedOrder]:
        return [o for o in self.orders.values() if o.intent.order_ref == order_ref]

    # What arrives.

    def arrive(self) -> None:
        """Everything on the wire arrives, in order."""
        waiting, self.wire = self.wire, []
        for kind, request in waiting:
            if kind == "place":
                self._place(request)
            elif kind == "modify":
                self._modify(request)
            else:
                self._cancel(request)

    def drop_connection(self) -> None:
        """The link ends: what was under way arrives, or does not."""
        if not self.lose_unsent:
            self.arrive()
        self.wire.clear()
        self.session = None

    def _place(self, intent: OrderIntended) -> None:
        if intent.order_id in self.orders:
            self.wrongs.append(f"order id {intent.order_id} came twice")
            return
        if self.of_reference(intent.order_ref):
            self.wrongs.append(f"reference {intent.order_ref} came twice")
            return
        self.perm_id += 1
        order = BookedOrder(
            intent, self.perm_id, intent.quantity, intent.limit_price, intent.stop_price
        )
        self.orders[intent.order_id] = order
        for leg in intent.structure.legs:
            self.contracts[leg.contract.con_id] = leg.contract
        if self._opposite(order) or self._is_closed_to(order):
            order.status = "Inactive"
            self.say(self._error(order, 201, "Order rejected - reason:"))
        elif intent.parent_ref:
            order.status, order.why_held = "PreSubmitted", "child,trigger"
        elif intent.order_type is OrderType.STOP_LIMIT:
            order.status, order.why_held = "PreSubmitted", "trigger"
        self.tell(order)

    def _opposite(self, order: BookedOrder) -> bool:
        """US option rule: no orders on both sides of one contract, bracket children excepted."""
        if not order.intent.structure.is_single:
            return False
        con_id = order.intent.structure.legs[0].contract.con_id
        for other in self.orders.values():
            if other is order or not other.is_live or not other.intent.structure.is_single:
                continue
            same = other.intent.structure.legs[0].contract.con_id == con_id
            family = order.intent.parent_ref == other.intent.order_ref
            if same and other.intent.action is not order.intent.action and not family:
                return True
        return False

    def _is_closed_to(self, order: BookedOrder) -> bool:
        group = order.intent.oca_group
        return self.refuse_joins and any(
            other.intent.oca_group == group != "" and not other.is_live
            for other in self.orders.values()
            if other is not order
        )

    def _modify(self, change: OrderModifyIntended) -> None:
        order = self.orders[change.order_id]
        if not order.is_live:
            self.say(self._error(order, 104, "Cannot modify a filled order"))
            return
        order.quantity = change.quantity
        order.limit, order.stop = change.limit_price, change.stop_price
        if order.remaining == 0:
            order.status = "Cancelled"
        self.tell(order)

    def _cancel(self, order_id: int) -> None:
        order = self.orders.get(order_id)
        if order is None:
            body = BrokerErrorSeen(
                connection=self._connection, request_id=order_id, code=10147, text="not found"
            )
            self.say(body)
        elif order.is_live:
            self.say(self._error(order, 202, "Order Canceled - reason:"))
            self.end(order, "Cancelled")

    # What the market does.

    def step(self) -> None:
        """The wire is read, then some orders fill."""
        self.arrive()
        for order in list(self.orders.values()):
            if not order.is_live or order.remaining == 0:
                continue
            if not order.why_held and self.random.random() < self.whims:
                self.end(order, "Cancelled")
                continue
            self._trigger(order)
            if order.why_held or not self._is_marketable(order):
                continue
            quantity = self.random.randint(1, order.remaining)
            self.fill(order, quantity)

    def net(self, order: BookedOrder) -> tuple[Decimal, Decimal]:
        bid = ask = Decimal(0)
        for leg in order.intent.structure.legs:
            leg_bid, leg_ask = self.quotes[leg.contract.con_id]
            bid += leg_bid if leg.ratio > 0 else -leg_ask
            ask += leg_ask if leg.ratio > 0 else -leg_bid
        return bid, ask

    def _trigger(self, order: BookedOrder) -> None:
        waits = order.why_held == "trigger" and order.stop is not None
        if waits and self.net(order)[0] <= (order.stop or 0):
            order.why_held, order.status = "", "Submitted"

    def _is_marketable(self, order: BookedOrder) -> bool:
        bid, ask = self.net(order)
        lucky = self.random.random() < 0.15
        if order.intent.action is Side.BUY:
            return order.limit >= ask or (lucky and order.limit > bid)
        return order.limit <= bid or (lucky and order.limit < ask)

    def fill(self, order: BookedOrder, quantity: int) -> None:
        """Executions for a combination and its legs, then the rest of its group is reduced."""
        order.filled += quantity
        structure = order.intent.structure
        self.execution_number += 1
        stem = f"0000e{self.execution_number:06d}"
        executions: list[BrokerExecution] = []
        if not structure.is_single:
            executions.append(self._execution(order, quantity, f"{stem}.01.01", None, order.limit))
        rest = order.limit
        for number, leg in enumerate(structure.legs[1:], start=2):
            price = sum(self.quotes[leg.contract.con_id]) / 2
            rest -= leg.ratio * price
            name = f"{stem}.{number + 1:02d}.01"
            executions.append(self._execution(order, quantity, name, leg.contract, price))
        first = structure.legs[0]
        executions.append(
            self._execution(order, quantity, f"{stem}.02.01", first.contract, rest * first.ratio)
        )
        for execution in executions:
            self.executions.append(execution)
            self.commissions[execution.exec_id] = Decimal("0.65") * quantity
            self.say(BrokerExecutionSeen(connection=self._connection, execution=execution))
        if order.remaining == 0:
            self.end(order, "Filled")
        else:
            self.tell(order)
        self._reduce_group(order, quantity)
        for execution in executions:
            self.say(
                BrokerCommissionSeen(
                    connection=self._connection,
                    exec_id=execution.exec_id,
                    commission=self.commissions[execution.exec_id],
                    currency="USD",
                    realised_pnl=None,
                )
            )

    def _execution(
        self,
        order: BookedOrder,
        quantity: int,
        exec_id: str,
        contract: OptionContract | None,
        price: Decimal,
    ) -> BrokerExecution:
        side = order.intent.action.sign
        if contract is not None:
            ratio = next(
                leg.ratio for leg in order.intent.structure.legs if leg.contract == contract
            )
            side *= ratio
            con_id = contract.con_id
            self.positions[con_id] = self.positions.get(con_id, 0) + side * quantity
        return BrokerExecution(
            exec_id=exec_id,
            order_id=order.intent.order_id,
            client_id=CLIENT_ID,
            perm_id=order.perm_id,
            order_ref=order.intent.order_ref,
            con_id=COMBINATION if contract is None else contract.con_id,
            symbol="SPY",
            sec_type="BAG" if contract is None else "OPT",
            side="BOT" if side > 0 else "SLD",
            quantity=Decimal(quantity),
            price=price,
            executed_at=self.now,
            account=ACCOUNT,
        )

    def end(self, order: BookedOrder, status: str) -> None:
        order.status = status
        self.tell(order)
        for child in self.orders.values():
            if child.intent.parent_ref != order.intent.order_ref or not child.is_live:
                continue
            dies = order.filled == 0 or self.child_rule == "cancelled with the rest"
            if dies and order.filled < order.quantity:
                self.end(child, "Cancelled")
                continue
            if self.child_rule == "sized to fill":
                child.quantity = order.filled
            if self.child_rule == "held until full" and order.filled < order.quantity:
                continue
            child.why_held = "trigger"
            self.tell(child)

    def _reduce_group(self, order: BookedOrder, quantity: int) -> None:
        group = order.intent.oca_group
        for other in self.orders.values():
            if other is order or not group or other.intent.oca_group != group or not other.is_live:
                continue
            other.quantity -= min(quantity, other.remaining)
            if other.remaining == 0:
                self.end(other, "Cancelled")
            else:
                self.tell(other)

    # What is said.

    @property
    def _connection(self) -> str:
        return self.session.connection if self.session else ""

    def _error(self, order: BookedOrder, code: int, text: str) -> BrokerErrorSeen:
        return BrokerErrorSeen(
            connection=self._connection,
            request_id=order.intent.order_id,
            code=code,
            text=text,
            order_ref=order.intent.order_ref,
        )

    def tell(self, order: BookedOrder) -> None:
        for source in ("openOrder", "orderStatus"):
            body = BrokerOrderSeen(
                connection=self._connection,
                source=source,
                order=self.row(order),
                average_price=Decimal(0),
                last_price=Decimal(0),
            )
            self.say(body)

    def say(self, body: Any) -> None:
        """To the session, if there is one; sometimes not, sometimes twice, sometimes too early."""
        if self.session is None or self.random.random() < self.drop:
            return
        waiting = self.session.said
        place = len(waiting)
        if waiting and self.random.random() < self.repeat:
            place = self.random.randrange(len(waiting))
        waiting.insert(place, body)
        if self.random.random() < self.repeat:
            waiting.append(body)

    def row(self, order: BookedOrder) -> SnapshotOrder:
        structure = order.intent.structure
        return SnapshotOrder(
            order_id=order.intent.order_id,
            client_id=CLIENT_ID,
            perm_id=order.perm_id,
            order_ref=order.intent.order_ref,
            con_id=structure.legs[0].contract.con_id if structure.is_single else COMBINATION,
            symbol="SPY",
            sec_type="OPT" if structure.is_single else "BAG",
            action=order.intent.action.value,
            quantity=Decimal(order.quantity),
            order_type=order.intent.order_type.value,
            limit_price=order.limit,
            stop_price=order.stop,
            status=order.status,
            filled=Decimal(order.filled),
            remaining=Decimal(order.remaining),
            parent_id=0,
            oca_group=order.intent.oca_group,
            account=ACCOUNT,
            why_held=order.why_held,
        )
