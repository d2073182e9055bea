"""Doubt: errors, refusals and orders that nobody knows end by evidence, never by guessing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import TradingHalted
from domain.events.orders import (
    CANCELLED,
    BrokerCommissionSeen,
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerSnapshotWanted,
    OrderCancelIntended,
    OrderChanged,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.positions import (
    FillInferred,
    PositionChanged,
    PositionClosed,
)
from domain.events.risk import WhatIfWanted
from domain.execution.desk import IDS_KEPT_FOR_EXITS
from tests.domain.execution.execution_build import (
    execution_of,
    held,
    leg_ticks,
    listed,
    long_call,
)
from tests.domain.execution.stories import (
    LEG,
    entered,
    holding,
    only,
    quotes,
    ready,
    states,
    working,
)

S = OrderState


@pytest.mark.parametrize("code", [201, 202, 103, 10147, 10148, 10349])
def test_an_error_never_ends_an_order_by_itself(code: int) -> None:
    bench, parent, _ = working()
    error = BrokerErrorSeen(
        connection="c1", request_id=parent.order_id, code=code, text="", order_ref=parent.order_ref
    )
    emitted = bench.give(error)
    assert only(emitted, OrderChanged) == []
    assert only(emitted, BrokerSnapshotWanted)


@pytest.mark.parametrize("is_told_first", [True, False])
def test_a_cancel_that_the_broker_confirms_is_no_doubt(is_told_first: bool) -> None:
    """The lists are read, but the next entry does not wait for them. The error may be on the log
    before the cancel is said to be sent."""
    bench, parent, _ = working()
    (cancel,) = only(bench.give(TradingHalted(who="o", reason="r")), OrderCancelIntended)
    if is_told_first:
        bench.sent(cancel)
    error = BrokerErrorSeen(
        connection="c1", request_id=parent.order_id, code=202, text="", order_ref=parent.order_ref
    )
    (wanted,) = only(bench.give(error), BrokerSnapshotWanted)
    assert wanted.reason == CANCELLED


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


def test_questions_about_margin_never_take_the_ids_that_exits_need() -> None:
    bench = ready()
    (block,) = bench.all(OrderIdBlockReserved)
    wanted = WhatIfWanted(
        decision_id="d-0",
        signal_id="s9",
        structure=long_call(),
        quantity=2,
        limit_price=Decimal("2.05"),
    )
    (asked,) = only(bench.give(wanted), OrderIntended)
    last_kept = block.last - IDS_KEPT_FOR_EXITS
    bench.give(asked.model_copy(update={"order_ref": "used", "order_id": last_kept}))
    assert only(bench.give(wanted.model_copy(update={"decision_id": "d-1"})), OrderIntended) == []


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
