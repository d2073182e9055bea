"""Exits and stops: never refused, never given up, never more than is held."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.events.controls import FlattenStarted, TradeCancelRequested, TradingHalted
from domain.events.feeds import IbBarReceived, LinesWanted
from domain.events.orders import (
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerExecutionSeen,
    IntentLapsed,
    OrderCancelIntended,
    OrderChanged,
    OrderIntended,
    OrderModifyIntended,
    OrderState,
    Purpose,
)
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    PositionAdjusted,
    PositionChanged,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    StopMoved,
)
from domain.instruments import Direction, OptionContract, Strategy
from tests.domain.execution.execution_build import (
    CLOSE,
    OPEN,
    START,
    Bench,
    condor,
    contract,
    debit_vertical,
    execution_of,
    held,
    leg_ticks,
    listed,
    long_call,
    plan,
    session,
    underlying_ticks,
)

LEG = contract()
S = OrderState
D = Decimal


def only(bodies: list[Any], kind: type[Any]) -> list[Any]:
    return [body for body in bodies if isinstance(body, kind)]


def quotes(bench: Bench, bid: float, ask: float, underlying: float = 600.0) -> list[Any]:
    at = bench.now
    return [underlying_ticks(underlying, at), leg_ticks(LEG, bid, ask, at)]


def holding(units: int = 4, **given: Any) -> tuple[Bench, OrderIntended, OrderIntended]:
    """Calls bought at 2.00; their stop rests at the broker."""
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    parent, stop = only(bench.enter(long_call(), units=units, **given), OrderIntended)
    bench.sent(parent)
    bench.sent(stop)
    bench.seen(listed(parent))
    bench.seen(listed(stop, "PreSubmitted", why_held="child,trigger"))
    bench.fill(parent, units, "2.00")
    bench.seen(listed(parent, "Filled", units))
    bench.seen(listed(stop, "PreSubmitted", why_held="trigger"))
    return bench, parent, stop


def flatten(bench: Bench) -> list[Any]:
    position = bench.all(PositionOpened)[-1].position_id
    return bench.give(FlattenStarted(who="x", reason="y", positions=(position,)))


def leaving() -> tuple[Bench, OrderIntended, OrderIntended]:
    """A position whose exit works: bench, stop, exit."""
    bench, _, stop = holding()
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    (intent,) = only(flatten(bench), OrderIntended)
    bench.sent(intent)
    bench.seen(listed(intent))
    return bench, stop, intent


def leaving_vertical() -> tuple[Bench, OptionContract, OptionContract, OrderIntended]:
    """Four verticals whose exit works: bench, the leg bought, the leg sold, exit."""
    bench = Bench()
    bench.start()
    long, short = contract(600), contract(605)
    bench.market(leg_ticks(long, 3.0, 3.04), leg_ticks(short, 1.0, 1.02))
    (entry,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    bench.sent(entry)
    for leg, price in ((0, "3.02"), (1, "1.01")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
    bench.seen(listed(entry, "Filled", 4))
    flatten(bench)
    (intent,) = exits(bench)
    bench.sent(intent)
    bench.seen(listed(intent))
    return bench, long, short, intent


def exits(bench: Bench) -> list[OrderIntended]:
    return [i for i in bench.all(OrderIntended) if i.purpose is Purpose.EXIT]


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
    bench = Bench()
    bench.start()
    long, short = contract(600), contract(605)
    bench.market(leg_ticks(long, 3.0, 3.04), leg_ticks(short, 1.0, 1.02))
    (entry,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    bench.sent(entry)
    for leg, price in ((0, "3.02"), (1, "1.01")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
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
    bench = Bench()
    bench.start()
    long, short = contract(600), contract(605)
    bench.market(leg_ticks(long, 3.0, 3.04), leg_ticks(short, 1.0, 1.02))
    (entry,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    bench.sent(entry)
    for leg, price in ((0, "3.02"), (1, "1.01")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
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
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    parent, stop = only(bench.enter(long_call()), OrderIntended)
    bench.sent(parent)
    bench.sent(stop)
    bench.seen(listed(parent))
    bench.seen(listed(stop, "PreSubmitted", why_held="child,trigger"))
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


# The resting stop


def test_a_stop_that_is_gone_while_we_hold_is_sent_anew_at_once_in_the_next_group() -> None:
    bench, _, stop = holding()
    (again,) = only(bench.seen(listed(stop, "Cancelled")), OrderIntended)
    assert (again.purpose, again.quantity) == (Purpose.PROTECTIVE_STOP, 4)
    assert again.oca_group == f"{stop.position_id}/2"
    assert again.parent_ref == ""


def test_a_stop_that_the_exit_ended_is_not_sent_anew_before_the_exits_fill_is_counted() -> None:
    bench, stop, leaving_order = leaving()
    assert only(bench.seen(listed(stop, "Cancelled")), OrderIntended) == []
    bench.fill(leaving_order, 4, "1.98")
    for _ in range(3):
        assert only(bench.wait(2, quotes(bench, 1.98, 2.02)), OrderIntended) == []


def test_a_stop_that_ended_beside_a_working_exit_is_sent_anew_once_the_lists_are_read() -> None:
    bench, stop, leaving_order = leaving()
    bench.seen(listed(stop, "Cancelled"))
    emitted = bench.snapshot(
        open_orders=[listed(leaving_order)],
        completed_orders=[listed(stop, "Cancelled", order_id=0)],
        executions=[e.execution for e in bench.all(BrokerExecutionSeen)],
        positions=[held(LEG, 4)],
    )
    emitted += bench.wait(1, quotes(bench, 1.98, 2.02))
    (again,) = only(emitted, OrderIntended)
    assert (again.purpose, again.quantity) == (Purpose.PROTECTIVE_STOP, 4)


def test_a_stop_for_more_than_is_held_is_modified_down_when_its_parent_ends() -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    parent, stop = only(bench.enter(long_call()), OrderIntended)
    bench.sent(parent)
    bench.sent(stop)
    bench.seen(listed(parent))
    bench.seen(listed(stop, "PreSubmitted", why_held="child,trigger"))
    bench.fill(parent, 3, "2.00")
    bench.now += timedelta(seconds=1)
    emitted = bench.seen(listed(parent, "Cancelled", 3))
    (change,) = only(emitted, OrderModifyIntended)
    assert (change.order_ref, change.quantity, change.oca_type) == (stop.order_ref, 3, 2)
    assert change.oca_group == stop.oca_group


def test_the_stop_at_the_broker_moves_up_only() -> None:
    bench, _, stop = holding()
    triggers = [stop.stop_price]
    rng = [2.4, 2.8, 2.6, 3.0, 2.9, 3.1, 2.8]
    for mid in rng:
        for change in only(
            bench.wait(6, quotes(bench, mid - 0.02, mid + 0.02)), OrderModifyIntended
        ):
            if change.order_ref == stop.order_ref:
                triggers.append(change.stop_price)
                bench.sent(change)
                moved = {"limit_price": change.limit_price, "stop_price": change.stop_price}
                bench.seen(listed(stop, "PreSubmitted", why_held="trigger", **moved))
    assert len(triggers) > 2
    assert triggers == sorted(triggers)


def test_a_stop_is_cancelled_when_nothing_is_left_to_protect() -> None:
    bench, stop, first = leaving()
    bench.fill(first, 4, "1.98")
    emitted = bench.wait(1, quotes(bench, 1.9, 1.94))
    asked = [c for c in bench.all(OrderCancelIntended) if c.order_ref == stop.order_ref]
    assert len(asked) == 1, emitted


# Decisions to leave


def test_a_stop_needs_a_second_quote_a_second_later() -> None:
    bench, _, _ = holding()
    assert only(bench.wait(0.5, quotes(bench, 0.90, 0.94)), ExitDecided) == []
    assert only(bench.wait(0.5, quotes(bench, 0.91, 0.95)), ExitDecided) == []
    (decided,) = only(bench.wait(0.5, quotes(bench, 0.92, 0.96)), ExitDecided)
    assert (decided.reason, decided.profile) == (ExitReason.STOP, "urgent")


def test_one_good_quote_in_between_starts_the_stop_anew() -> None:
    bench, _, _ = holding()
    bench.wait(0.6, quotes(bench, 0.90, 0.94))
    bench.wait(0.6, quotes(bench, 1.20, 1.24))
    assert only(bench.wait(0.6, quotes(bench, 0.90, 0.94)), ExitDecided) == []
    assert only(bench.wait(0.6, quotes(bench, 0.90, 0.94)), ExitDecided) == []
    assert only(bench.wait(0.6, quotes(bench, 0.90, 0.94)), ExitDecided)


def test_a_long_without_a_bid_is_marked_at_zero_and_still_left() -> None:
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 0.0, 0.03))
    bench.wait(1.1, quotes(bench, 0.0, 0.03))
    assert bench.all(PositionMarked)[-1].mark == "0"
    assert [i.limit_price for i in exits(bench)] == [D("0.01")]


def test_a_target_is_taken_at_the_first_sound_quote() -> None:
    bench, _, _ = holding()
    (decided,) = only(bench.wait(1, quotes(bench, 3.20, 3.24)), ExitDecided)
    assert (decided.reason, decided.profile) == (ExitReason.TARGET, "normal")


def test_a_higher_reason_replaces_a_lower_one_and_never_the_other_way() -> None:
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 3.20, 3.24))
    (decided,) = only(flatten(bench), ExitDecided)
    assert decided.reason is ExitReason.KILL
    bench.wait(1, quotes(bench, 0.90, 0.94))
    bench.wait(1.1, quotes(bench, 0.90, 0.94))
    assert [d.reason for d in bench.all(ExitDecided)] == [ExitReason.TARGET, ExitReason.KILL]


def test_forced_flat_goes_through_its_three_stages() -> None:
    bench, _, _ = holding()
    for minutes in (-16, -14, -9, -4):
        bench.now = CLOSE + timedelta(minutes=minutes)
        bench.wait(1, quotes(bench, 1.98, 2.02))
    found = [(d.reason, d.profile) for d in bench.all(ExitDecided)]
    flat = [profile for reason, profile in found if reason is ExitReason.FORCED_FLAT]
    assert flat == ["urgent", "crossing", "market_equivalent"]


def test_the_time_stop_acts_by_the_clock_alone() -> None:
    bench, _, _ = holding(exit_plan=plan(time_stop_at=START + timedelta(minutes=5)))
    bench.now = START + timedelta(minutes=5)
    (decided,) = only(bench.wait(0), ExitDecided)
    assert decided.reason is ExitReason.TIME


def test_a_dead_feed_does_not_stop_the_forced_flat() -> None:
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 1.98, 2.02))
    bench.now = CLOSE - timedelta(minutes=3)
    bench.wait(0)
    assert [i.quantity for i in exits(bench)] == [4]


def test_the_operator_may_close_a_position() -> None:
    bench, _, _ = holding()
    position = bench.all(PositionOpened)[-1].position_id
    emitted = bench.give(
        TradeCancelRequested(position_id=position, signal_id="", who="o", route="api", reason="r")
    )
    assert [d.reason for d in only(emitted, ExitDecided)] == [ExitReason.OPERATOR]


@pytest.mark.parametrize(("price", "leaves"), [(604.0, False), (609.95, True), (611.0, True)])
def test_a_condor_is_left_when_the_underlying_comes_near_a_short_strike(
    price: float, leaves: bool
) -> None:
    bench = Bench()
    bench.start()
    ticks = [
        leg_ticks(leg.contract, *((0.98, 1.0) if leg.ratio < 0 else (0.58, 0.60)))
        for leg in condor().legs
    ]
    bench.market(*ticks)
    given = plan(target="-0.40", stop="-1.60", invalidation="near_short_strike")
    intents = bench.enter(condor(), mid="-0.80", exit_plan=given, direction=Direction.NEUTRAL)
    (entry,) = only(intents, OrderIntended)
    bench.sent(entry)
    for leg, price_of_leg in enumerate(("0.99", "0.59", "0.99", "0.59")):
        bench.give_execution(
            execution_of(entry, 4, price_of_leg, f"e.0{leg + 2}.01", bench.now, leg=leg)
        )
    emitted = bench.wait(1, [underlying_ticks(price, bench.now)])
    found = [d.reason for d in only(emitted, ExitDecided)]
    assert found == ([ExitReason.INVALIDATED] if leaves else [])


def bar(at: datetime, price: float) -> IbBarReceived:
    return IbBarReceived(
        con_id=1,
        symbol="SPY",
        connection="d",
        received_at=at,
        start=at,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=100.0,
        wap=price,
        count=10,
    )


def test_a_trend_is_invalidated_by_two_minute_closes_back_inside_and_across_vwap() -> None:
    from domain.events.feeds import HistoryImported

    bench = Bench()
    bench.start()
    bench.give(
        HistoryImported(
            vendor="ib",
            request="ib.bars.1day",
            symbol="SPY",
            session_date=OPEN.date() - timedelta(days=1),
            payload='[["2026-10-05", 1, 1, 1, 600.0, 1, 1, 1]]',
        )
    )
    for number in range(12 * 60):
        bench.now = OPEN + timedelta(seconds=5 * number + 5)
        bench.give(bar(OPEN + timedelta(seconds=5 * number), 600.0 + number / 60))
    bench.now = START
    bench.market(leg_ticks(LEG, 1.98, 2.02), underlying=600.0)
    given = plan(invalidation="noise_area_and_vwap")
    parent, _ = only(bench.enter(long_call(), exit_plan=given), OrderIntended)
    bench.fill(parent, 4, "2.00")
    found: list[ExitReason] = []
    closes = []
    for number in range(36):
        at = START + timedelta(seconds=5 * number)
        bench.now = at + timedelta(seconds=5)
        emitted = bench.give(bar(at, 601.0))
        if only(emitted, ExitDecided):
            closes.append(number)
            found += [d.reason for d in only(emitted, ExitDecided)]
    assert found[:1] == [ExitReason.INVALIDATED]
    assert closes[0] == 23, "at the end of the second minute"


def test_a_short_call_pinned_at_its_strike_is_closed_on_its_last_day() -> None:
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(contract(600), 3.0, 3.04), leg_ticks(contract(605), 1.0, 1.02))
    late = plan(time_stop_at=CLOSE, forced_flat_at=CLOSE)
    (entry,) = only(bench.enter(debit_vertical(), mid="2.01", exit_plan=late), OrderIntended)
    for leg, price in ((0, "3.02"), (1, "1.01")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
    bench.now = CLOSE - timedelta(minutes=31)
    assert only(bench.wait(1, [underlying_ticks(605.5, bench.now)]), ExitDecided) == []
    bench.now = CLOSE - timedelta(minutes=30)
    (decided,) = only(bench.wait(0, [underlying_ticks(605.5, bench.now)]), ExitDecided)
    assert decided.reason is ExitReason.ASSIGNMENT_GUARD


def test_an_expired_contract_that_the_broker_holds_no_more_is_adjusted_with_evidence() -> None:
    bench, _, _ = holding()
    bench.now += timedelta(days=1)
    bench.give(session(OPEN.date() + timedelta(days=1)))
    bench.snapshot()
    (adjusted,) = bench.all(PositionAdjusted)
    assert (adjusted.kind, adjusted.quantity) == ("expiry", -4)
    assert bench.all(PositionChanged)[-1].units == 0


def test_lines_are_wanted_for_what_is_traded_or_held_and_given_up_at_the_end() -> None:
    bench, stop, first = leaving()
    wishes = [[line.contract.con_id for line in w.lines] for w in bench.all(LinesWanted)]
    assert all(wish == [LEG.con_id] for wish in wishes)
    bench.fill(first, 4, "1.98")
    bench.seen(listed(stop, "Cancelled"))
    bench.wait(1, quotes(bench, 1.9, 1.94))
    assert bench.all(LinesWanted)[-1].lines == ()


def test_marks_come_at_most_once_a_second() -> None:
    bench, _, _ = holding()
    count = len(bench.all(PositionMarked))
    for number in range(20):
        bench.wait(0.1, quotes(bench, 1.90 + number / 100, 1.94 + number / 100))
    assert len(bench.all(PositionMarked)) - count in (2, 3)


def test_the_closing_trade_leaves_urgently() -> None:
    bench, _, _ = holding(strategy=Strategy.CLOSING)
    (decided,) = only(bench.wait(1, quotes(bench, 3.20, 3.24)), ExitDecided)
    assert decided.profile == "urgent"


def test_the_stop_on_the_log_never_falls() -> None:
    bench, _, _ = holding()
    for mid in (2.6, 2.9, 2.5, 3.1, 2.7, 2.9):
        bench.wait(1.2, quotes(bench, mid - 0.02, mid + 0.02))
    moves = [move.stop_price for move in bench.all(StopMoved)]
    assert len(moves) > 2
    assert moves == sorted(moves)
    assert S.FILLED in {change.state for change in bench.all(OrderChanged)}
