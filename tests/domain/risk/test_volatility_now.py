"""The book is valued with the volatility of now: that of the entry is history by the afternoon."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.events.analytics import ChainEvaluated, Quality
from domain.events.interest_rates import RatePoint, RateUpdated
from domain.events.signals import Result
from domain.instruments import Structure
from domain.risk.scenario import revalue
from domain.risk.valuation import value_book
from tests.domain.risk.build import (
    DAY,
    NOON,
    Driven,
    account,
    call_vertical,
    changed,
    session_planned,
    signal,
)
from tests.domain.risk.desk_story import C, decide, holding, opened, ready


def chain(shape: Structure, *volatilities: float | None, **changes: Any) -> ChainEvaluated:
    """What analytics made of the legs of a structure."""
    legs = shape.legs
    nothing: list[Any] = [None] * len(legs)
    values: dict[str, Any] = {
        "symbol": shape.symbol,
        "expiry": shape.expiry,
        "evaluated_at": NOON,
        "params_version": 1,
        "spot": 600.0,
        "forward": 600.0,
        "years": 0.0005,
        "rate": 0.0,
        "quality": Quality.OK,
        "reason": "",
        "con_id": [leg.contract.con_id for leg in legs],
        "strike": [float(leg.contract.strike) for leg in legs],
        "right": "".join(leg.contract.right.value for leg in legs),
        "usable": [True] * len(legs),
        "from_line": [True] * len(legs),
        "implied_volatility": list(volatilities),
        "own_volatility": [True] * len(legs),
    }
    names = (
        "bid ask bid_size ask_size quote_age_seconds delta gamma vega theta broker_delta"
        " open_interest volume"
    )
    return ChainEvaluated(**{**dict.fromkeys(names.split(), nothing), **values, **changes})


def holder(decision_id: str = "dec-sig-1") -> Driven:
    desk = ready()
    if decision_id == "dec-sig-1":
        decide(desk)
    desk.when(opened(decision_id=decision_id))
    holding(desk, 5)
    desk.when(account())
    return desk


def volatilities(desk: Driven) -> list[float]:
    return [leg.volatility for leg in value_book(desk.state).legs][:2]


def test_the_book_is_valued_with_the_volatility_of_now() -> None:
    """A book valued with the calm of its entry hides what the storm would cost."""
    desk = holder()
    assert volatilities(desk) == [0.15, 0.15]
    before = revalue(value_book(desk.state).legs).worst.pnl_usd
    desk.when(chain(call_vertical(), 0.30, 0.32))
    assert volatilities(desk) == [0.30, 0.32]
    assert revalue(value_book(desk.state).legs).worst.pnl_usd != before


@pytest.mark.parametrize("unknown", [None, 0.0])
def test_a_leg_without_a_volatility_now_keeps_the_last_one(unknown: float | None) -> None:
    desk = holder()
    desk.when(chain(call_vertical(), 0.30, 0.32))
    desk.when(chain(call_vertical(), unknown, 0.25))
    desk.when(chain(call_vertical(), 9.0, 9.0, quality=Quality.MISSING))
    assert volatilities(desk) == [0.30, 0.25]


def test_an_adopted_position_does_not_block_entries_for_good() -> None:
    """It brings no volatility of an entry: the chain's is enough."""
    desk = holder(decision_id="adopted")
    other = signal(call_vertical(symbol="QQQ"), signal_id="sig-2", at=desk.at)
    row = next(check for check in decide(desk, other).checks if check.code == C.GREEK_DELTA)
    assert row.result is Result.UNEVALUABLE and row.input == "missing: volatility of adopted"
    desk.when(chain(call_vertical(), 0.2, 0.2))
    other = signal(call_vertical(symbol="QQQ"), signal_id="sig-3", at=desk.at)
    row = next(check for check in decide(desk, other).checks if check.code == C.GREEK_DELTA)
    assert row.result is not Result.UNEVALUABLE


def test_rate_and_dividends_of_the_expiry_reach_the_scenarios() -> None:
    desk = holder()
    desk.when(chain(call_vertical(), 0.2, 0.2, forward=598.0, rate=0.04))
    (leg, _) = value_book(desk.state).legs[:2]
    assert leg.rate == 0.04
    assert leg.dividends == pytest.approx(2.0, abs=0.02)


def test_rate_of_an_expiry_is_the_curves_else_the_chains_else_the_default() -> None:
    """The chain of an expiry that is held may have been published under an older curve."""
    desk = holder()
    desk.when(changed(risk_free_rate=0.031))
    assert {leg.rate for leg in value_book(desk.state).legs} == {0.031}
    desk.when(chain(call_vertical(), 0.2, 0.2, rate=0.04))
    assert {leg.rate for leg in value_book(desk.state).legs} == {0.04}
    points = (RatePoint(days=1, rate=0.042), RatePoint(days=30, rate=0.036))
    desk.when(RateUpdated(as_of=DAY, source="test", points=points, who="test"))
    assert {leg.rate for leg in value_book(desk.state).legs} == {0.042}
    assert desk.folded().states == desk.consumer.states


def test_only_contracts_of_the_book_are_remembered_and_not_beyond_their_session() -> None:
    """A chain has hundreds of contracts, every five seconds."""
    desk = holder()
    desk.when(chain(call_vertical(700, 704), 0.2, 0.2))
    assert desk.state.market.volatility == {}
    desk.when(chain(call_vertical(), 0.2, 0.2))
    assert len(desk.state.market.volatility) == 2
    desk.when(session_planned(DAY + timedelta(days=1)), after=70_000)
    assert desk.state.market.carries == {}
    assert desk.folded().states == desk.consumer.states
