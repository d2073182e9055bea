"""The disaster stop that rests at the broker for a single long option (rules 6.5).

Called by orders.py whenever something about a position changed. The stop covers what we and the
broker hold, its trigger only rises, and it is sent anew when it is gone while we hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from domain.events.orders import (
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    OrderType,
    Purpose,
)
from domain.execution import references
from domain.execution.desk import Desk, Trade
from domain.execution.order_book import Order
from domain.instruments import TICK, Side
from domain.numbers import floor_tick

RESEND_PAUSE = timedelta(seconds=1)
RESEND_PAUSE_MAX = timedelta(seconds=32)


def disaster_prices(desk: Desk, platform_stop: Decimal) -> tuple[Decimal, Decimal]:
    """Trigger and limit: a share of the platform's stop, a share of the trigger, whole ticks."""
    number = desk.parameters.number
    trigger_share = Decimal(repr(number("execution.disaster_trigger_share")))
    limit_share = Decimal(repr(number("execution.disaster_limit_share")))
    trigger = max(TICK, floor_tick(platform_stop * trigger_share))
    return trigger, max(TICK, floor_tick(trigger * limit_share))


def generation(desk: Desk, trade: Trade) -> int:
    """The group that the next member joins.

    A group with a fill or a cancel may be closed at the broker: the next one is used once every
    member is seen ended and its executions are counted. While a member was never found (it may
    live after all) the group stays, unless the broker refused to let another one join.
    """
    newest = 1
    members: list[Order] = []
    for order in desk.book.of_position(trade.position_id):
        if order.purpose is Purpose.ENTRY or not order.oca_group:
            continue
        number = int(order.oca_group.rpartition("/")[2])
        if number > newest:
            newest, members = number, []
        if number == newest:
            members.append(order)
    told = [order for order in members if order.was_sent]
    if not told or any(order.is_live or not is_accounted(order) for order in told):
        return newest
    refused = any(order.state is OrderState.REJECTED for order in told)
    lost = any(order.state is OrderState.ABANDONED for order in told)
    return newest if lost and not refused else newest + 1


def group_of(desk: Desk, trade: Trade) -> str:
    """The name of that group, as the broker shows it where it does."""
    name = references.group_name(trade.position_id, generation(desk, trade))
    for order in desk.book.of_position(trade.position_id):
        if order.oca_group == name and order.broker_group:
            return order.broker_group
    return name


def is_accounted(order: Order) -> bool:
    """Ended, and every execution that the broker tells of is counted or was looked for."""
    return order.state.is_final and (order.is_counted or order.checked)


def may_resend(desk: Desk, earlier: list[Order]) -> bool:
    """Pause between attempts: at once after a fill or cancel, longer with every refusal."""
    if not earlier:
        return True
    last = earlier[-1]
    if last.state in (OrderState.FILLED, OrderState.CANCELLED, OrderState.ABANDONED):
        return True
    refusals = 0
    for order in reversed(earlier):
        if order.state is not OrderState.REJECTED:
            break
        refusals += 1
    doublings = min(refusals, 8)
    pause = min(RESEND_PAUSE * (1 << doublings), RESEND_PAUSE_MAX)
    return desk.now - last.intended_at >= pause


def work_stop(desk: Desk, trade: Trade) -> None:
    """Bring the resting stop in line with what is held: down first, then up, else anew."""
    if not trade.structure.is_single or not desk.is_ready:
        return
    entry = desk.entry_of(trade)
    entry_live = entry is not None and entry.is_live
    stops = desk.orders_of(trade, Purpose.PROTECTIVE_STOP)
    live = [stop for stop in stops if stop.is_live]
    held = desk.broker_units(trade)
    if held == 0:
        if not entry_live and entry is not None and is_accounted(entry):
            for stop in live:
                if desk.is_settled(stop):
                    desk.cancel(stop, "nothing is held")
        return
    if not live:
        waits = _exit_goes_first(desk, trade) or _exit_may_have_filled(desk, trade, stops)
        if not entry_live and may_resend(desk, stops) and not waits:
            _send_alone(desk, trade, held, len(stops) + 1)
        return
    stop = live[-1]
    if desk.is_asleep(stop):
        desk.cancel(stop, "does not work at the broker")
        return
    if not desk.is_settled(stop) or stop.state is OrderState.CANCEL_REQUESTED:
        return
    if _is_refused_join(desk, trade, stop):
        desk.cancel(stop, "an exit may not join its group")
        return
    _adjust(desk, trade, stop, held, entry_live=entry_live)


