"""What happened to positions, as the order stage folds it: adjustments, exits, stops and marks.

Called by orders.py; what follows for a trade's orders is decided in work.py.
"""

from __future__ import annotations

from decimal import Decimal

from domain.event import Recorded
from domain.events.positions import (
    ExitDecided,
    FillInferred,
    PositionAdjusted,
    PositionMarked,
    StopMoved,
)
from domain.execution.desk import Desk, ExitWish, Trade
from domain.execution.exit_rules import precedence
from domain.execution.holdings import DELIVERIES, INFERRED, shares_delivered
from domain.execution.ladder import Profile
from domain.execution.operator_requests import OPERATOR, set_aside
from domain.execution.work import work


def on_adjusted(desk: Desk, event: Recorded, body: PositionAdjusted) -> None:
    desk.forget_cash()
    if body.kind == OPERATOR and not body.position_id:
        set_aside(desk, body)
        return
    trade = desk.trades.get(body.position_id)
    if trade is None:
        return
    if body.kind == INFERRED:
        # Folded with the fill that took it back: in between a position would look doubled.
        return
    if body.kind in DELIVERIES:
        contract = trade.contract(body.con_id)
        shares = shares_delivered(contract, body.quantity)
        desk.delivered[contract.symbol] = desk.delivered.get(contract.symbol, 0) + shares
        undo = f"{'SELL' if shares > 0 else 'BUY'} {abs(shares)} {contract.symbol}"
        text = (
            f"{body.kind} of {abs(body.quantity)} {contract.occ_symbol}: {body.evidence}."
            f" {undo} at the broker: what is left of {body.position_id} is closed by the desk,"
            " longs that cover these shares only once they are gone"
        )
        desk.page(body.kind.upper(), str(event.event_id), text, trade.correlation_id)
    _hold(desk, trade, body.con_id, body.quantity)


def on_inferred(desk: Desk, event: Recorded, body: FillInferred) -> None:
    desk.forget_cash()
    trade = desk.trades.get(body.position_id)
    whose = body.position_id or "no position of ours"
    text = (
        f"contract {body.con_id}: the broker holds {body.theirs}, our fills say {body.ours},"
        f" no execution says why; {whose} takes it over without a price"
    )
    desk.page("FILL_INFERRED", str(event.event_id), text, trade.correlation_id if trade else None)
    if trade is not None:
        change = body.theirs - body.ours
        desk.inferred_at[body.position_id, body.con_id] = event.market_time
        desk.infer(body.position_id, body.con_id, change)
        _hold(desk, trade, body.con_id, change)


def _hold(desk: Desk, trade: Trade, con_id: int, change: int) -> None:
    trade.hold(con_id, change)
    desk.shortages.pop(con_id, None)
    work(desk, trade)


def on_exit_decided(desk: Desk, event: Recorded, body: ExitDecided) -> None:
    trade = desk.trades.get(body.position_id)
    if trade is None:
        return
    if trade.exit is not None and precedence(body.reason) > precedence(trade.exit.reason):
        return
    since = trade.exit.since if trade.exit is not None else event.market_time
    trade.exit = ExitWish(body.reason, Profile(body.profile), since)
    work(desk, trade)


def on_stop_moved(desk: Desk, event: Recorded, body: StopMoved) -> None:
    trade = desk.trades.get(body.position_id)
    if trade is not None:
        trade.platform_stop = body.stop_price
        work(desk, trade)


def on_marked(desk: Desk, event: Recorded, body: PositionMarked) -> None:
    trade = desk.trades.get(body.position_id)
    if trade is not None and body.quality == "OK":
        trade.last_mark = Decimal(body.mark)
