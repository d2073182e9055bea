"""Ours against the broker's: what a snapshot proves, as events. A second pass is a no-op.

Orders, fills, positions and cash are compared with what the broker lists; the result is evidence
for events of the order stage, never a guess. Called by orders.py for every BrokerSnapshotReceived.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain.event import DeskEvent
from domain.events.orders import (
    BrokerExecution,
    BrokerSnapshotReceived,
    FillRecorded,
    OrderChanged,
    OrderState,
    Purpose,
    SnapshotOrder,
)
from domain.events.positions import FillInferred, PositionAdjusted
from domain.execution.cash import compare_cash
from domain.execution.desk import CashBook, Desk, Shortage, Trade
from domain.execution.fills import (
    family_of,
    fill_of,
    leg_contract,
    order_of,
    slippage_of,
    units_after,
)
from domain.execution.holdings import compare_holdings, holders
from domain.execution.order_book import Account, Order, changed, says_new
from domain.execution.order_state import Standing, standing
from domain.execution.references import is_ours
from domain.instruments import SYMBOLS

_OPTION = "OPT"
_S = OrderState


@dataclass(slots=True)
class Reconciliation:
    """What follows from a snapshot, in the order in which it is to be recorded."""

    fills: list[FillRecorded] = field(default_factory=list)
    changes: list[OrderChanged] = field(default_factory=list)
    adjustments: list[PositionAdjusted | FillInferred] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    shortages: dict[int, Shortage] = field(default_factory=dict)
    """Differences of holdings by contract, to be folded as they are."""
    missed: dict[str, tuple[datetime, Account]] = field(default_factory=dict)
    """Orders that no list has, since when, and what the lists showed then of their contracts."""

    cash: CashBook = field(default_factory=CashBook)
    """To be folded as it is."""
    cash_difference: Decimal | None = None
    """Dollars that the account has more than the day's trades explain."""

    @property
    def events(self) -> list[DeskEvent]:
        return [*self.fills, *self.changes, *self.adjustments]


def reconcile(desk: Desk, snapshot: BrokerSnapshotReceived) -> Reconciliation:
    """Compare; `desk` is not changed."""
    result = Reconciliation()
    for execution in snapshot.executions:
        fill = execution_fill(desk, execution, result.fills)
        if fill is not None:
            result.fills.append(fill)
    listed = _by_reference(desk, snapshot.open_orders)
    completed = _by_reference(desk, snapshot.completed_orders)
    result.differences += _doubled(desk, snapshot.open_orders, listed)
    for order in desk.book.orders.values():
        _settle(desk, snapshot, result, order, listed.get(order.ref), completed.get(order.ref))
    for ref, row in listed.items():
        if ref not in desk.book.orders:
            result.differences.append(f"open order {ref} {row.symbol} is not ours")
    compared = compare_holdings(desk, snapshot, result.fills)
    result.adjustments, result.shortages = compared.adjustments, compared.shortages
    result.differences = sorted([*result.differences, *compared.differences])
    result.cash, result.cash_difference = compare_cash(desk, snapshot, result.fills)
    return result


def execution_fill(
    desk: Desk, execution: BrokerExecution, pending: list[FillRecorded]
) -> FillRecorded | None:
    """The fill of an execution, ours or a stranger's; None when it is counted already."""
    if not desk.is_ours(execution.account):
        return None
    family = family_of(execution.exec_id)
    before = next((f for f in reversed(pending) if f.fill_id == family), None)
    before = before or desk.fills.fills.get(family)
    client_id = desk.connection.client_id if desk.connection else -1
    order = order_of(desk.book, execution, client_id)
    if order is not None:
        contract = leg_contract(order, execution)
        slippage = slippage_of(order, execution, _mid_at(desk, order, execution))
        return fill_of(before, execution, order.ref, order.position_id, contract, slippage)
    if execution.symbol not in SYMBOLS or execution.sec_type != _OPTION:
        return None
    if is_ours(execution.order_ref):
        return None  # of an order whose day is over: it is counted already
    for trade, contract in holders(desk, execution.con_id):
        if _is_of_before(desk, trade, execution):
            continue
        # Liquidation by the broker or a manual order: it changes what a position holds.
        return fill_of(before, execution, "", trade.position_id, contract)
    return None


def _is_of_before(desk: Desk, trade: Trade, execution: BrokerExecution) -> bool:
    """It happened before the position was begun. Executions are told to the second."""
    entry = desk.entry_of(trade)
    return entry is not None and execution.executed_at < entry.intended_at.replace(microsecond=0)


def _mid_at(desk: Desk, order: Order, execution: BrokerExecution) -> Decimal | None:
    """The mid at which an execution happened, if that is now; one listed later has none."""
    limits = desk.quote_limits
    if abs((desk.now - execution.executed_at).total_seconds()) > limits.leg_age_seconds:
        return None
    net = desk.quotes.usable(order.structure, desk.now, limits, limits.leg_age_seconds)
    return net.mid if net is not None else None


def _by_reference(desk: Desk, rows: tuple[SnapshotOrder, ...]) -> dict[str, SnapshotOrder]:
    found: dict[str, SnapshotOrder] = {}
    for row in rows:
        if row.symbol not in SYMBOLS or not desk.is_ours(row.account):
            continue
        order = desk.book.find(row.order_ref, row.perm_id)
        found[order.ref if order is not None else row.order_ref or f"perm {row.perm_id}"] = row
    return found


