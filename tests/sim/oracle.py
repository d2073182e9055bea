"""What must hold after every life: pure functions over what it left behind.

Each gives its wrongs, empty when all is well. The broker's ledger and the bytes on the wire are
the truth; our log is compared with them, never with itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

from adapters.interactive_brokers.sandbox.state import OPENING_CASH
from domain.event import Recorded
from domain.events.controls import AlertRaised, TradingHalted
from domain.events.orders import (
    CommissionRecorded,
    FillRecorded,
    IntentLapsed,
    OrderChanged,
    OrderIntended,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.positions import PositionAdjusted, PositionChanged
from domain.execution.references import opens
from domain.instruments import OptionContract, Right
from tests.sim.clock import START
from tests.sim.history import (
    History,
    bodies,
    contracts_of,
    options_held,
    position_of,
    shares_contracts,
    shares_held,
    working,
)
from tests.sim.roll_oracle import always_covered, rolled_once_for_less, sides_of
from tests.sim.wire import PLACE, Frame

CLIENT_ID = 1
HALT_SECONDS = 1.0
WEIGHED = frozenset(
    (
        "OrderIntended",
        "IntentLapsed",
        "OrderChanged",
        "FillRecorded",
        "CommissionRecorded",
        "PositionChanged",
        "PositionAdjusted",
        "PositionRolled",
        "AlertRaised",
        "ReconciliationCompleted",
        "TradingHalted",
    )
)
"""Types of events that the checks read."""
MULTIPLIER = 100
KNOWN_SECONDS = 115.0
"""By then the trader has read that a contract is gone: a look each minute, a coarse step of the
life until it is taken, and one more until a request that was under way then has its answer."""
DIFFERS_SECONDS = 1.0
EXPIRY, DELIVERIES = "expiry", ("assignment", "exercise")


def no_order_twice(history: History) -> list[str]:
    """An id names one reference and a reference one id, on the wire and at the broker."""
    ids: defaultdict[int, set[str]] = defaultdict(set)
    references: defaultdict[str, set[int]] = defaultdict(set)
    for frame in history.wire:
        if frame.kind == PLACE and frame.order_ref:
            ids[frame.order_id].add(frame.order_ref)
            references[frame.order_ref].add(frame.order_id)
    booked = Counter(order.order_ref for order in history.ledger.orders if order.order_ref)
    wrongs = [f"id {key} was {sorted(refs)}" for key, refs in ids.items() if len(refs) > 1]
    wrongs += [f"{ref} was ids {sorted(n)}" for ref, n in references.items() if len(n) > 1]
    return wrongs + [f"{ref} is {n} orders" for ref, n in booked.items() if n > 1]


def one_client_id(history: History) -> list[str]:
    """Every order is under the one client id, however often it is in use."""
    orders = [order for order in history.ledger.orders if order.order_id]  # 0: by a human
    return [f"{o.order_ref} is client {o.client_id}'s" for o in orders if o.client_id != CLIENT_ID]


def one_entry_a_decision(history: History) -> list[str]:
    """A decision leads to one entry, and what is bought with it is at most what it allowed."""
    entries: Counter[str] = Counter()
    allowed: dict[str, int] = {}
    for body in bodies(history, OrderIntended):
        if body.purpose.opens:
            entries[body.decision_id] += 1
            allowed[body.order_ref] = body.quantity
    wrongs = [f"{key} has {n} entries" for key, n in entries.items() if n > 1]
    for order in history.ledger.orders:
        if opens(order.order_ref) and order.filled > allowed.get(order.order_ref, 0):
            wrongs.append(f"{order.order_ref} filled {order.filled} of {allowed}")
    return wrongs


def nothing_without_intent(history: History) -> list[str]:
    """Bytes of an order leave after its intent is on the log, and never after it lapsed."""
    intended: dict[str, float] = {}
    for event in history.log:
        if isinstance(event.body, OrderIntended):
            intended[event.body.order_ref] = _second(event)
    sent = {f.order_ref: f.at for f in reversed(history.wire) if f.kind == PLACE and f.order_ref}
    wrongs = [
        f"{ref} left at {at:.3f}, intended at {intended.get(ref)}"
        for ref, at in sent.items()
        if ref not in intended or at < intended[ref]
    ]
    for body in bodies(history, IntentLapsed):
        if body.request == "place" and body.order_ref in sent:
            wrongs.append(f"{body.order_ref} lapsed, and was sent at {sent[body.order_ref]:.3f}")
    return wrongs


def no_fill_lost(history: History) -> list[str]:
    """Every execution of the ledger is recorded once, and nothing else is."""
    ours = Counter(body.exec_id for body in bodies(history, FillRecorded))
    shares = shares_contracts(history.ledger)
    theirs = Counter(e.exec_id for e in history.ledger.executions if e.con_id not in shares)
    lost = _newest(theirs - ours, set(theirs))
    invented = ours - theirs
    return [f"lost {sorted(lost)}"] * bool(lost) + [f"invented {sorted(invented)}"] * bool(invented)


def _newest(missing: Counter[str], all_ids: set[str]) -> list[str]:
    """What is missing, but for executions whose correction is there to stand for them."""
    newest: dict[str, str] = {}
    for exec_id in sorted(all_ids):
        newest[exec_id.rpartition(".")[0]] = exec_id
    return [exec_id for exec_id in missing if newest[exec_id.rpartition(".")[0]] == exec_id]


def same_positions(history: History) -> list[str]:
    """Ours are the broker's, option by option."""
    ours: Counter[int] = Counter()
    for body in _newest_positions(history):
        for leg in body.legs:
            ours[leg.con_id] += leg.quantity
    theirs = options_held(history.ledger)
    return [
        f"contract {con_id}: ours {ours[con_id]}, the broker's {theirs.get(con_id, 0)}"
        for con_id in sorted(set(ours) | set(theirs))
        if ours[con_id] != theirs.get(con_id, 0)
    ]


