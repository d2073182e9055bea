"""Exits that nothing may hold back or double: without any quote, after a lost order, widened."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from domain.events.controls import AlertRaised
from domain.events.feeds import LineClosed
from domain.events.orders import (
    BrokerErrorSeen,
    OrderCancelIntended,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    Purpose,
)
from domain.events.positions import PositionMarked
from domain.execution.order_book import OrderBook, notice_listing
from domain.instruments import Structure
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
from tests.domain.execution.stories import exits, flatten, leaving_vertical

LEG = contract()
D = Decimal


def ordered(structure: Structure, units: int = 4) -> tuple[Bench, list[OrderIntended]]:
    """An entry whose bytes left, and which the broker shows; nothing is filled."""
    bench = Bench()
    bench.start()
    second = contract(605)
    bench.market(leg_ticks(LEG, 1.98, 2.02), leg_ticks(second, 0.98, 1.02))
    mid = "2.00" if structure.is_single else "1.00"
    intents = [b for b in bench.enter(structure, units=units, mid=mid) if type(b) is OrderIntended]
    for intent in intents:
        bench.sent(intent)
        bench.seen(listed(intent, "Submitted"))
    return bench, intents


def test_a_kill_without_a_quote_or_a_mark_sells_at_what_was_last_known() -> None:
    bench, (parent, _) = ordered(long_call())
    bench.now += timedelta(seconds=60)
    bench.fill(parent, 4, "2.02")
    assert bench.all(PositionMarked) == [], "no sound mark was ever seen"
    flatten(bench)
    (intent,) = exits(bench)
    assert (intent.quantity, intent.limit_price) == (4, D("1.97")), "three ticks through 2.00"


def test_a_kill_of_a_combination_that_was_never_quoted_again_rests_on_its_entry_price() -> None:
    bench, (parent,) = ordered(debit_vertical())
    bench.now += timedelta(seconds=60)
    for leg in debit_vertical().legs:
        bench.give(LineClosed(contract=leg.contract, reason="x"))
    for number, price in enumerate(("2.02", "1.00")):
        bench.give_execution(
            execution_of(parent, 4, price, f"0000.{number}.01", bench.now, leg=number)
        )
    flatten(bench)
    (intent,) = exits(bench)
    assert (intent.quantity, intent.limit_price) == (4, D("0.99")), "three ticks through 1.02"


def test_an_exit_lost_in_an_old_group_is_not_sold_again_in_the_next() -> None:
    """The group keeps its members from selling twice; a lost member may live outside the next."""
    bench, (parent, stop) = ordered(long_call())
    bench.fill(parent, 4, "2.00")
    bench.seen(listed(parent, "Filled", 4))
    flatten(bench)
    bench.start_run("run2")
    bench.connect("c2", open_orders=[listed(stop, "PreSubmitted")], positions=[held(LEG, 4)])
    lost, joined = exits(bench)
    assert [alert.code for alert in bench.all(AlertRaised)] == ["EXIT_LOST"]
    bench.sent(joined)
    bench.give(
        BrokerErrorSeen(
            connection="c2",
            request_id=joined.order_id,
            code=201,
            text="OCA group is closed",
            order_ref=joined.order_ref,
        )
    )
    bench.seen(listed(joined, "Inactive"))
    bench.seen(listed(stop, "Cancelled"))
    bench.wait(60, [leg_ticks(LEG, 1.98, 2.02, bench.now + timedelta(seconds=60))])
    assert exits(bench) == [lost, joined], "four are held, and the lost one may sell four"
    bench.wait(61, [leg_ticks(LEG, 1.98, 2.02, bench.now + timedelta(seconds=61))])
    again = exits(bench)[-1]
    assert (again.quantity, again.oca_group) == (4, f"{parent.position_id}/2")


def test_a_combination_exit_that_turns_up_beside_its_successor_never_sells_the_position_twice() -> (
    None
):
    """No group keeps combinations apart at the broker: two that live are a reversed position."""
    bench, long, short, lost = leaving_vertical()
    bench.start_run("run2")
    shown: dict[str, Any] = {"positions": [held(long, 4), held(short, -4)]}
    bench.connect("c2", **shown)
    bench.now += timedelta(seconds=11)
    bench.market(leg_ticks(long, 3.0, 3.04, bench.now), leg_ticks(short, 1.0, 1.02, bench.now))
    bench.snapshot(**shown)
    anew = exits(bench)[-1]
    assert (anew.attempt, anew.quantity) == (2, 4)
    bench.sent(anew)
    bench.seen(listed(anew))
    bench.seen(listed(lost))
    (cancel,) = bench.all(OrderCancelIntended)
    assert cancel.order_ref == lost.order_ref
    bench.sent(cancel)
    bench.seen(listed(lost, "Cancelled"))
    assert [c.order_ref for c in bench.all(OrderCancelIntended)] == [lost.order_ref]
    assert exits(bench) == [lost, anew], "the one tried anew works on"


def full_exit() -> tuple[Bench, OrderIntended, OrderIntended]:
    """An exit of four, on its way; the stop beside it."""
    bench, (parent, stop) = ordered(long_call())
    bench.fill(parent, 4, "2.00")
    bench.seen(listed(parent, "Filled", 4))
    flatten(bench)
    (leaving,) = exits(bench)
    bench.sent(leaving)
    bench.seen(listed(leaving))
    return bench, leaving, stop


def test_a_chain_of_replaces_never_leaves_two_live_orders() -> None:
    """Whatever becomes of its changes, a position is left by one order under one id."""
    bench, leaving, stop = full_exit()
    for number in range(8):
        at = bench.now + timedelta(seconds=2)
        bench.wait(2, [leg_ticks(LEG, 1.90 - number / 50, 2.02 - number / 50, at)])
        changes = bench.all(OrderModifyIntended)
        if not changes or number % 4 == 1:
            continue  # its bytes never leave
        change = changes[-1]
        bench.sent(change)
        if number % 4 == 2:
            error = BrokerErrorSeen(
                connection="c1", request_id=leaving.order_id, code=110, text="", order_ref=""
            )
            bench.give(error)
        shown = listed(leaving, "Submitted", limit_price=change.limit_price)
        bench.seen(shown, "openOrder")
        if number % 4 == 3:
            bench.snapshot(
                open_orders=[shown, listed(stop, "PreSubmitted")], positions=[held(LEG, 4)]
            )
    ids = {c.order_id for c in bench.all(OrderModifyIntended) if c.order_ref != stop.order_ref}
    assert len(bench.all(OrderModifyIntended)) >= 4
    assert (exits(bench), ids) == ([leaving], {leaving.order_id})


def test_an_exit_that_the_broker_lets_sleep_without_a_reason_is_sent_anew() -> None:
    """Inactive and never refused: nobody would sell, until a human looked at the page."""
    bench, leaving, stop = full_exit()
    asleep = listed(leaving, "Inactive")
    bench.seen(asleep)
    rest = listed(stop, "PreSubmitted", why_held="trigger")
    bench.snapshot(open_orders=[asleep, rest], positions=[held(LEG, 4)])
    bench.wait(9, [leg_ticks(LEG, 1.98, 2.02, bench.now + timedelta(seconds=9))])
    assert bench.all(OrderCancelIntended) == [], "the broker may yet wake it"
    bench.wait(2, [leg_ticks(LEG, 1.98, 2.02, bench.now + timedelta(seconds=2))])
    (cancel,) = bench.all(OrderCancelIntended)
    assert cancel.order_ref == leaving.order_ref
    bench.sent(cancel)
    bench.seen(listed(leaving, "Cancelled"))
    assert [(i.quantity, i.attempt) for i in exits(bench)] == [(4, 1), (4, 1)]


def test_a_resting_stop_that_the_broker_lets_sleep_is_sent_anew() -> None:
    bench, (parent, stop) = ordered(long_call())
    bench.fill(parent, 4, "2.00")
    bench.seen(listed(parent, "Filled", 4))
    asleep = listed(stop, "Inactive")
    bench.seen(asleep)
    bench.snapshot(open_orders=[asleep], positions=[held(LEG, 4)])
    bench.wait(11, [leg_ticks(LEG, 1.98, 2.02, bench.now + timedelta(seconds=11))])
    (cancel,) = bench.all(OrderCancelIntended)
    bench.sent(cancel)
    bench.seen(listed(stop, "Cancelled"))
    stops = [i for i in bench.all(OrderIntended) if i.purpose is Purpose.PROTECTIVE_STOP]
    assert [i.quantity for i in stops] == [4, 4]


def test_an_exit_that_the_lists_show_with_more_units_than_we_counted_works_again() -> None:
    """A change of its quantity stood at the broker without our knowing: full for us, not for it."""
    bench, leaving, stop = full_exit()
    bench.fill(leaving, 4, "1.98")
    assert bench.all(OrderChanged)[-1].state is OrderState.FILLED
    shown = listed(leaving, "Submitted", 4, quantity=Decimal(5), remaining=Decimal(1))
    bench.snapshot(open_orders=[shown, listed(stop, "PreSubmitted")])
    found = [c for c in bench.all(OrderChanged) if c.order_ref == leaving.order_ref][-1]
    assert (found.state, found.filled) == (OrderState.WORKING, 4)
    bench.fill(leaving, 1, "1.98")
    found = [c for c in bench.all(OrderChanged) if c.order_ref == leaving.order_ref][-1]
    assert (found.state, found.filled) == (OrderState.FILLED, 5)


def test_a_change_of_the_quantity_alone_is_not_acknowledged_by_what_stood_before_it() -> None:
    book = OrderBook()
    bench, leaving, _ = full_exit()
    event = next(event for event in bench.log if event.body is leaving)
    book.intend(event, leaving)
    order = book.orders[leaving.order_ref]
    order.request = None
    change = OrderModifyIntended(
        order_ref=leaving.order_ref,
        order_id=leaving.order_id,
        connection="c1",
        revision=1,
        quantity=5,
        limit_price=leaving.limit_price,
        stop_price=None,
        ladder_step=1,
        reason="more is held",
    )
    book.modify(event, change, None)
    assert order.request is not None
    order.request.sent = True
    notice_listing(order, listed(leaving), "c1")
    assert order.request is not None, "four at the same price stood there before"
    notice_listing(order, listed(leaving, quantity=Decimal(5)), "c1")
    assert order.request is None
    assert order.quantity == 5


def test_an_exit_whose_quotes_go_stale_goes_through_what_was_last_known() -> None:
    bench, (parent, _) = ordered(long_call())
    bench.fill(parent, 4, "2.00")
    bench.seen(listed(parent, "Filled", 4))
    bench.wait(1, [leg_ticks(LEG, 1.98, 2.02, bench.now + timedelta(seconds=1))])
    flatten(bench)
    (leaving,) = exits(bench)
    assert leaving.limit_price > D("1.97")
    bench.sent(leaving)
    bench.seen(listed(leaving))
    bench.wait(60)
    (change,) = bench.all(OrderModifyIntended)
    assert (change.order_ref, change.limit_price) == (leaving.order_ref, D("1.97"))
