"""A condor is rolled by one order, once; any exit ends it first and sells what is held."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import AlertRaised, FlattenStarted, TradingHalted
from domain.events.orders import (
    OrderCancelIntended,
    OrderIntended,
    OrderModifyIntended,
    Purpose,
)
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    PositionAdjusted,
    PositionChanged,
    PositionClosed,
    StopMoved,
)
from domain.events.rolls import PositionRolled, RollRefused
from domain.instruments import Side, StructureKind
from domain.rolling import after_roll
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import CLOSE, condor, held, listed, underlying_ticks
from tests.domain.execution.roll_build import (
    BIDS,
    CALL_LONG,
    CALL_SHORT,
    NEW_LONG,
    NEW_SHORT,
    PUT_LONG,
    PUT_SHORT,
    ROLL,
    ask,
    decided,
    fill_roll,
    holding_condor,
    holdings,
    legs_filled,
    orders,
    own_fill,
    proposed,
    quotes,
    rolled,
    rolling,
)
from tests.domain.execution.stories import flatten, only
from tests.domain.execution.test_holdings_harms import shares

WHOLE = after_roll(condor(), ROLL)


def codes(emitted: list[Any]) -> tuple[str, ...]:
    (refused,) = only(emitted, RollRefused)
    return tuple(refused.codes)


def pages(bench: Bench) -> list[str]:
    return [alert.code for alert in bench.all(AlertRaised)]


def sold(bench: Bench, intent: OrderIntended, name: str) -> None:
    """An exit fills whole, at a cent above the bids."""
    bench.sent(intent)
    bench.seen(listed(intent))
    prices = [f"{BIDS[leg.contract] + 0.01:.2f}" for leg in intent.structure.legs]
    for execution in legs_filled(intent, intent.quantity, prices, name, bench.now):
        bench.give_execution(execution)
    bench.seen(listed(intent, "Filled", intent.quantity))


def sell_all(bench: Bench, most: int = 5) -> list[OrderIntended]:
    """Every exit fills as it comes, until nothing is held; the exits."""
    done: list[str] = []
    for _ in range(40):
        bench.wait(1.2, quotes(bench.now))
        for intent in orders(bench, Purpose.EXIT):
            if intent.order_ref not in done:
                done.append(intent.order_ref)
                sold(bench, intent, f"x{len(done)}")
        if not holdings(bench):
            break
    assert len(done) <= most
    return orders(bench, Purpose.EXIT)


def test_a_roll_is_one_order_of_four_contracts_bought_for_a_credit() -> None:
    _, order = rolling()
    assert (order.purpose, order.action, order.quantity) == (Purpose.ROLL, Side.BUY, 3)
    assert order.structure == ROLL
    assert order.limit_price == Decimal("-0.10")
    assert order.decision_id.startswith("roll-") and order.leaves_before is not None
    assert len(order.checks) > 20


def test_a_rolled_position_is_the_new_condor_with_its_own_plan_loss_and_stop() -> None:
    bench, _ = rolled()
    (told,) = bench.all(PositionRolled)
    assert (told.structure_before, told.structure, told.units) == (condor(), WHOLE, 3)
    assert (told.net_price, told.basis_price) == (Decimal("-0.10"), Decimal("-1.10"))
    assert len(told.fill_ids) == 4
    assert (told.exit_plan.target_price, told.exit_plan.stop_price) == (
        Decimal("-0.55"),
        Decimal("-2.20"),
    )
    # Width 3 less a credit of 1.10, and twelve executions of 0.70.
    assert told.max_loss_per_unit_usd == Decimal("198.40")
    moved = bench.all(StopMoved)[-1]
    assert (moved.kind, moved.stop_price) == ("roll", Decimal("-2.20"))
    last = bench.all(PositionChanged)[-1]
    assert (last.units, holdings(bench)) == (
        3,
        {
            NEW_SHORT.con_id: -3,
            NEW_LONG.con_id: 3,
            CALL_SHORT.con_id: -3,
            CALL_LONG.con_id: 3,
        },
    )
    # What the old side brought is realised: sold at 0.50, bought back at 0.50.
    assert last.realised_pnl == Decimal(0)
    assert last.average_entry_price == Decimal("-1.10")


def test_the_exit_of_a_rolled_position_sells_the_new_condor_once() -> None:
    bench, _ = rolled()
    flatten(bench)
    (leaving,) = sell_all(bench)
    assert (leaving.structure, leaving.quantity) == (WHOLE, 3)
    for _ in range(6):
        bench.wait(1)
    (closed,) = bench.all(PositionClosed)
    # A credit of 1.10 bought back at 1.10.
    assert closed.realised_pnl == Decimal(0)


def test_a_rolled_position_is_left_at_the_stop_of_its_new_plan_and_not_of_the_old_one() -> None:
    bench, _ = rolled()
    for _ in range(3):
        bench.wait(1.2, quotes(bench.now, c610=1.0))  # costs 2.10: beyond the old stop
    assert not bench.all(ExitDecided)
    for _ in range(3):
        bench.wait(1.2, quotes(bench.now, c610=1.2))  # costs 2.30
    assert bench.all(ExitDecided)[0].reason is ExitReason.STOP


def test_a_position_is_never_rolled_twice() -> None:
    bench, _ = rolled()
    again = ask(bench, number=2, structure=WHOLE)
    assert "ROLL_ONCE" in codes(again)
    assert len(orders(bench, Purpose.ROLL)) == 1


def test_a_roll_that_ended_without_a_fill_leaves_the_position_as_it_was() -> None:
    bench, order = rolling()
    before = bench.all(PositionChanged)[-1]
    bench.seen(listed(order, "Cancelled"))
    assert bench.all(PositionChanged)[-1] == before
    assert not bench.all(ExitDecided) and not bench.all(PositionRolled)
    bench.wait(6, quotes(bench.now))
    (second,) = only(ask(bench, number=2), OrderIntended)
    assert second.order_ref.endswith("-R2")


def test_no_more_rolls_are_tried_than_the_parameter_allows() -> None:
    bench = holding_condor()
    for number in (1, 2, 3):
        bench.wait(10, quotes(bench.now))
        for ticks in quotes(bench.now):
            bench.give(ticks)
        (order,) = only(ask(bench, number=number), OrderIntended)
        bench.sent(order)
        bench.seen(listed(order))
        bench.seen(listed(order, "Cancelled"))
    bench.now += bench.now - bench.now
    for ticks in quotes(bench.now):
        bench.give(ticks)
    assert "ROLL_ONCE" in codes(ask(bench, number=4))


def test_a_roll_climbs_the_ladder_and_never_above_the_price_that_risk_decided_on() -> None:
    bench = holding_condor()
    (order,) = only(ask(bench, mid_against_max=Decimal("0.004")), OrderIntended)
    bench.sent(order)
    bench.seen(listed(order))
    for _ in range(8):
        bench.wait(16, quotes(bench.now))
        for ticks in quotes(bench.now):
            bench.give(ticks)
    prices = [change.limit_price for change in bench.all(OrderModifyIntended)]
    assert all(price <= Decimal("-0.10") for price in [order.limit_price, *prices])


def test_a_roll_that_is_not_filled_on_its_ladder_is_withdrawn() -> None:
    bench, order = rolling()
    for _ in range(12):
        bench.wait(15.5, quotes(bench.now))
        for change in bench.all(OrderModifyIntended):
            if not any(e.body == change for e in bench.log if e.type == "IntentSent"):
                bench.sent(change)
                shown = {"limit_price": change.limit_price}
                bench.seen(listed(order).model_copy(update=shown), "openOrder")
    (cancel,) = bench.all(OrderCancelIntended)
    assert cancel.order_ref == order.order_ref
    assert not bench.all(ExitDecided)


# What holds it back.


def test_no_roll_is_sent_while_trading_is_halted() -> None:
    bench = holding_condor()
    bench.give(TradingHalted(who="x", reason="y"))
    assert "KILL_SWITCH_OFF" in codes(ask(bench))
    assert not orders(bench, Purpose.ROLL)


def test_a_halt_withdraws_a_working_roll() -> None:
    bench, order = rolling()
    (cancel,) = only(bench.give(TradingHalted(who="x", reason="y")), OrderCancelIntended)
    assert (cancel.order_ref, cancel.reason) == (order.order_ref, "halt")


def test_no_roll_is_sent_of_a_position_that_is_being_left() -> None:
    bench = holding_condor()
    flatten(bench)
    assert "POSITION_WHOLE" in codes(ask(bench))


def test_no_roll_is_sent_while_legs_are_not_held_evenly_or_the_broker_shows_less() -> None:
    bench = holding_condor()
    bench.snapshot(
        positions=[held(PUT_LONG, 3), held(PUT_SHORT, -3), held(CALL_LONG, 3), held(CALL_SHORT, -2)]
    )
    for ticks in quotes(bench.now):
        bench.give(ticks)
    assert {"RECONCILED", "POSITION_WHOLE"} & set(codes(ask(bench)))


def test_no_roll_is_sent_for_other_units_than_risk_decided_on() -> None:
    bench = holding_condor()
    assert "POSITION_WHOLE" in codes(ask(bench, units=2))


def test_no_roll_is_sent_on_quotes_that_are_old_or_that_moved_against_it() -> None:
    bench = holding_condor()
    body = proposed(bench)
    bench.give(body)
    bench.wait(5)
    assert "QUOTE_AGE" in codes(bench.give(decided(bench, body)))
    assert not orders(bench, Purpose.ROLL)
    bench = holding_condor()
    for ticks in quotes(bench.now, p595=-0.2):
        bench.give(ticks)
    assert "SIGNAL_LIVE" in codes(ask(bench))


def test_a_refused_decision_sends_nothing() -> None:
    bench = holding_condor()
    body = proposed(bench)
    bench.give(body)
    assert bench.give(decided(bench, body, approved=False)) == []


# Exits.


def test_an_exit_cancels_a_working_roll_first_and_then_sells_the_old_condor() -> None:
    bench, order = rolling()
    emitted = flatten(bench)
    (cancel,) = only(emitted, OrderCancelIntended)
    assert cancel.order_ref == order.order_ref and not only(emitted, OrderIntended)
    bench.sent(cancel)
    bench.seen(listed(order, "Cancelled"))
    bench.snapshot(positions=[held(c, n) for c, n in legs_of_condor(3)])
    for ticks in quotes(bench.now):
        bench.give(ticks)
    bench.wait(0.3)
    (leaving,) = orders(bench, Purpose.EXIT)
    assert (leaving.structure, leaving.quantity) == (condor(), 3)


def legs_of_condor(units: int) -> list[tuple[Any, int]]:
    return [
        (PUT_LONG, units),
        (PUT_SHORT, -units),
        (CALL_LONG, units),
        (CALL_SHORT, -units),
    ]


def test_an_exit_does_not_wait_for_a_roll_that_nobody_ends_it_sells_the_tested_side() -> None:
    """And the other side only once the roll has ended: both would close it."""
    bench, order = rolling()
    flatten(bench)
    for _ in range(4):
        bench.wait(1.2, quotes(bench.now))
    (first,) = orders(bench, Purpose.EXIT)
    assert {leg.contract for leg in first.structure.legs} == {CALL_SHORT, CALL_LONG}
    assert (first.structure.kind, first.quantity) == (StructureKind.CREDIT_VERTICAL, 3)
    sold(bench, first, "x1")
    for _ in range(4):
        bench.wait(1.2, quotes(bench.now))
    assert len(orders(bench, Purpose.EXIT)) == 1
    bench.seen(listed(order, "Cancelled"))
    bench.snapshot(positions=[held(PUT_LONG, 3), held(PUT_SHORT, -3)])
    bench.wait(1.2, quotes(bench.now))
    bench.wait(1.2, quotes(bench.now))
    second = orders(bench, Purpose.EXIT)[-1]
    assert {leg.contract for leg in second.structure.legs} == {PUT_SHORT, PUT_LONG}
    assert second.quantity == 3


def test_a_roll_that_fills_while_the_tested_side_is_sold_leaves_a_vertical_that_is_sold() -> None:
    bench, order = rolling()
    flatten(bench)
    for _ in range(4):
        bench.wait(1.2, quotes(bench.now))
    (first,) = orders(bench, Purpose.EXIT)
    fill_roll(bench, order, 3)
    bench.seen(listed(order, "Filled", 3))
    sold(bench, first, "x1")
    everything = sell_all(bench)
    assert [leg.contract for leg in everything[-1].structure.legs] in (
        [NEW_LONG, NEW_SHORT],
        [NEW_SHORT, NEW_LONG],
    )
    assert holdings(bench) == {}
    assert "UNCOVERED_SHORT" not in pages(bench)


def test_a_combination_fill_before_its_legs_never_sells_the_old_side_a_second_time() -> None:
    bench, order = rolling()
    bench.give_execution(own_fill(order, 3, "-0.10", "r", bench.now))
    bench.seen(listed(order, "Filled", 3))
    flatten(bench)
    bench.wait(1.2, quotes(bench.now))
    assert not orders(bench, Purpose.EXIT)
    fill_roll(bench, order, 3)
    everything = sell_all(bench)
    assert [intent.structure for intent in everything] == [WHOLE]


@pytest.mark.parametrize("units", [1, 2])
def test_a_roll_that_ended_in_part_is_left_at_once_and_everything_held_is_sold(units: int) -> None:
    bench, order = rolling()
    fill_roll(bench, order, units)
    assert not bench.all(ExitDecided), "the rest of it still works"
    bench.seen(listed(order, "Cancelled", units))
    (decision,) = bench.all(ExitDecided)
    assert decision.reason is ExitReason.INVALIDATED
    assert f"{units} of 3 units rolled" in decision.evidence[0]
    bench.snapshot(
        positions=[
            held(PUT_LONG, 3 - units),
            held(PUT_SHORT, units - 3),
            held(NEW_LONG, units),
            held(NEW_SHORT, -units),
            held(CALL_LONG, 3),
            held(CALL_SHORT, -3),
        ]
    )
    everything = sell_all(bench)
    assert [(i.structure, i.quantity) for i in everything] == [
        (condor(), 3 - units),
        (WHOLE, units),
    ]
    assert not bench.all(PositionRolled)
    assert "UNCOVERED_SHORT" not in pages(bench)


def test_each_leg_of_a_roll_that_comes_apart_is_covered_or_paged_and_none_is_sold_alone() -> None:
    bench, order = rolling(1)
    legs = legs_filled(order, 1, ("0.91", "0.41", "1.61", "1.01"), "r", bench.now)
    flatten_at = 2
    for number, execution in enumerate(legs):
        bench.give_execution(execution)
        if number == flatten_at:
            flatten(bench)
            assert not orders(bench, Purpose.EXIT)
    bench.seen(listed(order, "Filled", 1))
    assert [i.structure for i in sell_all(bench)] == [WHOLE]


def test_what_the_broker_shows_after_a_roll_is_no_difference() -> None:
    bench, _ = rolled()
    bench.snapshot(
        positions=[
            held(NEW_LONG, 3),
            held(NEW_SHORT, -3),
            held(CALL_LONG, 3),
            held(CALL_SHORT, -3),
        ]
    )
    assert bench.consumer.states[0].differences == ()


def test_a_flatten_during_a_roll_names_its_reason_once() -> None:
    bench, _ = rolling()
    position = bench.all(PositionChanged)[-1].position_id
    for _ in range(3):
        bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))
    assert len(bench.all(ExitDecided)) == 1


def test_what_ends_worthless_is_not_taken_for_delivered_when_others_leave_as_many_shares() -> None:
    """Half rolled, half of the calls assigned and covered: on the last evening two short and four
    long calls leave 200 shares, as many as the two old puts would that nobody exercised."""
    bench, order = rolling(4)
    fill_roll(bench, order, 2)
    bench.seen(listed(order, "Cancelled", 2))
    puts = [held(PUT_LONG, 2), held(PUT_SHORT, -2), held(NEW_LONG, 2), held(NEW_SHORT, -2)]
    for came in (shares(-200), None, None):
        bench.now += timedelta(seconds=11)
        more = [] if came is None else [came]
        bench.snapshot(positions=[*puts, held(CALL_LONG, 4), held(CALL_SHORT, -2), *more])
    bench.now = CLOSE + timedelta(minutes=16)
    bench.give(underlying_ticks(620.0, bench.now))
    bench.snapshot(positions=[shares(200)])
    ends = {b.con_id: (b.kind, b.price) for b in bench.all(PositionAdjusted)[1:]}
    assert ends[PUT_SHORT.con_id] == ("expiry", Decimal(0))
    assert ends[CALL_SHORT.con_id] == ("expiry", Decimal(10))
    assert ends[CALL_LONG.con_id] == ("expiry", Decimal(7))
    assert holdings(bench) == {}
    assert "SPY STK 200 is not ours" in bench.consumer.states[0].differences
