"""What the broker says, as the order stage folds it: callbacks, executions, commissions, errors.

Called by orders.py. Callbacks may be late, repeated, reordered or missing: executions are counted
by family, a doubt starts a look at the lists, and an error never ends an order.
"""

from __future__ import annotations

from decimal import Decimal

from domain.event import Recorded
from domain.events.orders import (
    CANCELLED,
    BrokerCommissionSeen,
    BrokerErrorSeen,
    BrokerExecution,
    BrokerExecutionSeen,
    BrokerOrderSeen,
    CommissionRecorded,
    FillRecorded,
    OrderState,
)
from domain.execution.desk import Desk
from domain.execution.fills import (
    commission_of,
    units_after,
    units_filled,
    units_of_legs,
    units_told,
)
from domain.execution.holdings import SHARES, came_after_all
from domain.execution.leg_watch import note_legs
from domain.execution.order_book import after_execution, after_status, notice_listing
from domain.execution.order_state import Standing, standing
from domain.execution.reconcile import execution_fill
from domain.execution.work import emit_fill, story, work, work_position

ORDER_CANCELLED = 202


def on_order_seen(desk: Desk, event: Recorded, body: BrokerOrderSeen) -> None:
    row = body.order
    order = desk.book.find(row.order_ref, row.perm_id, row.order_id)
    if order is None or desk.connection is None or desk.connection.name != body.connection:
        return
    change = after_status(order, row, body.source)
    was_final = order.state.is_final
    notice_listing(order, row, body.connection)
    if change is not None:
        desk.emit(f"order/{order.ref}", change, order.correlation_id)
        return
    live_again = standing(row.status) in (Standing.LIVE, Standing.WAITING)
    if was_final and live_again and order.state is not OrderState.FILLED:
        desk.want_snapshot(f"{order.ref} is said to be live")
    elif not order.is_counted and standing(row.status) is Standing.FILLED:
        desk.want_snapshot(f"executions of {order.ref} are missing")
    work_position(desk, order.position_id)


def on_execution_seen(desk: Desk, event: Recorded, body: BrokerExecutionSeen) -> None:
    fill = execution_fill(desk, body.execution, [])
    if fill is None:
        _look_for_sold_shares(desk, body.execution)
        return
    about = story(desk, fill.position_id)
    emit_fill(desk, fill)
    order = desk.book.orders.get(fill.order_ref)
    if order is None:
        return
    filled = units_after(desk.fills, order, [fill])
    change = after_execution(order, filled, body.execution.perm_id)
    if change is not None:
        desk.emit(f"order/{order.ref}", change, about)
    else:
        # The order says nothing new, but the holding changes: work when the fill is folded.
        desk.claim(_alone(fill))


def _look_for_sold_shares(desk: Desk, execution: BrokerExecution) -> None:
    """A human trades what was delivered: the rest of its structure waits for the lists to show."""
    traded = execution.sec_type == SHARES and desk.is_ours(execution.account)
    if traded and desk.delivered.get(execution.symbol, 0):
        desk.want_snapshot(f"{execution.side} {execution.quantity} shares of {execution.symbol}")


def _alone(fill: FillRecorded) -> str:
    """Claimed for a fill that no OrderChanged follows."""
    return f"alone:{fill.fill_id}"


def on_filled(desk: Desk, event: Recorded, body: FillRecorded) -> None:
    taken_back = came_after_all(desk, [body])
    before = desk.fills.apply(body)
    order = desk.book.orders.get(body.order_ref)
    if order is not None:
        fills = desk.fills.by_order[order.ref].values()
        order.filled = units_filled(order, fills)
        order.legs_filled = units_of_legs(order, fills)
        note_legs(desk, order, units_told(order, fills))
        if order.request is not None and order.request.kind == "place":
            order.request = None
    trade = desk.trades.get(body.position_id)
    if trade is not None and body.contract is not None:
        con_id = body.contract.con_id
        change = body.side.sign * (body.quantity - (before.quantity if before else 0))
        for back in taken_back:
            change += back.quantity
            desk.infer(back.position_id, back.con_id, back.quantity)
            desk.emit(f"adjustment/{back.position_id}", back, trade.correlation_id)
        trade.hold(con_id, change)
        shortage = desk.shortages.get(con_id)
        if shortage is not None and not shortage.confirmed:
            del desk.shortages[con_id]
    early = desk.fills.early.get(body.exec_id)
    if early is not None:
        _emit_commission(desk, body.exec_id, early)
    if trade is not None and (order is None or _alone(body) in desk.claims):
        work(desk, trade)


def _emit_commission(desk: Desk, exec_id: str, amount: Decimal) -> None:
    body = commission_of(desk.fills, exec_id, amount)
    if body is not None:
        desk.emit(f"order/{body.order_ref or 'foreign'}", body, story(desk, body.position_id))


def on_commission_seen(desk: Desk, event: Recorded, body: BrokerCommissionSeen) -> None:
    if body.commission is None:
        return
    if commission_of(desk.fills, body.exec_id, body.commission) is None:
        desk.fills.keep_early(body.exec_id, body.commission)
        return
    _emit_commission(desk, body.exec_id, body.commission)


def on_commission(desk: Desk, event: Recorded, body: CommissionRecorded) -> None:
    desk.fills.apply_commission(body)


def on_error_seen(desk: Desk, event: Recorded, body: BrokerErrorSeen) -> None:
    """An error starts a look at the lists; by itself it never ends an order. That what we cancel is
    cancelled is no doubt: the next entry does not wait for that look."""
    order = desk.book.error(body)
    if order is None or not order.is_live:
        return
    asked = order.request is not None and order.request.kind == "cancel"
    if body.code == ORDER_CANCELLED and (asked or order.state is OrderState.CANCEL_REQUESTED):
        desk.want_snapshot(CANCELLED)
    else:
        desk.want_snapshot(f"error {body.code} for {order.ref}")
