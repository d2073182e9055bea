"""The structures of 14D+: strikes by delta, widths, prices, liquidity, and their exit plans."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.signals import SignalValidated
from domain.instruments import Direction, Right
from domain.session import Session
from domain.signals.bucket import Variant
from domain.signals.fourteen_dte import (
    FOURTEEN_DTE,
    choose_condor,
    choose_credit,
    choose_debit,
)
from domain.signals.reading import Chain
from domain.signals.structure import Choice, Market, NoStructure, candidates
from tests.domain.risk.build import (
    DAY,
    NOON,
    contract,
    one,
    parameters,
    planned,
    session_planned,
)
from tests.domain.signals.build import chain, filtered, with_row
from tests.domain.signals.weeks import CHEAP, DEAR, EXPIRY, RISING, noon

PARAMETERS = parameters()
MARKET = Market(spot=600.0, deviation=0.03, vrp=1.2)
CENT = Decimal("0.01")


def swing_chain(**options: Any) -> Chain:
    return chain(volatility=0.10, expiry=EXPIRY, **options)


def failing(found: Choice | NoStructure) -> str:
    assert isinstance(found, NoStructure)
    return found.reason


@pytest.mark.parametrize(
    ("bid", "ask", "candidate"),
    [("3.59", "3.81", True), ("3.585", "3.815", False), ("0.47", "0.53", True),
     ("0.47", "0.54", False)],
)  # fmt: skip
def test_spreads_are_held_to_six_cents_or_six_percent(bid: str, ask: str, candidate: bool) -> None:
    """6 % of 3.70 is 22.2 cents; of 0.50 it is less than the six that are always allowed."""
    put = contract(589, Right.PUT, expiry=EXPIRY).con_id
    quoted = with_row(swing_chain(), put, bid=Decimal(bid), ask=Decimal(ask))
    rows = candidates(quoted, Right.PUT, PARAMETERS, FOURTEEN_DTE.liquidity)
    assert any(row.con_id == put for row in rows.short) is candidate


def test_a_wing_is_the_listed_strike_nearest_to_one_percent_of_the_price() -> None:
    gone = filtered(swing_chain(), lambda row: int(row.strike) != 583)
    found = choose_credit(gone, Direction.BULLISH, MARKET, PARAMETERS)
    assert isinstance(found, Choice)
    assert [int(row.strike) for row in found.rows] == [589, 584], "of two as near the nearer"


def test_a_credit_outside_its_share_of_the_width_is_no_trade() -> None:
    for share, holds in ((0.228, True), (0.229, False)):
        changed = parameters(signals__14d__credit_min=share)
        found = choose_credit(swing_chain(), Direction.BULLISH, MARKET, changed)
        assert isinstance(found, Choice) is holds, "1.37 of 6 dollars are 22.83 %"
    for share, holds in ((0.229, True), (0.228, False)):
        changed = parameters(signals__14d__credit_max=share)
        found = choose_credit(swing_chain(), Direction.BULLISH, MARKET, changed)
        assert isinstance(found, Choice) is holds


def test_a_condor_is_held_to_the_credit_of_its_wider_wing() -> None:
    """583/577 puts and 618/624 calls; without the 624 the call wing has 5 dollars, or 7."""
    found = choose_condor(swing_chain(), MARKET, PARAMETERS)
    assert isinstance(found, Choice)
    assert -found.net_mid / 6 == pytest.approx(Decimal("0.2733"), abs=Decimal("0.001"))
    short = filtered(swing_chain(), lambda row: int(row.strike) not in (622, 623, 624))
    changed = parameters(signals__14d__credit_min=0.26)
    assert "credit must be in" in failing(choose_condor(short, MARKET, changed))


def test_a_debit_of_more_than_half_the_width_is_no_trade() -> None:
    assert isinstance(choose_debit(swing_chain(), Direction.BULLISH, MARKET, PARAMETERS), Choice)
    for share, holds in ((0.411, True), (0.410, False)):
        changed = parameters(signals__14d__debit_max=share)
        found = choose_debit(swing_chain(), Direction.BULLISH, MARKET, changed)
        assert isinstance(found, Choice) is holds, "4.93 of 12 dollars are 41.08 %"


def test_no_strike_near_enough_to_the_delta_is_no_trade() -> None:
    """Without strikes from 584 to 596 the nearest delta to 0.275 is more than 0.06 off."""
    gone = filtered(swing_chain(), lambda row: not 582 <= int(row.strike) <= 596)
    assert "of delta 0.275" in failing(choose_credit(gone, Direction.BULLISH, MARKET, PARAMETERS))
    assert "of delta 0.18" in failing(choose_condor(gone, MARKET, parameters(
        signals__14d__delta_off_max=0.02)))  # fmt: skip
    calls = filtered(swing_chain(), lambda row: not 594 <= int(row.strike) <= 604)
    assert "of delta 0.55" in failing(choose_debit(calls, Direction.BULLISH, MARKET, PARAMETERS))


def test_one_strike_for_both_legs_is_no_vertical() -> None:
    """It is nearest to both deltas when nothing else is listed near them."""
    lone = filtered(swing_chain(), lambda row: int(row.strike) == 603)
    loose = parameters(signals__14d__delta_off_max=0.2)
    assert "both deltas" in failing(choose_debit(lone, Direction.BULLISH, MARKET, loose))


def test_a_strike_without_a_volatility_of_its_own_is_no_candidate() -> None:
    short = contract(589, Right.PUT, expiry=EXPIRY).con_id
    smiled = with_row(swing_chain(), short, own_volatility=False)
    found = choose_credit(smiled, Direction.BULLISH, MARKET, PARAMETERS)
    assert isinstance(found, Choice) and int(found.rows[0].strike) != 589


def validated(usual: dict[str, float | str | None]) -> SignalValidated:
    signal: SignalValidated = one(noon(usual).evaluate(), SignalValidated)
    return signal


def test_sold_premium_is_left_at_half_the_credit_or_twice_its_cost_or_a_daily_close() -> None:
    for usual in (DEAR, RISING):
        signal = validated(usual)
        credit, plan = -signal.risk_inputs.net_mid, signal.exit_plan
        assert plan.target_price == pytest.approx(-credit / 2, abs=CENT)
        assert plan.stop_price == pytest.approx(-2 * credit, abs=CENT)
        assert plan.invalidation == "daily_close_beyond_short_strike"
        assert plan.trail_activation == 0.30


def test_a_debit_is_left_at_a_share_of_its_greatest_profit_or_half_its_price() -> None:
    signal = validated(CHEAP)
    debit, plan = signal.risk_inputs.net_mid, signal.exit_plan
    assert plan.target_price == pytest.approx(debit + Decimal("0.6") * (12 - debit), abs=CENT)
    assert plan.stop_price == pytest.approx(debit / 2, abs=CENT)
    assert (plan.invalidation, plan.trail_activation) == ("", 0.25)


def opened_on(day: date) -> datetime:
    return planned(day).open_at + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("days", "left"),
    [(35, 14), (36, 14), (45, 18), (21, 8), (17, 7), (14, 7), (60, 24)],
)
def test_time_is_up_at_four_tenths_of_the_days_but_not_under_a_week(days: int, left: int) -> None:
    """0.4 of 36 days is 14.4: the first session with 14 days left is the one."""
    whole = Session(session_planned().model_copy(update={
        "later": tuple(planned(DAY + timedelta(days=n)) for n in range(1, 61))}))  # fmt: skip
    expiry = DAY + timedelta(days=days)
    times = FOURTEEN_DTE.rules.exit_times(Variant.CREDIT, whole, NOON, expiry, PARAMETERS)
    assert times.time_stop_at == opened_on(expiry - timedelta(days=left))
    assert times.forced_flat_at == planned(expiry).close_at - timedelta(minutes=15)


def test_time_that_is_up_on_a_closed_day_is_up_on_the_session_after_it() -> None:
    plan = session_planned()
    due = EXPIRY - timedelta(days=14)
    gone = tuple(
        day for day in plan.later if day.session_date not in (due, due + timedelta(days=1))
    )
    closed = Session(plan.model_copy(update={"later": gone}))
    times = FOURTEEN_DTE.rules.exit_times(Variant.CREDIT, closed, NOON, EXPIRY, PARAMETERS)
    assert times.time_stop_at == opened_on(due + timedelta(days=2))
