"""OrderStage: decides every order, and what became of it. Second stage of the worker "trader".

It folds its own recorded decisions and what the broker says; entries.py, exits.py and
protection.py decide what is sent, reconcile.py what a snapshot proves. What it decides while it
folds an event is handed over by `react` for that event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domain.event import Recorded
from domain.events.controls import TradeCancelRequested, TradingHalted, TradingReleased
from domain.events.feeds import IbTicksReceived, LineClosed
from domain.events.orders import (
    BrokerCommissionSeen,
    BrokerConnected,
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerExecutionSeen,
    BrokerOrderSeen,
    BrokerReady,
    BrokerSnapshotReceived,
    BrokerSnapshotWanted,
    CommissionRecorded,
    EntryRefused,
    FillRecorded,
    IntentLapsed,
    IntentSent,
    OrderCancelIntended,
    OrderChanged,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.positions import (
    ExitDecided,
    PositionAdjusted,
    PositionMarked,
    StopMoved,
)
from domain.events.risk import RiskDecided, WhatIfWanted
from domain.events.signals import SignalExpired, SignalInvalidated, SignalValidated
from domain.events.system import (
    ClockStarted,
    ParametersChanged,
    SessionPlanned,
    WorkerStarted,
)
from domain.execution import entries
from domain.execution.desk import (
    BROKER_DECISIONS_STREAM,
    IDS_PER_BLOCK,
    Connection,
    Desk,
    ExitWish,
    Trade,
)
from domain.execution.exits import work_exit
from domain.execution.fills import commission_of, units_after, units_filled
from domain.execution.ladder import Profile
from domain.execution.order_book import (
    Order,
    after_status,
    changed,
    notice_listing,
    state_after_fills,
)
from domain.execution.order_state import Standing, standing
from domain.execution.protection import work_stop
from domain.execution.reconcile import execution_fill, reconcile
from domain.execution.situation import leg_sides
from domain.session import Session
from domain.stage import Emission

_KEEP_ENDED = timedelta(hours=18)
_LOOK_EVERY = timedelta(seconds=60)
_LOOK_AGAIN = timedelta(seconds=10)
"""Real time between looks at the broker's lists, at rest and while something differs."""
_Fold = Callable[[Desk, Recorded, Any], None]


class OrderStage:
    """The only stage that intends orders: one decision, at most one live chain of orders."""

    name = "orders"

    def __init__(self) -> None:
        self.types = frozenset(_FOLDS)

    def initial(self) -> Desk:
        return Desk()

    def evolve(self, state: Desk, event: Recorded) -> Desk:
        """Fold an event; what it makes necessary waits in the outbox for `react`."""
        if not event.is_emission:
            state.claims.clear()
            state.claimed_id = 0
        state.outbox = []
        state.now, state.real = event.market_time, event.recorded_at
        _FOLDS[event.type](state, event, event.body)
        return state

    def react(self, state: Desk, event: Recorded) -> Sequence[Emission]:
        return state.outbox


def work(desk: Desk, trade: Trade) -> None:
    """Bring a trade's orders in line with what is wanted: entry, then exit, then resting stop."""
    entries.work_entry(desk, trade)
    work_exit(desk, trade)
    work_stop(desk, trade)


def _work_all(desk: Desk, *_: object) -> None:
    for trade in desk.trades.values():
        work(desk, trade)


def _work_position(desk: Desk, position_id: str) -> None:
    trade = desk.trades.get(position_id)
    if trade is not None:
        work(desk, trade)


# Time, parameters, quotes


def _parameters(desk: Desk, event: Recorded, body: ParametersChanged) -> None:
    desk.parameters.apply(body)


def _session(desk: Desk, event: Recorded, body: SessionPlanned) -> None:
    desk.session = Session(body)
    _forget_ended(desk)


def _clock_started(desk: Desk, event: Recorded, body: ClockStarted) -> None:
    desk.entries_open = body.entries_open


def _clock_ticked(desk: Desk, event: Recorded, body: ClockTicked) -> None:
    _work_all(desk)
    seen = desk.snapshot_at
    if desk.is_ready and seen is not None:
        pause = _LOOK_EVERY if desk.clean else _LOOK_AGAIN
        if event.recorded_at - seen > pause:
            desk.want_snapshot("regular" if desk.clean else "differences")


def _ticks(desk: Desk, event: Recorded, body: IbTicksReceived) -> None:
    if not desk.quotes.apply(body, event.market_time) or not body.expiry:
        return
    for trade in desk.trades.values():
        if any(leg.contract.con_id == body.con_id for leg in trade.structure.legs):
            work(desk, trade)


def _line_closed(desk: Desk, event: Recorded, body: LineClosed) -> None:
    desk.quotes.close(body.contract.con_id)


