"""A short leg that its holder gains by exercising tonight is left before the close."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from domain.events.feeds import HistoryImported, IbTicksReceived
from domain.events.interest_rates import RatePoint, RateUpdated
from domain.events.orders import OrderIntended, Purpose
from domain.events.positions import ExitDecided, ExitReason, PositionClosed
from domain.events.system import ParametersChanged
from domain.instruments import Leg, OptionContract, Right, Structure, StructureKind
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    CLOSE,
    DAY,
    contract,
    credit_vertical,
    execution_of,
    leg_ticks,
    plan,
    underlying_ticks,
)

TOMORROW = DAY + timedelta(days=1)
LAST_HALF_HOUR = CLOSE - timedelta(minutes=30)
BEGINS = LAST_HALF_HOUR - timedelta(minutes=10)


def of_tomorrow(strike: int, right: Right) -> OptionContract:
    return contract(strike, right).model_copy(update={"expiry": TOMORROW})


def sold(right: Right) -> Structure:
    """A credit vertical that expires tomorrow: the 600 is sold, its wing is 5 further out."""
    wing = 605 if right is Right.CALL else 595
    legs = (
        Leg(contract=of_tomorrow(600, right), ratio=-1),
        Leg(contract=of_tomorrow(wing, right), ratio=1),
    )
    return Structure(kind=StructureKind.CREDIT_VERTICAL, legs=legs)


def quoted(bench: Bench, structure: Structure, *mids: float) -> list[IbTicksReceived]:
    return [
        leg_ticks(leg.contract, mid - 0.01, mid + 0.01, bench.now)
        for leg, mid in zip(structure.legs, mids, strict=True)
    ]


def holding(structure: Structure, *dividends: tuple[str, float, bool]) -> Bench:
    bench = Bench()
    bench.start()
    rate: dict[str, Any] = {"risk_free_rate": 0.0375}
    bench.give(ParametersChanged(values=rate, version=2, who="test", why="rate"))
    bench.give(
        HistoryImported(
            vendor="operator",
            request="dividends",
            symbol="SPY",
            session_date=DAY,
            payload=json.dumps(dividends),
        )
    )
    bench.market(*quoted(bench, structure, 1.40, 0.40))
    late = CLOSE + timedelta(days=1)
    exits = plan(target="-0.02", stop="-9.00", time_stop_at=late, forced_flat_at=late)
    emitted = bench.enter(structure, mid="-1.00", exit_plan=exits)
    (entry,) = [body for body in emitted if isinstance(body, OrderIntended)]
    for leg, price in ((0, "1.40"), (1, "0.40")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
    return bench


def guarded(bench: Bench, structure: Structure, price: float, *mids: float) -> list[str]:
    """Evidence of the guard ten minutes before the last half hour; nothing is said before."""
    for early, at in ((True, BEGINS - timedelta(seconds=2)), (False, BEGINS)):
        bench.now = at
        ticks = [underlying_ticks(price, at), *(quoted(bench, structure, *mids) if mids else ())]
        found = [body for body in bench.wait(0, ticks) if isinstance(body, ExitDecided)]
        assert not (early and found)
    assert all(body.reason is ExitReason.ASSIGNMENT_GUARD for body in found)
    return [body.evidence[0] for body in found]


@pytest.mark.parametrize(("mid", "closes"), [(12.40, True), (13.90, False)])
def test_a_call_in_the_money_is_left_on_the_eve_when_its_time_value_is_below_the_dividend(
    mid: float, closes: bool
) -> None:
    """Two per cent in the money, 0.40 or 1.90 of time value, a dividend of 1.75 tomorrow."""
    structure = sold(Right.CALL)
    bench = holding(structure, (str(TOMORROW), 1.75, False))
    assert bool(guarded(bench, structure, 612.0, mid, mid - 4.9)) is closes


def test_a_call_in_the_money_without_a_fresh_quote_is_left_on_the_eve_of_a_dividend() -> None:
    """Nobody can tell its time value: it is taken for none."""
    structure = sold(Right.CALL)
    bench = holding(structure, (str(TOMORROW), 1.75, False))
    (evidence,) = guarded(bench, structure, 612.0)
    assert "unknown" in evidence


def test_the_decision_to_leave_tells_what_early_exercise_is_worth() -> None:
    """Tonight's exercise brings the dividend of 1.75 for nothing but a day of interest."""
    structure = sold(Right.CALL)
    bench = holding(structure, (str(TOMORROW), 1.75, False))
    guarded(bench, structure, 612.0, 12.40, 7.5)
    (decided,) = bench.all(ExitDecided)
    told = decided.evidence[1].removeprefix("early exercise is worth ")
    assert 1.2 < float(told) < 1.75


