"""A roll in doubt: unseen, filled in part, or never ended, and what an exit makes of it."""

from __future__ import annotations

from decimal import Decimal

from domain.events.controls import AlertRaised
from domain.events.feeds import LineClosed
from domain.events.orders import OrderIntended, Purpose
from domain.events.positions import ExitDecided, ExitReason
from domain.events.rolls import PositionRolled
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import condor, held, listed
from tests.domain.execution.roll_build import (
    CALL_LONG,
    CALL_SHORT,
    NEW_LONG,
    NEW_SHORT,
    PUT_LONG,
    PUT_SHORT,
    fill_roll,
    holding_condor,
    holdings,
    orders,
    quotes,
    rolling,
)
from tests.domain.execution.stories import flatten
from tests.domain.execution.test_rolls import WHOLE, legs_of_condor, pages, sell_all, sold


def test_a_human_is_told_once_of_a_roll_that_keeps_an_exit_waiting() -> None:
    bench, order = rolling()
    flatten(bench)
    for number in range(12):
        bench.wait(30, quotes(bench.now))
        bench.seen(listed(order, "Inactive"))
        if number == 0:
            (first,) = orders(bench, Purpose.EXIT)
            sold(bench, first, "x1")
            assert "ROLL_IN_THE_WAY" not in pages(bench)
    assert pages(bench).count("ROLL_IN_THE_WAY") == 1
    (alert,) = (a for a in bench.all(AlertRaised) if a.code == "ROLL_IN_THE_WAY")
    assert alert.severity == "critical" and order.order_ref in alert.text


def test_the_whole_tested_side_is_sold_beside_a_roll_that_filled_in_part() -> None:
    bench, _ = partly_rolled()
    flatten(bench)
    for _ in range(4):
        bench.wait(1.2, quotes(bench.now))
    (first,) = orders(bench, Purpose.EXIT)
    assert {leg.contract for leg in first.structure.legs} == {CALL_SHORT, CALL_LONG}
    assert first.quantity == 3


def partly_rolled() -> tuple[Bench, OrderIntended]:
    """One unit of three, and the rest still works."""
    bench, order = rolling()
    fill_roll(bench, order, 1)
    return bench, order


def test_a_new_condor_without_quotes_is_not_priced_on_the_mark_of_the_old_one() -> None:
    """That is what the old one cost to close: the new one was sold for more, and costs more."""
    bench, order = rolling()
    bench.wait(1.2, quotes(bench.now))
    fill_roll(bench, order, 3)
    bench.seen(listed(order, "Filled", 3))
    bench.give(LineClosed(contract=NEW_SHORT, reason="lost"))
    flatten(bench)
    bench.wait(1.2)
    (leaving,) = orders(bench, Purpose.EXIT)
    assert leaving.structure == WHOLE
    assert leaving.limit_price <= Decimal("-1.10")


def night_between(bench: Bench, units: int) -> None:
    """The roll filled while nobody listened, and the lists of the next run have no execution."""
    shown = [
        held(contract, quantity)
        for contract, quantity in (
            (NEW_LONG, units),
            (NEW_SHORT, -units),
            (PUT_LONG, 3 - units),
            (PUT_SHORT, units - 3),
            (CALL_LONG, 3),
            (CALL_SHORT, -3),
        )
        if quantity
    ]
    bench.start_run("run2")
    bench.connect("c2", next_valid_id=5_000, positions=shown)
    for _ in range(3):
        bench.wait(11, quotes(bench.now))
        bench.snapshot(positions=shown)
    bench.wait(1.2, quotes(bench.now))


def test_a_roll_that_filled_unseen_makes_the_new_condor_of_what_the_broker_shows() -> None:
    bench, _ = rolling()
    night_between(bench, 3)
    (told,) = bench.all(PositionRolled)
    assert (told.structure, told.units) == (WHOLE, 3)
    assert holdings(bench) == {leg.contract.con_id: 3 * leg.ratio for leg in WHOLE.legs}
    assert not bench.all(ExitDecided)
    assert bench.consumer.states[0].differences == ()


def test_a_roll_that_filled_in_part_unseen_is_left_whole() -> None:
    bench, _ = rolling()
    night_between(bench, 1)
    (decision,) = bench.all(ExitDecided)
    assert decision.reason is ExitReason.INVALIDATED
    everything = sell_all(bench)
    assert [(i.structure, i.quantity) for i in everything] == [(condor(), 2), (WHOLE, 1)]


def test_an_exit_after_a_holding_was_inferred_is_no_late_execution_of_it() -> None:
    """It would give back what the broker does not hold, and sell it a second time."""
    bench = holding_condor()
    for _ in range(3):
        bench.wait(11, quotes(bench.now))
        bench.snapshot(positions=[held(c, n) for c, n in legs_of_condor(2)])
    flatten(bench)
    everything = sell_all(bench)
    assert [(i.structure, i.quantity) for i in everything] == [(condor(), 2)]
    assert holdings(bench) == {}


def test_contracts_of_a_roll_that_ended_without_a_fill_are_nobody_s_when_they_appear() -> None:
    bench, order = rolling()
    bench.seen(listed(order, "Cancelled"))
    for _ in range(3):
        bench.wait(11, quotes(bench.now))
        bench.snapshot(positions=[held(c, n) for c, n in (*legs_of_condor(3), (NEW_LONG, 3))])
    assert holdings(bench) == {leg.contract.con_id: 3 * leg.ratio for leg in condor().legs}
