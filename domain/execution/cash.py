"""The account's cash against what the day's trades made of it: the last thing a look compares.

Cash less the cash of today's executions is the same all session long. A look that shows another
sum has found a price, a commission or a trade that we do not know, or money that came or went.
Called by reconcile.py; nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from domain.events.orders import BrokerSnapshotReceived, FillRecorded
from domain.execution.desk import CashBook, Desk
from domain.execution.fills import COMBINATION, SIDES, family_of, revision_of
from domain.instruments import MULTIPLIER
from domain.session import new_york

CASH = "TotalCashValue"
_MULTIPLIERS = {"OPT": MULTIPLIER, "STK": 1}


@dataclass(frozen=True, slots=True)
class _Traded:
    """One execution as cash counts it."""

    exec_id: str
    dollars: Decimal
    """What it brought, before its commission."""
    executed_at: datetime


def compare_cash(
    desk: Desk, snapshot: BrokerSnapshotReceived, fills: Sequence[FillRecorded]
) -> tuple[CashBook, Decimal | None]:
    """What is known of the cash after this look, `fills` new with it; and the dollars by which it
    differs, when a second look agrees with the first.

    Nothing is compared while it cannot be: outside the session, soon after an execution (the
    broker tells its account late), without a commission, with contracts of other kinds. The looks
    before and after that are compared with each other.
    """
    known = _of_this_session(desk)
    shown = _without_trades(desk, snapshot, fills)
    if known.session_date is None or shown is None:
        return known, None
    tolerance = Decimal(repr(desk.parameters.number("execution.cash_tolerance_usd")))
    if known.agreed is not None and abs(shown - known.agreed) <= tolerance:
        return replace(known, seen=None), None
    if (
        known.agreed is not None
        and known.awaited
        and abs(shown - known.agreed - known.awaited) <= tolerance
    ):
        return replace(known, agreed=shown, awaited=Decimal(0), seen=None), None
    if known.seen is None or abs(shown - known.seen) > tolerance:
        return replace(known, seen=shown, seen_at=snapshot.taken_at), None
    since = known.seen_at
    if since is None or snapshot.taken_at - since < desk.seconds("execution.confirm_absence_s"):
        return known, None
    if known.agreed is None:
        return replace(known, agreed=shown, seen=None), None
    return known, known.seen - known.agreed  # not `shown`: a cent more is no news


def _of_this_session(desk: Desk) -> CashBook:
    """Interest, fees and deliveries are booked between sessions: each begins anew."""
    session = desk.session
    if session is None or not session.is_open(desk.now):
        return CashBook(awaited=desk.cash.awaited)
    if desk.cash.session_date != session.session_date:
        return CashBook(session_date=session.session_date, awaited=desk.cash.awaited)
    return desk.cash


def _without_trades(
    desk: Desk, snapshot: BrokerSnapshotReceived, fills: Sequence[FillRecorded]
) -> Decimal | None:
    """Cash as it would be without the session's executions; None when that cannot be told."""
    if desk.session is None:
        return None
    try:
        cash = Decimal(snapshot.account_values[CASH])
    except (KeyError, InvalidOperation):
        return None
    traded = _traded(desk, snapshot, fills, desk.session.session_date)
    if traded is None or not cash.is_finite():
        return None
    quiet_since = snapshot.taken_at - desk.seconds("execution.cash_quiet_s")
    for family, one in traded.items():
        commission = _commission(desk, family, one.exec_id)
        if commission is None or one.executed_at > quiet_since:
            return None
        cash -= one.dollars - commission
    return cash


def _commission(desk: Desk, family: str, exec_id: str) -> Decimal | None:
    recorded = desk.fills.commissions.get(family)
    return recorded[1] if recorded is not None else desk.fills.early.get(exec_id)


def _traded(
    desk: Desk, snapshot: BrokerSnapshotReceived, fills: Sequence[FillRecorded], day: date
) -> dict[str, _Traded] | None:
    """Executions of the day by family, ours as we recorded them and everybody else's as they are
    listed; a combination counts by its legs. None when one is of a kind that we cannot count."""
    found: dict[str, _Traded] = {}
    ours = {**desk.fills.fills, **{fill.fill_id: fill for fill in fills}}
    for family, fill in ours.items():
        if fill.contract is not None and new_york(fill.executed_at).date() == day:
            dollars = -fill.side.sign * fill.quantity * fill.price * MULTIPLIER
            found[family] = _Traded(fill.exec_id, dollars, fill.executed_at)
    for execution in snapshot.executions:
        family = family_of(execution.exec_id)
        if (
            not desk.is_ours(execution.account)
            or family in ours
            or execution.sec_type == COMBINATION
            or new_york(execution.executed_at).date() != day
        ):
            continue
        multiplier = _MULTIPLIERS.get(execution.sec_type)
        if multiplier is None:
            return None
        before = found.get(family)
        if before is not None and revision_of(before.exec_id) >= revision_of(execution.exec_id):
            continue
        side = SIDES.get(execution.side.upper())
        if side is None:
            return None
        dollars = -side.sign * execution.quantity * execution.price * multiplier
        found[family] = _Traded(execution.exec_id, dollars, execution.executed_at)
    return found
