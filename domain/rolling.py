"""What a roll is, as structures: the legs that it closes and opens, and the condor that it leaves.

A roll is one combination of four different contracts of one right: one side of a condor bought back
and sold out, another one sold and covered. Pure; signals, risk and execution agree by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from domain.instruments import Leg, OptionContract, Structure, StructureKind

ROLL_LEGS = 4
TRIES_MAX = "signals.14d.roll.tries_max"
"""Name of the parameter: most orders that are sent to roll a position."""


def roll_of(structure: Structure, new_short: OptionContract, new_long: OptionContract) -> Structure:
    """The order that replaces the side of the new contracts' right."""
    closed = tuple(
        Leg(contract=leg.contract, ratio=-leg.ratio)
        for leg in structure.legs
        if leg.contract.right is new_short.right
    )
    opened = (Leg(contract=new_short, ratio=-1), Leg(contract=new_long, ratio=1))
    return Structure(kind=StructureKind.ROLL, legs=(*closed, *opened))


def _ids(structure: Structure) -> frozenset[int]:
    return frozenset(leg.contract.con_id for leg in structure.legs)


def closed_legs(structure: Structure, roll: Structure) -> tuple[Leg, ...]:
    """Legs of the condor that the roll closes, as the condor holds them."""
    rolled = _ids(roll)
    return tuple(leg for leg in structure.legs if leg.contract.con_id in rolled)


def kept_legs(structure: Structure, roll: Structure) -> tuple[Leg, ...]:
    """The tested side: the roll does not touch it."""
    rolled = _ids(roll)
    return tuple(leg for leg in structure.legs if leg.contract.con_id not in rolled)


def opened_legs(structure: Structure, roll: Structure) -> tuple[Leg, ...]:
    held = _ids(structure)
    return tuple(leg for leg in roll.legs if leg.contract.con_id not in held)


def after_roll(structure: Structure, roll: Structure) -> Structure:
    """The condor with the new side in the places of the old one."""
    opened = {leg.ratio: leg for leg in opened_legs(structure, roll)}
    rolled = _ids(roll)
    legs = tuple(
        opened[leg.ratio] if leg.contract.con_id in rolled else leg for leg in structure.legs
    )
    return Structure(kind=StructureKind.IRON_CONDOR, legs=legs)


def units_of(structure: Structure, held: Mapping[int, int]) -> int:
    """Whole units held: the least held leg, on the side on which it was opened."""
    return max(0, min(held.get(leg.contract.con_id, 0) * leg.ratio for leg in structure.legs))


def is_rolled(first: Structure, roll: Structure, held: Mapping[int, int]) -> bool:
    """Nothing of the old side is left, and every unit is the new condor."""
    after = after_roll(first, roll)
    units = units_of(after, held)
    closed = closed_legs(first, roll)
    return (
        units > 0
        and not any(held.get(leg.contract.con_id, 0) for leg in closed)
        and all(held.get(leg.contract.con_id, 0) == units * leg.ratio for leg in after.legs)
    )


def all_legs(first: Structure, structure: Structure, rolls: Iterable[Structure]) -> tuple[Leg, ...]:
    """Every contract that a position may hold, once, on the side on which it is opened: of the
    structure that it is, of the one that it began as, and of what rolls of that may have opened."""
    legs = {leg.contract.con_id: leg for leg in (*structure.legs, *first.legs)}
    for roll in rolls:
        for leg in opened_legs(first, roll):
            legs.setdefault(leg.contract.con_id, leg)
    return tuple(legs.values())


def fault_of(structure: Structure, roll: Structure) -> str:
    """What is wrong with a roll of a condor; empty when nothing is."""
    if structure.kind is not StructureKind.IRON_CONDOR or roll.kind is not StructureKind.ROLL:
        return f"a condor must be rolled, was a {roll.kind.value} of a {structure.kind.value}"
    contracts = [leg.contract for leg in roll.legs]
    if len({contract.con_id for contract in contracts}) != ROLL_LEGS:
        return f"a roll must have {ROLL_LEGS} different contracts, was {len(contracts)} legs"
    one = {(contract.symbol, contract.expiry, contract.right) for contract in contracts}
    if len(one) != 1 or (structure.symbol, structure.expiry) != next(iter(one))[:2]:
        return "a roll must be of one right, symbol and expiry, was a mixture"
    held = {leg.contract.con_id: leg.ratio for leg in structure.legs}
    closed = [leg for leg in roll.legs if leg.contract.con_id in held]
    if len(closed) != 2 or any(leg.ratio != -held[leg.contract.con_id] for leg in closed):
        return "a roll must close both legs of one side, did not"
    if sorted(leg.ratio for leg in opened_legs(structure, roll)) != [-1, 1]:
        return "a roll must open one short and one long, did not"
    return ""
