"""Our orders as the log has them: folded from intents, what was sent, and our own decisions.

The fold never guesses: a state moves by OrderChanged, a fill by FillRecorded. `observe_*`
functions turn what the broker said into those two. Used by orders.py and reconcile.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain.event import Recorded
from domain.events.orders import (
    BrokerErrorSeen,
    IntentLapsed,
    IntentSent,
    OrderCancelIntended,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    OrderType,
    Purpose,
    SnapshotOrder,
)
from domain.execution.order_state import Standing, check_move, standing, state_after_status
from domain.instruments import Side, Structure

Account = tuple[tuple[str, int], ...]
"""Executions and holdings of an order's contracts as one snapshot had them: name and quantity."""
REFUSALS = frozenset({200, 201, 203, 460})
"""Codes that refuse an order, whenever they come."""
INVALID = frozenset({110, 321, 434})
"""Codes that refuse what was asked: the order, or only a change of it."""


@dataclass(slots=True)
class Request:
    """A request whose acknowledgement is awaited: place, modify or cancel."""

    kind: str
    intent_id: str
    revision: int
    asked_at: datetime
    """Real time at which the deciding input was recorded: limits on requests are real."""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    quantity: int = 0
    ladder_step: int = 0
    keeps_price: bool = False
    """It changes the quantity alone: a price that is shown proves nothing."""
    sent: bool = False


@dataclass(slots=True)
class Order:
    """One order. Quantities are units of the structure."""

    ref: str
    order_id: int
    purpose: Purpose
    position_id: str
    structure: Structure
    action: Side
    quantity: int
    order_type: OrderType
    limit_price: Decimal
    stop_price: Decimal | None
    connection: str
    intent_id: str
    correlation_id: UUID
    intended_at: datetime
    """Market time of the intent."""
    priced_at: datetime
    """Market time of the last price."""
    priced_mid: Decimal | None
    decision_mid: Decimal | None
    state: OrderState = OrderState.INTENDED
    oca_group: str = ""
    attempt: int = 1
    ladder_step: int = 0
    parent_ref: str = ""
    request: Request | None = None
    revision: int = 0
    replaces: int = 0
    waited_revision: int | None = None
    """The price at which it was last said to wait."""
    sent_on: str = ""
    sent_at: datetime | None = None
    """Real time at which the shell handed the bytes over."""
    seen_on: str = ""
    perm_id: int = 0
    filled: int = 0
    legs_filled: int = 0
    """Units of which every leg's execution is counted; a combination's own may come first."""
    units_told: int = 0
    """The most units that any execution tells of; a leg may lack its own."""
    legs_missing_since: datetime | None = None
    """Real time since which some leg lacks executions that the others have."""
    legs_looked_for: int = 0
    """Units whose missing legs the lists were read for."""
    broker_filled: int = 0
    broker_group: str = ""
    why_held: str = ""
    refusal: int = 0
    """Broker's code of the error that refused it; notices and refused changes are none."""
    refusal_text: str = ""
    missed_at: datetime | None = None
    """When the first snapshot without it was taken."""
    missed_seen: Account = ()
    """What that snapshot showed of its contracts: a later one must agree."""
    was_abandoned: bool = False
    lost_at: datetime | None = None
    """Market time at which it was given up as not found; it may be out there for a while after."""
    unknown_since: datetime | None = None
    """Real time since which nobody knows what it does."""
    ended_reason: str = ""
    checked: bool = False
    """A snapshot was consumed since it ended."""

    @property
    def is_live(self) -> bool:
        return not self.state.is_final

    @property
    def remaining(self) -> int:
        return max(0, self.quantity - self.filled)

    @property
    def is_counted(self) -> bool:
        """All executions that the broker tells of are counted."""
        return self.filled >= self.broker_filled

    @property
    def was_sent(self) -> bool:
        return self.state is not OrderState.LAPSED

    @property
    def group(self) -> str:
        return self.broker_group or self.oca_group


