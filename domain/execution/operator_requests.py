"""What the operator asks of the order stage: to leave a trade, and to take over a holding that no
fill of ours explains.

The latter is taken only for exactly the difference that two looks at the broker's lists showed, so
that a slip of the pen cannot make a position that nobody has. It goes to a position of the desk,
at a price, or to none: then it counts as explained, and nothing watches or leaves it. Folded by
orders.py.
"""

from __future__ import annotations

from domain.event import Recorded
from domain.events.controls import CONTROL_STREAM, ControlRefused, TradeCancelRequested
from domain.events.positions import AdjustmentRequested, PositionAdjusted
from domain.execution.desk import Aside, Desk
from domain.execution.work import work

OPERATOR = "operator"
"""The kind of these adjustments."""


def on_cancel_requested(desk: Desk, event: Recorded, body: TradeCancelRequested) -> None:
    """One that nothing is known of is refused: silence would look like a close under way."""
    found = [
        trade
        for trade in desk.trades.values()
        if trade.position_id == body.position_id
        or (body.signal_id and trade.signal_id == body.signal_id)
    ]
    for trade in found:
        trade.withdrawn = trade.withdrawn or f"operator {body.who}"
        work(desk, trade)
    if not found:
        named = (body.position_id or body.signal_id)[:80]
        reason = f"position {named} must be of this session or held, was not: see those on the page"
        refused = ControlRefused(request_id=str(event.event_id), who=body.who, reason=reason)
        desk.emit(CONTROL_STREAM, refused)


def on_adjustment_requested(desk: Desk, event: Recorded, body: AdjustmentRequested) -> None:
    """Adjust, or say why not."""
    refusal = refusal_of(desk, body)
    if refusal:
        request_id = str(event.event_id)
        desk.emit(
            CONTROL_STREAM, ControlRefused(request_id=request_id, who=body.who, reason=refusal)
        )
        return
    adjusted = PositionAdjusted(
        position_id=body.position_id,
        con_id=body.con_id,
        quantity=body.quantity,
        kind=OPERATOR,
        evidence=f"{body.who}: {body.evidence.strip()} ({body.reason.strip()})",
        price=body.price,
    )
    trade = desk.trades.get(body.position_id)
    stream = f"adjustment/{body.position_id or 'none'}"
    desk.emit(stream, adjusted, None if trade is None else trade.correlation_id)
    desk.want_snapshot(f"the operator explained contract {body.con_id}")


def set_aside(desk: Desk, body: PositionAdjusted) -> None:
    """What belongs to no position is expected at the broker from now on. Shares that came by
    exercise or assignment are among these then, and no evidence of a later one."""
    shortage = desk.shortages.pop(body.con_id, None)
    known = desk.set_aside.get(body.con_id, Aside(0, ""))
    symbol = known.shares_of or ("" if shortage is None else shortage.shares_of)
    quantity = known.quantity + body.quantity
    desk.set_aside[body.con_id] = Aside(quantity, symbol)
    if not quantity:
        del desk.set_aside[body.con_id]
    came = desk.delivered.get(symbol, 0)
    if came * body.quantity > 0:
        desk.delivered[symbol] = came - _overlap(came, body.quantity)


def _overlap(one: int, other: int) -> int:
    """What two quantities of the same side have in common."""
    return min(one, other) if one > 0 else max(one, other)


def refusal_of(desk: Desk, body: AdjustmentRequested) -> str:
    """Why nothing is adjusted, and what to do; empty when it is."""
    if not body.reason.strip() or not body.evidence.strip():
        return "an adjustment must have a reason and evidence, such as a statement: name both"
    if not body.reauthenticated:
        return "an adjustment must be confirmed by logging in again, was not: give the password"
    shortage = desk.shortages.get(body.con_id)
    if shortage is None or not shortage.confirmed:
        return (
            f"contract {body.con_id} must differ in two looks at the broker's list, did not: the"
            " differences are on the page under broker, a new one is sure within a minute"
        )
    if body.quantity != shortage.difference:
        return (
            "quantity must be the broker's holding less ours,"
            f" {shortage.difference:+d}, was {body.quantity:+d}: ask with that"
        )
    return _position_refusal(desk, body)


def _position_refusal(desk: Desk, body: AdjustmentRequested) -> str:
    if not body.position_id:
        return "" if body.price is None else "without a position there is no price: leave it out"
    trade = desk.trades.get(body.position_id)
    if trade is None:
        return (
            f"position {body.position_id[:80]} must be of this session or held, was not: ask"
            " without a position, and close the contracts at the broker"
        )
    leg = next((leg for leg in trade.legs if leg.contract.con_id == body.con_id), None)
    if leg is None:
        return (
            f"contract {body.con_id} must be a leg of {body.position_id}, was not: ask without a"
            " position"
        )
    after = trade.held.get(body.con_id, 0) + body.quantity
    if after * leg.ratio < 0:
        return (
            f"{body.position_id} must hold its legs on the side on which they were opened, would"
            f" hold {after:+d}: ask without a position"
        )
    if body.price is None:
        return "a position's result is counted with a price: name what the contract cost a share"
    return ""
