"""Bringing a trade's orders in line with what is wanted; small steps that all folds share."""

from __future__ import annotations

from uuid import UUID

from domain.events.orders import OrderState
from domain.execution.desk import Desk, Trade
from domain.execution.entries import work_entry
from domain.execution.exits import work_exit
from domain.execution.order_book import Order, changed
from domain.execution.protection import work_stop


def work(desk: Desk, trade: Trade) -> None:
    """Bring a trade's orders in line with what is wanted: entry, then exit, then resting stop."""
    work_entry(desk, trade)
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


def story(desk: Desk, position_id: str) -> UUID | None:
    trade = desk.trades.get(position_id)
    return trade.correlation_id if trade is not None else None
