"""Halts for what goes wrong at the broker: each acts once, and never on one incident alone."""

from __future__ import annotations

import pytest

from domain.event import Body
from domain.events.controls import AlertRaised, FlattenStarted, ReleaseRequested, TradingHalted
from domain.events.orders import (
    BrokerDisconnected,
    BrokerErrorSeen,
    BrokerReady,
    EntryRefused,
    OrderModifyIntended,
    OrderState,
)
from tests.domain.risk.build import Driven, none, one
from tests.domain.risk.desk_story import decide, intended, order_changed, ready

RELEASE = ReleaseRequested(who="op", route="api", reason="checked", reauthenticated=True)


def codes(emitted: list[Body]) -> list[str]:
    return [b.reason.partition(":")[0] for b in emitted if isinstance(b, TradingHalted)]


def test_three_rejects_in_a_minute_halt_and_two_do_not() -> None:
    desk = ready()
    for ref, after in (("a", 0), ("b", 30), ("c", 40)):
        desk.when(order_changed(OrderState.REJECTED, ref=ref), after=after)
        assert codes(desk.tick()) == []
    desk.when(order_changed(OrderState.REJECTED, ref="d"), after=5)
    emitted = desk.tick()
    assert codes(emitted) == ["BROKER_REJECTS"]
    assert one(emitted, AlertRaised).severity == "critical"
    assert none(emitted, FlattenStarted)


def test_one_rejection_told_three_times_does_not_halt() -> None:
    """A new permanent id repeats the state of an order: it is the same rejection."""
    desk = ready()
    for _ in range(5):
        desk.when(order_changed(OrderState.REJECTED, ref="a"))
    assert codes(desk.tick()) == []


def test_an_order_unknown_for_a_minute_halts() -> None:
    """An order that nobody can tell about may fill unseen: a human must look."""
    desk = ready()
    desk.when(order_changed(OrderState.UNKNOWN, ref="lost"))
    desk.when(order_changed(OrderState.UNKNOWN, ref="lost"), after=30)
    assert codes(desk.tick(after=30)) == []
    assert codes(desk.tick()) == ["ORDER_UNKNOWN"]


def test_an_order_found_again_in_time_does_not_halt() -> None:
    desk = ready()
    desk.when(order_changed(OrderState.UNKNOWN, ref="lost"))
    desk.when(order_changed(OrderState.WORKING, ref="lost", remaining=1), after=50)
    assert codes(desk.tick(after=60)) == []


def test_orders_unknown_while_disconnected_are_counted_from_the_next_connection() -> None:
    """A broker that restarts for five minutes is no lost order."""
    desk = ready()
    desk.when(order_changed(OrderState.UNKNOWN, ref="lost"))
    desk.when(BrokerDisconnected(connection="c", reason="restart"))
    assert codes(desk.tick(after=300)) == []
    desk.when(BrokerReady(connection="c2", run_id="r", block_first=10, block_last=19))
    assert codes(desk.tick(after=60)) == []
    assert codes(desk.tick()) == ["ORDER_UNKNOWN"]


def working(quantity: int) -> Driven:
    desk = ready()
    decision = decide(desk)
    desk.when(intended(decision, quantity=quantity))
    return desk


def test_an_overfill_halts() -> None:
    """More filled than was ever asked for: nothing may be opened on such an account."""
    desk = working(4)
    desk.when(order_changed(OrderState.FILLED, filled=4))
    assert codes(desk.tick()) == []
    desk.when(order_changed(OrderState.FILLED, filled=5))
    assert codes(desk.tick()) == ["OVERFILL"]
    desk.when(RELEASE)
    assert codes(desk.tick()) == []


def test_a_fill_of_an_enlarged_order_is_no_overfill() -> None:
    desk = working(4)
    larger = OrderModifyIntended(
        order_ref="ref-1",
        order_id=1,
        connection="c",
        revision=1,
        quantity=6,
        limit_price=decide(ready()).max_loss_usd,
        stop_price=None,
    )
    desk.when(larger)
    desk.when(larger.model_copy(update={"quantity": 3, "revision": 2}))
    desk.when(order_changed(OrderState.FILLED, filled=6))
    assert codes(desk.tick()) == []


@pytest.mark.parametrize(
    ("code", "halts"), [(201, True), (105, True), (202, False), (10148, False), (2104, False)]
)
def test_errors_without_end_halt_and_notices_do_not(code: int, halts: bool) -> None:
    """A desk that is refused twenty times a minute is doing something that nobody meant."""
    desk = ready()
    error = BrokerErrorSeen(connection="c", request_id=1, code=code, text="t")
    for _ in range(19):
        desk.when(error)
    assert codes(desk.tick()) == []
    desk.when(error)
    assert codes(desk.tick()) == (["BROKER_ERRORS"] if halts else [])


@pytest.mark.parametrize(("code", "halts"), [("RATE_ALL", True), ("QUOTE_AGE", False)])
def test_a_strategy_that_orders_without_end_halts(code: str, halts: bool) -> None:
    """Its orders are refused one by one; left alone it would go on for the whole session."""
    desk = ready()
    for number in range(5):
        assert codes(desk.tick()) == []
        desk.when(EntryRefused(decision_id=f"d{number}", signal_id="s", codes=(code,)))
    assert codes(desk.tick()) == (["ORDER_RATE"] if halts else [])


def test_troubles_fold_to_the_same_state() -> None:
    desk = working(4)
    desk.when(order_changed(OrderState.FILLED, filled=5))
    desk.when(order_changed(OrderState.UNKNOWN, ref="lost"))
    desk.tick(after=61)
    desk.when(RELEASE)
    assert desk.folded().states == desk.consumer.states
