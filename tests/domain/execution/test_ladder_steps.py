"""The price ladder in integer ticks (rules 6.1 to 6.3)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.execution.ladder import (
    LAST_STEP_MAX,
    STEPS,
    Profile,
    budget,
    capped,
    entry_cap,
    entry_profile,
    ladder,
    next_price,
    step_price,
    to_ticks,
)
from domain.instruments import TICK, Side, Strategy
from domain.numbers import ceil_tick, floor_tick

prices = st.integers(-2_000, 5_000).map(lambda n: n * TICK)
spreads = st.integers(1, 80).map(lambda n: n * TICK)
steps = st.integers(0, STEPS)
D = Decimal


@given(bid=prices, spread=spreads, step=steps)
def test_a_buy_step_is_the_floor_of_the_fraction_between_mid_and_ask(
    bid: Decimal, spread: Decimal, step: int
) -> None:
    ask = bid + spread
    mid = (bid + ask) / 2
    assert step_price(Side.BUY, bid, ask, step) == floor_tick(mid + D(step) / 4 * (ask - mid))


@given(bid=prices, spread=spreads, step=steps)
def test_a_sell_step_is_the_ceiling_of_the_fraction_between_mid_and_bid(
    bid: Decimal, spread: Decimal, step: int
) -> None:
    ask = bid + spread
    mid = (bid + ask) / 2
    assert step_price(Side.SELL, bid, ask, step) == ceil_tick(mid - D(step) / 4 * (mid - bid))


@given(bid=prices, spread=spreads)
def test_the_last_step_crosses_and_later_ones_go_one_tick_through_each(
    bid: Decimal, spread: Decimal
) -> None:
    ask = bid + spread
    assert step_price(Side.BUY, bid, ask, STEPS) == ask
    assert step_price(Side.SELL, bid, ask, STEPS) == bid
    assert step_price(Side.SELL, bid, ask, LAST_STEP_MAX) == bid - 3 * TICK
    assert step_price(Side.BUY, bid, ask, STEPS + 1) == ask + TICK


@pytest.mark.parametrize("step", [-1, LAST_STEP_MAX + 1])
def test_a_step_outside_the_ladder_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match="ladder step must be"):
        step_price(Side.BUY, D(1), D(2), step)


def test_a_price_between_two_ticks_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of"):
        to_ticks(D("1.005"))


@pytest.mark.parametrize(
    ("bid", "ask", "wanted"),
    [("1.98", "2.02", "0.02"), ("1.99", "2.00", "0.01"), ("0.80", "1.20", "0.05")],
)
def test_the_budget_is_half_the_spread_within_a_cent_and_five_percent(
    bid: str, ask: str, wanted: str
) -> None:
    assert budget(D(bid), D(ask), D("0.5"), D("0.05")) == D(wanted)


def test_the_cap_of_a_buy_is_rounded_down_and_of_a_sell_up() -> None:
    assert entry_cap(Side.BUY, D("2.005"), D("0.0125")) == D("2.01")
    assert entry_cap(Side.SELL, D("2.005"), D("0.0125")) == D("2.00")
    assert entry_cap(Side.BUY, D("-1.005"), D("0.01")) == D("-1.00")


def test_an_entry_never_passes_its_cap() -> None:
    assert capped(Side.BUY, D("2.05"), D("2.02")) == D("2.02")
    assert capped(Side.SELL, D("1.95"), D("1.98")) == D("1.98")


def test_an_order_moves_only_toward_the_far_side_while_the_mid_stands() -> None:
    assert next_price(Side.BUY, D("2.01"), D("2.00"), D("1.98"), D("2.02"), D("2.00")) is None
    assert next_price(Side.SELL, D("1.99"), D("2.00"), D("1.98"), D("2.02"), D("2.00")) is None
    assert next_price(Side.BUY, D("2.01"), D("2.00"), D("1.98"), D("2.02"), D("2.02")) == D("2.02")
    assert next_price(Side.SELL, D("1.99"), D("2"), D("1.98"), D("2.02"), D("1.98")) == D("1.98")


def test_an_order_follows_a_mid_that_moved_by_more_than_a_tick() -> None:
    assert next_price(Side.BUY, D("2.01"), D("2.00"), D("1.94"), D("1.98"), D("1.96")) == D("1.96")
    assert next_price(Side.SELL, D("1.99"), D("2"), D("2.02"), D("2.06"), D("2.04")) == D("2.04")
    assert next_price(Side.BUY, D("2.01"), D("2.00"), D("1.97"), D("2.01"), D("2.00")) is None


def test_a_price_that_does_not_differ_is_no_replacement() -> None:
    assert next_price(Side.BUY, D("2.01"), D("1.90"), D("1.98"), D("2.02"), D("2.01")) is None


def test_profiles_have_the_steps_and_dwells_of_the_table() -> None:
    patient = ladder(Profile.PATIENT, is_exit=True)
    normal = ladder(Profile.NORMAL, is_exit=False)
    urgent = ladder(Profile.URGENT, is_exit=True)
    assert (patient.first, patient.last) == (0, 3)
    assert (normal.first, normal.last) == (0, 4)
    assert (urgent.first, urgent.last) == (2, 7)
    assert ladder(Profile.URGENT, is_exit=False).last == 4
    assert ladder(Profile.CROSSING, is_exit=True).first == 4
    assert ladder(Profile.MARKET_EQUIVALENT, is_exit=True).first == 7


def test_each_bucket_enters_with_its_profile() -> None:
    assert entry_profile(Strategy.FOURTEEN_DTE) is Profile.PATIENT
    assert entry_profile(Strategy.ZERO_DTE) is Profile.NORMAL
    assert entry_profile(Strategy.ONE_DTE) is Profile.NORMAL
    assert entry_profile(Strategy.CLOSING) is Profile.URGENT