@dataclass(slots=True)
class OrderBook:
    """Orders by reference, found again by the broker's ids."""

    orders: dict[str, Order] = field(default_factory=dict)
    by_id: dict[int, str] = field(default_factory=dict)
    by_perm_id: dict[int, str] = field(default_factory=dict)
    by_position: dict[str, list[Order]] = field(default_factory=dict)

    def find(self, order_ref: str, perm_id: int = 0, order_id: int = 0) -> Order | None:
        """By our reference; without one by the broker's permanent id, then by order id."""
        if order_ref:
            return self.orders.get(order_ref)
        ref = self.by_perm_id.get(perm_id) if perm_id else None
        ref = ref or (self.by_id.get(order_id) if order_id > 0 else None)
        return self.orders.get(ref) if ref else None

    def of_position(self, position_id: str) -> list[Order]:
        """In the order in which they were intended."""
        return self.by_position.get(position_id, [])

    def live(self) -> list[Order]:
        return [order for order in self.orders.values() if order.is_live]

    def intend(self, event: Recorded, body: OrderIntended) -> None:
        assert body.order_ref not in self.orders, f"{body.order_ref} must be new"
        assert body.order_id not in self.by_id, f"order id {body.order_id} must be new"
        order = Order(
            ref=body.order_ref,
            order_id=body.order_id,
            purpose=body.purpose,
            position_id=body.position_id,
            structure=body.structure,
            action=body.action,
            quantity=body.quantity,
            order_type=body.order_type,
            limit_price=body.limit_price,
            stop_price=body.stop_price,
            connection=body.connection,
            intent_id=str(event.event_id),
            correlation_id=event.correlation_id,
            intended_at=event.market_time,
            priced_at=event.market_time,
            priced_mid=body.decision_mid,
            decision_mid=body.decision_mid,
            oca_group=body.oca_group,
            attempt=body.attempt,
            ladder_step=body.ladder_step,
            parent_ref=body.parent_ref,
        )
        order.request = Request("place", order.intent_id, 0, event.recorded_at)
        self.orders[order.ref] = order
        self.by_id[order.order_id] = order.ref
        self.by_position.setdefault(order.position_id, []).append(order)

    def forget(self, order: Order) -> None:
        """Drop an order of a day that is over."""
        del self.orders[order.ref]
        self.by_id.pop(order.order_id, None)
        self.by_perm_id.pop(order.perm_id, None)
        self.by_position.pop(order.position_id, None)

    def modify(self, event: Recorded, body: OrderModifyIntended, mid: Decimal | None) -> None:
        order = self.orders[body.order_ref]
        order.revision = body.revision
        order.replaces += 1
        order.priced_at = event.market_time
        order.priced_mid = mid if mid is not None else order.priced_mid
        order.request = Request(
            kind="modify",
            intent_id=str(event.event_id),
            revision=body.revision,
            asked_at=event.recorded_at,
            limit_price=body.limit_price,
            stop_price=body.stop_price,
            quantity=body.quantity,
            ladder_step=body.ladder_step,
            keeps_price=(body.limit_price, body.stop_price)
            == (order.limit_price, order.stop_price),
        )

    def cancel(self, event: Recorded, body: OrderCancelIntended) -> None:
        order = self.orders[body.order_ref]
        order.ended_reason = body.reason
        order.request = Request("cancel", str(event.event_id), order.revision, event.recorded_at)

    def sent(self, event: Recorded, body: IntentSent) -> None:
        order = self.orders.get(body.order_ref)
        if order is None:
            return
        if body.request == "place":
            order.sent_on, order.sent_at = body.connection, event.occurred_at
        if order.request is not None and order.request.intent_id == body.intent_id:
            order.request.sent = True
            if body.request == "modify":
                _adopt(order, order.request)

    def lapsed(self, body: IntentLapsed) -> None:
        order = self.orders.get(body.order_ref)
        if order and order.request is not None and order.request.intent_id == body.intent_id:
            order.request = None

    def changed(self, event: Recorded, body: OrderChanged) -> None:
        order = self.orders.get(body.order_ref)
        if order is None:
            return
        check_move(order.ref, order.state, body.state)
        if body.state is OrderState.ABANDONED:
            order.was_abandoned, order.lost_at = True, event.market_time
        if body.state.is_final and not order.state.is_final:
            order.checked = False
        if body.state.is_final:
            order.request = None
            order.ended_reason = body.reason or order.ended_reason
        if body.state is not OrderState.UNKNOWN:
            order.unknown_since = None
        elif order.unknown_since is None:
            order.unknown_since = event.recorded_at
        order.state = body.state
        if body.perm_id and not order.perm_id:
            order.perm_id = body.perm_id
            self.by_perm_id[body.perm_id] = order.ref

    def error(self, body: BrokerErrorSeen) -> Order | None:
        order = self.find(body.order_ref, 0, body.request_id)
        if order is not None:
            changing = order.request is not None and order.request.kind != "place"
            if body.code in REFUSALS or (body.code in INVALID and not changing):
                order.refusal, order.refusal_text = body.code, body.text
        return order