def _doubled(
    desk: Desk, rows: tuple[SnapshotOrder, ...], listed: dict[str, SnapshotOrder]
) -> list[str]:
    """One order of ours that works under two of the broker's ids: only one of them is followed."""
    kept = {row.perm_id for row in listed.values()}
    return [
        f"open order {row.order_ref} works twice, as {row.perm_id} too: cancel one at the broker"
        for row in rows
        if row.order_ref in desk.book.orders
        and desk.is_ours(row.account)
        and row.perm_id not in kept
    ]


def _settle(
    desk: Desk,
    snapshot: BrokerSnapshotReceived,
    result: Reconciliation,
    order: Order,
    listed: SnapshotOrder | None,
    completed: SnapshotOrder | None,
) -> None:
    filled = units_after(desk.fills, order, result.fills)
    if listed is not None:
        state, reason = _listed_state(desk, order, listed, filled), f"listed {listed.status}"
        _change(result, order, state, reason, filled, listed.perm_id)
    elif filled >= order.quantity and order.state is not _S.LAPSED:
        _change(result, order, _S.FILLED, "executions", filled, 0)
    elif completed is not None:
        state = _completed_state(order, completed, filled)
        reason = f"completed {completed.completed_status or completed.status}"
        _change(result, order, state, reason, filled, completed.perm_id)
        if not order.state.is_final and state is _S.UNKNOWN:
            result.differences.append(f"{order.ref} is completed, executions are missing")
    elif not order.state.is_final:
        _absent(desk, snapshot, result, order, filled)
    elif filled != order.filled:
        _change(result, order, order.state, "executions", filled, 0)


def _listed_state(desk: Desk, order: Order, listed: SnapshotOrder, filled: int) -> OrderState:
    if order.state is _S.LAPSED:
        return _S.LAPSED
    # A change of quantity may not have reached the broker: what its list has is what can fill.
    if filled >= max(order.quantity, int(listed.quantity)):
        return _S.FILLED
    match standing(listed.status):
        case Standing.CANCELLED:
            return _S.CANCELLED
        case Standing.REFUSED:
            # It may only be asleep: as long as the list has it, nothing but a refusal ends it.
            return _S.REJECTED if order.refusal else _S.UNKNOWN
        case Standing.CANCELLING:
            return _S.CANCEL_REQUESTED
        case Standing.WAITING:
            return _S.HELD
        case Standing.FILLED:
            return order.state if not order.state.is_final else _S.WORKING
        case _:
            waiting = order.state is _S.CANCEL_REQUESTED and order.request is not None
            limit = desk.seconds("execution.request_s")
            if waiting and order.request and desk.real - order.request.asked_at <= limit:
                return _S.CANCEL_REQUESTED
            return _S.WORKING


def _completed_state(order: Order, completed: SnapshotOrder, filled: int) -> OrderState:
    """Ended for the broker; Unknown while it filled more than the executions show.

    Full is what the broker says: a change of quantity may have reached it without our knowing.
    """
    if order.state.is_final and order.state is not _S.ABANDONED:
        return order.state
    match standing(completed.status):
        case Standing.REFUSED:
            return _S.REJECTED
        case Standing.FILLED if 0 < int(completed.filled) <= filled:
            return _S.FILLED
        case Standing.FILLED:
            return order.state if order.state.is_final else _S.UNKNOWN
        case _:
            return _S.CANCELLED


def _absent(
    desk: Desk,
    snapshot: BrokerSnapshotReceived,
    result: Reconciliation,
    order: Order,
    filled: int,
) -> None:
    """No list has it. An absence on the connection that sent it needs a second look."""
    if order.state is _S.INTENDED:
        return
    own_connection = snapshot.connection in (order.sent_on, order.seen_on)
    # What closes a combination: another one sent in its place would close it twice.
    combination_exit = order.purpose is Purpose.ROLL or (
        order.purpose is Purpose.EXIT and not order.structure.is_single
    )
    seen = _account(order, snapshot)
    # Only looks that agree on executions and holdings too say that it does not work unseen.
    same = order.missed_at is not None and order.missed_seen == seen
    since = order.missed_at if order.missed_at is not None and same else snapshot.taken_at
    apart = desk.seconds("execution.confirm_absence_s")
    agreed = same and snapshot.taken_at - since >= apart
    if (own_connection or combination_exit) and not agreed:
        result.missed[order.ref] = since, seen
        _change(result, order, _S.UNKNOWN, "in no list of the broker", filled, 0)
        result.differences.append(f"{order.ref} is in no list of the broker")
        return
    if order.state is not _S.UNKNOWN:
        _change(result, order, _S.UNKNOWN, "in no list of the broker", filled, 0)
    reason = "not found: given up" if order.purpose.opens else "not found: tried anew"
    result.changes.append(changed(order, _S.ABANDONED, reason, filled=filled))


def _account(order: Order, snapshot: BrokerSnapshotReceived) -> Account:
    """What a snapshot shows of an order's contracts: every execution, and what is held."""
    ids = {leg.contract.con_id for leg in order.structure.legs}
    executed = {(e.exec_id, int(e.quantity)) for e in snapshot.executions if e.con_id in ids}
    holds = {(f"held {p.con_id}", int(p.quantity)) for p in snapshot.positions if p.con_id in ids}
    return tuple(sorted(executed | holds))


def _change(
    result: Reconciliation, order: Order, state: OrderState, reason: str, filled: int, perm_id: int
) -> None:
    """Record a change when there is one."""
    if not says_new(order, state, filled, perm_id):
        return
    result.changes.append(changed(order, state, reason, filled=filled, perm_id=perm_id))
