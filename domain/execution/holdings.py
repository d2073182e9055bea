"""What we hold against what the broker shows: contracts that expired, were exercised or assigned,
and differences that nothing explains.

A second look that agrees with the first makes such a difference a fact of ours (FillInferred), so
that exits sell what is held. Called by reconcile.py; nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain.events.orders import (
    BrokerExecution,
    BrokerSnapshotReceived,
    FillRecorded,
    Purpose,
    SnapshotPosition,
)
from domain.events.positions import FillInferred, PositionAdjusted
from domain.execution.desk import Desk, Shortage, Trade
from domain.instruments import MULTIPLIER, SYMBOLS, OptionContract, Right
from domain.rolling import opened_legs

OPTION = "OPT"
SHARES = "STK"
BOUGHT = "BOT"
INFERRED = "inferred"
DELIVERIES = frozenset({"assignment", "exercise"})


@dataclass(slots=True)
class Holdings:
    """What a comparison found."""

    adjustments: list[PositionAdjusted | FillInferred] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    shortages: dict[int, Shortage] = field(default_factory=dict)
    undelivered: dict[str, int] = field(default_factory=dict)
    """Shares that the broker shows and no adjustment explains yet, by symbol."""
    netted: dict[str, int] = field(default_factory=dict)
    """Shares of options that ended in the money and whose deliveries the broker set against each
    other: what is left of them proves no delivery of an option that ended worthless."""


def holders(desk: Desk, con_id: int) -> Iterator[tuple[Trade, OptionContract]]:
    """Positions that hold a contract, the earliest first."""
    for trade in desk.trades.values():
        if trade.held.get(con_id, 0):
            for leg in trade.legs:
                if leg.contract.con_id == con_id:
                    yield trade, leg.contract


def shares_delivered(contract: OptionContract, change: int) -> int:
    """Shares that come when a holding changes by exercise or assignment."""
    return -change * MULTIPLIER * (1 if contract.right is Right.CALL else -1)


def shares_shown(desk: Desk, snapshot: BrokerSnapshotReceived) -> dict[str, int]:
    """Shares of our symbols in our account that the operator did not set aside."""
    shown: dict[str, int] = {}
    for aside in desk.set_aside.values():
        if aside.shares_of:
            shown[aside.shares_of] = shown.get(aside.shares_of, 0) - aside.quantity
    for row in snapshot.positions:
        if row.symbol in SYMBOLS and row.sec_type == SHARES and desk.is_ours(row.account):
            shown[row.symbol] = shown.get(row.symbol, 0) + int(row.quantity)
    return shown


def share_trades(desk: Desk, snapshot: BrokerSnapshotReceived) -> Iterator[BrokerExecution]:
    """Executions of shares of our symbols in our account: never by an order of ours."""
    for execution in snapshot.executions:
        is_ours = execution.symbol in SYMBOLS and desk.is_ours(execution.account)
        if is_ours and execution.sec_type == SHARES:
            yield execution


def shares_traded(desk: Desk, snapshot: BrokerSnapshotReceived) -> dict[str, int]:
    """Shares that somebody bought or sold since the look before, by symbol; the first look has
    nothing to compare with. Executions are told to the second."""
    traded: dict[str, int] = {}
    if desk.looked_at is None:
        return traded
    since = desk.looked_at.replace(microsecond=0)
    families: dict[str, BrokerExecution] = {}
    for execution in share_trades(desk, snapshot):
        if execution.family not in desk.share_trades and execution.executed_at >= since:
            families[execution.family] = execution  # a correction stands for what it corrects
    for execution in families.values():
        sign = 1 if execution.side == BOUGHT else -1
        symbol = execution.symbol
        traded[symbol] = traded.get(symbol, 0) + sign * int(execution.quantity)
    return traded


def came_after_all(desk: Desk, fills: Sequence[FillRecorded]) -> list[PositionAdjusted]:
    """Executions of what was inferred: it is taken back, or it would count twice.

    An exit that was sent since is none of them, nor is anything that was executed later.
    """
    left = dict(desk.inferred)
    taken: list[PositionAdjusted] = []
    for fill, change in _changes(desk, fills):
        if fill.contract is None:
            continue
        key = (fill.position_id, fill.contract.con_id)
        inferred = left.get(key, 0)
        if inferred * change <= 0 or _is_of_later(desk, fill, desk.inferred_at[key]):
            continue
        back = -min(inferred, change) if change > 0 else -max(inferred, change)
        left[key] = inferred + back
        adjusted = PositionAdjusted(
            position_id=fill.position_id,
            con_id=fill.contract.con_id,
            quantity=back,
            kind=INFERRED,
            evidence=f"execution {fill.exec_id} came after it was inferred",
        )
        taken.append(adjusted)
    return taken


def _is_of_later(desk: Desk, fill: FillRecorded, inferred_at: datetime) -> bool:
    order = desk.book.orders.get(fill.order_ref)
    is_of_new_order = order is not None and order.intended_at >= inferred_at
    return is_of_new_order or fill.executed_at > inferred_at


def _changes(desk: Desk, fills: Sequence[FillRecorded]) -> Iterator[tuple[FillRecorded, int]]:
    """New fills, each with the contracts by which it changes a holding. One look may bring an
    execution together with its correction: they count once."""
    newest: dict[str, FillRecorded] = {}
    for fill in fills:
        before = newest.get(fill.fill_id) or desk.fills.fills.get(fill.fill_id)
        newest[fill.fill_id] = fill
        yield fill, fill.side.sign * (fill.quantity - (before.quantity if before else 0))


def compare_holdings(
    desk: Desk, snapshot: BrokerSnapshotReceived, fills: Sequence[FillRecorded]
) -> Holdings:
    """Ours, with the fills that the same snapshot brings, against theirs."""
    result = Holdings()
    ours: dict[int, int] = {}
    for trade in desk.trades.values():
        for con_id, quantity in trade.held.items():
            ours[con_id] = ours.get(con_id, 0) + quantity
    for fill, change in _changes(desk, fills):
        if fill.contract is not None and fill.position_id:
            con_id = fill.contract.con_id
            ours[con_id] = ours.get(con_id, 0) + change
    for adjusted in came_after_all(desk, fills):
        ours[adjusted.con_id] = ours.get(adjusted.con_id, 0) + adjusted.quantity
    theirs: dict[int, int] = {}
    aside = {con_id: held.quantity for con_id, held in desk.set_aside.items()}
    for row in snapshot.positions:
        if row.symbol not in SYMBOLS or not row.quantity or not desk.is_ours(row.account):
            continue
        if row.sec_type == OPTION:
            theirs[row.con_id] = theirs.get(row.con_id, 0) + int(row.quantity)
        else:
            _no_option(desk, snapshot, result, row, aside.pop(row.con_id, 0))
    for con_id, quantity in aside.items():
        ours[con_id] = ours.get(con_id, 0) + quantity
    shown, traded = shares_shown(desk, snapshot), shares_traded(desk, snapshot)
    for symbol in SYMBOLS:
        known = desk.delivered.get(symbol, 0) + traded.get(symbol, 0)
        result.undelivered[symbol] = shown.get(symbol, 0) - known
    for con_id in _likely_first(desk, set(ours) | set(theirs)):
        have, they = ours.get(con_id, 0), theirs.get(con_id, 0)
        if have != they and not _explained(desk, snapshot, result, con_id, they - have):
            _unexplained(desk, snapshot, result, con_id, have, they)
    return result


def _likely_first(desk: Desk, con_ids: set[int]) -> list[int]:
    """Shares prove the contract that somebody would exercise: the one most in the money is asked
    first, or an option that expired worthless would be taken for the one that was delivered."""

    def key(con_id: int) -> tuple[Decimal, int]:
        found = next(holders(desk, con_id), None)
        worth = _intrinsic(desk, found[1]) if found is not None else None
        return -(worth or Decimal(0)), con_id

    return sorted(con_ids, key=key)


def is_over(desk: Desk, contract: OptionContract) -> bool:
    """Its last session for options has ended."""
    session = desk.session
    if session is None:
        return False
    today = contract.expiry == session.session_date
    return contract.expiry < session.session_date or (
        today and desk.now >= session.day.options_close_at
    )


def _intrinsic(desk: Desk, contract: OptionContract) -> Decimal | None:
    price = desk.quotes.underlying_price(contract.symbol, desk.now)
    if price is None:
        return None
    above = Decimal(f"{price:.2f}") - contract.strike
    return max(Decimal(0), above if contract.right is Right.CALL else -above)


def _explained(
    desk: Desk,
    snapshot: BrokerSnapshotReceived,
    result: Holdings,
    con_id: int,
    difference: int,
) -> bool:
    """Contracts that are gone by expiry, exercise or assignment; each needs its evidence."""
    found = list(holders(desk, con_id))
    held = sum(trade.held[con_id] for trade, _ in found)
    if difference > 0 and difference > -held:
        return _assigned_beside_an_exit(desk, snapshot, result, con_id, difference)
    gone = held * difference < 0 and abs(difference) <= abs(held)
    if not gone:
        return False
    contract = found[0][1]
    worth = _intrinsic(desk, contract)
    is_worthless = worth == 0 and is_over(desk, contract)
    beside = result.netted.get(contract.symbol, 0) if is_worthless else 0
    evidence = _delivered(snapshot, result, contract, difference, beside)
    kind = "assignment" if held < 0 else "exercise"
    if not evidence:
        if not is_over(desk, contract) or difference != -held:
            return False
        kind = "expiry"
        if worth:
            netted = result.netted.get(contract.symbol, 0)
            result.netted[contract.symbol] = netted + shares_delivered(contract, difference)
        evidence = f"expired {contract.expiry}, the broker holds none at {snapshot.taken_at}"
    for trade, _ in found:
        part = _part(difference, trade.held[con_id])
        difference -= part
        if part:
            result.adjustments.append(_ended(desk, trade, contract, part, kind, evidence))
    return True


def _assigned_beside_an_exit(
    desk: Desk,
    snapshot: BrokerSnapshotReceived,
    result: Holdings,
    con_id: int,
    difference: int,
) -> bool:
    """A short that was assigned while an order of ours bought it back, as shares prove: more was
    bought than sold. The long that is left belongs to the position like any rest."""
    sold = [
        (trade, leg.contract)
        for trade in desk.trades.values()
        for leg in trade.legs
        if leg.contract.con_id == con_id and leg.ratio < 0
    ]
    if not sold:
        return False
    contract = sold[0][1]
    evidence = _delivered(snapshot, result, contract, difference)
    if not evidence:
        return False
    parts = [min(difference, max(0, -trade.held.get(con_id, 0))) for trade, _ in sold]
    parts[-1] += difference - sum(parts)
    for (trade, _), part in zip(sold, parts, strict=True):
        if part:
            result.adjustments.append(_ended(desk, trade, contract, part, "assignment", evidence))
    return True


def _delivered(
    snapshot: BrokerSnapshotReceived,
    result: Holdings,
    contract: OptionContract,
    difference: int,
    beside: int = 0,
) -> str:
    """The shares that came for so many contracts, as evidence, and used up; empty if none did.
    `beside`: shares that others brought."""
    shares = shares_delivered(contract, difference)
    free = result.undelivered.get(contract.symbol, 0) - beside
    if abs(free) < abs(shares) or free * shares <= 0:
        return ""
    result.undelivered[contract.symbol] = free + beside - shares
    return f"{shares} shares of {contract.symbol} came instead, at {snapshot.taken_at}"


def _ended(
    desk: Desk, trade: Trade, contract: OptionContract, quantity: int, kind: str, evidence: str
) -> PositionAdjusted:
    return PositionAdjusted(
        position_id=trade.position_id,
        con_id=contract.con_id,
        quantity=quantity,
        kind=kind,
        evidence=evidence,
        price=_intrinsic(desk, contract),
    )


def _part(difference: int, held: int) -> int:
    """What of a difference one position can bear: it never turns to the other side."""
    return max(difference, -held) if held > 0 else min(difference, -held)


def _unexplained(
    desk: Desk,
    snapshot: BrokerSnapshotReceived,
    result: Holdings,
    con_id: int,
    have: int,
    shown: int,
) -> None:
    before = desk.shortages.get(con_id)
    seen = _seen(desk, snapshot, con_id, shown - have)
    if seen.confirmed and before is not None and not before.confirmed:
        result.adjustments += _inferred(desk, con_id, have, shown)
    result.shortages[con_id] = seen
    result.differences.append(f"contract {con_id}: ours {have}, the broker's {shown}")


def _no_option(
    desk: Desk,
    snapshot: BrokerSnapshotReceived,
    result: Holdings,
    row: SnapshotPosition,
    aside: int,
) -> None:
    """Shares and the like: never ours, unless the operator said so."""
    if row.quantity == aside:
        return
    result.differences.append(f"{row.symbol} {row.sec_type} {row.quantity} is not ours")
    shares_of = row.symbol if row.sec_type == SHARES else ""
    difference = int(row.quantity) - aside
    result.shortages[row.con_id] = _seen(desk, snapshot, row.con_id, difference, shares_of)


def _seen(
    desk: Desk,
    snapshot: BrokerSnapshotReceived,
    con_id: int,
    difference: int,
    shares_of: str = "",
) -> Shortage:
    """A difference is sure when two looks apart show the same."""
    before = desk.shortages.get(con_id)
    if before is None or before.difference != difference:
        return Shortage(difference, snapshot.taken_at, False, shares_of)
    apart = desk.seconds("execution.confirm_absence_s")
    confirmed = before.confirmed or snapshot.taken_at - before.since >= apart
    return Shortage(difference, before.since, confirmed, shares_of)


def _inferred(desk: Desk, con_id: int, have: int, shown: int) -> list[FillInferred]:
    """The difference, shared out: what was inferred before is taken back first, then the positions
    that hold the contract take their part. What none of them can bear belongs to no position."""
    inferred: list[FillInferred] = []

    def infer(position_id: str, change: int) -> None:
        nonlocal have
        inferred.append(
            FillInferred(con_id=con_id, ours=have, theirs=have + change, position_id=position_id)
        )
        have += change

    for (position_id, of), earlier in desk.inferred.items():
        if of == con_id and earlier * (shown - have) < 0:
            infer(position_id, _part(shown - have, earlier))
    for trade, _ in holders(desk, con_id):
        change = _part(shown - have, trade.held[con_id])
        if change:
            infer(trade.position_id, change)
    for trade, room in _rolled_into(desk, con_id):
        if room * (shown - have) > 0:
            infer(trade.position_id, min(room, shown - have, key=abs))
    if have != shown:
        infer("", shown - have)
    return inferred


def _rolled_into(desk: Desk, con_id: int) -> Iterator[tuple[Trade, int]]:
    """Positions of which an order that rolls them may have opened the contract, unseen, and how
    many: a broker lists the executions of a day that is over no more."""
    for trade in desk.trades.values():
        orders = desk.orders_of(trade, Purpose.ROLL)
        for order, rolling in zip(orders, trade.rolls, strict=True):
            if not (order.is_live or order.filled or order.was_abandoned):
                continue
            for leg in opened_legs(trade.first, rolling.proposed.roll):
                if leg.contract.con_id == con_id:
                    yield trade, leg.ratio * order.quantity - trade.held.get(con_id, 0)
