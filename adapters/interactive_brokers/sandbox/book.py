"""The order book of the sandbox: every order and execution, ids, and the ledger behind them.

The engine decides; this keeps, finds, numbers and writes. On start it is folded again from the
ledger, so that a restarted sandbox knows what the earlier process did.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from adapters.interactive_brokers.sandbox.account import SimAccount
from adapters.interactive_brokers.sandbox.contracts import NEW_YORK
from adapters.interactive_brokers.sandbox.state import (
    LedgerFile,
    LedgerView,
    SimAdjustment,
    SimExecution,
    SimOrder,
    copy_of,
    execution_from,
    order_from,
    same_day,
)

FIRST_PERM_ID = 1_800_000_001


class OrderBook:
    """Orders by (client id, order id), executions in order, and the counters of ids."""

    def __init__(self, state_dir: Path, account: SimAccount) -> None:
        self._file = LedgerFile(state_dir)
        self._account = account
        self._orders: dict[int, SimOrder] = {}
        self._by_key: dict[tuple[int, int], int] = {}
        self._highest: dict[int, int] = {}
        self._next_perm_id = FIRST_PERM_ID
        self.executions: list[SimExecution] = []
        self.adjustments: list[SimAdjustment] = []
        self.last_session: date | None = None
        self._fold()

    def _fold(self) -> None:
        for kind, data in self._file.read():
            if kind == "order":
                self._keep(order_from(data))
            elif kind == "execution":
                self._count(execution_from(data))
            elif kind == "adjustment":
                data["price"] = Decimal(data["price"])
                self._adjust(SimAdjustment(**data))
            elif kind == "ids":
                self._raise_highest(data["client_id"], data["highest"])
            elif kind == "session":
                self.last_session = date.fromisoformat(data["date"])
                self._account.day_start_value = Decimal(data["net_liquidation"])
                self._account.realised_today = Decimal(0)

    def start_session(self, session: date, net_liquidation: Decimal) -> None:
        self._file.write(
            "session", {"date": session.isoformat(), "net_liquidation": str(net_liquidation)}
        )
        self.last_session = session
        self._account.day_start_value = net_liquidation
        self._account.realised_today = Decimal(0)

    def close(self) -> None:
        self._file.close()

    # Ids.

    def next_valid_id(self, client_id: int) -> int:
        return self._highest.get(client_id, 0) + 1

    def highest_id(self, client_id: int) -> int:
        return self._highest.get(client_id, 0)

    def consume_id(self, client_id: int, order_id: int) -> None:
        """An id that leaves no order behind, such as that of a what-if."""
        self._raise_highest(client_id, order_id)
        self._file.write("ids", {"client_id": client_id, "highest": order_id})

    def roll_back_ids(self, count: int) -> None:
        """What a TWS restart can do: the next valid id goes backwards."""
        for client_id in self._highest:
            self._highest[client_id] = max(self._highest[client_id] - count, 0)

    def new_perm_id(self) -> int:
        self._next_perm_id += 1
        return self._next_perm_id - 1

    def _raise_highest(self, client_id: int, order_id: int) -> None:
        self._highest[client_id] = max(self._highest.get(client_id, 0), order_id)

    # Orders.

    def save(self, order: SimOrder) -> None:
        """Keep an order and write it; one that is not transmitted exists only in memory."""
        self._keep(order)
        if order.transmit:
            self._file.write("order", order)

    def _keep(self, order: SimOrder) -> None:
        self._orders[order.perm_id] = order
        if order.order_id > 0:
            self._by_key[(order.client_id, order.order_id)] = order.perm_id
            self._raise_highest(order.client_id, order.order_id)
        self._next_perm_id = max(self._next_perm_id, order.perm_id + 1)

    def forget_untransmitted(self) -> None:
        for order in [o for o in self._orders.values() if not o.transmit]:
            del self._orders[order.perm_id]
            del self._by_key[(order.client_id, order.order_id)]

    def find(self, client_id: int, order_id: int) -> SimOrder | None:
        perm_id = self._by_key.get((client_id, order_id))
        return None if perm_id is None else self._orders[perm_id]

    def all_orders(self) -> list[SimOrder]:
        return list(self._orders.values())

    def working(self) -> list[SimOrder]:
        return [order for order in self._orders.values() if order.is_working]

    def completed(self, session: date) -> list[SimOrder]:
        return [
            order
            for order in self._orders.values()
            if order.is_final and same_day(order.completed_at, session)
        ]

    def children_of(self, parent: SimOrder) -> list[SimOrder]:
        return [
            order
            for order in self._orders.values()
            if order.parent_id == parent.order_id
            and order.client_id == parent.client_id
            and parent.order_id > 0
        ]

    def parent_of(self, order: SimOrder) -> SimOrder | None:
        return self.find(order.client_id, order.parent_id) if order.parent_id else None

    def group(self, name: str) -> list[SimOrder]:
        return [o for o in self._orders.values() if name and o.oca_group == name]

    # Executions and adjustments.

    def add_execution(self, execution: SimExecution) -> None:
        self._count(execution)
        self._file.write("execution", execution)

    def add_adjustment(self, adjustment: SimAdjustment) -> None:
        self._adjust(adjustment)
        self._file.write("adjustment", adjustment)

    def _count(self, execution: SimExecution) -> None:
        self.executions.append(execution)
        self._account.apply(execution)

    def _adjust(self, adjustment: SimAdjustment) -> None:
        self.adjustments.append(adjustment)
        self._account.adjust(adjustment)

    def executions_of(self, session: date) -> list[SimExecution]:
        return [e for e in self.executions if same_day(e.at, session)]

    def view(self) -> LedgerView:
        """A copy of everything, for comparison."""
        return LedgerView(
            orders=[copy_of(order) for order in self._orders.values()],
            executions=list(self.executions),
            adjustments=list(self.adjustments),
            positions={p.con_id: p for p in self._account.held()},
            cash=self._account.cash,
        )


def session_of(at: datetime) -> date:
    """The New York day of a market time."""
    assert at.tzinfo is not None
    return at.astimezone(NEW_YORK).date()


def stored_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
