"""Target, stop, cost and value of a structure in hand-worked figures."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.instruments import Right, StructureKind
from domain.signals.bucket import Variant
from domain.signals.plan import (
    credit_target_and_stop,
    debit_target_and_stop,
    exit_plan,
    odds,
    slippage_budget,
)
from domain.signals.slippage import Slippage
from domain.signals.structure import Choice, build
from domain.signals.zero_dte import ZERO_DTE
from tests.domain.risk.build import CLOSE, NOON, OPEN, contract, parameters, session
from tests.domain.signals.build import chain, with_row
from tests.domain.signals.test_gates import PARAMETERS, case, range_case


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


def test_cost_is_commissions_of_every_leg_both_ways_and_slippage_both_ways() -> None:
    """Two legs in and out at 70 cents, and two cents a share each way on a hundred shares."""
    vertical, lone = bought(600, 602, mid="0.50"), bought(600, mid="1.50")
    spread = replace(vertical, net_bid=Decimal("0.45"), net_ask=Decimal("0.55"))
    for choice, budget, cost in ((spread, "0.025", 2.8 + 5.0), (lone, "0.01", 1.4 + 2.0)):
        found = odds(choice, ZERO_DTE, Variant.TREND, parameters(), Slippage())
        assert found.budget == Decimal(budget)
        assert found.cost_usd == pytest.approx(cost)
        assert found.slippage_fills == 0, "none was measured"


def test_what_may_be_gained_and_lost_is_of_a_hundred_shares() -> None:
    found = odds(bought(600, 602, mid="0.50"), ZERO_DTE, Variant.TREND, parameters(), Slippage())
    assert (found.target_usd, found.stop_usd) == (30.0, 25.0)
    assert found.fair_log_odds == pytest.approx(math.log(25 / 30))
    assert found.p_win(0.0) == pytest.approx(25 / 55)
    paid = replace(found, cost_usd=2.0)
    assert paid.expected_value(0.6) == pytest.approx(0.6 * 30 - 0.4 * 25 - 2.0)


@pytest.mark.parametrize(
    ("bid", "ask", "budget"),
    [
        ("-1.01", "-0.99", "0.01"),
        ("-1.04", "-0.96", "0.04"),
        ("-1.30", "-0.70", "0.05"),
        ("0.99", "1.01", "0.01"),
    ],
)
def test_what_is_sold_has_the_budget_of_what_is_bought(bid: str, ask: str, budget: str) -> None:
    """Half the spread, but a twentieth of the mid at most and a cent at least."""
    choice = replace(bought(600, mid="1.50"), net_bid=Decimal(bid), net_ask=Decimal(ask))
    assert slippage_budget(choice, parameters()) == Decimal(budget)


def test_sold_premium_is_left_at_a_share_of_its_credit_or_at_times_its_cost() -> None:
    choice = replace(bought(600, mid="1.50"), net_bid=Decimal("-0.8"), net_ask=Decimal("-0.8"))
    assert credit_target_and_stop(choice, 0.25, 3.0) == (Decimal("-0.6"), Decimal("-2.4"))


def test_vertical_target_is_the_smaller_of_debit_and_profit_and_stop_half_the_debit() -> None:
    found = case().chosen
    assert isinstance(found, Choice)
    mid = found.net_mid
    target, stop = ZERO_DTE.rules.target_and_stop(found, Variant.TREND, PARAMETERS)
    assert target == mid + min(Decimal("0.6") * mid, Decimal("0.7") * (2 - mid))
    assert stop == mid - Decimal("0.5") * mid


def test_condor_target_is_half_the_credit_and_stop_twice_its_cost() -> None:
    found = range_case()
    assert isinstance(found.chosen, Choice) and found.odds is not None
    credit = -found.chosen.net_mid
    prices = ZERO_DTE.rules.target_and_stop(found.chosen, Variant.RANGE, PARAMETERS)
    assert prices == (-credit / 2, -2 * credit)
    assert found.odds.target_usd == pytest.approx(50 * float(credit))
    assert found.odds.stop_usd == pytest.approx(100 * float(credit))


def test_exit_times_come_from_the_session() -> None:
    trend, premium = case().chosen, range_case().chosen
    assert isinstance(trend, Choice) and isinstance(premium, Choice)
    half = session(half=True)
    plan = exit_plan(trend, ZERO_DTE, Variant.TREND, session(), NOON, PARAMETERS)
    assert plan.time_stop_at == NOON + timedelta(minutes=90)
    assert plan.forced_flat_at == CLOSE - timedelta(minutes=15)
    sold = exit_plan(premium, ZERO_DTE, Variant.RANGE, session(), NOON, PARAMETERS)
    assert sold.time_stop_at == CLOSE - timedelta(hours=1)
    short = exit_plan(
        trend, ZERO_DTE, Variant.TREND, half, OPEN + timedelta(minutes=149), PARAMETERS
    )
    assert short.forced_flat_at == half.close_at - timedelta(minutes=15) == short.time_stop_at


@pytest.mark.parametrize(
    ("bid", "ask", "budget"),
    [("1.00", "1.01", "0.01"), ("1.00", "1.04", "0.02"), ("1.00", "1.30", "0.0575")],
)
def test_slippage_budget(bid: str, ask: str, budget: str) -> None:
    found = case().chosen
    assert isinstance(found, Choice)
    quoted = replace(found, net_bid=Decimal(bid), net_ask=Decimal(ask))
    assert slippage_budget(quoted, PARAMETERS) == Decimal(budget)
