"""What the simulated desk trades, on the contracts of the still market."""

from __future__ import annotations

from decimal import Decimal

from adapters.market_model.contract import SimQuote
from domain.instruments import Leg, OptionContract, Right, Structure, StructureKind
from tests.adapters.interactive_brokers.still_market import CALL_600, CALL_605, EXPIRY


def call(con_id: int, strike: int) -> OptionContract:
    return OptionContract(
        con_id=con_id, symbol="SPY", expiry=EXPIRY, strike=Decimal(strike), right=Right.CALL
    )


LONG = Structure(kind=StructureKind.LONG_OPTION, legs=(Leg(contract=call(CALL_600, 600), ratio=1),))
VERTICAL = Structure(
    kind=StructureKind.DEBIT_VERTICAL,
    legs=(
        Leg(contract=call(CALL_600, 600), ratio=1),
        Leg(contract=call(CALL_605, 605), ratio=-1),
    ),
)
SHAPES = (LONG, LONG, VERTICAL)


def first_quotes() -> dict[int, SimQuote]:
    return {CALL_600: SimQuote(2.00, 2.03, 20, 20), CALL_605: SimQuote(0.60, 0.62, 20, 20)}
