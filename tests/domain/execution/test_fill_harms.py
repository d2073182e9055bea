"""Fills: each execution counted once, whatever is told twice, late or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from domain.events.orders import (
    BrokerCommissionSeen,
    BrokerExecutionSeen,
    BrokerSnapshotWanted,
    CommissionRecorded,
    EntryRefused,
    FillRecorded,
    OrderChanged,
    OrderIntended,
    OrderState,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    PositionChanged,
)
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    contract,
    debit_vertical,
    execution_of,
    held,
    leg_ticks,
    listed,
    long_call,
)
from tests.domain.execution.stories import (
    LEG,
    holding,
    only,
    ready,
    states,
    working,
)

S = OrderState


def test_a_repeated_execution_is_counted_once() -> None:
    bench, parent, _ = working()
    bench.fill(parent, 2, "2.00", "a.01.01")
    assert bench.fill(parent, 2, "2.00", "a.01.01") == []
    assert len(bench.all(FillRecorded)) == 1


def test_a_correction_replaces_the_execution_it_corrects() -> None:
    bench, parent, _ = working()
    bench.fill(parent, 4, "2.00", "a.01")
    bench.fill(parent, 3, "2.01", "a.02")
    bench.fill(parent, 4, "2.00", "a.01")
    last = bench.all(PositionChanged)[-1]
    assert (last.units, last.average_entry_price) == (3, Decimal("2.0100"))
    assert [f.corrects for f in bench.all(FillRecorded)] == ["", "a.01"]
    assert states(bench, parent.order_ref)[-1] is S.CANCELLED


def test_a_fill_after_a_cancel_is_a_fill() -> None:
    bench, parent, _ = working()
    bench.seen(listed(parent, "Cancelled"))
    bench.fill(parent, 4, "2.00")
    assert bench.all(PositionChanged)[-1].units == 4
    assert states(bench, parent.order_ref)[-1] is S.FILLED


def test_a_fill_may_come_before_anything_else_is_heard_of_its_order() -> None:
    bench = ready()
    parent, _ = only(bench.enter(long_call()), OrderIntended)
    bench.fill(parent, 1, "2.00")
    assert states(bench, parent.order_ref) == [S.WORKING]
    assert bench.all(PositionChanged)[-1].units == 1


def test_a_status_of_filled_without_executions_asks_for_the_lists() -> None:
    bench, parent, _ = working()
    emitted = bench.seen(listed(parent, "Filled", 4))
    assert only(emitted, BrokerSnapshotWanted)
    assert bench.all(FillRecorded) == []


def test_an_execution_that_was_never_called_back_is_found_in_the_lists() -> None:
    bench, parent, stop = working()
    execution = execution_of(parent, 4, "2.00", "a.01.01", bench.now)
    emitted = bench.snapshot(
        open_orders=[listed(stop, "PreSubmitted", why_held="trigger")],
        completed_orders=[listed(parent, "Filled", 4, order_id=0)],
        executions=[execution],
        positions=[held(LEG, 4)],
    )
    assert bench.all(PositionChanged)[-1].units == 4
    assert states(bench, parent.order_ref)[-1] is S.FILLED
    assert only(emitted, ReconciliationCompleted) == []


def test_a_second_pass_over_the_same_lists_is_a_no_op() -> None:
    bench, parent, stop = working()
    lists: dict[str, Any] = {
        "open_orders": [listed(parent, filled=1), listed(stop, "PreSubmitted", why_held="child")],
        "executions": [execution_of(parent, 1, "2.00", "a.01.01", bench.now)],
        "positions": [held(LEG, 1)],
    }
    assert only(bench.snapshot(**lists), FillRecorded)
    assert bench.snapshot(**lists) == []


def test_one_order_that_works_twice_at_the_broker_is_told_and_closes_entries() -> None:
    """Only one of the two is followed: the other may fill unseen, and a human must end it."""
    bench, parent, stop = working()
    rest = listed(stop, "PreSubmitted", why_held="child")
    bench.snapshot(open_orders=[listed(parent), rest, listed(parent, perm_id=77)])
    (told,) = [c for c in bench.all(ReconciliationCompleted) if not c.clean]
    assert f"open order {parent.order_ref} works twice" in told.differences[0]
    bench.snapshot(open_orders=[listed(parent), rest])
    assert bench.all(ReconciliationCompleted)[-1].clean


def test_a_combination_execution_fills_the_order_and_its_legs_the_position() -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(contract(600), 3.0, 3.04), leg_ticks(contract(605), 1.0, 1.02))
    (intent,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    bench.sent(intent)
    bag = execution_of(intent, 4, "2.01", "e.01.01", bench.now, sec_type="BAG")
    bench.give(BrokerExecutionSeen(connection="c1", execution=bag))
    assert states(bench, intent.order_ref)[-1] is S.FILLED
    assert bench.all(PositionChanged) == []
    for leg, price in ((0, "3.02"), (1, "1.01")):
        part = execution_of(intent, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg)
        bench.give(BrokerExecutionSeen(connection="c1", execution=part))
    last = bench.all(PositionChanged)[-1]
    assert {leg.con_id: leg.quantity for leg in last.legs} == {6001: 4, 6051: -4}
    assert (last.units, last.average_entry_price) == (4, Decimal("2.0100"))


def test_each_leg_of_a_combination_says_only_what_is_new_about_its_order() -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(contract(600), 3.0, 3.04), leg_ticks(contract(605), 1.0, 1.02))
    (intent,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    bench.sent(intent)
    bench.seen(listed(intent))
    for part, units in ((1, 1), (2, 3)):
        told = [
            execution_of(intent, units, "2.01", f"e.{part}1.01", bench.now, sec_type="BAG"),
            execution_of(intent, units, "3.02", f"e.{part}2.01", bench.now, leg=0),
            execution_of(intent, units, "1.01", f"e.{part}3.01", bench.now, leg=1),
        ]
        for execution in [*told, *told]:
            bench.give_execution(execution)
    changes = [(change.state, change.filled) for change in bench.all(OrderChanged)]
    assert changes == [(S.SENT, 0), (S.WORKING, 0), (S.WORKING, 1), (S.FILLED, 4)]
    assert bench.all(PositionChanged)[-1].units == 4


def test_the_last_leg_of_a_combination_is_worked_on_though_its_order_says_nothing_new() -> None:
    """The position is whole only then: an exit that waits for it must not wait for the clock."""
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(contract(600), 3.0, 3.04), leg_ticks(contract(605), 1.0, 1.02))
    (intent,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    bench.sent(intent)
    bench.give_execution(execution_of(intent, 4, "2.01", "e.1.01", bench.now, sec_type="BAG"))
    bench.give_execution(execution_of(intent, 4, "3.02", "e.2.01", bench.now, leg=0))
    leave = ExitDecided(
        position_id=intent.position_id,
        reason=ExitReason.KILL,
        profile="urgent",
        mark=None,
        threshold="",
        evidence=(),
    )
    assert only(bench.give(leave), OrderIntended) == []
    emitted = bench.give_execution(execution_of(intent, 4, "1.01", "e.3.01", bench.now, leg=1))
    assert only(emitted, OrderChanged) == []
    assert [i.purpose for i in only(emitted, OrderIntended)] == [Purpose.EXIT]


def test_a_commission_before_its_execution_is_not_lost() -> None:
    bench, parent, _ = working()
    seen = BrokerCommissionSeen(
        connection="c1",
        exec_id="a.01.01",
        commission=Decimal("2.60"),
        currency="USD",
        realised_pnl=None,
    )
    assert bench.give(seen) == []
    bench.fill(parent, 4, "2.00", "a.01.01")
    bench.give(seen)
    assert [c.commission for c in bench.all(CommissionRecorded)] == [Decimal("2.60")]
    assert bench.all(PositionChanged)[-1].fees == Decimal("2.60")


def test_a_foreign_execution_changes_the_position_that_holds_its_contract() -> None:
    bench, parent, _ = holding()
    foreign = execution_of(parent, 1, "1.90", "liq.01.01", bench.now).model_copy(
        update={"order_ref": "", "order_id": 0, "perm_id": 9, "side": "SLD", "liquidation": 1}
    )
    bench.give(BrokerExecutionSeen(connection="c1", execution=foreign))
    assert bench.all(PositionChanged)[-1].units == 3


@pytest.mark.parametrize("account", ["U1234567", "DU7654321"])
def test_a_log_never_trades_another_account_than_the_one_it_began_with(account: str) -> None:
    """Its positions, limits and losses are those of the first account: with another one every
    figure that a decision rests on would be wrong, and paper would go on as live."""
    bench = ready()
    bench.connect("c2", account=account)
    emitted = bench.enter(long_call())
    assert only(emitted, OrderIntended) == []
    (refused,) = only(emitted, EntryRefused)
    assert "ACCOUNT" in refused.codes