def _exit_goes_first(desk: Desk, trade: Trade) -> bool:
    """After a refused exit the next one is sent before a stop can stand in its way again."""
    exits = desk.orders_of(trade, Purpose.EXIT)
    refused = bool(exits) and exits[-1].state is OrderState.REJECTED
    return trade.exit is not None and refused


def _exit_may_have_filled(desk: Desk, trade: Trade, stops: Sequence[Order]) -> bool:
    """The stop ended while an exit of its group works: most likely by the exit's fill, whose
    execution may come after. A stop sent now would cover what is sold: the lists are read first.
    """
    ended = stops[-1] if stops else None
    if ended is None or ended.checked:
        return False
    exits = desk.orders_of(trade, Purpose.EXIT)
    if not any(order.is_live and order.oca_group == ended.oca_group for order in exits):
        return False
    desk.want_snapshot(f"{ended.ref} ended while an exit works")
    return True


def _is_refused_join(desk: Desk, trade: Trade, stop: Order) -> bool:
    """An exit was refused in the stop's group while we want out: the group must end first."""
    if trade.exit is None:
        return False
    exits = desk.orders_of(trade, Purpose.EXIT)
    last = exits[-1] if exits else None
    if last is None or last.state is not OrderState.REJECTED:
        return False
    return last.oca_group == stop.oca_group


def _adjust(desk: Desk, trade: Trade, stop: Order, held: int, *, entry_live: bool) -> None:
    # A child waits at the broker until its parent fills: its size is the broker's to keep then.
    if entry_live and ("child" in stop.why_held or stop.remaining <= held):
        return
    total = stop.filled + held
    trigger, limit = disaster_prices(desk, trade.platform_stop or trade.exit_plan.stop_price)
    before = stop.stop_price if stop.stop_price is not None else Decimal(0)
    raised = trigger > before
    waited = desk.now - stop.priced_at
    due = raised and waited >= desk.seconds("execution.disaster_move_s")
    if total == stop.quantity and not due:
        return
    if waited < timedelta(milliseconds=desk.parameters.number("execution.replace_interval_ms")):
        return
    change = OrderModifyIntended(
        order_ref=stop.ref,
        order_id=stop.order_id,
        connection=stop.seen_on,
        revision=stop.revision + 1,
        quantity=total,
        limit_price=limit if raised else stop.limit_price,
        stop_price=trigger if raised else stop.stop_price,
        oca_group=stop.group,
        oca_type=2,
        reason=f"covers {held}" if total != stop.quantity else "trigger raised",
    )
    desk.modify(stop, change)


def _send_alone(desk: Desk, trade: Trade, held: int, number: int) -> None:
    """The stop is gone while we hold and its parent has ended: a new one, without parent."""
    connection = desk.connection
    day = desk.session.day if desk.session else None
    if connection is None or day is None or not day.open_at <= desk.now < day.options_close_at:
        return
    if not desk.claim(f"stop:{trade.position_id}"):
        return
    order_id = desk.next_id()
    if order_id is None:
        return
    platform_stop = trade.platform_stop or trade.exit_plan.stop_price
    trigger, limit = disaster_prices(desk, platform_stop)
    intent = OrderIntended(
        order_ref=references.stop_ref(trade.position_id, number),
        order_id=order_id,
        client_id=connection.client_id,
        connection=connection.name,
        broker_ready_id=connection.ready_id,
        purpose=Purpose.PROTECTIVE_STOP,
        signal_id=trade.signal_id,
        decision_id=trade.decision_id,
        position_id=trade.position_id,
        structure=trade.structure,
        action=Side.SELL,
        quantity=held,
        order_type=OrderType.STOP_LIMIT,
        limit_price=limit,
        stop_price=trigger,
        account=connection.account,
        oca_group=group_of(desk, trade),
        oca_type=2,
        attempt=number,
    )
    desk.place(intent, trade)
