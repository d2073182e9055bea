"""High-water marks are events: a fold without ticks and bars keeps every trail."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.events.feeds import IbBarReceived, IbTicksReceived
from domain.events.orders import OrderIntended
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    PositionWatermark,
    StopMoved,
)
from domain.execution.stop_state import StopState
from domain.execution.stops import StopStage
from domain.execution.watched import Watched
from domain.stage import Consumer
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    START,
    debit_vertical,
    execution_of,
    leg_ticks,
    plan,
)
from tests.domain.execution.stories import LEG, bar, holding, only, quotes, ready


def watched(bench: Bench) -> Watched:
    state: StopState = bench.consumer.states[-1]
    (only_one,) = state.positions.values()
    return only_one


def restarted(bench: Bench) -> Bench:
    """The stage of the stops, folded anew from the same log without any tick or bar."""
    consumer = Consumer("trader", "test", [StopStage()])
    fresh = Bench(now=bench.now, position=bench.position, consumer=consumer)
    for event in bench.log:
        if not isinstance(event.body, IbTicksReceived | IbBarReceived):
            fresh.consumer.evolve(event)
    return fresh


def trail_of(position: Watched) -> tuple[Any, ...]:
    return (
        position.best,
        position.spread,
        position.stop,
        position.best_extreme,
        position.chandelier,
        position.closes_beyond,
        position.closes_back,
    )


def test_a_restart_keeps_the_high_water_mark_without_its_ticks() -> None:
    bench, _, _ = holding()
    for bid in (2.20, 2.60, 3.00, 2.90):
        bench.wait(2, quotes(bench, bid, bid + 0.04))
    before = watched(bench)
    assert (before.best, before.stop) == (Decimal("3.02"), Decimal("2.26"))
    after = restarted(bench)
    assert trail_of(watched(after)) == trail_of(before)
    for _ in range(2):
        emitted = after.wait(1.5, quotes(after, 2.20, 2.24))
    assert [d.reason for d in only(emitted, ExitDecided)] == [ExitReason.TRAIL]


def test_a_restart_keeps_the_trail_on_the_underlying_and_its_count_of_closes() -> None:
    given_plan = plan(target="9.00", stop="0.10", invalidation="noise_area_and_vwap")
    bench, _, _ = holding(exit_plan=given_plan)
    start = START + timedelta(minutes=1)
    prices = [600.0 + minute / 10 for minute in range(20)] + [595.0]
    for minute, price in enumerate(prices):
        for number in range(12):
            at = start + timedelta(minutes=minute, seconds=5 * number)
            bench.now = at + timedelta(seconds=5)
            bench.give(bar(at, price))
    before = watched(bench)
    assert before.chandelier is not None and before.closes_beyond == 1
    assert bench.all(ExitDecided) == []
    assert trail_of(watched(restarted(bench))) == trail_of(before)


def test_a_high_before_the_entry_is_none_of_the_position() -> None:
    """Bought in the middle of a minute that had been higher: of it only the close counts."""
    given_plan = plan(target="9.00", stop="0.10", invalidation="noise_area_and_vwap")
    bench = ready()
    for number, price in enumerate((604.0, 603.0, 600.0, 600.0, 600.0, 600.0)):
        bench.now = START + timedelta(seconds=5 * number + 5)
        bench.give(bar(START + timedelta(seconds=5 * number), price))
    bench.market(leg_ticks(LEG, 1.98, 2.02, bench.now))
    holding(bench=bench, exit_plan=given_plan)
    for number in range(6, 24):
        at = START + timedelta(seconds=5 * number)
        bench.now = at + timedelta(seconds=5)
        bench.give(bar(at, 601.0 if number == 11 else 600.5))
        if number == 11:
            assert watched(bench).best_extreme == 601.0
    assert watched(bench).best_extreme == 601.0, "600.5 of the minute after is no higher"


def test_a_best_mark_is_written_at_most_once_a_second_and_only_when_it_rises() -> None:
    bench, _, _ = holding()
    bench.wait(2, quotes(bench, 2.20, 2.24))
    so_far = len(bench.all(PositionWatermark))
    for bid in (2.21, 2.22, 2.23):
        bench.wait(0.2, quotes(bench, bid, bid + 0.04))
    assert len(bench.all(PositionWatermark)) == so_far
    bench.wait(1, quotes(bench, 2.24, 2.28))
    assert bench.all(PositionWatermark)[-1].best_mark == Decimal("2.26")
    so_far = len(bench.all(PositionWatermark))
    for _ in range(20):
        bench.wait(2, quotes(bench, 2.00, 2.04))
    assert len(bench.all(PositionWatermark)) == so_far


def test_a_best_mark_that_rises_by_one_tick_is_written() -> None:
    bench, _, _ = holding()
    bench.wait(2, quotes(bench, 2.20, 2.24))
    bench.wait(1, quotes(bench, 2.21, 2.25))
    assert bench.all(PositionWatermark)[-1].best_mark == Decimal("2.23")


def test_the_smoothed_spread_is_written_every_minute() -> None:
    bench, _, _ = holding()
    bench.wait(1, quotes(bench, 1.98, 2.02))
    for _ in range(31):
        bench.wait(2, quotes(bench, 1.95, 2.05))
    written = bench.all(PositionWatermark)[-1]
    assert written.spread is not None and Decimal("0.08") < written.spread < Decimal("0.10")


def test_a_combination_keeps_its_trail_too() -> None:
    bench = Bench()
    bench.start()
    legs = debit_vertical().legs
    bench.market(leg_ticks(legs[0].contract, 3.0, 3.04), leg_ticks(legs[1].contract, 1.0, 1.02))
    (entry,) = only(bench.enter(debit_vertical(), mid="2.01"), OrderIntended)
    for leg, price in ((0, "3.02"), (1, "1.01")):
        bench.give_execution(execution_of(entry, 4, price, f"e.0{leg + 2}.01", bench.now, leg=leg))
    for bid in (3.2, 3.6, 3.5):
        ticks = [leg_ticks(legs[0].contract, bid, bid + 0.04, bench.now)]
        bench.wait(2, [*ticks, leg_ticks(legs[1].contract, 1.0, 1.02, bench.now)])
    assert watched(bench).best == Decimal("2.61")
    assert trail_of(watched(restarted(bench))) == trail_of(watched(bench))


@given(st.lists(st.tuples(st.integers(100, 310), st.floats(0.1, 5.0)), min_size=1, max_size=25))
def test_whatever_the_quotes_do_a_restart_loses_no_more_than_a_second_of_the_best_mark(
    moves: list[tuple[int, float]],
) -> None:
    """And the stop on the log is the stop that stands."""
    bench, _, _ = holding(exit_plan=plan(target="9.00", stop="0.10"))
    for cents, seconds in moves:
        bench.wait(seconds, quotes(bench, cents / 100, cents / 100 + 0.04))
    bench.wait(1.1, quotes(bench, 1.00, 1.04))
    before, after = watched(bench), watched(restarted(bench))
    assert (after.best, after.stop) == (before.best, before.stop)
    moved = bench.all(StopMoved)
    assert all(later.stop_price >= earlier.stop_price for earlier, later in pairwise(moved))