def same_cash(history: History) -> list[str]:
    """Fills, commissions and what options were worth or delivered at their end add up to the
    broker's cash, and shares at the last price, to the cent."""
    fills = {body.fill_id: body for body in bodies(history, FillRecorded)}
    fees = {body.fill_id: body.commission for body in bodies(history, CommissionRecorded)}
    cash, shares = OPENING_CASH - sum(fees.values(), Decimal(0)), 0
    for fill in fills.values():
        if fill.contract is not None:
            cash -= fill.side.sign * fill.quantity * fill.price * MULTIPLIER
    contracts = contracts_of(history)
    for body in bodies(history, PositionAdjusted):
        if body.kind == EXPIRY:
            cash -= body.quantity * (body.price or 0) * MULTIPLIER
        elif body.kind in DELIVERIES:
            contract = contracts[body.con_id]
            came = -body.quantity * MULTIPLIER * (1 if contract.right is Right.CALL else -1)
            cash, shares = cash - came * contract.strike, shares + came
    for execution in history.ledger.counted_executions():
        if execution.con_id in shares_contracts(history.ledger):  # the human's, not ours to record
            cash -= execution.signed_quantity * execution.price + execution.commission
            shares += execution.signed_quantity
    price = _price_at(history, float("inf"))
    theirs = history.ledger.cash + sum(shares_held(history.ledger).values()) * price
    ours = cash + shares * price
    return [] if ours == theirs else [f"cash ours {ours}, the broker's {theirs}"]


def same_profit(history: History) -> list[str]:
    """The positions' results are what the broker's executions brought, with what was left at its
    end at what it was worth."""
    ours = sum((body.realised_pnl for body in _newest_positions(history)), Decimal(0))
    theirs = Decimal(0)
    for execution in history.ledger.counted_executions():
        if execution.moves_position and execution.con_id not in shares_contracts(history.ledger):
            theirs -= execution.signed_quantity * execution.price * MULTIPLIER
            theirs -= execution.commission
    for body in bodies(history, PositionAdjusted):
        if body.kind in (EXPIRY, *DELIVERIES):
            theirs -= body.quantity * (body.price or 0) * MULTIPLIER
    return [] if ours == theirs else [f"profit ours {ours}, the broker's {theirs}"]


