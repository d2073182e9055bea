"""Executions counted once, by family, and what they make of orders and holdings.

An execution and its corrections share the id up to the last dot; the newest replaces the others.
A combination's own execution fills its order, the leg executions the position. Called by
orders.py and reconcile.py; a fill after a cancel is a fill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from domain.events.orders import (
    BrokerExecution,
    CommissionRecorded,
    FillRecorded,
)
from domain.execution.order_book import Order, OrderBook
from domain.instruments import OptionContract, Side

COMBINATION = "BAG"
SIDES = {"BOT": Side.BUY, "BUY": Side.BUY, "SLD": Side.SELL, "SELL": Side.SELL}
PENDING_COMMISSIONS_MAX = 1_000


def family_of(exec_id: str) -> str:
    """The part that an execution shares with its corrections."""
    return exec_id.rpartition(".")[0] or exec_id


def revision_of(exec_id: str) -> tuple[int, str]:
    last = exec_id.rpartition(".")[2]
    return (int(last), "") if last.isdigit() else (0, last)


@dataclass(slots=True)
class FillBook:
    """Fills by family, with the order they filled; commissions that came too early."""

    fills: dict[str, FillRecorded] = field(default_factory=dict)
    by_order: dict[str, dict[str, FillRecorded]] = field(default_factory=dict)
    commissions: dict[str, tuple[str, Decimal]] = field(default_factory=dict)
    """Recorded commissions: family to (execution id, amount)."""
    early: dict[str, Decimal] = field(default_factory=dict)

    def apply(self, fill: FillRecorded) -> FillRecorded | None:
        """Fold a fill; returns the one that it replaces."""
        before = self.fills.get(fill.fill_id)
        self.fills[fill.fill_id] = fill
        self.by_order.setdefault(fill.order_ref, {})[fill.fill_id] = fill
        return before

    def apply_commission(self, body: CommissionRecorded) -> None:
        self.commissions[body.fill_id] = (body.exec_id, body.commission)
        self.early.pop(body.exec_id, None)

    def keep_early(self, exec_id: str, amount: Decimal) -> None:
        """A commission may come before its execution. Those of strangers never get one: the oldest
        makes room."""
        self.early.pop(exec_id, None)
        if len(self.early) >= PENDING_COMMISSIONS_MAX:
            del self.early[next(iter(self.early))]
        self.early[exec_id] = amount


def units_filled(order: Order, fills: Iterable[FillRecorded]) -> int:
    """Units of an order that executions prove.

    Of a combination the greater of its own executions and of the least filled leg counts, since
    either kind may be missing for a while.
    """
    own = 0
    legs = {leg.contract.con_id: 0 for leg in order.structure.legs}
    for fill in fills:
        if fill.contract is None:
            own += fill.quantity
        elif fill.contract.con_id in legs:
            legs[fill.contract.con_id] += fill.quantity
    return max(own, min(legs.values()))


def units_of_legs(order: Order, fills: Iterable[FillRecorded]) -> int:
    """Units of an order of which every leg has its executions: what the position has seen."""
    legs = {leg.contract.con_id: 0 for leg in order.structure.legs}
    for fill in fills:
        if fill.contract is not None and fill.contract.con_id in legs:
            legs[fill.contract.con_id] += fill.quantity
    return min(legs.values())


def units_told(order: Order, fills: Iterable[FillRecorded]) -> int:
    """The most units that any execution tells of, the combination's own or a single leg's."""
    told: dict[int, int] = {}
    for fill in fills:
        con_id = 0 if fill.contract is None else fill.contract.con_id
        told[con_id] = told.get(con_id, 0) + fill.quantity
    return max(told.values(), default=0)


def units_after(book: FillBook, order: Order, new: Sequence[FillRecorded]) -> int:
    """`units_filled` as it will be when `new` fills are folded too."""
    merged = dict(book.by_order.get(order.ref, {}))
    merged.update({fill.fill_id: fill for fill in new if fill.order_ref == order.ref})
    return units_filled(order, merged.values())


def order_of(book: OrderBook, execution: BrokerExecution, client_id: int) -> Order | None:
    """Our order behind an execution; None for one that is not ours (manual, liquidation)."""
    if execution.order_ref or execution.perm_id in book.by_perm_id:
        return book.find(execution.order_ref, execution.perm_id)
    if execution.client_id != client_id or execution.order_id <= 0:
        return None
    order = book.find("", 0, execution.order_id)
    return order if order is not None and order.perm_id in (0, execution.perm_id) else None


def fill_of(
    before: FillRecorded | None,
    execution: BrokerExecution,
    order_ref: str,
    position_id: str,
    contract: OptionContract | None,
    slippage: tuple[Decimal | None, Decimal | None] = (None, None),
) -> FillRecorded | None:
    """The fill that an execution proves; None when `before`, known of its family, is as new.

    Raises:
        ValueError: a side that is neither bought nor sold.
    """
    if before is not None and revision_of(execution.exec_id) <= revision_of(before.exec_id):
        return None
    side = SIDES.get(execution.side.upper())
    if side is None:
        raise ValueError(f"execution side must be BOT or SLD, was {execution.side!r}")
    return FillRecorded(
        fill_id=family_of(execution.exec_id),
        exec_id=execution.exec_id,
        order_ref=order_ref,
        position_id=position_id,
        contract=contract,
        side=side,
        quantity=int(execution.quantity),
        price=execution.price,
        executed_at=execution.executed_at,
        corrects=before.exec_id if before is not None else "",
        slippage_decision=slippage[0],
        slippage_mid=slippage[1],
    )


def slippage_of(
    order: Order, execution: BrokerExecution, mid: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    """Price against the mid of the decision and against `mid`, that at the fill; more is worse.

    Only of executions that have the structure's price: those of an option alone, or a
    combination's own.
    """
    if not order.structure.is_single and execution.sec_type != COMBINATION:
        return None, None
    decided = order.decision_mid
    sign = order.action.sign
    return (
        None if decided is None else sign * (execution.price - decided),
        None if mid is None else sign * (execution.price - mid),
    )


def leg_contract(order: Order, execution: BrokerExecution) -> OptionContract | None:
    """The leg that was executed; None for the combination's own execution."""
    if execution.sec_type == COMBINATION:
        return None
    for leg in order.structure.legs:
        if leg.contract.con_id == execution.con_id:
            return leg.contract
    return None


def commission_of(fills: FillBook, exec_id: str, amount: Decimal) -> CommissionRecorded | None:
    """The commission of a known fill; None when it is not known yet, or recorded already."""
    fill = fills.fills.get(family_of(exec_id))
    if fill is None or fill.exec_id != exec_id:
        return None
    if fills.commissions.get(fill.fill_id) == (exec_id, amount):
        return None
    return CommissionRecorded(
        fill_id=fill.fill_id,
        exec_id=exec_id,
        order_ref=fill.order_ref,
        position_id=fill.position_id,
        commission=amount,
    )