@pytest.mark.parametrize("dividend", [(), ((str(TOMORROW + timedelta(days=1)), 1.75, False),)])
def test_a_call_is_kept_when_no_dividend_is_paid_tomorrow(
    dividend: tuple[tuple[str, float, bool], ...],
) -> None:
    structure = sold(Right.CALL)
    assert guarded(holding(structure, *dividend), structure, 612.0, 12.01, 7.1) == []


@pytest.mark.parametrize(("mid", "closes"), [(30.02, True), (30.10, False)])
def test_a_put_is_left_when_its_time_value_is_below_the_interest_that_exercise_brings(
    mid: float, closes: bool
) -> None:
    """A day's interest on 600 dollars is 6 cents; the call at that strike is worth nothing."""
    structure = sold(Right.PUT)
    bench = holding(structure)
    assert bool(guarded(bench, structure, 570.0, mid, mid - 4.99)) is closes


def test_interest_of_the_guard_is_that_of_the_curve() -> None:
    """At 7.5 % a day on 600 dollars brings 12 cents: what was worth keeping is left."""
    structure = sold(Right.PUT)
    bench = holding(structure)
    points = (RatePoint(days=30, rate=0.075),)
    bench.give(RateUpdated(as_of=DAY, source="test", points=points, who="test"))
    assert guarded(bench, structure, 570.0, 30.10, 25.11)


def test_a_put_near_the_money_is_kept_since_exercise_gives_up_the_call() -> None:
    structure = sold(Right.PUT)
    assert guarded(holding(structure), structure, 598.0, 2.04, 0.60) == []


def test_a_short_leg_that_the_guard_leaves_is_gone_by_half_an_hour_before_the_close() -> None:
    """Not at that moment for the first time: its exit takes its steps before."""
    structure = sold(Right.CALL)
    bench = holding(structure, (str(TOMORROW), 1.75, False))
    guarded(bench, structure, 612.0, 12.40, 7.5)
    exits = [i for i in bench.all(OrderIntended) if i.purpose is Purpose.EXIT]
    assert len(exits) == 1
    for leg, price in ((0, "12.42"), (1, "7.48")):
        bench.give_execution(
            execution_of(exits[0], 4, price, f"x.0{leg + 2}.01", bench.now, leg=leg)
        )
    bench.wait(5)
    (closed,) = bench.all(PositionClosed)
    assert closed.reason is ExitReason.ASSIGNMENT_GUARD and closed.closed_at <= LAST_HALF_HOUR


def test_what_comes_into_the_money_in_the_last_half_hour_is_left_all_the_same() -> None:
    structure = sold(Right.CALL)
    bench = holding(structure, (str(TOMORROW), 1.75, False))
    assert guarded(bench, structure, 598.0, 1.00, 0.20) == []
    bench.now = CLOSE - timedelta(minutes=5)
    bench.wait(0, [underlying_ticks(612.0, bench.now), *quoted(bench, structure, 12.40, 7.5)])
    (decided,) = bench.all(ExitDecided)
    assert decided.reason is ExitReason.ASSIGNMENT_GUARD


def test_a_leg_near_its_strike_on_its_last_day_is_no_pin_before_the_last_half_hour() -> None:
    structure = credit_vertical()
    bench = Bench()
    bench.start()
    bench.market(*quoted(bench, structure, 1.40, 0.40))
    exits = plan(target="-0.02", stop="-9.00", time_stop_at=CLOSE, forced_flat_at=CLOSE)
    emitted = bench.enter(structure, mid="-1.00", exit_plan=exits)
    (entry,) = [body for body in emitted if isinstance(body, OrderIntended)]
    for leg, price in ((0, "1.40"), (1, "0.40")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
    for at in (BEGINS, LAST_HALF_HOUR - timedelta(seconds=1)):
        bench.now = at
        bench.wait(0, [underlying_ticks(590.2, at), *quoted(bench, structure, 1.40, 0.40)])
        assert bench.all(ExitDecided) == []
    bench.now = LAST_HALF_HOUR
    bench.wait(0, [underlying_ticks(590.2, bench.now), *quoted(bench, structure, 1.40, 0.40)])
    (decided,) = bench.all(ExitDecided)
    assert decided.reason is ExitReason.ASSIGNMENT_GUARD and "0.0025 of 590" in decided.threshold
