"""Entries: one chain of orders a decision, under ids of its own, dropped when it goes stale."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import TradingHalted
from domain.events.orders import (
    BrokerDisconnected,
    BrokerReady,
    EntryRefused,
    IntentLapsed,
    OrderCancelIntended,
    OrderIdBlockReserved,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    OrderType,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.signals import Result, SignalInvalidated
from domain.instruments import Side
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    condor,
    contract,
    debit_vertical,
    decision,
    held,
    leg_ticks,
    listed,
    long_call,
    signal,
    underlying_ticks,
)
from tests.domain.execution.stories import (
    LEG,
    entered,
    flatten,
    holding,
    only,
    quotes,
    ready,
    states,
    working,
)

S = OrderState


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


def test_no_intent_is_without_the_readiness_it_was_decided_under() -> None:
    """A later reader must see which lists were consumed before the decision."""
    bench, _, _ = holding()
    bench.give(BrokerDisconnected(connection="c1", reason="lost"))
    bench.connect("c2", positions=[held(LEG, 4)])
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    flatten(bench)
    first, second = [str(e.event_id) for e in bench.log if isinstance(e.body, BrokerReady)]
    named = [(i.purpose, i.broker_ready_id, i.connection) for i in bench.all(OrderIntended)]
    assert named[:2] == [
        (Purpose.ENTRY, first, "c1"),
        (Purpose.PROTECTIVE_STOP, first, "c1"),
    ]
    assert {row[1:] for row in named[2:]} == {(second, "c2")}


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
