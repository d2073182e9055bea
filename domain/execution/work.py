"""Bringing a trade's orders in line with what is wanted; small steps that all folds share."""

from __future__ import annotations

from uuid import UUID

from domain.events.orders import FillRecorded, OrderState
from domain.execution.desk import Desk, Trade
from domain.execution.entries import work_entry
from domain.execution.exits import work_exit
from domain.execution.order_book import Order, changed
from domain.execution.protection import work_stop
from domain.execution.rolls import work_roll


def work(desk: Desk, trade: Trade) -> None:
    """Bring a trade's orders in line with what is wanted: entry, roll, exit, resting stop."""
    work_entry(desk, trade)
    work_roll(desk, trade)
    work_exit(desk, trade)
    work_stop(desk, trade)


def work_all(desk: Desk, *_: object) -> None:
    for trade in desk.trades.values():
        work(desk, trade)


def work_position(desk: Desk, position_id: str) -> None:
    trade = desk.trades.get(position_id)
    if trade is not None:
        work(desk, trade)


def emit_change(desk: Desk, order: Order, state: OrderState, reason: str) -> None:
    desk.emit(f"order/{order.ref}", changed(order, state, reason), order.correlation_id)


def emit_fill(desk: Desk, fill: FillRecorded) -> None:
    """Record a fill. One that no order of ours made is told to a human as well."""
    about = story(desk, fill.position_id)
    desk.emit(f"order/{fill.order_ref or 'foreign'}", fill, about)
    if not fill.order_ref and fill.contract is not None:
        text = (
            f"{fill.side.value} {fill.quantity} {fill.contract.occ_symbol} at {fill.price}"
            f" by no order of ours changes {fill.position_id}"
        )
        desk.page("FOREIGN_FILL", fill.exec_id, text, about)


def story(desk: Desk, position_id: str) -> UUID | None:
    trade = desk.trades.get(position_id)
    return trade.correlation_id if trade is not None else None
