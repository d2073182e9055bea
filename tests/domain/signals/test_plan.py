"""Target and stop of what is bought: which of the two limits of the gain holds."""

from __future__ import annotations

from decimal import Decimal

from domain.instruments import Right, StructureKind
from domain.signals.plan import debit_target_and_stop
from domain.signals.structure import Choice, build
from tests.domain.risk.build import contract
from tests.domain.signals.build import chain, with_row


def bought(*strikes: int, mid: str) -> Choice:
    """A call at the first strike, sold at a second if there is one, at this net price."""
    rows, net = chain(), Decimal(mid)
    long_id = contract(strikes[0]).con_id
    paid = net + (Decimal(1) if len(strikes) == 2 else Decimal(0))
    rows = with_row(rows, long_id, bid=paid, ask=paid)
    legs = [(rows.row(long_id), 1)]
    if len(strikes) == 2:
        short_id = contract(strikes[1], Right.CALL).con_id
        rows = with_row(rows, short_id, bid=Decimal(1), ask=Decimal(1))
        legs = [(rows.row(long_id), 1), (rows.row(short_id), -1)]
    kind = StructureKind.DEBIT_VERTICAL if len(legs) == 2 else StructureKind.LONG_OPTION
    found = build(rows, kind, [(row, ratio) for row, ratio in legs if row is not None])
    assert isinstance(found, Choice) and found.net_mid == net
    return found


def test_a_dear_vertical_is_left_at_its_share_of_the_greatest_profit() -> None:
    """Of two dollars' width bought at 1.50 there are 50 cents to gain: 0.7 of them, not 0.6 of
    what was paid."""
    found = debit_target_and_stop(bought(600, 602, mid="1.50"), 0.6, 0.7, 0.5)
    assert found == (Decimal("1.85"), Decimal("0.75"))


def test_a_cheap_vertical_is_left_at_its_share_of_the_debit() -> None:
    found = debit_target_and_stop(bought(600, 602, mid="0.50"), 0.6, 0.7, 0.5)
    assert found == (Decimal("0.80"), Decimal("0.25"))


def test_a_vertical_without_a_share_of_its_profit_is_left_by_its_debit_alone() -> None:
    found = debit_target_and_stop(bought(600, 602, mid="1.50"), 0.6, None, 0.5)
    assert found == (Decimal("2.40"), Decimal("0.75"))


def test_a_lone_option_has_no_greatest_profit_to_take_a_share_of() -> None:
    found = debit_target_and_stop(bought(600, mid="1.50"), 0.6, 0.7, 0.5)
    assert found == (Decimal("2.40"), Decimal("0.75"))
