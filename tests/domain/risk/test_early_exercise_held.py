"""Legs that are held are checked for early exercise: the delta of the book is theirs."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from domain.events.analytics import ChainEvaluated, ExDividend
from domain.instruments import Right, Strategy, Structure, StructureKind
from domain.pricing.american import american_check
from domain.pricing.black_scholes import greeks
from domain.pricing.dividends import Dividend
from domain.risk.valuation import value_book
from tests.domain.risk.build import DAY, NOON, Driven, account, contract, session_planned, structure
from tests.domain.risk.desk_story import holding, opened, ready
from tests.domain.risk.test_volatility_now import chain

EXPIRY = DAY + timedelta(days=30)
YEARS = 30 / 365
RATE = 0.04
PUTS = structure(
    StructureKind.CREDIT_VERTICAL,
    (-1, contract(640, Right.PUT, expiry=EXPIRY)),
    (1, contract(590, Right.PUT, expiry=EXPIRY)),
)
CALLS = structure(
    StructureKind.CREDIT_VERTICAL,
    (-1, contract(560, expiry=EXPIRY)),
    (1, contract(600, expiry=EXPIRY)),
)


def european(shape: Structure, paid: float = 0.0) -> list[float]:
    found = greeks(
        600.0 - paid,
        [float(leg.contract.strike) for leg in shape.legs],
        YEARS,
        RATE,
        0.15,
        [1.0 if leg.contract.right is Right.CALL else 0.0 for leg in shape.legs],
    )
    return [float(delta) for delta in found.delta]


def evaluated(shape: Structure, seconds: float = 0, **changes: Any) -> ChainEvaluated:
    values = {
        "evaluated_at": NOON + timedelta(seconds=seconds),
        "years": YEARS,
        "rate": RATE,
        "delta": european(shape),
        **changes,
    }
    return chain(shape, *(0.15 for _ in shape.legs), **values)


def held(shape: Structure) -> Driven:
    desk = ready()
    strategy = Strategy.FOURTEEN_DTE
    desk.when(opened(structure=shape, strategy=strategy, decision_id="adopted"))
    holding(desk, 1)
    desk.when(account())
    return desk


def gaps(desk: Driven) -> dict[int, float]:
    return {key: found.delta_gap for key, found in desk.state.market.early.items()}


def checked(strike: float, right: Right, *dividends: Dividend) -> float:
    found = american_check(
        600.0, strike, RATE, 0.15, DAY, EXPIRY, dividends, is_call=right is Right.CALL
    )
    return found.delta_american


def test_put_in_the_money_has_its_american_delta_in_the_book() -> None:
    """The 640 put is worth exercising: -0.97 and not -0.92. The other one stays as it is."""
    desk = held(PUTS)
    before = value_book(desk.state)
    assert before.missing
    desk.when(evaluated(PUTS))
    deep, near = (leg.contract.con_id for leg in PUTS.legs)
    gap = checked(640, Right.PUT) - european(PUTS)[0]
    assert gap < -0.02
    assert gaps(desk) == {deep: pytest.approx(gap), near: 0.0}
    assert desk.state.market.early[deep].premium > 1.0
    with_gap = value_book(desk.state).greeks.delta
    desk.state.market.early.clear()
    without = value_book(desk.state).greeks.delta
    # One unit, short: 100 shares at 600 dollars.
    assert with_gap - without == pytest.approx(-gap * 100 * 600)


def test_dividend_before_expiry_is_in_the_check() -> None:
    """Before the ex-date of 5 dollars the 560 call is as good as shares."""
    desk = held(CALLS)
    ex_date = DAY + timedelta(days=1)
    changes = {
        "forward": 595.0,
        "delta": european(CALLS, 5.0),
        "dividends": (ExDividend(ex_date, 5.0),),
    }
    desk.when(evaluated(CALLS, **changes))
    deep = CALLS.legs[0].contract.con_id
    expected = checked(560, Right.CALL, Dividend(ex_date, 5.0, False)) - european(CALLS, 5.0)[0]
    assert expected > 0.02
    assert gaps(desk)[deep] == pytest.approx(expected)


def test_each_leg_is_checked_once_a_minute_and_two_at_most_with_one_chain() -> None:
    """The trader decides on the same processor: four legs of a condor come with two chains."""
    desk = held(PUTS)
    deep = PUTS.legs[0].contract.con_id
    desk.when(evaluated(PUTS))
    desk.when(evaluated(PUTS, 59.0, delta=[-0.5, -0.4]), after=59)
    assert desk.state.market.early[deep].at == NOON
    desk.when(evaluated(PUTS, 60.0, delta=[-0.5, -0.4]), after=1)
    assert desk.state.market.early[deep].at == NOON + timedelta(seconds=60)
    assert desk.folded().states == desk.consumer.states
    four = structure(
        StructureKind.IRON_CONDOR,
        *((leg.ratio, leg.contract) for leg in (*PUTS.legs, *CALLS.legs)),
    )
    desk = held(four)
    desk.when(evaluated(four))
    assert len(gaps(desk)) == 2
    desk.when(evaluated(four, 5.0), after=5)
    assert len(gaps(desk)) == 4


@pytest.mark.parametrize("left", [0, 1])
def test_nothing_is_checked_on_the_day_of_expiry(left: int) -> None:
    """And what was checked the day before is over with it."""
    desk = held(PUTS)
    day: date = EXPIRY - timedelta(days=left)
    desk.when(evaluated(PUTS))
    desk.when(session_planned(day), after=86_400 * (30 - left))
    before = dict(desk.state.market.early)
    desk.when(evaluated(PUTS, 86_400 * (30 - left) + 61.0, years=(left + 0.2) / 365), after=61)
    assert (desk.state.market.early == before) is (left == 0)
    if left == 0:
        with_checks = value_book(desk.state).greeks
        desk.state.market.early.clear()
        assert value_book(desk.state).greeks == with_checks
