"""Fills that come late, after a flatten, an exit or a close: none stays without an exit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from domain.events.controls import FlattenStarted, TradingHalted, TradingReleased
from domain.events.orders import OrderIntended
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    PositionReopened,
)
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import leg_ticks, listed, long_call, session
from tests.domain.execution.stories import (
    LEG,
    exits,
    flatten,
    holding,
    leaving,
    only,
    quotes,
)


def working() -> tuple[Bench, OrderIntended]:
    """An entry of four that works at the broker."""
    bench = Bench()
    bench.start()
    bench.market(leg_ticks(LEG, 1.98, 2.02))
    entry, stop = only(bench.enter(long_call()), OrderIntended)
    bench.sent(entry)
    bench.sent(stop)
    bench.seen(listed(entry))
    bench.seen(listed(stop, "PreSubmitted", why_held="child,trigger"))
    return bench, entry


def flatten_all(bench: Bench, *positions: str) -> list[Any]:
    """Halt and flatten, as the risk stage writes them."""
    bench.give(TradingHalted(who="o", reason="flatten"))
    return bench.give(FlattenStarted(who="o", reason="r", positions=positions))


def killed(bodies: list[Any]) -> list[str]:
    return [d.position_id for d in only(bodies, ExitDecided) if d.reason is ExitReason.KILL]


def close(bench: Bench, intent: OrderIntended) -> None:
    """The exit fills and the position closes."""
    bench.fill(intent, 4, "1.90")
    bench.seen(listed(intent, "Filled", 4))
    bench.wait(6, quotes(bench, 1.88, 1.92))


def test_what_fills_after_a_flatten_is_closed_too() -> None:
    """The entry's fill races its cancel: the flatten named no position, and closes it still."""
    bench, entry = working()
    flatten_all(bench)
    emitted = bench.fill(entry, 1, "2.00")
    (opened,) = only(emitted, PositionOpened)
    assert killed(emitted) == [opened.position_id]
    bench.wait(4, quotes(bench, 1.98, 2.02))
    assert [intent.quantity for intent in exits(bench)] == [1]


def test_a_flatten_of_some_positions_closes_what_fills_while_it_is_in_force() -> None:
    bench, entry = working()
    flatten_all(bench, "P-of-another")
    assert len(killed(bench.fill(entry, 2, "2.00"))) == 1


def test_a_fill_after_the_release_is_no_longer_killed() -> None:
    bench, entry = working()
    flatten_all(bench)
    bench.give(TradingReleased(who="o", reason="done"))
    assert only(bench.fill(entry, 1, "2.00"), ExitDecided) == []


def test_a_flatten_after_the_release_lets_later_entries_be() -> None:
    """What expires is closed after a reconnection: the desk may have been released by then."""
    bench, entry = working()
    bench.give(FlattenStarted(who="risk", reason="reconnected", positions=("P-of-another",)))
    assert only(bench.fill(entry, 1, "2.00"), ExitDecided) == []


def test_a_fill_after_the_exit_is_left_for_the_same_reason() -> None:
    """The last contract of an entry comes when its position is sold out already."""
    bench, entry, _ = holding()
    (intent,) = only(bench.wait(1, quotes(bench, 3.20, 3.24)), OrderIntended)
    bench.sent(intent)
    bench.fill(intent, 4, "3.20")
    bench.seen(listed(intent, "Filled", 4))
    bench.wait(1, quotes(bench, 2.60, 2.64))
    emitted = bench.fill(entry, 1, "2.00", "late.01.01")
    (decided,) = only(emitted, ExitDecided)
    assert (decided.reason, decided.profile) == (ExitReason.TARGET, "urgent")
    bench.wait(1, quotes(bench, 2.60, 2.64))
    assert exits(bench)[-1].quantity == 1


def test_a_late_fill_opens_a_closed_position_again_and_says_so() -> None:
    bench, _, intent = leaving()
    (entry, *_) = bench.all(OrderIntended)
    close(bench, intent)
    (closed,) = bench.all(PositionClosed)
    emitted = bench.fill(entry, 1, "2.00", "late.01.01")
    kinds = [type(body) for body in emitted if isinstance(body, PositionReopened | PositionChanged)]
    assert kinds == [PositionReopened, PositionChanged]
    (reopened,) = only(emitted, PositionReopened)
    assert (reopened.units, reopened.closed_pnl) == (1, closed.realised_pnl)
    assert only(emitted, PositionOpened) == []
    assert len(only(emitted, ExitDecided)) == 1


def test_a_second_close_gives_one_result_of_the_whole_life() -> None:
    """Closes less what reopenings take back are the result: nothing counts twice."""
    bench, _, intent = leaving()
    (entry, *_) = bench.all(OrderIntended)
    close(bench, intent)
    bench.fill(entry, 1, "2.00", "late.01.01")
    bench.wait(1, quotes(bench, 1.98, 2.02))
    again = exits(bench)[-1]
    assert again.order_ref != intent.order_ref
    bench.sent(again)
    bench.fill(again, 1, "1.95")
    bench.seen(listed(again, "Filled", 1))
    bench.wait(6, quotes(bench, 1.98, 2.02))
    closes = [body.realised_pnl for body in bench.all(PositionClosed)]
    taken_back = [body.closed_pnl for body in bench.all(PositionReopened)]
    assert len(closes) == 2
    assert sum(closes) - sum(taken_back) == Decimal("-45.00")
    assert bench.all(PositionChanged)[-1].realised_pnl == Decimal("-45.00")


def test_a_corrected_price_of_a_closed_position_opens_nothing() -> None:
    bench, _, intent = leaving()
    bench.fill(intent, 4, "1.90", "x.01.01")
    bench.seen(listed(intent, "Filled", 4))
    bench.wait(6, quotes(bench, 1.88, 1.92))
    emitted = bench.fill(intent, 4, "1.80", "x.01.02")
    assert only(emitted, PositionReopened) == []
    assert [c.realised_pnl for c in only(emitted, PositionChanged)] == [Decimal("-80.00")]


def test_a_late_fill_in_the_next_session_is_left_too() -> None:
    """Closed at night's end, filled after the next day was planned: it is still known."""
    bench, _, intent = leaving()
    (entry, *_) = bench.all(OrderIntended)
    close(bench, intent)
    bench.now += timedelta(hours=15)
    bench.give(session(bench.now.date()))
    emitted = bench.fill(entry, 1, "2.00", "late.01.01")
    assert len(only(emitted, PositionReopened)) == 1
    assert [d.reason for d in only(emitted, ExitDecided)] == [ExitReason.KILL]


def test_a_fill_after_the_resting_stop_is_left_too() -> None:
    """No exit was decided: the broker's stop sold. What comes later does not stay."""
    bench, entry, stop = holding()
    bench.fill(stop, 4, "0.60", "x.01.01")
    bench.wait(6)
    emitted = bench.fill(entry, 1, "2.00", "late.01.01")
    assert [d.reason for d in only(emitted, ExitDecided)] == [ExitReason.PROTECTIVE_STOP]


def test_a_flatten_of_a_held_position_is_decided_once() -> None:
    bench, _, _ = holding()
    position = bench.all(PositionOpened)[-1].position_id
    assert killed(flatten(bench)) == [position]
    bench.wait(1, quotes(bench, 1.98, 2.02))
    assert killed(bench.all(ExitDecided)) == [position]
