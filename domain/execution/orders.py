"""OrderStage: decides every order, and what became of it. Second stage of the worker "trader".

It folds its own recorded decisions and what the broker says; entries.py, exits.py and
protection.py decide what is sent, reconcile.py what a snapshot proves; callbacks.py, connection.py
and position_news.py fold what others say. What it decides while it
folds an event is handed over by `react` for that event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from domain.event import Recorded
from domain.events.controls import (
    TradingHalted,
    TradingReleased,
    TradingState,
    TradingStateChanged,
)
from domain.events.feeds import IbTicksReceived, LineClosed
from domain.events.forecasts import DriftPredicted
from domain.events.orders import (
    REGULAR,
    EntryRefused,
    IntentLapsed,
    IntentSent,
    OrderCancelIntended,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    Purpose,
)
from domain.events.risk import CashFlowRecorded, RiskDecided, WhatIfWanted
from domain.events.rolls import RollDecided, RollProposed, RollRefused
from domain.events.signals import SignalExpired, SignalInvalidated, SignalValidated
from domain.events.system import (
    ClockStarted,
    ClockTicked,
    ParametersChanged,
    SessionPlanned,
)
from domain.events.timing import EntryWaited
from domain.execution import callbacks, connection, entries, position_news, rolls
from domain.execution.desk import Desk
from domain.execution.leg_watch import look_for_legs
from domain.execution.operator_requests import on_adjustment_requested, on_cancel_requested
from domain.execution.order_book import Order
from domain.execution.situation import leg_sides
from domain.execution.work import emit_change, work, work_all, work_position
from domain.session import Session
from domain.stage import Emission

_KEEP_ENDED = timedelta(hours=18)
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


# Time, parameters, quotes


def _parameters(desk: Desk, event: Recorded, body: ParametersChanged) -> None:
    desk.parameters.apply(body)


def _session(desk: Desk, event: Recorded, body: SessionPlanned) -> None:
    desk.session = Session(body)
    _forget_ended(desk)


def _clock_started(desk: Desk, event: Recorded, body: ClockStarted) -> None:
    desk.entries_open = body.entries_open


def _clock_ticked(desk: Desk, event: Recorded, body: ClockTicked) -> None:
    work_all(desk)
    look_for_legs(desk)
    seen = desk.snapshot_at
    if desk.is_ready and seen is not None:
        pause = "execution.look_every_s" if desk.clean else "execution.look_again_s"
        if event.recorded_at - seen > desk.seconds(pause):
            desk.want_snapshot(REGULAR if desk.clean else "differences")
    connection.reserve_more(desk)


def _ticks(desk: Desk, event: Recorded, body: IbTicksReceived) -> None:
    if not desk.quotes.apply(body, event.market_time) or not body.expiry:
        return
    for trade in desk.trades.values():
        if body.con_id in trade.con_ids:
            work(desk, trade)


def _drift(desk: Desk, event: Recorded, body: DriftPredicted) -> None:
    desk.drifts[body.symbol] = body


def _waited(desk: Desk, event: Recorded, body: EntryWaited) -> None:
    order = desk.book.orders[body.order_ref]
    order.waited_revision = order.revision


def _cash_flow(desk: Desk, event: Recorded, body: CashFlowRecorded) -> None:
    desk.cash = replace(desk.cash, awaited=desk.cash.awaited + body.amount)


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
        for key in [key for key in desk.inferred if key[0] == trade.position_id]:
            del desk.inferred[key]
            desk.inferred_at.pop(key, None)
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


def _roll_proposed(desk: Desk, event: Recorded, body: RollProposed) -> None:
    desk.rolls[body.roll_id] = body


def _roll_decided(desk: Desk, event: Recorded, body: RollDecided) -> None:
    if body.approved:
        desk.roll_decisions[body.roll_id] = body
        rolls.open_roll(desk, event, body)
    else:
        desk.rolls.pop(body.roll_id, None)


def _roll_refused(desk: Desk, event: Recorded, body: RollRefused) -> None:
    desk.rolls.pop(body.roll_id, None)
    desk.roll_decisions.pop(body.roll_id, None)


def _halted(desk: Desk, event: Recorded, body: TradingHalted) -> None:
    desk.halted = True
    work_all(desk)


def _released(desk: Desk, event: Recorded, body: TradingReleased) -> None:
    desk.halted = False


def _trading_state(desk: Desk, event: Recorded, body: TradingStateChanged) -> None:
    desk.breached = body.codes if body.state is TradingState.REDUCING else ()
    if desk.breached:
        work_all(desk)


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
    if body.purpose is Purpose.ROLL:
        rolls.begin(desk, trade, body)
    if body.purpose is not Purpose.PROTECTIVE_STOP:
        sides = leg_sides(body.structure, body.action)
        desk.new_orders.append((event.market_time, trade.strategy, sides, body.action))


def _modify_intended(desk: Desk, event: Recorded, body: OrderModifyIntended) -> None:
    order = desk.book.orders[body.order_ref]
    net = desk.quotes.net(order.structure, desk.now, desk.quote_limits)
    desk.book.modify(event, body, net.mid if net is not None else None)
    desk.replaces.append((event.market_time, not order.purpose.opens))


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
        emit_change(desk, order, state, "bytes handed over")
    elif body.request == "cancel" and order.is_live and order.state is not OrderState.UNKNOWN:
        emit_change(desk, order, OrderState.CANCEL_REQUESTED, order.ended_reason)


def _lapsed(desk: Desk, event: Recorded, body: IntentLapsed) -> None:
    desk.book.lapsed(body)
    order = desk.book.orders.get(body.order_ref)
    waiting = (OrderState.INTENDED, OrderState.UNKNOWN)
    if order is not None and body.request == "place" and order.state in waiting:
        emit_change(desk, order, OrderState.LAPSED, body.reason)


def _changed(desk: Desk, event: Recorded, body: OrderChanged) -> None:
    desk.book.changed(event, body)
    order = desk.book.orders.get(body.order_ref)
    if order is None:
        return
    if order.state is OrderState.UNKNOWN:
        desk.want_snapshot(f"{order.ref} is unknown")
    if order.state is OrderState.ABANDONED and order.lost_at == event.market_time:
        _page_lost(desk, order)
    work_position(desk, order.position_id)


def _page_lost(desk: Desk, order: Order) -> None:
    if order.purpose is Purpose.EXIT:
        text = f"{order.ref} ({order.remaining} units) is in no list of the broker: tried anew"
        desk.page("EXIT_LOST", order.ref, text, order.correlation_id)


_FOLDS: dict[str, _Fold] = {
    "ParametersChanged": _parameters,
    "SessionPlanned": _session,
    "ClockStarted": _clock_started,
    "ClockTicked": _clock_ticked,
    "WorkerStarted": connection.on_worker_started,
    "IbTicksReceived": _ticks,
    "LineClosed": _line_closed,
    "DriftPredicted": _drift,
    "EntryWaited": _waited,
    "SignalValidated": _validated,
    "SignalExpired": _signal_ended,
    "SignalInvalidated": _signal_ended,
    "RiskDecided": _decided,
    "EntryRefused": _refused,
    "WhatIfWanted": _what_if,
    "RollProposed": _roll_proposed,
    "RollDecided": _roll_decided,
    "RollRefused": _roll_refused,
    "TradingHalted": _halted,
    "TradingReleased": _released,
    "TradingStateChanged": _trading_state,
    "CashFlowRecorded": _cash_flow,
    "TradeCancelRequested": on_cancel_requested,
    "BrokerConnected": connection.on_connected,
    "OrderIdBlockReserved": connection.on_reserved,
    "BrokerDisconnected": connection.on_disconnected,
    "BrokerSnapshotReceived": connection.on_snapshot,
    "ReconciliationCompleted": connection.on_reconciled,
    "BrokerReady": connection.on_ready,
    "BrokerSnapshotWanted": connection.on_snapshot_wanted,
    "OrderIntended": _intended,
    "OrderModifyIntended": _modify_intended,
    "OrderCancelIntended": _cancel_intended,
    "IntentSent": _sent,
    "IntentLapsed": _lapsed,
    "OrderChanged": _changed,
    "BrokerOrderSeen": callbacks.on_order_seen,
    "BrokerExecutionSeen": callbacks.on_execution_seen,
    "FillRecorded": callbacks.on_filled,
    "BrokerCommissionSeen": callbacks.on_commission_seen,
    "CommissionRecorded": callbacks.on_commission,
    "BrokerErrorSeen": callbacks.on_error_seen,
    "AdjustmentRequested": on_adjustment_requested,
    "PositionAdjusted": position_news.on_adjusted,
    "FillInferred": position_news.on_inferred,
    "ExitDecided": position_news.on_exit_decided,
    "StopMoved": position_news.on_stop_moved,
    "PositionMarked": position_news.on_marked,
}
