"""Orders: no order twice, no fill lost, whatever the broker, the connection or the run does."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import TradingHalted
from domain.events.orders import (
    BrokerCommissionSeen,
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerExecutionSeen,
    BrokerReady,
    BrokerSnapshotWanted,
    CommissionRecorded,
    EntryRefused,
    FillRecorded,
    IntentLapsed,
    OrderCancelIntended,
    OrderChanged,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    OrderType,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    FillInferred,
    PositionChanged,
    PositionClosed,
)
from domain.events.risk import WhatIfWanted
from domain.events.signals import Result, SignalInvalidated
from domain.instruments import Side
from tests.domain.execution.execution_build import (
    Bench,
    condor,
    contract,
    debit_vertical,
    decision,
    execution_of,
    held,
    leg_ticks,
    listed,
    long_call,
    signal,
    underlying_ticks,
)

LEG = contract()
S = OrderState


def only(bodies: list[Any], kind: type[Any]) -> list[Any]:
    return [body for body in bodies if isinstance(body, kind)]


def quotes(bench: Bench, bid: float = 1.98, ask: float = 2.02) -> list[Any]:
    return [underlying_ticks(600.0, bench.now), leg_ticks(LEG, bid, ask, bench.now)]


def ready(**snapshot: Any) -> Bench:
    bench = Bench()
    bench.start(**snapshot)
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    return bench


def entered(bench: Bench | None = None) -> tuple[Bench, OrderIntended, OrderIntended]:
    """A single long option, sent: parent and stop."""
    bench = bench or ready()
    parent, stop = only(bench.enter(long_call()), OrderIntended)
    bench.sent(parent)
    bench.sent(stop)
    return bench, parent, stop


def working() -> tuple[Bench, OrderIntended, OrderIntended]:
    bench, parent, stop = entered()
    bench.seen(listed(parent))
    bench.seen(listed(stop, "PreSubmitted", why_held="child,trigger"))
    return bench, parent, stop


def holding() -> tuple[Bench, OrderIntended, OrderIntended]:
    """Four calls bought at 2.00 with their stop working."""
    bench, parent, stop = working()
    bench.fill(parent, 4, "2.00")
    bench.seen(listed(parent, "Filled", 4))
    bench.seen(listed(stop, "PreSubmitted", why_held="trigger"))
    return bench, parent, stop


def states(bench: Bench, ref: str) -> list[OrderState]:
    return [change.state for change in bench.all(OrderChanged) if change.order_ref == ref]


# Ids and readiness


def test_ids_lie_above_next_valid_id_and_every_earlier_block() -> None:
    bench = Bench()
    bench.start()
    first = bench.all(OrderIdBlockReserved)[-1]
    bench.connect("c2", next_valid_id=5)
    second = bench.all(OrderIdBlockReserved)[-1]
    bench.connect("c3", next_valid_id=second.last + 50)
    third = bench.all(OrderIdBlockReserved)[-1]
    assert first.first > 1
    assert second.first > first.last
    assert third.first > second.last + 50


def test_nothing_is_sent_before_the_first_snapshot_is_consumed() -> None:
    bench = ready()
    bench.give(BrokerDisconnected(connection="c1", reason="lost"))
    assert [r.codes for r in only(bench.enter(long_call()), EntryRefused)] == [
        ("BROKER_READY", "RECONCILED")
    ]


def test_a_connection_is_ready_although_something_differs_so_that_exits_can_leave() -> None:
    bench = Bench()
    emitted = bench.start(positions=[held(LEG, 3)])
    assert [r.clean for r in only(emitted, ReconciliationCompleted)] == [False]
    assert only(emitted, BrokerReady)
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    assert [r.codes for r in only(bench.enter(long_call()), EntryRefused)] == [("RECONCILED",)]


def test_an_id_is_never_used_twice_even_when_its_intent_lapsed() -> None:
    bench = ready()
    parent, stop = only(bench.enter(long_call()), OrderIntended)
    for intent in (parent, stop):
        event = next(e for e in bench.log if e.body == intent)
        body = IntentLapsed(
            order_ref=intent.order_ref,
            order_id=intent.order_id,
            intent_id=str(event.event_id),
            request="place",
            reason="late",
        )
        bench.give(body)
    bench.now += timedelta(seconds=10)
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    again = only(bench.enter(long_call(), "s2"), OrderIntended)
    assert states(bench, parent.order_ref) == [S.LAPSED]
    assert min(i.order_id for i in again) > max(parent.order_id, stop.order_id)


# Entries


def test_a_single_long_option_is_sent_with_its_protective_stop_in_one_step() -> None:
    bench = ready()
    parent, stop = only(bench.enter(long_call()), OrderIntended)
    assert (parent.action, parent.transmit, parent.limit_price) == (Side.BUY, False, Decimal("2"))
    assert (stop.action, stop.transmit, stop.order_type) == (Side.SELL, True, OrderType.STOP_LIMIT)
    assert stop.parent_ref == parent.order_ref
    assert stop.order_id == parent.order_id + 1
    assert (stop.stop_price, stop.limit_price) == (Decimal("0.75"), Decimal("0.56"))
    assert (stop.oca_group, stop.oca_type) == (f"{parent.position_id}/1", 2)
    assert parent.account == stop.account != ""


def test_a_vertical_is_one_combination_without_child() -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(contract(600), 3.0, 3.04), leg_ticks(contract(605), 1.0, 1.02))
    (intent,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    assert (intent.transmit, intent.limit_price) == (True, Decimal("2.01"))


def test_a_condor_is_bought_at_a_negative_price() -> None:
    bench = Bench()
    bench.start()
    legs = condor().legs
    ticks = [
        leg_ticks(leg.contract, *((0.98, 1.0) if leg.ratio < 0 else (0.58, 0.60))) for leg in legs
    ]
    bench.market(*ticks)
    (intent,) = only(bench.enter(condor(), mid="-0.80"), OrderIntended)
    assert intent.action is Side.BUY
    assert intent.limit_price == Decimal("-0.80")


def test_one_decision_has_at_most_one_order_chain() -> None:
    bench, parent, _ = entered()
    again = bench.give(decision("s1", at=bench.now))
    assert only(again, OrderIntended) == []
    assert [i.order_ref for i in bench.all(OrderIntended) if i.is_entry] == [parent.order_ref]


def test_a_refused_decision_gets_no_order() -> None:
    bench = ready()
    bench.give(decision("s1", approved=False))
    assert bench.all(OrderIntended) == []


def test_an_entry_without_quotes_is_refused_and_names_them() -> None:
    bench = Bench()
    bench.start()
    bench.give(underlying_ticks(600.0))
    (refused,) = only(bench.enter(long_call()), EntryRefused)
    assert refused.codes == ("FAIR_VALUE", "PRICE_COLLAR", "QUOTE_AGE")
    unknown = {check.code for check in refused.checks if check.result is Result.UNEVALUABLE}
    assert unknown == set(refused.codes)


def test_an_entry_is_refused_while_the_desk_is_halted() -> None:
    bench = ready()
    bench.give(TradingHalted(who="x", reason="y"))
    (refused,) = only(bench.enter(long_call()), EntryRefused)
    assert refused.codes == ("KILL_SWITCH_OFF",)


def test_no_position_stands_against_another_in_one_contract_a_resting_stop_included() -> None:
    bench, _, _ = holding()
    bench.now += timedelta(seconds=10)
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    (refused,) = only(bench.enter(long_call(), "s2"), EntryRefused)
    assert "SELF_CROSS" in refused.codes


def test_an_entry_climbs_its_ladder_at_most_to_its_cap_and_is_then_cancelled() -> None:
    bench, parent, stop = working()
    prices: list[Decimal] = []
    cancelled: list[Any] = []
    for _ in range(8):
        emitted = bench.wait(4.1, quotes(bench, 1.98, 2.02))
        for change in only(emitted, OrderModifyIntended):
            if change.order_ref != parent.order_ref:
                continue
            prices.append(change.limit_price)
            bench.sent(change)
            bench.seen(listed(parent, limit_price=change.limit_price))
        cancelled += only(emitted, OrderCancelIntended)
    assert prices == [Decimal("2.01"), Decimal("2.02")]
    assert [(c.order_ref, c.reason) for c in cancelled[:1]] == [(parent.order_ref, "ladder ended")]
    assert stop.order_ref not in {c.order_ref for c in cancelled}


def test_one_request_is_in_flight_at_a_time() -> None:
    bench, _, _ = working()
    (change,) = only(bench.wait(4.1, quotes(bench)), OrderModifyIntended)
    bench.sent(change)
    for _ in range(3):
        emitted = bench.wait(4.1, quotes(bench, 1.99, 2.03))
        assert only(emitted, OrderModifyIntended) == []


def test_an_entry_never_leaves_on_an_old_answer_about_margin() -> None:
    bench = ready()
    bench.give(signal(long_call(), at=bench.now))
    soon = bench.now + timedelta(seconds=2)
    approved = decision(at=bench.now).model_copy(update={"send_before": soon})
    parent, stop = only(bench.give(approved), OrderIntended)
    assert parent.leaves_before == stop.leaves_before == soon


def test_a_step_of_an_entry_that_lapsed_by_its_age_is_decided_again_on_fresh_quotes() -> None:
    bench, _, _ = working()
    (change,) = only(bench.wait(4.1, quotes(bench)), OrderModifyIntended)
    assert bench.now < change.leaves_before <= bench.now + timedelta(seconds=10)
    lapsed = IntentLapsed(
        order_ref=change.order_ref,
        order_id=change.order_id,
        intent_id=str(next(e.event_id for e in bench.log if e.body == change)),
        request="modify",
        reason="it must leave before",
    )
    again = [*bench.give(lapsed), *bench.wait(4.1, quotes(bench, 1.99, 2.03))]
    (later,) = only(again, OrderModifyIntended)
    assert (later.order_id, later.revision) == (change.order_id, change.revision + 1)
    assert later.leaves_before > change.leaves_before


STALE = {
    "quotes": lambda bench: bench.wait(12.0, [underlying_ticks(600.0)]),
    "halt": lambda bench: bench.give(TradingHalted(who="x", reason="y")),
    "signal": lambda bench: bench.give(
        SignalInvalidated(signal_id="s1", condition="regime", measured="", threshold="")
    ),
    "underlying": lambda bench: bench.wait(
        0.5, [underlying_ticks(603.5), leg_ticks(LEG, 1.98, 2.02)]
    ),
    "against": lambda bench: bench.wait(0.5, [underlying_ticks(600), leg_ticks(LEG, 2.1, 2.14)]),
    "spread": lambda bench: bench.wait(0.5, [underlying_ticks(600), leg_ticks(LEG, 1.96, 2.03)]),
    "age": lambda bench: [*(bench.wait(61, quotes(bench)))],
}


@pytest.mark.parametrize("cause", STALE)
def test_a_working_entry_is_cancelled_when_it_goes_stale(cause: str) -> None:
    bench, parent, _ = working()
    emitted = STALE[cause](bench)
    assert [c.order_ref for c in only(emitted, OrderCancelIntended)] == [parent.order_ref]


def test_an_entry_that_survived_a_lost_connection_is_cancelled() -> None:
    bench, parent, stop = working()
    bench.give(BrokerDisconnected(connection="c1", reason="lost"))
    rows = [listed(parent), listed(stop, "PreSubmitted", why_held="child,trigger")]
    emitted = bench.connect("c2", open_orders=rows)
    (cancel,) = only(emitted, OrderCancelIntended)
    assert (cancel.order_ref, cancel.connection) == (parent.order_ref, "c2")


# Fills


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


# Errors and doubt


@pytest.mark.parametrize("code", [201, 202, 103, 10147, 10148, 10349])
def test_an_error_never_ends_an_order_by_itself(code: int) -> None:
    bench, parent, _ = working()
    error = BrokerErrorSeen(
        connection="c1", request_id=parent.order_id, code=code, text="", order_ref=parent.order_ref
    )
    emitted = bench.give(error)
    assert only(emitted, OrderChanged) == []
    assert only(emitted, BrokerSnapshotWanted)


def test_a_refusal_needs_both_the_error_and_the_status() -> None:
    bench, parent, _ = entered()
    bench.seen(listed(parent, "Inactive"))
    assert states(bench, parent.order_ref)[-1] is S.UNKNOWN
    other, second, _ = entered()
    other.give(
        BrokerErrorSeen(
            connection="c1", request_id=second.order_id, code=201, text="", order_ref=""
        )
    )
    other.seen(listed(second, "Inactive"))
    change = other.all(OrderChanged)[-1]
    assert (change.state, change.broker_code) == (S.REJECTED, 201)


@pytest.mark.parametrize("code", [103, 105, 202, 399, 2109, 10349])
def test_a_notice_never_turns_an_inactive_order_into_a_rejection(code: int) -> None:
    """An Inactive order may only be asleep. Taken for rejected it would no longer count as
    working, and its stop would be given up."""
    bench, parent, _ = entered()
    bench.give(
        BrokerErrorSeen(
            connection="c1", request_id=parent.order_id, code=code, text="", order_ref=""
        )
    )
    bench.seen(listed(parent, "Inactive"))
    assert states(bench, parent.order_ref)[-1] is S.UNKNOWN
    bench.seen(listed(parent, "Submitted"))
    assert states(bench, parent.order_ref)[-1] is S.WORKING


def test_a_refused_change_of_an_order_is_no_refusal_of_the_order() -> None:
    bench, parent, _ = working()
    bench.wait(30, quotes(bench))
    assert bench.all(OrderModifyIntended)
    bench.give(
        BrokerErrorSeen(
            connection="c1", request_id=parent.order_id, code=110, text="", order_ref=""
        )
    )
    bench.seen(listed(parent, "Inactive"))
    assert states(bench, parent.order_ref)[-1] is S.UNKNOWN


def test_an_inactive_order_that_the_broker_still_lists_counts_as_working() -> None:
    bench, parent, stop = working()
    row = listed(parent, "Inactive")
    bench.snapshot([row, listed(stop, "PreSubmitted")])
    assert states(bench, parent.order_ref)[-1] is S.UNKNOWN


def test_an_intent_of_an_earlier_run_without_outcome_is_unknown_and_never_lapsed() -> None:
    bench = ready()
    parent, stop = only(bench.enter(long_call()), OrderIntended)
    bench.start_run("run2")
    assert states(bench, parent.order_ref) == [S.UNKNOWN]
    assert states(bench, stop.order_ref) == [S.UNKNOWN]


def test_an_unknown_entry_that_no_list_has_is_abandoned_for_good() -> None:
    bench, parent, _ = entered()
    bench.start_run("run2")
    bench.connect("c2")
    assert states(bench, parent.order_ref)[-1] is S.ABANDONED
    bench.wait(5, quotes(bench))
    assert [i for i in bench.all(OrderIntended) if i.is_entry] == [parent]


def test_an_unknown_entry_that_is_listed_is_adopted_not_sent_again() -> None:
    bench, parent, stop = entered()
    bench.start_run("run2")
    rows = [listed(parent), listed(stop, "PreSubmitted", why_held="child")]
    bench.connect("c2", open_orders=rows)
    assert states(bench, parent.order_ref)[-1] is S.WORKING
    assert [i for i in bench.all(OrderIntended) if i.is_entry] == [parent]


def test_an_abandoned_entry_that_turns_up_is_cancelled_on_sight_and_its_fills_are_adopted() -> None:
    bench, parent, _ = entered()
    bench.start_run("run2")
    bench.connect("c2")
    emitted = bench.seen(listed(parent))
    assert [c.order_ref for c in only(emitted, OrderCancelIntended)] == [parent.order_ref]
    bench.fill(parent, 1, "2.00")
    bench.seen(listed(parent, "Cancelled", 1))
    assert bench.all(PositionChanged)[-1].units == 1
    stops = [i for i in bench.all(OrderIntended) if i.purpose is Purpose.PROTECTIVE_STOP]
    assert stops[-1].parent_ref == ""
    assert stops[-1].quantity == 1


def test_an_abandoned_entry_that_turns_up_on_its_own_connection_is_cancelled_too() -> None:
    bench, parent, _ = entered()
    for _ in range(2):
        bench.snapshot()
        bench.now += timedelta(seconds=11)
    assert states(bench, parent.order_ref)[-1] is S.ABANDONED
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    emitted = bench.seen(listed(parent))
    assert [c.order_ref for c in only(emitted, OrderCancelIntended)] == [parent.order_ref]


def test_an_entry_that_filled_before_it_was_ever_listed_is_looked_for_not_modified() -> None:
    bench, parent, _ = entered()
    bench.fill(parent, 1, "2.00")
    emitted = bench.wait(4.1, quotes(bench))
    assert only(emitted, OrderModifyIntended) == []
    assert [wanted.reason for wanted in bench.all(BrokerSnapshotWanted)] == [
        f"{parent.order_ref} was not shown on this connection"
    ]


def test_an_execution_without_a_reference_is_known_by_client_and_order_id() -> None:
    bench, parent, _ = entered()
    known = execution_of(parent, 1, "2.00", "e.01.01", bench.now)
    bench.give_execution(known.model_copy(update={"order_ref": ""}))
    assert bench.all(PositionChanged)[-1].units == 1


def test_an_order_missing_from_the_lists_of_its_own_connection_needs_a_second_look() -> None:
    bench, parent, _ = entered()
    bench.snapshot()
    assert states(bench, parent.order_ref)[-1] is S.UNKNOWN
    bench.now += timedelta(seconds=5)
    bench.snapshot()
    assert states(bench, parent.order_ref)[-1] is S.UNKNOWN
    bench.now += timedelta(seconds=6)
    bench.snapshot()
    assert states(bench, parent.order_ref)[-1] is S.ABANDONED


def test_a_difference_without_executions_is_inferred_only_when_two_looks_agree() -> None:
    bench, _, stop = holding()
    lists: dict[str, Any] = {
        "open_orders": [listed(stop, "PreSubmitted", why_held="trigger")],
        "positions": [held(LEG, 1)],
    }
    (completed,) = only(bench.snapshot(**lists), ReconciliationCompleted)
    assert not completed.clean
    assert bench.all(FillInferred) == []
    bench.now += timedelta(seconds=11)
    bench.snapshot(**lists)
    (inferred,) = bench.all(FillInferred)
    assert (inferred.ours, inferred.theirs) == (4, 1)


def test_an_order_that_the_broker_filled_at_another_quantity_does_not_stay_unknown() -> None:
    bench, parent, stop = working()
    bench.give(BrokerDisconnected(connection="c1", reason="lost"))
    bench.connect(
        "c2",
        open_orders=[listed(stop, "PreSubmitted", why_held="trigger")],
        completed_orders=[listed(parent, "Filled", 3, quantity=Decimal(3), order_id=0)],
        executions=[execution_of(parent, 3, "2.00", "a.01.01", bench.now)],
        positions=[held(LEG, 3)],
    )
    assert states(bench, parent.order_ref)[-1] is S.FILLED


def test_a_what_if_is_asked_under_the_decision_with_an_id_of_the_block() -> None:
    bench = ready()
    wanted = WhatIfWanted(
        decision_id="d-9",
        signal_id="s9",
        structure=long_call(),
        quantity=2,
        limit_price=Decimal("2.05"),
    )
    (intent,) = only(bench.give(wanted), OrderIntended)
    assert (intent.purpose, intent.order_ref) == (Purpose.WHAT_IF, "d-9")
    assert intent.order_id >= bench.all(OrderIdBlockReserved)[-1].first


def test_a_closed_position_waits_for_the_commissions_of_its_last_fills() -> None:
    bench, _, stop = holding()
    bench.fill(stop, 4, "0.60", "x.01.01")
    assert bench.all(PositionClosed) == []
    bench.wait(5.5)
    (closed,) = bench.all(PositionClosed)
    assert (closed.reason.value, closed.realised_pnl) == ("PROTECTIVE_STOP", Decimal("-560.00"))
    late = BrokerCommissionSeen(
        connection="c1",
        exec_id="x.01.01",
        commission=Decimal("2.60"),
        currency="USD",
        realised_pnl=None,
    )
    bench.give(late)
    assert bench.all(PositionChanged)[-1].realised_pnl == Decimal("-562.60")
    assert len(bench.all(PositionClosed)) == 1
