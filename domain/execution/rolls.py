"""Rolls: from an approved decision to one order that replaces the untested side of a condor.

Called by orders.py. A roll opens contracts, so it is sent, climbs and is withdrawn like an entry,
and any exit ends it first. What it fills changes what is held; position.py says what that makes.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from domain.event import Recorded
from domain.events.orders import OrderIntended, Purpose
from domain.events.risk import Check
from domain.events.rolls import RollDecided, RollProposed, RollRefused
from domain.execution import references, staleness
from domain.execution.desk import Desk, Trade
from domain.execution.entries import cap_now, open_checks, opening, work_opening
from domain.execution.order_book import Order
from domain.execution.protection import is_accounted
from domain.execution.roll_order import RollOrder
from domain.numbers import floor_tick
from domain.risk.check_row import check_row, missing_row
from domain.risk.codes import DenialCode
from domain.risk.order_checks import refusals
from domain.rolling import TRIES_MAX


def rolls_of(desk: Desk, trade: Trade) -> list[Order]:
    return desk.orders_of(trade, Purpose.ROLL)


def work_roll(desk: Desk, trade: Trade) -> None:
    """Withdraw a roll that may not be kept, else move it up its ladder."""
    for order, rolling in zip(rolls_of(desk, trade), trade.rolls, strict=True):
        if order.is_live:
            work_opening(desk, _as_rolled(trade, rolling), order)


def roll_that_may_fill(desk: Desk, trade: Trade) -> RollOrder | None:
    """A roll that works, or that nobody knows: an order that closes the same side beside it would
    close it twice. One that two agreeing looks did not find is given up, and cancelled on sight."""
    for order, rolling in zip(rolls_of(desk, trade), trade.rolls, strict=True):
        if order.is_live:
            return rolling
    return None


def page_roll(desk: Desk, trade: Trade) -> None:
    """A roll whose end the broker does not tell holds an exit back: a human is told once."""
    if trade.roll_told:
        return
    trade.roll_told = True
    ref = next(order.ref for order in rolls_of(desk, trade) if order.is_live)
    text = f"{ref} does not end, and its side is not left before: CANCEL it at the broker"
    desk.page("ROLL_IN_THE_WAY", ref, text, trade.correlation_id)


def _as_rolled(trade: Trade, rolling: RollOrder) -> Trade:
    """The trade as the order of a roll sees it: what it buys, and what its proposal rests on."""
    proposed = rolling.proposed
    return replace(
        trade,
        decision_id=proposed.roll_id,
        structure=proposed.roll,
        valid_until=proposed.valid_until,
        signal_underlying=proposed.underlying_price,
        underlying_move_max=proposed.underlying_move_max,
        signal_mid=proposed.net_mid,
        mid_against_max=proposed.mid_against_max,
        signal_spreads={leg.con_id: leg.ask - leg.bid for leg in proposed.legs},
        model_mid=proposed.model_mid,
        equity_usd=rolling.equity_usd,
        cap=rolling.cap,
        withdrawn="",
        rolls=(),
    )


def _cap(desk: Desk, proposed: RollProposed) -> Decimal:
    """Never above the price that risk decided on, nor above what an entry on these quotes pays. A
    restart of later days folds the order without its quotes."""
    worst = floor_tick(proposed.worst_price)
    if desk.quotes.net(proposed.roll, desk.now, desk.quote_limits) is None:
        return worst
    return min(cap_now(desk, proposed.roll), worst)


def begin(desk: Desk, trade: Trade, intent: OrderIntended) -> None:
    """The order of a decision is intended: from now on the trade may hold the new side."""
    proposed = desk.rolls.pop(intent.decision_id)
    decision = desk.roll_decisions.pop(intent.decision_id)
    trade.rolling(RollOrder(proposed, decision.equity_usd, _cap(desk, proposed)))


def open_roll(desk: Desk, event: Recorded, decision: RollDecided) -> None:
    """Answer an approved decision: an order, or RollRefused with the reasons. Once."""
    proposed = desk.rolls.get(decision.roll_id)
    trade = desk.trades.get(decision.position_id)
    checks = (*open_checks(desk), *_position_checks(desk, trade, decision))
    if proposed is None or trade is None:
        ended = missing_row(DenialCode.SIGNAL_LIVE, f"proposal {decision.roll_id}")
        _refuse(desk, event, decision, (*checks, ended))
        return
    limits = desk.quote_limits
    net = desk.quotes.usable(proposed.roll, desk.now, limits, limits.leg_age_seconds)
    cap = Decimal(0) if net is None else _cap(desk, proposed)
    view = _as_rolled(trade, RollOrder(proposed, decision.equity_usd, cap))
    died = staleness.condition_gone(desk, view, net)
    live = check_row(DenialCode.SIGNAL_LIVE, not died, "live", died or "live", "proposal, quotes")
    number = len(desk.orders_of(view, Purpose.ROLL)) + 1
    ref = references.roll_ref(view.position_id, number)
    until, before = decision.send_before, (*checks, live)
    intent, made = opening(desk, view, net, Purpose.ROLL, ref, decision.units, until, before)
    if intent is None:
        _refuse(desk, event, decision, made)
    else:
        desk.place(intent, view)


def _position_checks(desk: Desk, trade: Trade | None, decision: RollDecided) -> tuple[Check, Check]:
    """What is held now is what was decided on, and no order of it works or is in doubt."""
    whole, once = DenialCode.POSITION_WHOLE, DenialCode.ROLL_ONCE
    if trade is None:
        missing = f"position {decision.position_id}"
        return missing_row(whole, missing), missing_row(once, missing)
    orders = desk.book.of_position(trade.position_id)
    doubts = [o.ref for o in orders if o.is_live or (o.was_sent and not is_accounted(o))]
    units = trade.units
    even = all(
        trade.held.get(leg.contract.con_id, 0) == units * leg.ratio for leg in trade.structure.legs
    )
    is_whole = even and units == decision.units == desk.broker_units(trade) and units > 0
    rolls = rolls_of(desk, trade)
    used = [o.ref for o in rolls if o.filled or o.is_live or o.was_abandoned]
    most = int(desk.parameters.number(TRIES_MAX))
    return (
        check_row(
            whole,
            is_whole and trade.exit is None and not doubts,
            f"{decision.units} whole units, not left, no order of it open",
            f"{units} units" + (f", {', '.join(doubts)}" if doubts else ""),
            "position and its orders",
        ),
        check_row(
            once,
            not used and len(rolls) < most,
            f"not rolled, fewer than {most} orders",
            ", ".join(used) or f"{len(rolls)} orders",
            "orders of the position",
        ),
    )


def _refuse(desk: Desk, event: Recorded, decision: RollDecided, checks: tuple[Check, ...]) -> None:
    body = RollRefused(
        roll_id=decision.roll_id,
        position_id=decision.position_id,
        codes=refusals(checks),
        checks=checks,
    )
    desk.emit(f"roll-decision/{decision.position_id}", body, event.correlation_id)
