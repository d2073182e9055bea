"""Maximum loss from the payoff equals the closed forms, and unbounded structures are refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instruments import Right, StructureKind
from domain.risk.max_loss import UnboundedLoss, extremes, payoff, structure_width
from tests.domain.risk.build import (
    call_vertical,
    condor,
    contract,
    long_call,
    put_credit,
    structure,
)

prices = st.decimals(min_value="0.05", max_value="3.95", places=2)


@given(prices)
def test_debit_vertical_loses_its_debit_and_gains_the_rest_of_the_width(debit: Decimal) -> None:
    found = extremes(call_vertical(600, 604), debit)
    assert found.max_loss_usd == debit * 100
    assert found.max_profit_usd == (4 - debit) * 100


@given(prices)
def test_credit_vertical_loses_width_less_credit(credit: Decimal) -> None:
    found = extremes(put_credit(596, 592), -credit)
    assert found.max_loss_usd == (4 - credit) * 100
    assert found.max_profit_usd == credit * 100


@given(prices, st.integers(1, 10), st.integers(1, 10))
def test_condor_loses_its_wider_wing_less_credit(
    credit: Decimal, put_wing: int, call_wing: int
) -> None:
    found = extremes(condor(592 - put_wing, 592, 608, 608 + call_wing), -credit)
    assert found.max_loss_usd == (max(put_wing, call_wing) - credit) * 100
    assert found.max_profit_usd == credit * 100


def test_long_option_loses_its_premium_and_a_call_gains_without_bound() -> None:
    assert extremes(long_call(), Decimal("2.10")).max_loss_usd == 210
    assert extremes(long_call(), Decimal("2.10")).max_profit_usd is None
    put = structure(StructureKind.LONG_OPTION, (1, contract(600, Right.PUT)))
    assert extremes(put, Decimal("2.10")).max_profit_usd == (600 - Decimal("2.10")) * 100


def test_fees_add_to_the_loss_and_are_taken_from_the_profit() -> None:
    found = extremes(call_vertical(600, 604), Decimal("1.50"), Decimal("2.80"))
    assert (found.max_loss_usd, found.max_profit_usd) == (Decimal("152.80"), Decimal("247.20"))


def test_naked_short_call_is_refused() -> None:
    naked = structure(StructureKind.CREDIT_VERTICAL, (-1, contract(600)))
    with pytest.raises(UnboundedLoss, match="call quantities"):
        extremes(naked, Decimal(-1))


def test_legs_of_two_expiries_are_refused() -> None:
    calendar = structure(
        StructureKind.DEBIT_VERTICAL,
        (1, contract(600, expiry=date(2026, 10, 7))),
        (-1, contract(600)),
    )
    with pytest.raises(UnboundedLoss, match="expiry"):
        extremes(calendar, Decimal(1))


@given(st.decimals(min_value="0", max_value="2000", places=2), prices)
def test_no_price_of_the_underlying_loses_more_than_the_maximum(
    spot: Decimal, credit: Decimal
) -> None:
    shape = condor()
    value = (payoff(shape, spot) + credit) * 100
    found = extremes(shape, -credit)
    assert found.max_profit_usd is not None
    assert -found.max_loss_usd <= value <= found.max_profit_usd


def test_width_is_that_of_the_wider_wing_and_none_for_a_single_option() -> None:
    assert structure_width(condor(587, 592, 608, 612)) == 5
    assert structure_width(long_call()) is None
