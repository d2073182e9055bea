"""Exits: never refused, one at a time in their group, and never more sold than is held."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from domain.events.controls import TradingHalted
from domain.events.orders import (
    BrokerDisconnected,
    BrokerErrorSeen,
    IntentLapsed,
    OrderCancelIntended,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    Purpose,
)
from domain.events.positions import (
    ExitReason,
    PositionClosed,
)
from tests.domain.execution.execution_build import (
    execution_of,
    held,
    leg_ticks,
    listed,
)
from tests.domain.execution.stories import (
    LEG,
    exits,
    flatten,
    holding,
    holding_vertical,
    leaving,
    leaving_vertical,
    only,
    quotes,
    working,
)

S = OrderState
D = Decimal


# Never refused


def test_an_exit_is_not_refused_while_the_desk_is_halted() -> None:
    bench, _, _ = holding()
    bench.give(TradingHalted(who="x", reason="y"))
    (intent,) = only(flatten(bench), OrderIntended)
    assert (intent.purpose, intent.quantity) == (Purpose.EXIT, 4)


def test_an_exit_is_not_refused_when_quotes_are_stale() -> None:
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 1.98, 2.02))
    bench.now += timedelta(seconds=40)
    (intent,) = only(flatten(bench), OrderIntended)
    assert intent.limit_price == D("1.97"), "three ticks through the last good mark"


def test_an_exit_is_not_refused_when_the_broker_differs_but_sells_no_more_than_it_holds() -> None:
    bench, _, stop = holding()
    row = listed(stop, "PreSubmitted", why_held="trigger")
    for _ in range(2):
        bench.snapshot(open_orders=[row], positions=[held(LEG, 1)])
        bench.now += timedelta(seconds=11)
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    (intent,) = only(flatten(bench), OrderIntended)
    assert intent.quantity == 1


def test_an_exit_waits_for_a_ready_connection_and_is_then_decided_again() -> None:
    bench, _, stop = holding()
    bench.give(BrokerDisconnected(connection="c1", reason="lost"))
    assert only(flatten(bench), OrderIntended) == []
    row = listed(stop, "PreSubmitted", why_held="trigger")
    bench.connect("c2", open_orders=[row], positions=[held(LEG, 4)])
    (intent,) = exits(bench)
    assert (intent.connection, intent.quantity) == ("c2", 4)


def test_a_backlog_never_sells_what_the_protective_stop_already_sold() -> None:
    bench, _, stop = holding()
    bench.give(BrokerDisconnected(connection="c1", reason="lost"))
    flatten(bench)
    sold = execution_of(stop, 3, "0.70", "s.01.01", bench.now)
    row = listed(stop, "Submitted", 3)
    bench.connect("c2", open_orders=[row], executions=[sold], positions=[held(LEG, 1)])
    (intent,) = exits(bench)
    assert intent.quantity == 1


def test_a_lapsed_exit_is_decided_again_under_a_new_id() -> None:
    bench, _, _ = holding()
    (first,) = only(flatten(bench), OrderIntended)
    event = next(e for e in bench.log if e.body == first)
    lapsed = IntentLapsed(
        order_ref=first.order_ref,
        order_id=first.order_id,
        intent_id=str(event.event_id),
        request="place",
        reason="connection",
    )
    bench.give(lapsed)
    bench.wait(1.1, quotes(bench, 1.98, 2.02))
    assert [i.order_ref for i in exits(bench)] == [first.order_ref, exits(bench)[1].order_ref]
    assert exits(bench)[1].order_id > first.order_id


# One at a time, in the group


def test_an_exit_joins_the_group_of_the_resting_stop_as_type_two() -> None:
    _, stop, intent = leaving()
    assert (intent.oca_group, intent.oca_type) == (stop.oca_group, 2)


def test_an_exit_without_a_resting_stop_carries_a_group_of_its_position_too() -> None:
    """Two exits that never meet in a group may both fill."""
    _, _, _, intent = leaving_vertical()
    assert (intent.oca_group, intent.oca_type) == (f"{intent.position_id}/1", 2)


def test_an_exit_takes_the_group_name_that_the_broker_shows() -> None:
    bench, _, stop = holding()
    bench.seen(listed(stop, "PreSubmitted", why_held="trigger", oca_group="1234"), "openOrder")
    (intent,) = only(flatten(bench), OrderIntended)
    assert intent.oca_group == "1234"


def test_one_exit_order_works_at_a_time_and_is_modified_not_cancelled() -> None:
    bench, _, intent = leaving()
    cancels: list[Any] = []
    prices = []
    for _ in range(6):
        emitted = bench.wait(1.6, quotes(bench, 1.90, 1.94))
        cancels += only(emitted, OrderCancelIntended)
        for change in only(emitted, OrderModifyIntended):
            prices.append(change.limit_price)
            bench.sent(change)
            bench.seen(listed(intent, limit_price=change.limit_price))
    assert exits(bench) == [intent]
    assert cancels == []
    assert prices == sorted(prices, reverse=True)
    assert prices[-1] == D("1.87"), "three ticks through the bid, and no further"


def test_a_lost_price_change_is_sent_again() -> None:
    """A change whose bytes were lost must not be believed: the exit would rest far from the market
    for ever, while we think it follows."""
    bench, stop, order = leaving()
    bench.now += timedelta(seconds=5)
    bench.market(leg_ticks(LEG, 1.88, 1.92, bench.now))
    change = bench.all(OrderModifyIntended)[-1]
    assert change.limit_price != order.limit_price
    bench.sent(change)
    bench.seen(listed(order), "orderStatus")
    shown = [listed(order), listed(stop, "PreSubmitted")]
    bench.now += timedelta(seconds=30)
    bench.snapshot(shown, positions=[held(LEG, 4)])

    bench.market(leg_ticks(LEG, 1.88, 1.92, bench.now))
    again = bench.all(OrderModifyIntended)[-1]
    assert again.revision > change.revision
    assert again.limit_price is not None and again.limit_price < order.limit_price


def test_an_exit_that_was_never_found_is_tried_anew_in_the_same_group() -> None:
    bench, _, stop = holding()
    (first,) = only(flatten(bench), OrderIntended)
    bench.start_run("run2")
    row = listed(stop, "PreSubmitted", why_held="trigger")
    bench.connect("c2", open_orders=[row], positions=[held(LEG, 4)])
    second = exits(bench)[-1]
    assert (first.order_ref[-4:], second.order_ref[-4:]) == ("X1.1", "X1.2")
    assert second.oca_group == first.oca_group
    assert second.quantity == 4


def test_a_combination_exit_is_tried_anew_only_after_two_looks_agree() -> None:
    bench, long, short, _ = holding_vertical()
    flatten(bench)
    bench.start_run("run2")
    shown: dict[str, Any] = {"positions": [held(long, 4), held(short, -4)]}
    bench.connect("c2", **shown)
    assert len(exits(bench)) == 1
    bench.now += timedelta(seconds=11)
    bench.market(leg_ticks(long, 3.0, 3.04, bench.now), leg_ticks(short, 1.0, 1.02, bench.now))
    bench.snapshot(**shown)
    assert [i.attempt for i in exits(bench)] == [1, 2]


def test_a_combination_exit_is_not_tried_anew_while_the_looks_differ_in_what_is_held() -> None:
    """Holdings that still change say that the exit may work unseen."""
    bench, long, short, _ = holding_vertical()
    flatten(bench)
    bench.start_run("run2")
    shown = [(4, 4), (3, 4), (3, 3), (3, 3)]
    sent = []
    for number, (longs, shorts) in enumerate(shown):
        rows = [held(long, longs), held(short, -shorts)]
        if number == 0:
            bench.connect("c2", positions=rows)
        else:
            bench.now += timedelta(seconds=11)
            at = bench.now
            bench.market(leg_ticks(long, 3.0, 3.04, at), leg_ticks(short, 1.0, 1.02, at))
            bench.snapshot(positions=rows)
        sent.append(len(exits(bench)))
    assert sent == [1, 1, 1, 2]


def test_an_exit_is_never_enlarged_before_its_legs_are_counted() -> None:
    """The combination's own execution comes before those of its legs: in between the position
    still looks whole, and what was sold would be added to the order, to be sold a second time."""
    bench, long, short, leaving = leaving_vertical()
    bench.give_execution(execution_of(leaving, 3, "1.99", "x.01.01", bench.now, sec_type="BAG"))

    bench.now += timedelta(seconds=3)
    bench.market(leg_ticks(long, 3.0, 3.04, bench.now), leg_ticks(short, 1.0, 1.02, bench.now))

    assert {change.quantity for change in bench.all(OrderModifyIntended)} <= {4}
    for leg, price in ((0, "3.0"), (1, "1.01")):
        row = execution_of(leaving, 3, price, f"x.0{leg + 2}.01", bench.now, leg=leg)
        bench.give_execution(row)
    bench.now += timedelta(seconds=3)
    bench.market(leg_ticks(long, 2.9, 3.0, bench.now), leg_ticks(short, 1.0, 1.02, bench.now))
    assert {change.quantity for change in bench.all(OrderModifyIntended)} == {4}


def test_an_exit_whose_lessening_was_lost_is_not_taken_for_filled() -> None:
    """One leg counted alone makes the exit smaller for a moment. When those bytes are lost the rest
    still fills: taken for full, the exit would be followed by another one, and sell too much."""
    bench, long, short, leaving = leaving_vertical()
    bench.give_execution(execution_of(leaving, 1, "3.0", "x.02.01", bench.now, leg=0))
    bench.now += timedelta(seconds=3)
    bench.market(leg_ticks(long, 3.0, 3.04, bench.now), leg_ticks(short, 1.0, 1.02, bench.now))
    less = bench.all(OrderModifyIntended)[-1]
    assert less.quantity == 3
    bench.sent(less)  # and lost on the wire

    bench.give_execution(execution_of(leaving, 1, "1.01", "x.03.01", bench.now, leg=1))
    for leg, price in ((0, "3.0"), (1, "1.01")):
        row = execution_of(leaving, 2, price, f"x.0{leg + 4}.01", bench.now, leg=leg)
        bench.give_execution(row)
    bench.now += timedelta(seconds=30)
    shown = {"positions": [held(long, 1), held(short, -1)]}
    bench.snapshot([listed(leaving, "Submitted", 3)], **shown)
    bench.market(leg_ticks(long, 3.0, 3.04, bench.now), leg_ticks(short, 1.0, 1.02, bench.now))

    states = [c.state for c in bench.all(OrderChanged) if c.order_ref == leaving.order_ref]
    assert S.FILLED not in states
    assert exits(bench) == [leaving]


def test_a_refused_join_ends_the_group_and_not_the_exit() -> None:
    bench, _, stop = holding()
    (first,) = only(flatten(bench), OrderIntended)
    bench.sent(first)
    bench.give(
        BrokerErrorSeen(
            connection="c1",
            request_id=first.order_id,
            code=201,
            text="",
            order_ref=first.order_ref,
        )
    )
    emitted = bench.seen(listed(first, "Inactive"))
    assert [c.order_ref for c in only(emitted, OrderCancelIntended)] == [stop.order_ref]
    bench.sent(only(emitted, OrderCancelIntended)[0])
    bench.seen(listed(stop, "Cancelled"))
    bench.wait(2.1, quotes(bench, 1.98, 2.02))
    second = exits(bench)[-1]
    assert second.oca_group == f"{first.position_id}/2"


def test_an_exit_cancels_its_own_entry_first_because_it_stands_on_the_other_side() -> None:
    bench, parent, _ = working()
    bench.fill(parent, 1, "2.00")
    emitted = flatten(bench)
    (cancel,) = only(emitted, OrderCancelIntended)
    assert cancel.order_ref == parent.order_ref
    assert exits(bench) == []
    bench.sent(cancel)
    bench.seen(listed(parent, "Cancelled", 1))
    assert [i.quantity for i in exits(bench)] == [1]


def test_executions_are_counted_before_an_ended_exit_is_sent_anew() -> None:
    bench, stop, first = leaving()
    bench.seen(listed(first, "Cancelled", 2))
    bench.wait(1.5, quotes(bench, 1.98, 2.02))
    assert exits(bench) == [first], "two were filled that we have not counted"
    bench.snapshot(
        open_orders=[listed(stop, "PreSubmitted", quantity=D(2), why_held="trigger")],
        executions=[execution_of(first, 2, "1.98", "x.01.01", bench.now)],
        positions=[held(LEG, 2)],
    )
    bench.wait(1.5, quotes(bench, 1.98, 2.02))
    assert exits(bench)[-1].quantity == 2


def test_nothing_is_sold_once_the_position_is_flat() -> None:
    bench, stop, first = leaving()
    bench.fill(first, 4, "1.98")
    bench.seen(listed(stop, "Cancelled"))
    count = len(bench.all(OrderIntended))
    for _ in range(5):
        bench.wait(2, quotes(bench, 1.0, 1.04))
    assert len(bench.all(OrderIntended)) == count
    assert bench.all(PositionClosed)[-1].reason is ExitReason.KILL
