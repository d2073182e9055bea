"""The disaster stop at the broker: there while we hold, and never for more than that."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from domain.events.orders import (
    BrokerExecutionSeen,
    OrderCancelIntended,
    OrderIntended,
    OrderModifyIntended,
    Purpose,
)
from tests.domain.execution.execution_build import (
    held,
    listed,
)
from tests.domain.execution.stories import (
    LEG,
    holding,
    leaving,
    only,
    quotes,
    working,
)


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
    bench, parent, stop = working()
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


def test_a_stop_for_less_than_is_held_is_modified_up_so_that_nothing_is_left_naked() -> None:
    """Some brokers size the child to the parent's first fill and leave it there."""
    bench, parent, stop = holding()
    row = listed(stop, "PreSubmitted", why_held="trigger", quantity=Decimal(1))
    bench.now += timedelta(seconds=1)
    bench.snapshot([row], [listed(parent, "Filled", 4)], positions=[held(LEG, 4)])
    (change,) = only(bench.wait(1, quotes(bench)), OrderModifyIntended)
    assert (change.order_ref, change.quantity) == (stop.order_ref, 4)


def test_a_stop_that_is_gone_is_not_sent_beside_its_working_parent() -> None:
    """The parent's next fill would be covered by nobody, or by two: it ends first."""
    bench, parent, stop = working()
    bench.fill(parent, 1, "2.00")
    assert only(bench.seen(listed(stop, "Cancelled")), OrderIntended) == []
    assert only(bench.wait(1, quotes(bench)), OrderIntended) == []
    (again,) = only(bench.seen(listed(parent, "Cancelled", 1)), OrderIntended)
    assert (again.purpose, again.quantity, again.parent_ref) == (Purpose.PROTECTIVE_STOP, 1, "")