def _adopt(order: Order, request: Request) -> None:
    """What a modification asked for is what the order is from the moment it was sent, but for fewer
    units: until the broker shows them the rest can still fill."""
    if request.limit_price is not None:
        order.limit_price = request.limit_price
        order.stop_price = request.stop_price
        order.quantity = max(order.quantity, request.quantity)
        order.ladder_step = request.ladder_step


def notice_listing(order: Order, listed: SnapshotOrder, connection: str) -> None:
    """Fold what a callback or a snapshot shows besides the state: ids, group, quantities.

    An acknowledgement ends the wait for a request that was sent.
    """
    order.seen_on = connection
    order.missed_at, order.missed_seen = None, ()
    order.why_held = listed.why_held
    order.broker_filled = max(order.broker_filled, int(listed.filled))
    if listed.oca_group:
        order.broker_group = listed.oca_group
    request = order.request
    if request is None:
        return
    shown = standing(listed.status)
    if request.kind == "cancel":
        acknowledged = shown in (Standing.CANCELLED, Standing.FILLED)
    elif request.kind == "modify":
        acknowledged = request.sent and _shows(listed, request)
    else:
        acknowledged = shown is not Standing.PENDING
    if acknowledged:
        order.request = None
        if request.kind == "modify":
            adopt_listing(order, listed)


def _shows(listed: SnapshotOrder, request: Request) -> bool:
    """Whether a change stands at the broker. A status alone has no price and proves nothing; nor
    does the price that was there before. A group may take units away from what was asked for."""
    if listed.limit_price is None and listed.stop_price is None:
        return False
    if request.keeps_price and listed.quantity != request.quantity:
        return False
    return listed.limit_price == request.limit_price and (
        request.stop_price is None or listed.stop_price == request.stop_price
    )


def adopt_listing(order: Order, listed: SnapshotOrder) -> None:
    """What the broker's list says stands there. A change may have been lost on the way, and a group
    takes from its members what another one filled."""
    if listed.quantity > 0:
        order.quantity = int(listed.quantity)
    if listed.limit_price is not None:
        order.limit_price = listed.limit_price
    if order.stop_price is not None and listed.stop_price is not None:
        order.stop_price = listed.stop_price


def changed(
    order: Order,
    state: OrderState,
    reason: str,
    *,
    filled: int | None = None,
    perm_id: int = 0,
) -> OrderChanged:
    """Our state of an order after a fact about it; of a rejected one why, as the broker said it."""
    refused = state is OrderState.REJECTED and order.refusal
    count = order.filled if filled is None else filled
    return OrderChanged(
        order_ref=order.ref,
        order_id=order.order_id,
        perm_id=perm_id or order.perm_id,
        state=state,
        filled=count,
        remaining=0 if state is OrderState.FILLED else max(0, order.quantity - count),
        reason=reason,
        broker_code=order.refusal if refused else None,
        broker_text=order.refusal_text if refused else "",
    )


def says_new(order: Order, state: OrderState, filled: int, perm_id: int) -> bool:
    """Whether an OrderChanged would say anything that ours does not have yet."""
    new_id = bool(perm_id) and perm_id != order.perm_id
    return state is not order.state or filled != order.filled or new_id


def after_execution(order: Order, filled: int, perm_id: int) -> OrderChanged | None:
    """What an execution changes; None for a further leg of units that are counted already."""
    state = state_after_fills(order, filled)
    if not says_new(order, state, filled, perm_id):
        return None
    return changed(order, state, "execution", filled=filled, perm_id=perm_id)


def after_status(order: Order, listed: SnapshotOrder, source: str) -> OrderChanged | None:
    """What a status callback changes; None when it says nothing new."""
    state = state_after_status(order.state, listed.status, was_refused=order.refusal != 0)
    new_id = bool(listed.perm_id) and listed.perm_id != order.perm_id
    if state is order.state and not (new_id and order.is_live):
        return None
    return changed(order, state, f"{source} {listed.status}", perm_id=listed.perm_id)


def state_after_fills(order: Order, filled: int) -> OrderState:
    """The state when `filled` units are counted: full is Filled, whatever came before."""
    if order.state is OrderState.LAPSED:
        return OrderState.LAPSED
    if filled >= order.quantity:
        return OrderState.FILLED
    if order.state is OrderState.FILLED:
        return OrderState.CANCELLED
    if order.state in (OrderState.INTENDED, OrderState.SENT, OrderState.UNKNOWN):
        return OrderState.WORKING
    if order.state is OrderState.ABANDONED:
        return OrderState.ABANDONED
    return order.state