def every_end_is_told(history: History) -> list[str]:
    """Each option that expired, was exercised or assigned is recorded once, at what it was worth;
    of each delivery of shares a human is told."""
    ours: Counter[int] = Counter()
    wrongs, delivered = [], 0
    contracts = contracts_of(history)
    for event in history.log:
        body = event.body
        if isinstance(body, PositionAdjusted) and body.kind in (EXPIRY, *DELIVERIES):
            ours[body.con_id] += body.quantity
            delivered += body.kind in DELIVERIES
            worth = _worths(history, contracts[body.con_id], _second(event))
            if body.price not in worth:
                wrongs.append(f"{body.kind} of {body.con_id} at {body.price}, was worth {worth}")
    theirs: Counter[int] = Counter()
    for adjustment in history.ledger.adjustments:
        if adjustment.multiplier == MULTIPLIER:
            theirs[adjustment.con_id] += adjustment.quantity
    told = [b for b in bodies(history, AlertRaised) if b.code.lower() in DELIVERIES]
    if len({body.alert_id for body in told}) != delivered:
        wrongs.append(f"{delivered} deliveries, {len(told)} told")
    return wrongs + [
        f"contract {con_id}: {ours[con_id]} ended by our record, {theirs[con_id]} by the broker's"
        for con_id in sorted(set(ours) | set(theirs))
        if ours[con_id] != theirs[con_id]
    ]


def never_reversed(history: History) -> list[str]:
    """At no execution is more sold than was bought, or bought back than was sold."""
    legs = sides_of(history)
    held: Counter[tuple[str, int]] = Counter()
    wrongs = []
    for execution in history.ledger.counted_executions():
        if not execution.moves_position or not execution.order_ref:
            continue
        position = position_of(execution.order_ref)
        key = (position, execution.con_id)
        held[key] += execution.signed_quantity
        if held[key] * legs.get(position, {}).get(execution.con_id, 0) < 0:
            wrongs.append(f"{position} held {held[key]} after {execution.exec_id}")
    return wrongs


def nothing_closed_that_is_gone(history: History) -> list[str]:
    """A contract that was assigned is bought back by no order once the lists have shown it."""
    # One bought back too often is sold as a long.
    sides = {con_id: ratio for legs in sides_of(history).values() for con_id, ratio in legs.items()}
    gone = [(_stored(a.at), a) for a in history.ledger.adjustments if a.multiplier == MULTIPLIER]
    held: Counter[int] = Counter()
    wrongs = []
    for execution in history.ledger.counted_executions():
        con_id, at = execution.con_id, _stored(execution.at)
        if not execution.moves_position:
            continue
        held[con_id] += execution.signed_quantity
        if execution.signed_quantity * sides.get(con_id, 0) >= 0:
            continue  # it sells what was bought too much while the assignment came
        known = sum(a.quantity for t, a in gone if a.con_id == con_id and t < at - KNOWN_SECONDS)
        if (held[con_id] + known) * sides.get(con_id, 0) < 0:
            wrongs.append(f"{execution.exec_id} closes {con_id}, {known} of it were gone")
    return wrongs


def nothing_in_doubt(history: History) -> list[str]:
    """No order of ours is left unknown or working: on the log, nor at the broker."""
    newest: dict[str, str] = {}
    for event in history.log:
        body = event.body
        if isinstance(body, OrderIntended) and body.purpose is not Purpose.WHAT_IF:
            newest[body.order_ref] = "intended"
        elif isinstance(body, OrderChanged):
            newest[body.order_ref] = "" if body.state.is_final else body.state.value
        elif isinstance(body, IntentLapsed) and body.request == "place":
            newest[body.order_ref] = ""
    wrongs = [f"{ref} is left {state}" for ref, state in newest.items() if state]
    return wrongs + [f"{ref} works at the broker" for ref in working(history.ledger)]


def nothing_held(history: History) -> list[str]:
    """Every exit was let through, or the options ended: none is held."""
    held = options_held(history.ledger)
    return [f"contract {con_id}: {quantity} held at the end" for con_id, quantity in held.items()]


