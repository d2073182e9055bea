"""What the simulated desk trades: structures of every kind, and the quotes they begin with."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from adapters.market_model.contract import SimContract, SimQuote
from domain.instruments import Leg, OptionContract, Right, Structure, StructureKind
from domain.rolling import roll_of
from tests.adapters.interactive_brokers.still_market import (
    CALL_600,
    CALL_605,
    EXPIRY,
    PUT_595,
    option,
)

CALL_610, PUT_590 = 700_005, 700_006
PUT_598, PUT_593, CALL_602, CALL_607 = 700_007, 700_008, 700_009, 700_010
PUT_585, CALL_615 = 700_011, 700_012
LISTED: dict[int, tuple[Right, int]] = {
    CALL_600: (Right.CALL, 600),
    CALL_605: (Right.CALL, 605),
    CALL_610: (Right.CALL, 610),
    PUT_595: (Right.PUT, 595),
    PUT_590: (Right.PUT, 590),
    PUT_598: (Right.PUT, 598),
    PUT_593: (Right.PUT, 593),
    CALL_602: (Right.CALL, 602),
    CALL_607: (Right.CALL, 607),
    PUT_585: (Right.PUT, 585),
    CALL_615: (Right.CALL, 615),
}
NEW_SIDES = ((PUT_598, PUT_593), (CALL_602, CALL_607))
"""Short and long of the sides that a condor of ours may be rolled to."""
WIDER_SIDES = ((PUT_598, PUT_585), (CALL_602, CALL_615))
"""Sides that would let it lose more: risk refuses them."""
SIGNED_LEGS: dict[StructureKind, tuple[tuple[int, ...], ...]] = {
    StructureKind.LONG_OPTION: ((CALL_600,),),
    StructureKind.DEBIT_VERTICAL: ((CALL_600, -CALL_605),),
    StructureKind.CREDIT_VERTICAL: ((-PUT_595, PUT_590), (CALL_610, -CALL_605)),
    StructureKind.IRON_CONDOR: ((PUT_590, -PUT_595, -CALL_605, CALL_610),),
}
"""Contracts of each kind's legs, negative where the leg is sold."""


def structure(kind: StructureKind, signed: tuple[int, ...], expiry: date = EXPIRY) -> Structure:
    return Structure(
        kind=kind,
        legs=tuple(
            Leg(contract=_contract(abs(con_id), expiry), ratio=1 if con_id > 0 else -1)
            for con_id in signed
        ),
    )


def _contract(con_id: int, expiry: date) -> OptionContract:
    right, strike = LISTED[con_id]
    return OptionContract(
        con_id=con_id, symbol="SPY", expiry=expiry, strike=Decimal(strike), right=right
    )


LONG = structure(StructureKind.LONG_OPTION, (CALL_600,))
VERTICAL = structure(StructureKind.DEBIT_VERTICAL, (CALL_600, -CALL_605))


def listed(expiry: date) -> list[SimContract]:
    """The contracts as the broker lists them."""
    return [
        option(con_id, float(strike), right.value, expiry)
        for con_id, (right, strike) in LISTED.items()
    ]


def first_quotes(of: Structure) -> dict[int, SimQuote]:
    """A debit of about 1.40, or a credit of about 1 for each side that is sold."""
    if of.kind in (StructureKind.LONG_OPTION, StructureKind.DEBIT_VERTICAL):
        return {CALL_600: SimQuote(2.00, 2.03, 20, 20), CALL_605: SimQuote(0.60, 0.62, 20, 20)}
    sold, bought = SimQuote(1.60, 1.62, 20, 20), SimQuote(0.60, 0.62, 20, 20)
    nearer, wing = SimQuote(2.60, 2.62, 20, 20), SimQuote(1.10, 1.12, 20, 20)
    return {
        CALL_605: sold,
        PUT_595: sold,
        CALL_610: bought,
        PUT_590: bought,
        **dict.fromkeys((PUT_598, CALL_602), nearer),
        **dict.fromkeys((PUT_593, CALL_607), wing),
        **dict.fromkeys((PUT_585, CALL_615), bought),
    }


def rolled_to(condor: Structure, side: tuple[int, int]) -> Structure:
    """The order that rolls a condor to one of NEW_SIDES or WIDER_SIDES."""
    short, long = (_contract(con_id, condor.expiry) for con_id in side)
    return roll_of(condor, short, long)
