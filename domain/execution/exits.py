"""Exits: one order a position at a time, re-priced and never given up, never refused.

Called by orders.py whenever something about a position changed. What is still wanted is derived
from the newest ExitDecided and what is held, so that a lapsed, refused or lost exit is decided
again; failed checks widen the ladder and hold nothing back but in three cases (rules 5.9).
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.events.orders import (
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    OrderType,
    Purpose,
)
from domain.events.risk import Check
from domain.events.signals import Result
from domain.execution import ladder, references
from domain.execution.desk import Desk, ExitWish, Trade
from domain.execution.ladder import LAST_STEP_MAX, Profile
from domain.execution.order_book import Order
from domain.execution.parts import next_part, part_of, tested_side, uncovered_shorts
from domain.execution.protection import group_of, is_accounted, may_resend
from domain.execution.quotes import NetQuote
from domain.execution.rolls import page_roll, roll_that_may_fill
from domain.execution.situation import market_view, proposal, situation
from domain.instruments import TICK, Side
from domain.risk.codes import DenialCode
from domain.risk.max_loss import structure_width
from domain.risk.order_checks import clip_exit
from domain.risk.order_views import ClippedExit, order_limits

_WIDENING = frozenset(
    {
        DenialCode.DUPLICATE_ORDER.value,
        DenialCode.QUOTE_AGE.value,
        DenialCode.RATE_ALL.value,
        DenialCode.RATE_BUCKET.value,
        DenialCode.RATE_REPLACE.value,
        DenialCode.UNDERLYING_AGE.value,
    }
)
"""Checks that clip neither price nor quantity: a failure says that the next price may come late."""


def work_exit(desk: Desk, trade: Trade) -> None:
    """Send, re-price or resize the exit of a position; cancel it when nothing is left."""
    if not desk.is_ready:
        return
    exits = desk.orders_of(trade, Purpose.EXIT)
    live = [order for order in exits if order.is_live]
    if trade.is_flat:
        for order in live:
            if desk.is_settled(order):
                desk.cancel(order, "nothing is held")
        return
    if not live:
        _page_uncovered(desk, trade)
    if trade.exit is None:
        return
    if not live:
        leaving = _leaving(desk, trade, trade.exit)
        if leaving is not None:
            _send(desk, leaving, trade.exit, exits)
        return
    newest = live[-1]
    if desk.is_asleep(newest):
        desk.cancel(newest, "does not work at the broker")
        return
    if not trade.structure.is_single:
        _cancel_found_again(desk, live[:-1])
    leaving = trade
    if newest.structure != trade.structure:
        leaving = part_of(trade, newest.structure)
    wanted = max(0, desk.broker_units(leaving) - _outside(desk, leaving, newest.group))
    if desk.is_settled(newest) and newest.state is not OrderState.CANCEL_REQUESTED:
        _reprice(desk, leaving, trade.exit, newest, wanted)


def _leaving(desk: Desk, trade: Trade, wish: ExitWish) -> Trade | None:
    """What is sold first: whole units, then parts. A roll is on its way out (rolls.py cancels it):
    its end is waited for as that of an entry, then the side that it does not touch is sold."""
    rolling = roll_that_may_fill(desk, trade)
    if rolling is None:
        return trade if trade.units > 0 else next_part(desk, trade)
    waited = desk.now - wish.since
    if waited < desk.seconds("execution.crossing_wait_s"):
        return None
    if waited >= desk.seconds("execution.lost_exit_s"):
        page_roll(desk, trade)
    tested = part_of(trade, tested_side(trade, rolling))
    return None if tested.is_flat else tested


def _cancel_found_again(desk: Desk, older: list[Order]) -> None:
    """An exit that was given up as lost and turned up beside the one tried anew. No group of the
    broker keeps combinations apart: both would sell, and what is held would be turned round."""
    for order in older:
        if desk.is_settled(order):
            desk.cancel(order, "another exit works in its place")


def _page_uncovered(desk: Desk, trade: Trade) -> None:
    """A short whose cover is gone cannot be sold: a human buys it back, once told."""
    shorts = uncovered_shorts(desk, trade)
    if not shorts or shorts == trade.uncovered_told:
        return
    trade.uncovered_told = shorts
    what = ", ".join(f"{quantity} {contract.occ_symbol}" for contract, quantity in shorts)
    text = f"{trade.position_id}: nothing covers {what}: BUY them back at the broker at once"
    desk.page("UNCOVERED_SHORT", f"{trade.position_id}-{what}", text, trade.correlation_id)


def _outside(desk: Desk, trade: Trade, group: str) -> int:
    """Units that other orders may sell beside a group, which keeps only its members apart."""
    return sum(
        order.remaining
        for order in desk.book.of_position(trade.position_id)
        if not order.purpose.opens and order.group != group and _may_sell(desk, order)
    )


def _may_sell(desk: Desk, order: Order) -> bool:
    """A live exit; for a while also an order that was never found: it may be shown late."""
    if order.state is not OrderState.ABANDONED or order.lost_at is None:
        return order.is_live and order.purpose is Purpose.EXIT
    return desk.now - order.lost_at < desk.seconds("execution.lost_exit_s")


def _entry_in_the_way(desk: Desk, trade: Trade, wish: ExitWish) -> bool:
    """Our own entry stands on the other side until its cancel is confirmed, at most for a while."""
    entry = desk.entry_of(trade)
    if entry is None or not entry.is_live:
        return False
    return desk.now - wish.since < desk.seconds("execution.crossing_wait_s")


def _uncounted(desk: Desk, trade: Trade) -> bool:
    """Some ended order filled more than we counted: a snapshot first, or we might sell twice."""
    for order in desk.book.of_position(trade.position_id):
        if order.state.is_final and order.was_sent and not is_accounted(order):
            desk.want_snapshot(f"executions of {order.ref} are missing")
            return True
        if _legs_missing(order):
            return True
    return False


def _legs_missing(order: Order) -> bool:
    """The combination's own execution comes before those of its legs: until they are counted, the
    position still looks held, and what was sold would be sold a second time."""
    return order.legs_filled < order.filled and not order.checked


def _quote(desk: Desk, trade: Trade) -> NetQuote | None:
    """A quote that an exit can be priced on: a leg without a bid is still sold, or bought back."""
    limits = desk.quote_limits
    net = desk.quotes.net(trade.structure, desk.now, limits)
    if net is None or net.oldest_seconds > limits.leg_age_seconds or net.ask <= net.bid:
        return None
    return net if net.priced or net.zero_bid else None


def _worst_price(trade: Trade) -> Decimal:
    """The least price at which the structure may be sold: a limit that acts as a market order."""
    width = structure_width(trade.structure)
    return -width if trade.structure.has_short_leg and width is not None else TICK


def _clip(
    desk: Desk,
    trade: Trade,
    wish: ExitWish,
    ref: str,
    quantity: int,
    step: int,
    replaces: int | None,
) -> ClippedExit:
    net = _quote(desk, trade)
    price = TICK
    if net is not None:
        price = ladder.step_price(Side.SELL, net.bid, net.ask, step)
    wanted = proposal(desk, trade, Purpose.EXIT, ref, quantity, price, wish.profile.value, replaces)
    return clip_exit(
        wanted,
        market_view(desk, trade, net, is_entry=False),
        situation(desk, trade, ref, is_entry=False),
        order_limits(desk.parameters),
    )


def _is_widened(clipped: ClippedExit) -> bool:
    """A failed check holds no exit back: it makes the ladder one step wider."""
    failed = {check.code for check in clipped.checks if check.result is not Result.PASS}
    return not failed.isdisjoint(_WIDENING)


def _send(desk: Desk, trade: Trade, wish: ExitWish, earlier: list[Order]) -> None:
    wanted = desk.broker_units(trade) - _outside(desk, trade, group_of(desk, trade))
    if wanted <= 0 or not may_resend(desk, earlier):
        return
    if _entry_in_the_way(desk, trade, wish) or _uncounted(desk, trade):
        return
    lost = earlier[-1] if earlier and earlier[-1].state is OrderState.ABANDONED else None
    stop_alive = any(order.is_live for order in desk.orders_of(trade, Purpose.PROTECTIVE_STOP))
    if earlier and earlier[-1].state is OrderState.REJECTED and stop_alive:
        # The refused join: work_stop ends the group, then the exit goes in the next one.
        return
    number = 1 + sum(1 for order in earlier if order.attempt == 1)
    attempt = 1
    if lost is not None:
        number, attempt = number - 1, lost.attempt + 1
    ref = references.exit_ref(trade.position_id, number, attempt)
    steps = ladder.ladder(wish.profile, is_exit=True)
    step = steps.first
    clipped = _clip(desk, trade, wish, ref, wanted, step, None)
    if _is_widened(clipped):
        step = min(step + 1, LAST_STEP_MAX)
        clipped = _clip(desk, trade, wish, ref, wanted, step, None)
    price = clipped.price
    is_blind = trade.last_mark is None and _quote(desk, trade) is None
    if is_blind and wish.profile.rank >= Profile.CROSSING.rank:
        price = _worst_price(trade)
    if price is None:
        if wish.profile.rank < Profile.URGENT.rank:
            return
        price = _worst_price(trade)
    if clipped.held_back:
        return
    if _cancel_first(desk, wish, clipped):
        return
    _intend(desk, trade, ref, attempt, clipped, price, step)


def _cancel_first(desk: Desk, wish: ExitWish, clipped: ClippedExit) -> bool:
    """Cancel our other orders on the other side; True while their end is waited for."""
    waiting = False
    for ref in clipped.cancel_first:
        other = desk.book.orders[ref]
        if other.is_live:
            waiting = True
            if desk.is_settled(other):
                desk.cancel(other, "stands against an exit")
    return waiting and desk.now - wish.since < desk.seconds("execution.crossing_wait_s")


def _intend(
    desk: Desk,
    trade: Trade,
    ref: str,
    attempt: int,
    clipped: ClippedExit,
    price: Decimal,
    step: int,
) -> None:
    connection = desk.connection
    assert connection is not None
    if clipped.quantity <= 0 or not desk.claim(f"exit:{trade.position_id}"):
        return
    order_id = desk.next_id()
    if order_id is None:
        return
    net = _quote(desk, trade)
    intent = OrderIntended(
        order_ref=ref,
        order_id=order_id,
        client_id=connection.client_id,
        connection=connection.name,
        broker_ready_id=connection.ready_id,
        purpose=Purpose.EXIT,
        signal_id=trade.signal_id,
        decision_id=trade.decision_id,
        position_id=trade.position_id,
        structure=trade.structure,
        action=Side.SELL,
        quantity=clipped.quantity,
        order_type=OrderType.LIMIT,
        limit_price=price,
        stop_price=None,
        account=connection.account,
        oca_group=group_of(desk, trade),
        oca_type=2,
        attempt=attempt,
        ladder_step=step,
        decision_mid=net.mid if net else None,
        checks=clipped.checks,
    )
    desk.place(intent, trade)


def _next_step(desk: Desk, wish: ExitWish, order: Order) -> int | None:
    """The step that is due; None while the present one lasts."""
    steps = ladder.ladder(wish.profile, is_exit=True)
    if order.ladder_step < steps.first:
        return steps.first
    if desk.now - order.priced_at < desk.seconds(steps.dwell_parameter):
        return None
    return min(order.ladder_step + 1, max(steps.last, order.ladder_step))


def _reprice(desk: Desk, trade: Trade, wish: ExitWish, order: Order, wanted: int) -> None:
    pause = timedelta(milliseconds=desk.parameters.number("execution.replace_interval_ms"))
    if desk.now - order.priced_at < pause:
        return
    total = order.quantity if _legs_missing(order) else order.filled + wanted
    step, price = order.ladder_step, order.limit_price
    checks: tuple[Check, ...] = ()
    due = _next_step(desk, wish, order)
    if due is not None:
        step, price, checks = _priced(desk, trade, wish, order, due)
    if wanted == 0:
        desk.cancel(order, "the broker holds nothing")
        return
    if total == order.quantity and price == order.limit_price:
        return
    change = OrderModifyIntended(
        order_ref=order.ref,
        order_id=order.order_id,
        connection=order.seen_on,
        revision=order.revision + 1,
        quantity=total,
        limit_price=price,
        stop_price=None,
        oca_group=order.group,
        oca_type=2,
        ladder_step=step,
        reason=f"step {step}",
        checks=checks,
    )
    desk.modify(order, change)


def _priced(
    desk: Desk, trade: Trade, wish: ExitWish, order: Order, due: int
) -> tuple[int, Decimal, tuple[Check, ...]]:
    """The first step from `due` on that moves the order, its price and checks; else as it is."""
    last = max(ladder.ladder(wish.profile, is_exit=True).last, due)
    clipped = _clip(desk, trade, wish, order.ref, order.quantity, due, order.replaces)
    net = _quote(desk, trade)
    if clipped.price is not None and net is None:
        return due, min(clipped.price, order.limit_price), clipped.checks
    if _is_widened(clipped):
        last = min(last + 1, LAST_STEP_MAX)
        due = min(due + 1, last)
    for step in range(due, last + 1):
        clipped = _clip(desk, trade, wish, order.ref, order.quantity, step, order.replaces)
        if clipped.price is None or net is None:
            break
        moved = ladder.next_price(
            Side.SELL, order.limit_price, order.priced_mid, net.bid, net.ask, clipped.price
        )
        if moved is not None:
            return step, moved, clipped.checks
    return order.ladder_step, order.limit_price, clipped.checks
