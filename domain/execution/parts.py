"""What is left of a structure whose legs are no longer held evenly: after an assignment, mostly.

Whole units are sold as they are; the rest is paired into verticals and single longs, each sold like
a position of its own. A short that nothing covers is for a human. Called by exits.py; pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.execution.desk import Desk, Trade
from domain.execution.holdings import is_over
from domain.execution.leg_watch import are_legs_pending
from domain.execution.roll_order import RollOrder
from domain.instruments import Leg, OptionContract, Right, Structure, StructureKind
from domain.rolling import kept_legs, units_of


def part_of(trade: Trade, structure: Structure) -> Trade:
    """The trade as if it held nothing but this part of what is left beside its whole units, or but
    its units as another condor before or after a roll, or but its tested side."""
    units = next((n for part, n in _rest(trade).parts if part == structure), 0)
    tested = [tested_side(trade, order) for order in trade.rolls]
    # Of that side all is one part, however many units a roll has filled.
    if structure in tested or (not units and structure in trade.wholes):
        units = units_of(structure, trade.held)
    held = {leg.contract.con_id: leg.ratio * units for leg in structure.legs}
    return replace(trade, structure=structure, held=held, last_mark=None, rolls=())


def tested_side(trade: Trade, order: RollOrder) -> Structure:
    """The vertical that a roll does not touch."""
    short, long = sorted(kept_legs(trade.first, order.proposed.roll), key=lambda leg: leg.ratio)
    return _vertical(long.contract, short.contract)


def next_part(desk: Desk, trade: Trade) -> Trade | None:
    """The part that may be sold now; None while whole units, or doubts about legs, are left.

    A long that stands alone while shares of a delivery are in the account covers them: it waits
    until they are gone.
    """
    if trade.units > 0 or trade.is_flat or _is_in_doubt(desk, trade):
        return None
    for structure, _ in _rest(trade).parts:
        if not structure.is_single or not desk.delivered.get(trade.symbol, 0):
            return part_of(trade, structure)
    return None


def uncovered_shorts(desk: Desk, trade: Trade) -> tuple[tuple[OptionContract, int], ...]:
    """Contracts sold that no long of the position covers, once nothing is in doubt."""
    units = trade.units
    whole = {leg.contract.con_id: leg.ratio * units for leg in trade.structure.legs}
    if all(trade.held.get(con_id, 0) == whole.get(con_id, 0) for con_id in trade.con_ids):
        return ()
    if _is_in_doubt(desk, trade):
        return ()
    # Of legs that ended together one is told first: their own adjustment takes a short away.
    return tuple(short for short in _rest(trade).uncovered if not is_over(desk, short[0]))


def _is_in_doubt(desk: Desk, trade: Trade) -> bool:
    """Legs fill one after the other, and a callback may be lost: uneven for a moment is no rest."""
    orders = desk.book.of_position(trade.position_id)
    if any(are_legs_pending(order) for order in orders):
        return True
    return any(con_id in desk.shortages for con_id in trade.con_ids)


@dataclass(frozen=True, slots=True)
class _Rest:
    parts: tuple[tuple[Structure, int], ...]
    """Verticals, then single longs, with how many there are of each."""
    uncovered: tuple[tuple[OptionContract, int], ...]


def _rest(trade: Trade) -> _Rest:
    """What is held beside whole units."""
    contracts = [leg.contract for leg in trade.legs]
    left = {contract.con_id: trade.held.get(contract.con_id, 0) for contract in contracts}
    for leg in trade.structure.legs:
        left[leg.contract.con_id] -= leg.ratio * trade.units
    parts: list[tuple[Structure, int]] = []
    for short in contracts:
        for long in contracts:
            paired = min(-left[short.con_id], left[long.con_id])
            if short.right is long.right and paired > 0:
                left[short.con_id] += paired
                left[long.con_id] -= paired
                parts.append((_vertical(long, short), paired))
    for contract in contracts:
        if left[contract.con_id] > 0:
            legs = (Leg(contract=contract, ratio=1),)
            single = Structure(kind=StructureKind.LONG_OPTION, legs=legs)
            parts.append((single, left[contract.con_id]))
    shorts = tuple((c, -left[c.con_id]) for c in contracts if left[c.con_id] < 0)
    return _Rest(tuple(parts), shorts)


def _vertical(long: OptionContract, short: OptionContract) -> Structure:
    dearer_is_long = (long.strike < short.strike) == (long.right is Right.CALL)
    kind = StructureKind.DEBIT_VERTICAL if dearer_is_long else StructureKind.CREDIT_VERTICAL
    return Structure(kind=kind, legs=(Leg(contract=long, ratio=1), Leg(contract=short, ratio=-1)))
