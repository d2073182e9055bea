"""Where a profit came from: by leg, greek and minute, and what is left is shown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.event import Recorded
from domain.events.feeds import IbTicksReceived
from domain.events.orders import BrokerCommissionSeen, OrderIntended
from domain.events.positions import PnlExplained, PositionChanged, PositionClosed
from domain.execution.explain import Explanation, advanced, leg_results, started, with_fill
from domain.execution.ledger import LegFill
from domain.execution.positions import PositionStage
from domain.execution.quotes import Line, Quotes, Underlying
from domain.instruments import Side, Strategy
from domain.stage import Consumer
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    START,
    debit_vertical,
    execution_of,
    leg_ticks,
    listed,
    long_call,
    signal,
    underlying_ticks,
)
from tests.domain.execution.stories import holding, leaving, only, quotes

D = Decimal
CALL = 6001


def market(price: float, mid: str, volatility: float | None = None) -> Quotes:
    half = D("0.02")
    line = Line(bid=D(mid) - half, ask=D(mid) + half, implied_volatility=volatility)
    return Quotes({CALL: line}, {"SPY": Underlying(last=price)})


def begun(price: float = 600.0, mid: str = "2.00") -> Explanation:
    """At the first fill of long calls with delta 0.5, gamma 0.03, vega 0.05 and theta -0.4."""
    first = started(signal(long_call()).risk_inputs.legs, START)
    return advanced(first, "SPY", {}, market(price, mid, 0.15), START)


def bought(quantity: int, price: str, name: str = "f") -> LegFill:
    return LegFill(name, CALL, Side.BUY, quantity, D(price))


def add_up(told: PnlExplained) -> float:
    greeks = told.delta_pnl + told.gamma_pnl + told.vega_pnl + told.theta_pnl
    return greeks + told.slippage + told.residual - told.fees


def test_a_day_in_one_look_is_the_formula_of_the_rules() -> None:
    later = START + timedelta(hours=6)
    told = advanced(begun(), "SPY", {CALL: 2}, market(601.5, "2.90", 0.16), later).shares[CALL]
    assert told.delta == pytest.approx(200 * 0.5 * 1.5)
    assert told.gamma == pytest.approx(200 * 0.03 * 1.5 * 1.5 / 2)
    assert told.vega == pytest.approx(200 * 0.05 * 1.0)
    assert told.theta == pytest.approx(200 * -0.4 * 0.25)


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=20))
def test_minutes_add_up_to_the_whole_whatever_the_way_there(steps: list[int]) -> None:
    """Delta and gamma of many small moves are those of the one move they make."""
    so_far, price, at = begun(), 600.0, START
    for step in steps:
        price, at = price + step / 10, at + timedelta(minutes=1)
        so_far = advanced(so_far, "SPY", {CALL: 1}, market(price, "2.00"), at)
    told, move = so_far.shares[CALL], price - 600.0
    assert told.delta == pytest.approx(50 * move, abs=1e-6)
    assert told.gamma == pytest.approx(100 * 0.03 * move * move / 2, abs=1e-6)


def test_each_minute_counts_what_was_held_in_it() -> None:
    """Two contracts for the first dollar, one for the second."""
    half = advanced(begun(), "SPY", {CALL: 2}, market(601.0, "2.50"), START)
    told = advanced(half, "SPY", {CALL: 1}, market(602.0, "3.00"), START).shares[CALL]
    assert told.delta == pytest.approx(100 + 50)


def test_a_dear_fill_is_slippage_and_not_residual() -> None:
    """Bought two cents above the mid: four dollars of two contracts."""
    told = with_fill(begun(), bought(2, "2.02"), None)
    (leg,) = leg_results(long_call().legs, [bought(2, "2.02")], told)
    assert (leg.slippage, leg.residual, leg.total) == (-4.0, 0.0, -4.0)


def test_a_corrected_price_moves_the_slippage_with_it() -> None:
    first = with_fill(begun(), bought(2, "2.02"), None)
    told = with_fill(first, bought(2, "2.05"), bought(2, "2.02"))
    assert told.shares[CALL].slippage == pytest.approx(-10.0)


def test_an_unknown_quote_leaves_what_it_cannot_tell_to_the_residual() -> None:
    first = advanced(started((), START), "SPY", {}, Quotes(), START)
    told = advanced(with_fill(first, bought(1, "2.00"), None), "SPY", {CALL: 1}, Quotes(), START)
    sold = LegFill("s", CALL, Side.SELL, 1, D("2.50"))
    (leg,) = leg_results(long_call().legs, [bought(1, "2.00"), sold], told)
    assert (leg.total, leg.residual) == (50.0, 50.0)


def test_an_open_position_is_explained_each_minute() -> None:
    bench, _, _ = holding()
    for _ in range(10):
        bench.wait(13, quotes(bench, 2.18, 2.22, underlying=600.4))
    told = bench.all(PnlExplained)
    assert len(told) == 2
    assert (told[-1].is_final, told[-1].strategy, told[-1].signal_id) == (
        False,
        Strategy.ZERO_DTE,
        "s1",
    )
    assert told[-1].total == pytest.approx(4 * 100 * 0.20)
    assert told[-1].delta_pnl == pytest.approx(4 * 100 * 0.5 * 0.4)
    assert add_up(told[-1]) == pytest.approx(told[-1].total)


def test_a_closed_position_is_explained_by_what_it_realised() -> None:
    bench, _, intent = leaving()
    bench.wait(70, quotes(bench, 1.88, 1.92, underlying=599.8))
    bench.fill(intent, 4, "1.88")
    bench.seen(listed(intent, "Filled", 4))
    bench.wait(6, quotes(bench, 1.88, 1.92))
    (closed,) = bench.all(PositionClosed)
    told = bench.all(PnlExplained)[-1]
    assert told.is_final and told.total == pytest.approx(float(closed.realised_pnl))
    assert told.slippage == pytest.approx(-4 * 100 * 0.02)
    assert add_up(told) == pytest.approx(told.total)


def test_a_late_commission_changes_the_explanation_too() -> None:
    bench, _, intent = leaving()
    bench.fill(intent, 4, "1.88", "x.01.01")
    bench.seen(listed(intent, "Filled", 4))
    bench.wait(6, quotes(bench, 1.88, 1.92))
    before = bench.all(PnlExplained)[-1]
    late = BrokerCommissionSeen(
        connection="c1",
        exec_id="x.01.01",
        commission=D("2.60"),
        currency="USD",
        realised_pnl=None,
    )
    bench.give(late)
    after = bench.all(PnlExplained)[-1]
    assert after.total == pytest.approx(before.total - 2.60)
    assert after.total == pytest.approx(float(bench.all(PositionChanged)[-1].realised_pnl))
    assert len(bench.all(PositionClosed)) == 1


def test_the_parts_of_the_legs_are_those_of_the_position() -> None:
    bench = Bench()
    bench.start()
    legs = debit_vertical().legs
    bench.market(leg_ticks(legs[0].contract, 3.0, 3.04), leg_ticks(legs[1].contract, 1.0, 1.02))
    (entry,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    for leg, price in ((0, "3.02"), (1, "1.01")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
    for _ in range(5):
        ticks = [underlying_ticks(600.5, bench.now)]
        ticks += [leg_ticks(legs[0].contract, 3.2, 3.24, bench.now)]
        bench.wait(15, [*ticks, leg_ticks(legs[1].contract, 1.05, 1.07, bench.now)])
    told = bench.all(PnlExplained)[-1]
    assert [leg.con_id for leg in told.legs] == [leg.contract.con_id for leg in legs]
    assert [leg.total for leg in told.legs] == [pytest.approx(80.0), pytest.approx(-20.0)]
    for name in ("delta_pnl", "gamma_pnl", "vega_pnl", "theta_pnl", "slippage", "residual"):
        assert getattr(told, name) == pytest.approx(sum(getattr(leg, name) for leg in told.legs))
    assert add_up(told) == pytest.approx(told.total)


def test_a_restart_goes_on_with_the_explanation_without_its_ticks() -> None:
    """Up to the newest minute: the state is that of the log."""
    bench, _, _ = holding()
    for _ in range(10):
        bench.wait(13, quotes(bench, 2.18, 2.22, underlying=600.4))
    fresh = Consumer("trader", "test", [PositionStage()])

    def is_tick(event: Recorded) -> bool:
        return isinstance(event.body, IbTicksReceived)

    for event in bench.log:
        if not is_tick(event):
            fresh.evolve(event)
    (position,) = fresh.states[0].positions.values()
    told = bench.all(PnlExplained)[-1]
    share = position.explanation.shares[CALL]
    assert (share.delta, share.gamma, share.theta) == (
        told.delta_pnl,
        told.gamma_pnl,
        told.theta_pnl,
    )
    assert position.explanation.underlying == told.underlying_price


def test_an_exit_in_parts_is_explained_once_at_its_end() -> None:
    bench, _, intent = leaving()
    bench.fill(intent, 1, "1.90")
    bench.fill(intent, 3, "1.90")
    bench.wait(6, quotes(bench, 1.88, 1.92))
    assert [told.is_final for told in bench.all(PnlExplained)] == [True]
