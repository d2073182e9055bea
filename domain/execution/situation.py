"""The desk as the last checks want to see it: proposal, market and situation (rules 5.9).

Built from the order stage's own state for check_entry and clip_exit in domain/risk.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.events.orders import OrderType, Purpose
from domain.execution.desk import Desk, Trade
from domain.execution.quotes import NetQuote
from domain.instruments import Side, Structure
from domain.risk.order_views import (
    DeskSituation,
    MarketView,
    OrderProposal,
    WorkingLeg,
)

_MINUTE = timedelta(minutes=1)


def leg_sides(structure: Structure, action: Side) -> frozenset[tuple[int, int]]:
    """Contract and signed side of each leg of an order."""
    return frozenset((leg.contract.con_id, leg.ratio * action.sign) for leg in structure.legs)


def proposal(
    desk: Desk,
    trade: Trade,
    purpose: Purpose,
    order_ref: str,
    quantity: int,
    price: Decimal,
    profile: str,
    replaces: int | None = None,
) -> OrderProposal:
    """An order about to be intended, or re-priced when `replaces` counts earlier times."""
    connection = desk.connection
    assert connection is not None
    return OrderProposal(
        order_ref=order_ref,
        purpose=purpose,
        strategy=trade.strategy,
        structure=trade.structure,
        action=Side.BUY if purpose.opens else Side.SELL,
        quantity=quantity,
        order_type=OrderType.LIMIT,
        limit_price=price,
        account=connection.account,
        paper=connection.paper,
        position_id=trade.position_id,
        profile="market_equivalent" if profile == "crossing" else profile,
        is_replacement=replaces is not None,
        replaces=replaces or 0,
    )


def market_view(desk: Desk, trade: Trade, net: NetQuote | None, *, is_entry: bool) -> MarketView:
    """Quotes for the checks; only entries are held to the model value of their decision."""
    limits = desk.quote_limits
    return MarketView(
        net_bid=net.bid if net else None,
        net_ask=net.ask if net else None,
        model_mid=trade.model_mid if is_entry else None,
        leg_ages_seconds=desk.quotes.ages(trade.structure, desk.now, limits),
        underlying_price=desk.quotes.underlying_price(trade.symbol, desk.now),
        underlying_age_seconds=desk.quotes.underlying_age(trade.symbol, desk.now),
        last_good_mark=trade.last_mark if is_entry else last_known_price(desk, trade),
    )


def last_known_price(desk: Desk, trade: Trade) -> Decimal | None:
    """What a structure was last worth, for an exit without a quote: the last sound mark, the mid of
    the last quote whatever its age, what its units were bought for."""
    if trade.last_mark is not None:
        return trade.last_mark
    net = desk.quotes.net(trade.structure, desk.now, desk.quote_limits)
    if net is not None and net.ask > net.bid:
        return net.mid
    orders = [order for order in desk.book.of_position(trade.position_id) if order.purpose.opens]
    fills = [f for order in orders for f in desk.fills.by_order.get(order.ref, {}).values()]
    price = Decimal(0)
    for leg in trade.structure.legs:
        con_id, side = leg.contract.con_id, Side.BUY if leg.ratio > 0 else Side.SELL
        bought = [f for f in fills if f.contract and f.contract.con_id == con_id and f.side is side]
        quantity = sum(fill.quantity for fill in bought)
        if not quantity:
            return None
        paid = sum((fill.quantity * fill.price for fill in bought), Decimal(0))
        price += leg.ratio * paid / quantity
    return price


def working_legs(desk: Desk, trade: Trade, *, is_entry: bool) -> tuple[WorkingLeg, ...]:
    """Every contract that an order of ours works or a position of ours holds.

    For an entry its own position's orders are left out: its stop rests on the other side.
    """
    found: list[WorkingLeg] = []
    for order in desk.book.live():
        if is_entry and order.position_id == trade.position_id:
            continue
        for con_id, signed in sorted(leg_sides(order.structure, order.action)):
            found.append(
                WorkingLeg(
                    con_id=con_id,
                    side=Side.BUY if signed > 0 else Side.SELL,
                    order_ref=order.ref,
                    position_id=order.position_id,
                    is_protective_stop=order.purpose is Purpose.PROTECTIVE_STOP,
                )
            )
    for other in desk.trades.values():
        for con_id, quantity in sorted(other.held.items()):
            if quantity and (is_entry or other.position_id == trade.position_id):
                side = Side.BUY if quantity > 0 else Side.SELL
                found.append(WorkingLeg(con_id, side, "", other.position_id))
    return tuple(found)


def situation(desk: Desk, trade: Trade, order_ref: str, *, is_entry: bool) -> DeskSituation:
    """Counts and hours at this moment. An order's own reference is used only by itself."""
    now = desk.now
    action = Side.BUY if is_entry else Side.SELL
    legs = leg_sides(trade.structure, action)
    recent = [entry for entry in desk.new_orders if now - entry[0] < _MINUTE]
    similar = [now - at for at, _, sides, _ in recent if sides == legs]
    day = desk.session.day if desk.session else None
    return DeskSituation(
        now=now,
        option_open_at=day.open_at if day else None,
        option_close_at=day.options_close_at if day else None,
        signal_valid_until=trade.valid_until,
        equity_usd=trade.equity_usd,
        held_units=desk.broker_units(trade),
        account=desk.account,
        paper=desk.paper,
        order_ref_used=order_ref in desk.book.orders,
        similar_order_seconds=min(similar).total_seconds() if similar else None,
        new_orders_bucket_minute=sum(1 for entry in recent if entry[1] is trade.strategy),
        new_orders_minute=len(recent),
        replaces_minute=sum(1 for at, out in desk.replaces if now - at < _MINUTE and not out),
        exit_replaces_minute=sum(1 for at, out in desk.replaces if now - at < _MINUTE and out),
        breached_limits=desk.breached,
        working=working_legs(desk, trade, is_entry=is_entry),
    )
