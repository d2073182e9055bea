"""Regulation T requirements of the structures the desk trades."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.interactive_brokers.sandbox.margin import Holding, margin_of

EXPIRY = date(2026, 11, 24)


def held(right: str, strike: float, quantity: int, mark: float) -> Holding:
    return Holding("SPY", EXPIRY, strike, right, quantity, mark, 600.0)


def test_a_long_option_needs_what_it_is_worth() -> None:
    assert margin_of([held("C", 600, 2, 1.20)]).initial == pytest.approx(240.0)


def test_a_debit_spread_needs_its_net_value() -> None:
    spread = [held("C", 600, 1, 1.20), held("C", 605, -1, 0.40)]
    assert margin_of(spread).initial == pytest.approx(80.0)


def test_a_credit_spread_needs_its_width_less_the_credit_it_stands_at() -> None:
    spread = [held("P", 600, -1, 1.10), held("P", 595, 1, 0.35)]
    assert margin_of(spread).initial == pytest.approx(500.0 - 75.0)


def test_an_iron_condor_needs_one_side_only() -> None:
    condor = [
        held("P", 595, 1, 0.35),
        held("P", 598, -1, 0.70),
        held("C", 602, -1, 0.80),
        held("C", 606, 1, 0.20),
    ]
    assert margin_of(condor).initial == pytest.approx(400.0 - 95.0)


def test_an_uncovered_call_needs_a_fifth_of_the_underlying_and_its_premium() -> None:
    assert margin_of([held("C", 600, -1, 1.20)]).initial == pytest.approx(12_000.0 + 120.0)


def test_stock_needs_half_at_first_and_a_quarter_to_keep() -> None:
    margin = margin_of([Holding("SPY", None, 0.0, "", 100, 600.0, 600.0)])
    assert (margin.initial, margin.maintenance) == (30_000.0, 15_000.0)