def _forget_ended(desk: Desk) -> None:
    """At a new day drop trades that are over, with their orders: no source lists them any more."""
    for trade in list(desk.trades.values()):
        orders = desk.book.of_position(trade.position_id)
        over = trade.is_flat and all(order.state.is_final for order in orders)
        if not over or any(desk.now - order.priced_at < _KEEP_ENDED for order in orders):
            continue
        del desk.trades[trade.position_id]
        for order in orders:
            desk.book.forget(order)
            for fill_id in desk.fills.by_order.pop(order.ref, {}):
                desk.fills.fills.pop(fill_id, None)
                desk.fills.commissions.pop(fill_id, None)


# Signals, risk, controls


def _validated(desk: Desk, event: Recorded, body: SignalValidated) -> None:
    desk.signals[body.signal_id] = body


def _signal_ended(desk: Desk, event: Recorded, body: SignalExpired | SignalInvalidated) -> None:
    desk.signals.pop(body.signal_id, None)
    condition = body.condition if isinstance(body, SignalInvalidated) else body.reason
    _withdraw(desk, body.signal_id, f"signal: {condition}")


def _withdraw(desk: Desk, signal_id: str, reason: str) -> None:
    for trade in desk.trades.values():
        if trade.signal_id == signal_id and not trade.withdrawn:
            trade.withdrawn = reason
            work(desk, trade)


def _decided(desk: Desk, event: Recorded, body: RiskDecided) -> None:
    if body.approved:
        desk.decisions[body.decision_id] = body
        entries.open_entry(desk, event, body)
    else:
        desk.signals.pop(body.signal_id, None)


def _refused(desk: Desk, event: Recorded, body: EntryRefused) -> None:
    desk.decisions.pop(body.decision_id, None)
    desk.signals.pop(body.signal_id, None)


def _what_if(desk: Desk, event: Recorded, body: WhatIfWanted) -> None:
    entries.open_what_if(desk, event, body)


def _halted(desk: Desk, event: Recorded, body: TradingHalted) -> None:
    desk.halted = True
    _work_all(desk)


def _released(desk: Desk, event: Recorded, body: TradingReleased) -> None:
    desk.halted = False


def _cancel_requested(desk: Desk, event: Recorded, body: TradeCancelRequested) -> None:
    for trade in desk.trades.values():
        if trade.position_id == body.position_id or trade.signal_id == body.signal_id:
            trade.withdrawn = trade.withdrawn or f"operator {body.who}"
            work(desk, trade)


# The connection


def _worker_started(desk: Desk, event: Recorded, body: WorkerStarted) -> None:
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


def _connected(desk: Desk, event: Recorded, body: BrokerConnected) -> None:
    """Ids of a connection lie above everything that was ever reserved or seen."""
    desk.connection = Connection(
        body.connection, body.run_id, body.account, body.paper, body.client_id
    )
    desk.clean, desk.differences, desk.snapshot_wanted_at = False, None, None
    first = max(body.next_valid_id, desk.reserved_to + 1)
    reserved = OrderIdBlockReserved(
        connection=body.connection,
        client_id=body.client_id,
        first=first,
        last=first + IDS_PER_BLOCK - 1,
        next_valid_id=body.next_valid_id,
    )
    desk.emit(BROKER_DECISIONS_STREAM, reserved)


def _reserved(desk: Desk, event: Recorded, body: OrderIdBlockReserved) -> None:
    desk.reserved_to = max(desk.reserved_to, body.last)
    if desk.connection is not None and desk.connection.name == body.connection:
        desk.connection.block_first, desk.connection.block_last = body.first, body.last


def _disconnected(desk: Desk, event: Recorded, body: BrokerDisconnected) -> None:
    if desk.connection is None or desk.connection.name != body.connection:
        return
    desk.connection = None
    desk.clean, desk.differences = False, None
    _doubt(desk, "the connection was lost", intended=False)


