"""The broker connection as the order stage folds it: ids, snapshots, readiness, doubt.

Called by orders.py. Orders leave only on a connection whose first snapshot was consumed; entries
only while nothing differs.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.event import Recorded
from domain.events.orders import (
    BrokerConnected,
    BrokerDisconnected,
    BrokerReady,
    BrokerSnapshotReceived,
    BrokerSnapshotWanted,
    OrderIdBlockReserved,
    OrderState,
    ReconciliationCompleted,
)
from domain.events.positions import PositionAdjusted
from domain.events.system import WorkerStarted
from domain.execution.desk import (
    BROKER_DECISIONS_STREAM,
    IDS_KEPT_FOR_EXITS,
    IDS_PER_BLOCK,
    REQUEST_IDS,
    REQUEST_IDS_OF_A_CONNECTION,
    Connection,
    Desk,
)
from domain.execution.holdings import (
    DELIVERIES,
    share_trades,
    shares_delivered,
    shares_shown,
)
from domain.execution.leg_watch import legs_looked_for
from domain.execution.order_book import Order, adopt_listing, changed, notice_listing
from domain.execution.reconcile import Reconciliation, reconcile
from domain.execution.work import emit_fill, story, work_all

SHARE_TRADES_KEPT = timedelta(days=2)
"""The broker lists the executions of a day."""


def on_worker_started(desk: Desk, event: Recorded, body: WorkerStarted) -> None:
    """A new run: what an earlier one intended without known outcome is unknown, never lapsed."""
    desk.connection = None
    desk.clean, desk.differences = False, None
    _doubt(desk, "the run that intended it ended", intended=True)


def _doubt(desk: Desk, reason: str, *, intended: bool) -> None:
    for order in desk.book.live():
        waiting = order.request is not None and order.request.sent
        unsent = order.state is OrderState.INTENDED and intended
        if unsent or order.state is OrderState.SENT or (waiting and order.is_live):
            desk.emit(
                f"order/{order.ref}",
                changed(order, OrderState.UNKNOWN, reason),
                order.correlation_id,
            )
        if intended and order.request is not None:
            order.request = None


def on_connected(desk: Desk, event: Recorded, body: BrokerConnected) -> None:
    """Ids of a connection lie above everything that was ever reserved or seen."""
    if not desk.account:
        desk.account, desk.paper = body.account, body.paper
    desk.connection = Connection(
        body.connection,
        body.run_id,
        body.account,
        body.paper,
        body.client_id,
        body.next_valid_id,
    )
    desk.clean, desk.differences, desk.snapshot_wanted_at = False, None, None
    first = max(body.next_valid_id + REQUEST_IDS, desk.reserved_to + 1)
    _reserve(desk, body.connection, body.client_id, first, body.next_valid_id)


def _reserve(desk: Desk, connection: str, client_id: int, first: int, next_valid_id: int) -> None:
    reserved = OrderIdBlockReserved(
        connection=connection,
        client_id=client_id,
        first=first,
        last=first + IDS_PER_BLOCK - 1,
        next_valid_id=next_valid_id,
    )
    desk.emit(BROKER_DECISIONS_STREAM, reserved)


def reserve_more(desk: Desk) -> None:
    """A further block on this connection before the present one is used up.

    Called when an input's orders are decided: what has an id of the old block is sent before.
    """
    connection = desk.connection
    if connection is None or not desk.is_ready or desk.ids_left > IDS_KEPT_FOR_EXITS:
        return
    first = desk.reserved_to + 1 + REQUEST_IDS_OF_A_CONNECTION
    _reserve(desk, connection.name, connection.client_id, first, connection.next_valid_id)


def on_reserved(desk: Desk, event: Recorded, body: OrderIdBlockReserved) -> None:
    desk.reserved_to = max(desk.reserved_to, body.last)
    if desk.connection is not None and desk.connection.name == body.connection:
        desk.connection.block_first, desk.connection.block_last = body.first, body.last


def on_disconnected(desk: Desk, event: Recorded, body: BrokerDisconnected) -> None:
    if desk.connection is None or desk.connection.name != body.connection:
        return
    desk.connection = None
    desk.clean, desk.differences = False, None
    _doubt(desk, "the connection was lost", intended=False)


def on_snapshot(desk: Desk, event: Recorded, body: BrokerSnapshotReceived) -> None:
    connection = desk.connection
    if connection is None or connection.name != body.connection:
        return
    desk.snapshot_wanted_at, desk.snapshot_at = None, event.recorded_at
    result = reconcile(desk, body)
    for row in body.open_orders:
        order = desk.book.find(row.order_ref, row.perm_id)
        if order is not None:
            notice_listing(order, row, body.connection)
            _drop_old_request(desk, order)
            if order.request is None:
                adopt_listing(order, row)
    for row in body.completed_orders:
        order = desk.book.find(row.order_ref, row.perm_id)
        if order is not None:
            order.broker_filled = max(order.broker_filled, int(row.filled))
    for order in desk.book.orders.values():
        order.missed_at, order.missed_seen = result.missed.get(order.ref, (None, ()))
        order.checked = order.checked or order.state.is_final
        legs_looked_for(desk, order)
    desk.shortages = dict(result.shortages)
    _forget_sold_shares(desk, event, body, result)
    _remember_share_trades(desk, body)
    for fill in result.fills:
        emit_fill(desk, fill)
    for change in result.changes:
        order = desk.book.orders[change.order_ref]
        desk.emit(f"order/{change.order_ref}", change, order.correlation_id)
    for adjusted in result.adjustments:
        stream = f"adjustment/{adjusted.position_id or 'none'}"
        desk.emit(stream, adjusted, story(desk, adjusted.position_id))
    desk.cash = result.cash
    differences = tuple(result.differences)
    if result.cash_difference is not None:
        differences = (*differences, _cash_differs(desk, event, result.cash_difference))
    if desk.differences != differences:
        completed = ReconciliationCompleted(
            connection=body.connection,
            clean=not differences,
            differences=differences,
            cash_difference=result.cash_difference,
        )
        desk.emit(BROKER_DECISIONS_STREAM, completed)
    if not connection.ready_id and connection.block_last:
        ready = BrokerReady(
            connection=connection.name,
            run_id=connection.run_id,
            block_first=connection.block_first,
            block_last=connection.block_last,
        )
        desk.emit(BROKER_DECISIONS_STREAM, ready)


def _cash_differs(desk: Desk, event: Recorded, dollars: Decimal) -> str:
    """The difference in words; a human is told once."""
    text = f"cash: the account has {dollars:+.2f} dollars that the day's trades do not explain"
    if text not in (desk.differences or ()):
        remedy = (
            ". Nothing is entered until it agrees: record a deposit, fee or withdrawal as a cash"
            " flow, or find the price or commission that differs in the broker's statement"
        )
        desk.page("CASH_DIFFERS", str(event.event_id), text + remedy)
    return text


def _forget_sold_shares(
    desk: Desk, event: Recorded, body: BrokerSnapshotReceived, result: Reconciliation
) -> None:
    """Delivered shares that the broker shows no more are no evidence of a later delivery.

    Those whose delivery this look proves are counted when it is folded: they may be gone already.
    """
    shown, coming = shares_shown(desk, body), _deliveries(desk, result)
    for symbol in sorted({*desk.delivered, *coming}):
        count = desk.delivered.get(symbol, 0) + coming.get(symbol, 0)
        there = shown.get(symbol, 0)
        left = max(0, min(count, there)) if count > 0 else min(0, max(count, there))
        if left == count:
            continue
        desk.delivered[symbol] = left - coming.get(symbol, 0)
        text = (
            f"{abs(count - left)} of {abs(count)} delivered shares of {symbol} are gone, by no"
            " order of ours: a long that covered them is left by the desk once none is there"
        )
        desk.page("DELIVERED_SHARES_GONE", str(event.event_id), text)


def _deliveries(desk: Desk, result: Reconciliation) -> dict[str, int]:
    """Shares that came with the exercises and assignments which a look has proven, by symbol."""
    coming: dict[str, int] = {}
    for adjusted in result.adjustments:
        if not isinstance(adjusted, PositionAdjusted) or adjusted.kind not in DELIVERIES:
            continue
        for leg in desk.trades[adjusted.position_id].legs:
            if leg.contract.con_id == adjusted.con_id:
                came = shares_delivered(leg.contract, adjusted.quantity)
                symbol = leg.contract.symbol
                coming[symbol] = coming.get(symbol, 0) + came
    return coming


def _remember_share_trades(desk: Desk, body: BrokerSnapshotReceived) -> None:
    desk.looked_at = body.taken_at
    for execution in share_trades(desk, body):
        desk.share_trades[execution.family] = execution.executed_at
    oldest = body.taken_at - SHARE_TRADES_KEPT
    desk.share_trades = {f: at for f, at in desk.share_trades.items() if at >= oldest}


def _drop_old_request(desk: Desk, order: Order) -> None:
    """The lists show the order as it is: a request lost on the way is no longer awaited."""
    request = order.request
    if request is None or not request.sent:
        return
    if desk.real - request.asked_at > desk.seconds("execution.request_s"):
        order.request = None


def on_reconciled(desk: Desk, event: Recorded, body: ReconciliationCompleted) -> None:
    desk.clean, desk.differences = body.clean, body.differences
    if desk.connection is not None:
        desk.connection.was_clean = desk.connection.was_clean or body.holdings_agree


def on_ready(desk: Desk, event: Recorded, body: BrokerReady) -> None:
    if desk.connection is not None and desk.connection.name == body.connection:
        desk.connection.ready_id = str(event.event_id)
        work_all(desk)


def on_snapshot_wanted(desk: Desk, event: Recorded, body: BrokerSnapshotWanted) -> None:
    desk.snapshot_wanted_at = event.recorded_at