def no_entry_after_a_halt(history: History) -> list[str]:
    """From a second after the halt's commit no byte leaves that raises risk."""
    halts = [_second(event) for event in history.log if isinstance(event.body, TradingHalted)]
    if not halts:
        return []
    return [
        f"{frame.order_ref} left at {frame.at:.3f}, halted at {halts[0]:.3f}"
        for frame in history.wire
        if frame.kind == PLACE and opens(frame.order_ref) and frame.at > halts[0] + HALT_SECONDS
    ]


def no_entry_while_it_differs(history: History) -> list[str]:
    """From a second after a look that differed to a clean one no byte leaves that raises risk."""
    looks = [
        (_second(event), event.body.clean)
        for event in history.log
        if isinstance(event.body, ReconciliationCompleted)
    ]
    ends = [at for at, _ in looks[1:]] + [float("inf")]
    closed = [(at, end) for (at, clean), end in zip(looks, ends, strict=True) if not clean]
    return [
        f"{frame.order_ref} left at {frame.at:.3f}, while it differed from {at:.3f} to {end:.3f}"
        for frame in history.wire
        for at, end in closed
        if frame.kind == PLACE and opens(frame.order_ref)
        if at + DIFFERS_SECONDS < frame.at < end and not _was_sent(history, frame)
    ]


def _was_sent(history: History, frame: Frame) -> bool:
    """The frame changes an order that was there already."""
    return any(f.order_ref == frame.order_ref and f.at < frame.at for f in history.wire)


def reconciled(history: History) -> list[str]:
    """The last look at the broker's lists found no difference but shares that were delivered: they
    are a human's to sell."""
    looks = list(bodies(history, ReconciliationCompleted))
    shares = {f"SPY STK {n} is not ours" for n in shares_held(history.ledger).values()}
    if looks and set(looks[-1].differences) == shares and looks[-1].clean is (not shares):
        return []
    return [f"the last reconciliation must find {shares or 'nothing'}, was {looks[-1:]}"]


def cash_agrees(history: History) -> list[str]:
    """No money comes or goes in a life but by trades, so no look may find a difference of cash."""
    return [
        f"a look found a difference of cash that was none: {body.cash_difference}"
        for body in bodies(history, ReconciliationCompleted)
        if body.cash_difference is not None
    ]


CHECKS: tuple[Callable[[History], list[str]], ...] = (
    no_order_twice,
    one_client_id,
    one_entry_a_decision,
    nothing_without_intent,
    no_fill_lost,
    same_positions,
    same_cash,
    same_profit,
    every_end_is_told,
    never_reversed,
    nothing_closed_that_is_gone,
    rolled_once_for_less,
    always_covered,
    nothing_in_doubt,
    nothing_held,
    no_entry_after_a_halt,
    no_entry_while_it_differs,
    reconciled,
    cash_agrees,
)


def verdict(history: History) -> list[str]:
    """Every wrong, with the check that found it."""
    return [f"{check.__name__}: {wrong}" for check in CHECKS for wrong in check(history)]


def _newest_positions(history: History) -> Iterator[PositionChanged]:
    newest = {body.position_id: body for body in bodies(history, PositionChanged)}
    return iter(newest.values())


def _price_at(history: History, second: float) -> Decimal:
    return Decimal(f"{max((at, price) for at, price in history.prices if at <= second)[1]:.2f}")


def _worths(history: History, contract: OptionContract, second: float) -> set[Decimal]:
    """What an option was worth a share when it ended: then, or when the lists were read."""
    prices = {_price_at(history, max(0.0, second - ago)) for ago in (0.0, KNOWN_SECONDS)}
    sign = 1 if contract.right is Right.CALL else -1
    return {max(Decimal(0), sign * (price - contract.strike)) for price in prices}


def _stored(text: str) -> float:
    return (datetime.fromisoformat(text) - START).total_seconds()


def _second(event: Recorded) -> float:
    return (event.recorded_at - START).total_seconds()
