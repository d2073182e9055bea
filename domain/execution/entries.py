"""Entries: from an approved decision to an order, up its ladder, and out when it is stale.

Called by orders.py. An entry fails closed and names what is missing; it never passes its cap.
A single long option is sent with its protective stop as child, in one step.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain.event import Recorded
from domain.events.orders import (
    EntryRefused,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    OrderType,
    Purpose,
)
from domain.events.risk import Check, RiskDecided, WhatIfWanted
from domain.events.signals import SignalValidated
from domain.execution import ladder, references, staleness, timing
from domain.execution.desk import IDS_KEPT_FOR_EXITS, Desk, Trade
from domain.execution.order_book import Order
from domain.execution.protection import disaster_prices
from domain.execution.quotes import NetQuote
from domain.execution.situation import market_view, proposal, situation
from domain.instruments import Side, Structure
from domain.numbers import floor_tick
from domain.risk.check_row import check_row
from domain.risk.codes import DenialCode
from domain.risk.order_checks import check_entry, refusals
from domain.risk.order_views import OrderProposal, order_limits

_STOP_GENERATION = 1


def open_entry(desk: Desk, event: Recorded, decision: RiskDecided) -> None:
    """Answer an approved decision: an order chain, or EntryRefused with the reasons. Once."""
    position = references.position_id(decision.decision_id)
    if not decision.approved or position in desk.trades:
        return
    signal = desk.signals.get(decision.signal_id)
    checks = open_checks(desk)
    if signal is None:
        ended = check_row(DenialCode.SIGNAL_LIVE, False, "live", "ended", "signal")
        refuse(desk, event, decision, (*checks, ended))
        return
    trade = build_trade(desk, decision, signal, event.correlation_id)
    limits = desk.quote_limits
    net = desk.quotes.usable(trade.structure, desk.now, limits, limits.leg_age_seconds)
    died = staleness.condition_gone(desk, trade, net)
    live = check_row(DenialCode.SIGNAL_LIVE, not died, "live", died or "live", "signal, quotes")
    if net is not None:
        trade.cap = cap_now(desk, trade.structure)
    _send(desk, event, decision, trade, net, (*checks, live))


def build_trade(
    desk: Desk, decision: RiskDecided, signal: SignalValidated, correlation_id: UUID
) -> Trade:
    """A trade as its decision and signal describe it; the cap is set by the caller."""
    inputs = signal.risk_inputs
    return Trade(
        position_id=references.position_id(decision.decision_id),
        decision_id=decision.decision_id,
        signal_id=decision.signal_id,
        strategy=signal.strategy,
        direction=signal.direction,
        structure=signal.structure,
        correlation_id=correlation_id,
        exit_plan=signal.exit_plan,
        planned_units=decision.units,
        valid_until=signal.valid_until,
        signal_underlying=inputs.underlying_price,
        underlying_move_max=signal.underlying_move_max,
        signal_mid=inputs.net_mid,
        mid_against_max=signal.mid_against_max,
        signal_spreads={leg.con_id: leg.ask - leg.bid for leg in inputs.legs},
        model_mid=inputs.model_mid,
        equity_usd=decision.equity_usd,
        cap=Decimal(0),
    )


def cap_now(desk: Desk, structure: Structure) -> Decimal:
    """The price that an entry decided on the present quotes never passes (6.2)."""
    net = desk.quotes.net(structure, desk.now, desk.quote_limits)
    assert net is not None, "an entry is decided on quotes"
    number = desk.parameters.number
    allowed = ladder.budget(
        net.bid,
        net.ask,
        Decimal(repr(number("execution.budget_spread_share"))),
        Decimal(repr(number("execution.budget_mid_share"))),
    )
    return ladder.entry_cap(Side.BUY, net.mid, allowed)


def refuse(
    desk: Desk,
    event: Recorded,
    decision: RiskDecided,
    checks: tuple[Check, ...],
) -> None:
    """Record that an approved decision gets no order, with every check that was made."""
    body = EntryRefused(
        decision_id=decision.decision_id,
        signal_id=decision.signal_id,
        codes=refusals(checks),
        checks=checks,
    )
    desk.emit(f"decision-orders/{decision.decision_id}", body, event.correlation_id)


def open_checks(desk: Desk) -> tuple[Check, ...]:
    """Whether what opens contracts may be sent right now, whatever it is."""
    ids = max(0, desk.ids_left)
    ready = desk.is_ready and ids > IDS_KEPT_FOR_EXITS
    what = f"ready, {ids} ids left" if desk.is_ready else "not ready"
    differences = "; ".join(desk.differences or ()) or ("none" if desk.clean else "not compared")
    return (
        check_row(
            DenialCode.KILL_SWITCH_OFF,
            not desk.halted,
            "not halted",
            "halted" if desk.halted else "not halted",
            "trading state",
        ),
        check_row(
            DenialCode.CLOCK_NORMAL,
            desk.entries_open,
            "entries open",
            "open" if desk.entries_open else "closed",
            "clock",
        ),
        check_row(
            DenialCode.BROKER_READY,
            ready,
            f"ready, more than {IDS_KEPT_FOR_EXITS} ids left",
            what,
            "connection",
        ),
        check_row(
            DenialCode.RECONCILED, desk.clean, "no difference", differences, "reconciliation"
        ),
    )


def _send(
    desk: Desk,
    event: Recorded,
    decision: RiskDecided,
    trade: Trade,
    net: NetQuote | None,
    before: tuple[Check, ...],
) -> None:
    ref = references.entry_ref(trade.position_id)
    until = decision.send_before or trade.valid_until
    intent, checks = opening(desk, trade, net, Purpose.ENTRY, ref, decision.units, until, before)
    if intent is None:
        refuse(desk, event, decision, checks)
        return
    desk.place(intent, trade)
    if trade.structure.is_single:
        _send_child(desk, trade, intent)


def opening(
    desk: Desk,
    trade: Trade,
    net: NetQuote | None,
    purpose: Purpose,
    ref: str,
    units: int,
    send_before: datetime,
    before: tuple[Check, ...],
) -> tuple[OrderIntended | None, tuple[Check, ...]]:
    """The first order of what opens contracts, at the first step of the entries' ladder, with every
    check of its last look behind those made `before`; None when one of them does not pass."""
    steps = ladder.ladder(ladder.entry_profile(trade.strategy), is_exit=False)
    price = floor_tick(trade.signal_mid)
    if net is not None:
        price = ladder.step_price(Side.BUY, net.bid, net.ask, steps.first)
        price = ladder.capped(Side.BUY, price, trade.cap)
    checks = before
    if desk.connection is not None:
        profile = steps.profile.value
        wanted = proposal(desk, trade, purpose, ref, units, price, profile)
        checks += last_look(desk, trade, net, wanted)
    if net is None or refusals(checks):
        return None, checks
    order_id = desk.next_id()
    connection = desk.connection
    assert order_id is not None and connection is not None
    intent = OrderIntended(
        order_ref=ref,
        order_id=order_id,
        client_id=connection.client_id,
        connection=connection.name,
        broker_ready_id=connection.ready_id,
        purpose=purpose,
        signal_id=trade.signal_id,
        decision_id=trade.decision_id,
        position_id=trade.position_id,
        structure=trade.structure,
        action=Side.BUY,
        quantity=units,
        order_type=OrderType.LIMIT,
        limit_price=price,
        stop_price=None,
        account=connection.account,
        transmit=not trade.structure.is_single,
        ladder_step=steps.first,
        decision_mid=net.mid,
        leaves_before=min(staleness.leaves_before(desk, trade, net), send_before),
        checks=checks,
    )
    return intent, checks


def last_look(
    desk: Desk, trade: Trade, net: NetQuote | None, wanted: OrderProposal
) -> tuple[Check, ...]:
    """Every check of an order as it would leave now, new or re-priced."""
    return check_entry(
        wanted,
        market_view(desk, trade, net, is_entry=True),
        situation(desk, trade, wanted.order_ref, is_entry=True),
        order_limits(desk.parameters),
    )


def _send_child(desk: Desk, trade: Trade, parent: OrderIntended) -> None:
    """The disaster stop that rests at the broker from the first fill on."""
    order_id = desk.next_id()
    assert order_id is not None
    trigger, limit = disaster_prices(desk, trade.exit_plan.stop_price)
    child = parent.model_copy(
        update={
            "order_ref": references.stop_ref(trade.position_id, 1),
            "order_id": order_id,
            "purpose": Purpose.PROTECTIVE_STOP,
            "action": Side.SELL,
            "order_type": OrderType.STOP_LIMIT,
            "limit_price": limit,
            "stop_price": trigger,
            "parent_ref": parent.order_ref,
            "oca_group": references.group_name(trade.position_id, _STOP_GENERATION),
            "oca_type": 2,
            "transmit": True,
            "ladder_step": 0,
            "decision_mid": None,
            "checks": (),
        }
    )
    desk.place(child, trade)


def open_what_if(desk: Desk, event: Recorded, wanted: WhatIfWanted) -> None:
    """Ask the broker what an order would do to margin; nothing is placed.

    Without a ready connection nothing is asked: risk waits its time and decides without.
    """
    connection = desk.connection
    if not desk.is_ready or connection is None or desk.ids_left <= IDS_KEPT_FOR_EXITS:
        return
    order_id = desk.next_id()
    if order_id is None:
        return
    intent = OrderIntended(
        order_ref=wanted.decision_id,
        order_id=order_id,
        client_id=connection.client_id,
        connection=connection.name,
        broker_ready_id=connection.ready_id,
        purpose=Purpose.WHAT_IF,
        signal_id=wanted.signal_id,
        decision_id=wanted.decision_id,
        position_id="",
        structure=wanted.structure,
        action=Side.BUY,
        quantity=wanted.quantity,
        order_type=OrderType.LIMIT,
        limit_price=wanted.limit_price,
        stop_price=None,
        account=connection.account,
        transmit=False,
    )
    desk.emit(f"order/{wanted.decision_id}", intent, event.correlation_id)


def work_entry(desk: Desk, trade: Trade) -> None:
    """Cancel a stale entry, otherwise move it up its ladder; at the end cancel the rest."""
    order = desk.entry_of(trade)
    if order is not None and order.is_live:
        work_opening(desk, trade, order)


def work_opening(desk: Desk, trade: Trade, order: Order) -> None:
    """The same for any order that opens contracts; `trade` is what it is to make."""
    limits = desk.quote_limits
    net = desk.quotes.usable(trade.structure, desk.now, limits, limits.leg_age_seconds)
    reason = staleness.reason_to_withdraw(desk, trade, net)
    if order.was_abandoned:
        reason = f"abandoned {order.purpose.value} turned up"
    elif not desk.is_ready or (desk.connection and order.sent_on not in ("", desk.connection.name)):
        reason = "connection dropped"
    if not desk.is_ready:
        return
    if reason:
        withdraw(desk, order, reason)
    elif net is not None and desk.is_settled(order):
        _climb(desk, trade, order, net)


def withdraw(desk: Desk, order: Order, reason: str) -> None:
    """A cancel need not wait for the acknowledgement of a modification."""
    if order.state is OrderState.UNKNOWN:
        desk.want_snapshot(f"{order.ref} is unknown")
    if order.request is not None and not order.request.sent:
        return
    if order.state is OrderState.UNKNOWN and not order.seen_on:
        return
    if order.request is not None and order.request.kind == "cancel":
        desk.is_settled(order)
    desk.cancel(order, reason)


def _climb(desk: Desk, trade: Trade, order: Order, net: NetQuote) -> None:
    if order.state is OrderState.CANCEL_REQUESTED:
        return
    if not desk.clean:
        withdraw(desk, order, "the broker's lists differ")
        return
    steps = ladder.ladder(ladder.entry_profile(trade.strategy), is_exit=False)
    dwell = desk.seconds(steps.dwell_parameter)
    if desk.now - order.priced_at < dwell or timing.waits(desk, trade, order, steps, dwell):
        return
    for step in range(order.ladder_step + 1, steps.last + 1):
        price = ladder.step_price(Side.BUY, net.bid, net.ask, step)
        price = ladder.capped(Side.BUY, price, trade.cap)
        moved = ladder.next_price(
            Side.BUY, order.limit_price, order.priced_mid, net.bid, net.ask, price
        )
        if moved is None:
            continue
        # A step cut down to the cap is the last one.
        step = steps.last if moved == trade.cap else step
        wanted = proposal(
            desk,
            trade,
            order.purpose,
            order.ref,
            order.quantity,
            moved,
            steps.profile.value,
            order.replaces,
        )
        checks = last_look(desk, trade, net, wanted)
        if refusals(checks):
            withdraw(desk, order, f"last look: {', '.join(refusals(checks))}")
            return
        change = OrderModifyIntended(
            order_ref=order.ref,
            order_id=order.order_id,
            connection=order.seen_on,
            revision=order.revision + 1,
            quantity=order.quantity,
            limit_price=moved,
            stop_price=None,
            ladder_step=step,
            reason=f"step {step}",
            leaves_before=staleness.leaves_before(desk, trade, net),
            checks=checks,
        )
        desk.modify(order, change)
        return
    withdraw(desk, order, "ladder ended")