def _snapshot(desk: Desk, event: Recorded, body: BrokerSnapshotReceived) -> None:
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
    for row in body.completed_orders:
        order = desk.book.find(row.order_ref, row.perm_id)
        if order is not None:
            order.broker_filled = max(order.broker_filled, int(row.filled))
    for order in desk.book.orders.values():
        order.missed_at = result.missed.get(order.ref)
        order.checked = order.checked or order.state.is_final
    desk.shortages = dict(result.shortages)
    for fill in result.fills:
        desk.emit(f"order/{fill.order_ref or 'foreign'}", fill, _story(desk, fill.position_id))
    for change in result.changes:
        order = desk.book.orders[change.order_ref]
        desk.emit(f"order/{change.order_ref}", change, order.correlation_id)
    for adjusted in result.adjustments:
        stream = f"adjustment/{adjusted.position_id or 'none'}"
        desk.emit(stream, adjusted, _story(desk, adjusted.position_id))
    differences = tuple(result.differences)
    if desk.differences != differences:
        completed = ReconciliationCompleted(
            connection=body.connection, clean=not differences, differences=differences
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


def _drop_old_request(desk: Desk, order: Order) -> None:
    """The lists show the order as it is: a request lost on the way is no longer awaited."""
    request = order.request
    if request is None or not request.sent:
        return
    if desk.real - request.asked_at > desk.seconds("execution.request_s"):
        order.request = None


def _story(desk: Desk, position_id: str) -> UUID | None:
    trade = desk.trades.get(position_id)
    return trade.correlation_id if trade is not None else None


def _reconciled(desk: Desk, event: Recorded, body: ReconciliationCompleted) -> None:
    desk.clean, desk.differences = body.clean, body.differences


def _ready(desk: Desk, event: Recorded, body: BrokerReady) -> None:
    if desk.connection is not None and desk.connection.name == body.connection:
        desk.connection.ready_id = str(event.event_id)
        _work_all(desk)


def _snapshot_wanted(desk: Desk, event: Recorded, body: BrokerSnapshotWanted) -> None:
    desk.snapshot_wanted_at = event.recorded_at


# Intents and what became of them


def _intended(desk: Desk, event: Recorded, body: OrderIntended) -> None:
    desk.highest_id = max(desk.highest_id, body.order_id)
    if body.purpose is Purpose.WHAT_IF:
        return
    if body.purpose is Purpose.ENTRY:
        decision = desk.decisions.pop(body.decision_id)
        signal = desk.signals.pop(body.signal_id)
        trade = entries.build_trade(desk, decision, signal, event.correlation_id)
        trade.cap = entries.cap_now(desk, trade.structure)
        desk.trades[body.position_id] = trade
    desk.book.intend(event, body)
    trade = desk.trades[body.position_id]
    if body.purpose is not Purpose.PROTECTIVE_STOP:
        sides = leg_sides(body.structure, body.action)
        desk.new_orders.append((event.market_time, trade.strategy, sides, body.action))


def _modify_intended(desk: Desk, event: Recorded, body: OrderModifyIntended) -> None:
    order = desk.book.orders[body.order_ref]
    net = desk.quotes.net(order.structure, desk.now, desk.quote_limits)
    desk.book.modify(event, body, net.mid if net is not None else None)
    desk.replaces.append((event.market_time, order.purpose is not Purpose.ENTRY))


def _cancel_intended(desk: Desk, event: Recorded, body: OrderCancelIntended) -> None:
    desk.book.cancel(event, body)


def _sent(desk: Desk, event: Recorded, body: IntentSent) -> None:
    desk.book.sent(event, body)
    order = desk.book.orders.get(body.order_ref)
    if order is None:
        return
    if body.request == "place" and order.state is OrderState.INTENDED:
        lost = desk.connection is None or desk.connection.name != body.connection
        state = OrderState.UNKNOWN if lost else OrderState.SENT
        _emit_change(desk, order, state, "bytes handed over")
    elif body.request == "cancel" and order.is_live and order.state is not OrderState.UNKNOWN:
        _emit_change(desk, order, OrderState.CANCEL_REQUESTED, order.ended_reason)


def _lapsed(desk: Desk, event: Recorded, body: IntentLapsed) -> None:
    desk.book.lapsed(body)
    order = desk.book.orders.get(body.order_ref)
    waiting = (OrderState.INTENDED, OrderState.UNKNOWN)
    if order is not None and body.request == "place" and order.state in waiting:
        _emit_change(desk, order, OrderState.LAPSED, body.reason)


def _emit_change(desk: Desk, order: Order, state: OrderState, reason: str) -> None:
    desk.emit(f"order/{order.ref}", changed(order, state, reason), order.correlation_id)


def _changed(desk: Desk, event: Recorded, body: OrderChanged) -> None:
    desk.book.changed(body)
    order = desk.book.orders.get(body.order_ref)
    if order is None:
        return
    if order.state is OrderState.UNKNOWN:
        desk.want_snapshot(f"{order.ref} is unknown")
    _work_position(desk, order.position_id)


# What the broker says


def _order_seen(desk: Desk, event: Recorded, body: BrokerOrderSeen) -> None:
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
    _work_position(desk, order.position_id)


def _execution_seen(desk: Desk, event: Recorded, body: BrokerExecutionSeen) -> None:
    fill = execution_fill(desk, body.execution, [])
    if fill is None:
        return
    story = _story(desk, fill.position_id)
    desk.emit(f"order/{fill.order_ref or 'foreign'}", fill, story)
    order = desk.book.orders.get(fill.order_ref)
    if order is not None:
        filled = units_after(desk.fills, order, [fill])
        state = state_after_fills(order, filled)
        perm_id = body.execution.perm_id
        change = changed(order, state, "execution", filled=filled, perm_id=perm_id)
        desk.emit(f"order/{order.ref}", change, story)


def _filled(desk: Desk, event: Recorded, body: FillRecorded) -> None:
    before = desk.fills.apply(body)
    order = desk.book.orders.get(body.order_ref)
    if order is not None:
        order.filled = units_filled(order, desk.fills.by_order[order.ref].values())
        if order.request is not None and order.request.kind == "place":
            order.request = None
    trade = desk.trades.get(body.position_id)
    if trade is not None and body.contract is not None:
        con_id = body.contract.con_id
        change = body.side.sign * (body.quantity - (before.quantity if before else 0))
        trade.held[con_id] = trade.held.get(con_id, 0) + change
        shortage = desk.shortages.get(con_id)
        if shortage is not None and not shortage.confirmed:
            del desk.shortages[con_id]
    early = desk.fills.early.get(body.exec_id)
    if early is not None:
        _emit_commission(desk, body.exec_id, early)
    if order is None and trade is not None:
        work(desk, trade)


def _emit_commission(desk: Desk, exec_id: str, amount: Decimal) -> None:
    body = commission_of(desk.fills, exec_id, amount)
    if body is not None:
        desk.emit(f"order/{body.order_ref or 'foreign'}", body, _story(desk, body.position_id))


def _commission_seen(desk: Desk, event: Recorded, body: BrokerCommissionSeen) -> None:
    if commission_of(desk.fills, body.exec_id, body.commission) is None:
        desk.fills.keep_early(body)
        return
    _emit_commission(desk, body.exec_id, body.commission)


def _commission(desk: Desk, event: Recorded, body: CommissionRecorded) -> None:
    desk.fills.apply_commission(body)


def _error_seen(desk: Desk, event: Recorded, body: BrokerErrorSeen) -> None:
    """An error starts a look at the lists; by itself it never ends an order."""
    order = desk.book.error(body)
    if order is not None and order.is_live:
        desk.want_snapshot(f"error {body.code} for {order.ref}")


# Positions


def _adjusted(desk: Desk, event: Recorded, body: PositionAdjusted) -> None:
    trade = desk.trades.get(body.position_id)
    if trade is not None:
        trade.held[body.con_id] = trade.held.get(body.con_id, 0) + body.quantity
        desk.shortages.pop(body.con_id, None)
        work(desk, trade)


def _exit_decided(desk: Desk, event: Recorded, body: ExitDecided) -> None:
    trade = desk.trades.get(body.position_id)
    if trade is None:
        return
    since = trade.exit.since if trade.exit is not None else event.market_time
    trade.exit = ExitWish(body.reason, Profile(body.profile), since)
    work(desk, trade)


def _stop_moved(desk: Desk, event: Recorded, body: StopMoved) -> None:
    trade = desk.trades.get(body.position_id)
    if trade is not None:
        trade.platform_stop = body.stop_price
        work(desk, trade)


def _marked(desk: Desk, event: Recorded, body: PositionMarked) -> None:
    trade = desk.trades.get(body.position_id)
    if trade is not None and body.quality == "OK":
        trade.last_mark = Decimal(body.mark)


_FOLDS: dict[str, _Fold] = {
    "ParametersChanged": _parameters,
    "SessionPlanned": _session,
    "ClockStarted": _clock_started,
    "ClockTicked": _clock_ticked,
    "WorkerStarted": _worker_started,
    "IbTicksReceived": _ticks,
    "LineClosed": _line_closed,
    "SignalValidated": _validated,
    "SignalExpired": _signal_ended,
    "SignalInvalidated": _signal_ended,
    "RiskDecided": _decided,
    "EntryRefused": _refused,
    "WhatIfWanted": _what_if,
    "TradingHalted": _halted,
    "TradingReleased": _released,
    "TradeCancelRequested": _cancel_requested,
    "BrokerConnected": _connected,
    "OrderIdBlockReserved": _reserved,
    "BrokerDisconnected": _disconnected,
    "BrokerSnapshotReceived": _snapshot,
    "ReconciliationCompleted": _reconciled,
    "BrokerReady": _ready,
    "BrokerSnapshotWanted": _snapshot_wanted,
    "OrderIntended": _intended,
    "OrderModifyIntended": _modify_intended,
    "OrderCancelIntended": _cancel_intended,
    "IntentSent": _sent,
    "IntentLapsed": _lapsed,
    "OrderChanged": _changed,
    "BrokerOrderSeen": _order_seen,
    "BrokerExecutionSeen": _execution_seen,
    "FillRecorded": _filled,
    "BrokerCommissionSeen": _commission_seen,
    "CommissionRecorded": _commission,
    "BrokerErrorSeen": _error_seen,
    "PositionAdjusted": _adjusted,
    "ExitDecided": _exit_decided,
    "StopMoved": _stop_moved,
    "PositionMarked": _marked,
}
