"""What must hold of rolls after every life, by the broker's ledger alone: part of oracle.py."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal

from domain.events.orders import OrderIntended
from domain.events.rolls import PositionRolled
from domain.instruments import Right
from domain.risk.max_loss import extremes
from tests.sim.history import History, bodies, contracts_of, position_of

MULTIPLIER = 100
BASIS_TOLERANCE = Decimal("0.08")


def rolled_once_for_less(history: History) -> list[str]:
    """One order at most rolls a position, and by what the broker executed it never adds risk."""
    by_position: defaultdict[str, set[str]] = defaultdict(set)
    wrongs = []
    for order in history.ledger.orders:
        if "-R" in order.order_ref and order.filled:
            by_position[position_of(order.order_ref)].add(order.order_ref)
    wrongs += [
        f"{key} was rolled by {sorted(refs)}" for key, refs in by_position.items() if len(refs) > 1
    ]
    paid = _paid(history)
    entries = {b.position_id: b for b in bodies(history, OrderIntended) if b.is_entry}
    for body in bodies(history, PositionRolled):
        entry = entries[body.position_id]
        cost = paid[entry.order_ref]
        ref = min(by_position[body.position_id], default="")
        before = extremes(entry.structure, cost).max_loss_usd
        after = extremes(body.structure, cost + paid[ref]).max_loss_usd
        if after > before or body.max_loss_per_unit_usd > body.max_loss_per_unit_before_usd:
            wrongs.append(f"{body.position_id} may lose {after} rolled, {before} before")
        # Executions are corrected later by a cent a leg.
        if abs(body.basis_price - cost - paid[ref]) > BASIS_TOLERANCE:
            wrongs.append(f"{body.position_id} has a basis of {body.basis_price}")
    return wrongs


def _paid(history: History) -> dict[str, Decimal]:
    """What a unit of each order cost by its legs' executions, as bought."""
    sides = {
        (b.order_ref, leg.contract.con_id): leg.ratio
        for b in bodies(history, OrderIntended)
        for leg in b.structure.legs
    }
    sums: defaultdict[tuple[str, int], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 2)
    for execution in history.ledger.counted_executions():
        if execution.moves_position and (execution.order_ref, execution.con_id) in sides:
            row = sums[execution.order_ref, execution.con_id]
            row[0] += execution.quantity
            row[1] += execution.quantity * execution.price
    paid: defaultdict[str, Decimal] = defaultdict(Decimal)
    for (ref, con_id), (quantity, value) in sums.items():
        paid[ref] += sides[ref, con_id] * value / quantity
    return paid


def always_covered(history: History) -> list[str]:
    """After each moment at the broker no right of a position is sold more often than bought."""
    contracts = contracts_of(history)
    moments: defaultdict[str, list[tuple[str, int, int]]] = defaultdict(list)
    owners: dict[int, str] = {}
    for execution in history.ledger.counted_executions():
        if not execution.moves_position or not execution.order_ref:
            continue
        position = position_of(execution.order_ref)
        owners[execution.con_id] = position
        moments[execution.at].append((position, execution.con_id, execution.signed_quantity))
    for gone in history.ledger.adjustments:
        if gone.con_id in owners and gone.multiplier == MULTIPLIER:
            moments[gone.at].append((owners[gone.con_id], gone.con_id, gone.quantity))
    held: Counter[tuple[str, Right]] = Counter()
    wrongs = []
    for at in sorted(moments):
        for position, con_id, change in moments[at]:
            held[position, contracts[con_id].right] += change
        wrongs += [f"{key} is {n} at {at}" for key, n in held.items() if n < 0]
    return wrongs


def sides_of(history: History) -> dict[str, dict[int, int]]:
    """Of each position, on which side its contracts are opened: by its entry, and by its rolls."""
    legs: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for body in bodies(history, OrderIntended):
        if body.purpose.opens:
            known = legs[position_of(body.order_ref)]
            for leg in body.structure.legs:
                known.setdefault(leg.contract.con_id, leg.ratio)
    return legs
