"""Why and when a position is left, and what the stop stage asks for meanwhile."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.events.controls import TradeCancelRequested
from domain.events.feeds import LinesWanted
from domain.events.orders import (
    OrderChanged,
    OrderIntended,
    OrderState,
)
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    PositionAdjusted,
    PositionChanged,
    PositionMarked,
    PositionOpened,
    StopMoved,
)
from domain.instruments import Direction, Strategy
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    CLOSE,
    OPEN,
    START,
    condor,
    contract,
    debit_vertical,
    execution_of,
    leg_ticks,
    listed,
    long_call,
    plan,
    session,
    underlying_ticks,
)
from tests.domain.execution.stories import (
    LEG,
    bar,
    exits,
    flatten,
    holding,
    leaving,
    only,
    quotes,
)

S = OrderState
D = Decimal


def test_a_stop_needs_a_second_quote_a_second_later() -> None:
    bench, _, _ = holding()
    assert only(bench.wait(0.5, quotes(bench, 0.90, 0.94)), ExitDecided) == []
    assert only(bench.wait(0.5, quotes(bench, 0.91, 0.95)), ExitDecided) == []
    (decided,) = only(bench.wait(0.5, quotes(bench, 0.92, 0.96)), ExitDecided)
    assert (decided.reason, decided.profile) == (ExitReason.STOP, "urgent")


def test_a_quote_that_is_old_by_now_does_not_confirm_a_stop() -> None:
    bench, _, _ = holding()
    bench.wait(0.5, quotes(bench, 0.90, 0.94))
    assert only(bench.wait(2.5), ExitDecided) == []
    assert only(bench.wait(0.5, quotes(bench, 0.90, 0.94)), ExitDecided)


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


@pytest.mark.parametrize(("activation", "trails"), [(0.20, True), (0.25, True), (0.251, False)])
def test_a_credit_trails_from_where_its_plan_says(activation: float, trails: bool) -> None:
    """0.80 taken in, a mark of 0.60 on a wide quote: a quarter is earned. No other number stands in
    the way."""
    bench = Bench()
    bench.start()
    given = plan(target="-0.10", stop="-1.60").model_copy(update={"trail_activation": activation})
    ticks = [leg_ticks(leg.contract, *_quote_of(leg.ratio, 0.20)) for leg in condor().legs]
    bench.market(*ticks)
    intents = bench.enter(condor(), mid="-0.80", exit_plan=given, direction=Direction.NEUTRAL)
    (entry,) = only(intents, OrderIntended)
    bench.sent(entry)
    for leg, fill in enumerate(("0.60", "0.20", "0.60", "0.20")):
        body = execution_of(entry, 4, fill, f"e.0{leg + 2}.01", bench.now, leg=leg)
        bench.give_execution(body)
    bench.now += timedelta(seconds=2)
    ticks = [
        leg_ticks(leg.contract, *_quote_of(leg.ratio, 0.31), bench.now) for leg in condor().legs
    ]
    bench.wait(0, [underlying_ticks(600.0, bench.now), *ticks])
    assert ("trail" in [moved.kind for moved in bench.all(StopMoved)]) is trails


def _quote_of(ratio: int, wing: float) -> tuple[float, float]:
    mid = 0.60 if ratio < 0 else wing
    return round(mid - 0.01, 2), round(mid + 0.01, 2)
