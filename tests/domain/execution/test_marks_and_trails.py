"""Marks, trailing stops and the position's arithmetic (rules 6.5 and 4.9)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events.positions import ExitReason
from domain.events.risk import RiskDecided
from domain.execution.exit_rules import ExitCase, first_case, flat_profile, precedence, replaces
from domain.execution.ladder import Profile
from domain.execution.ledger import LegFill, account
from domain.execution.marks import TrailRule, mark, smoothed, tightened, trailing_stop
from domain.execution.positions import risk_units
from domain.execution.quotes import NetQuote
from domain.execution.references import entry_ref, exit_ref, is_ours, opens, roll_ref, stop_ref
from domain.execution.underlying import UnderlyingWatch
from domain.instruments import Side
from domain.parameter import ParameterState
from domain.session import Session
from tests.domain.execution.execution_build import (
    CLOSE,
    OPEN,
    condor,
    debit_vertical,
    decision,
    long_call,
    parameters,
    session,
)
from tests.domain.execution.stories import bar

D = Decimal
RULE = TrailRule(D("0.25"), D("0.25"), D(2), D("0.05"))
CREDIT_RULE = TrailRule(D("0.30"), D("0.25"), D(2), D("0.05"))


def net(bid: str, ask: str, *, zero_bid: bool = False) -> NetQuote:
    return NetQuote(D(bid), D(ask), 0.0, not zero_bid, zero_bid)


def value(quote: NetQuote, *, credit: bool = False) -> Decimal:
    structure = condor() if credit else long_call()
    return mark(structure, quote, D("0.05"), D("0.10"))


def test_a_tight_quote_is_marked_at_its_mid() -> None:
    assert value(net("1.98", "2.02")) == D("2.00")
    assert value(net("-0.82", "-0.78"), credit=True) == D("-0.80")


def test_a_wide_quote_is_marked_a_quarter_from_its_bad_side() -> None:
    assert value(net("1.00", "1.40")) == D("1.10")
    assert value(net("-1.40", "-1.00"), credit=True) == D("-1.30"), "cost: ask less a quarter"


def test_no_bid_marks_a_long_at_zero_before_anything_else() -> None:
    assert value(net("0", "0.03", zero_bid=True)) == 0


def test_a_long_trails_from_a_quarter_up_and_not_before() -> None:
    assert trailing_stop(long_call(), D("2.00"), D("2.49"), D("0.04"), RULE) is None
    assert trailing_stop(long_call(), D("2.00"), D("2.50"), D("0.04"), RULE) == D("1.87")


def test_a_wide_spread_keeps_the_stop_farther_away() -> None:
    assert trailing_stop(long_call(), D("2.00"), D("2.60"), D("0.50"), RULE) == D("1.60")


def test_a_credit_trails_once_three_tenths_are_earned() -> None:
    assert trailing_stop(condor(), D("-0.80"), D("-0.57"), D("0.02"), CREDIT_RULE) is None
    assert trailing_stop(condor(), D("-0.80"), D("-0.56"), D("0.02"), CREDIT_RULE) == D("-0.76")


@given(marks=st.lists(st.integers(1, 900), min_size=1, max_size=40))
def test_a_trailing_stop_never_falls_while_the_spread_stands(marks: list[int]) -> None:
    best, stops = D(0), []
    for cents in marks:
        best = max(best, D(cents) / 100)
        stop = trailing_stop(long_call(), D("2.00"), best, D("0.04"), RULE)
        if stop is not None:
            stops.append(stop)
    assert stops == sorted(stops)


def test_an_overnight_stop_is_tightened_to_a_multiple_of_the_credit() -> None:
    assert tightened(D("-0.80"), D("1.5")) == D("-1.20")


def test_the_spread_halves_its_memory_in_a_half_life() -> None:
    assert smoothed(None, D("0.10"), 0, 30) == D("0.10")
    assert smoothed(D("0.10"), D("0.20"), 30, 30) == D("0.15")


def test_precedence_is_that_of_the_rules() -> None:
    named = "KILL FORCED_FLAT ASSIGNMENT_GUARD BROKER_MARGIN STOP INVALIDATED TRAIL TARGET TIME"
    order = [precedence(ExitReason(name)) for name in named.split()]
    assert order == sorted(order)


def case(reason: ExitReason, profile: Profile = Profile.URGENT) -> ExitCase:
    return ExitCase(reason, profile, "", ())


def test_the_highest_reason_is_taken_and_only_a_faster_profile_repeats_it() -> None:
    cases = [case(ExitReason.TIME), case(ExitReason.STOP), case(ExitReason.TRAIL)]
    assert first_case(cases) is cases[1]
    assert first_case([]) is None
    assert replaces(case(ExitReason.STOP), ExitReason.TRAIL, Profile.URGENT)
    assert not replaces(case(ExitReason.TRAIL), ExitReason.STOP, Profile.URGENT)
    assert not replaces(case(ExitReason.STOP), ExitReason.STOP, Profile.URGENT)
    assert replaces(case(ExitReason.STOP, Profile.CROSSING), ExitReason.STOP, Profile.URGENT)


def test_forced_flat_gets_more_urgent_with_time() -> None:
    five, ten = timedelta(minutes=5), timedelta(minutes=10)
    at = CLOSE - timedelta(minutes=15)
    found = [flat_profile(at + m * five / 5, at, five, ten) for m in (0, 4, 5, 9, 10)]
    assert [profile.value for profile in found] == [
        "urgent",
        "urgent",
        "crossing",
        "crossing",
        "market_equivalent",
    ]


def fill(name: str, con_id: int, side: Side, quantity: int, price: str) -> LegFill:
    return LegFill(name, con_id, side, quantity, D(price))


def test_a_vertical_is_accounted_by_its_legs() -> None:
    fills = [
        fill("a", 6001, Side.BUY, 4, "3.02"),
        fill("b", 6051, Side.SELL, 4, "1.01"),
        fill("c", 6001, Side.SELL, 1, "3.52"),
        fill("d", 6051, Side.BUY, 1, "1.11"),
    ]
    now = account(debit_vertical(), fills, D("5.20"))
    assert (now.units, now.entry_price, now.exit_price) == (3, D("2.01"), D("2.41"))
    assert now.realised_pnl == D("34.80")
    assert not now.is_flat


def test_a_position_without_fills_is_flat_and_costs_nothing() -> None:
    now = account(long_call(), [], D(0))
    assert (now.units, now.is_flat, now.exit_price, now.realised_pnl) == (0, True, None, D(0))


@given(
    prices=st.lists(st.tuples(st.integers(1, 500), st.integers(1, 9)), min_size=1, max_size=8),
    exit_price=st.integers(1, 500),
)
def test_the_profit_of_a_closed_position_is_exactly_its_cash(
    prices: list[tuple[int, int]], exit_price: int
) -> None:
    fills = [
        LegFill(f"b{n}", 6001, Side.BUY, quantity, D(price) / 100)
        for n, (price, quantity) in enumerate(prices)
    ]
    total = sum(quantity for _, quantity in prices)
    fills.append(LegFill("s", 6001, Side.SELL, total, D(exit_price) / 100))
    cash = sum(-price * quantity for price, quantity in prices) + exit_price * total
    assert account(long_call(), fills, D(0)).realised_pnl == D(cash)


def test_risk_units_are_quarters_of_the_buckets_share() -> None:
    state = ParameterState()
    given_decision: RiskDecided = decision(units=10)
    assert risk_units(state, given_decision) == 0
    state.apply(parameters())
    assert risk_units(state, given_decision) == D("0.50")


def test_references_tell_an_entry_without_the_log() -> None:
    position = "P0123456789abcdef"
    assert opens(entry_ref(position))
    assert opens(roll_ref(position, 2))
    assert not opens(stop_ref(position, 1))
    assert not opens(exit_ref(position, 1, 2))
    assert is_ours(exit_ref(position, 1, 2))
    assert not is_ours("manual")
    assert all(len(ref) <= 40 for ref in (entry_ref(position), exit_ref(position, 99, 99)))


def test_minutes_close_at_their_end_and_late_bars_change_nothing() -> None:
    watch, day = UnderlyingWatch(), Session(session())
    closed = [watch.add_bar(bar(OPEN + timedelta(seconds=5 * n), 600 + n), day) for n in range(24)]
    assert [minute.index for minute in closed if minute] == [0, 1]
    assert [minute.close for minute in closed if minute] == [611, 623]
    assert watch.add_bar(bar(OPEN, 1.0), day) is None
    assert watch.vwap.price == pytest.approx(600 + 11.5)


def test_a_minute_with_missing_bars_closes_when_the_next_one_begins() -> None:
    watch, day = UnderlyingWatch(), Session(session())
    assert watch.add_bar(bar(OPEN, 600.0), day) is None
    minute = watch.add_bar(bar(OPEN + timedelta(seconds=70), 601.0), day)
    assert minute is not None
    assert (minute.index, minute.close) == (0, 600.0)
