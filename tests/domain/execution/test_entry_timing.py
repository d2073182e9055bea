"""Entries wait while P1, proven, sees their structure get cheaper (rules 6.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from domain.events.feeds import IbTicksReceived
from domain.events.forecasts import DriftPredicted
from domain.events.orders import OrderCancelIntended, OrderModifyIntended
from domain.events.timing import EntryWaited
from domain.execution.quotes import Quotes
from domain.execution.timing import structure_delta
from domain.instruments import Strategy
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    START,
    contract,
    debit_vertical,
    leg_ticks,
    underlying_ticks,
)
from tests.domain.execution.stories import LEG, leaving, only, quotes, working

DELTA = 0.5


def with_delta(ticks: IbTicksReceived, delta: float | None = DELTA) -> IbTicksReceived:
    return msgspec.structs.replace(
        ticks, computations=[(13, 0.15, delta, 2.0, None, 0.03, 0.05, -0.4, 600.0)]
    )


def fresh(bench: Bench, delta: float | None = DELTA) -> list[IbTicksReceived]:
    at = bench.now
    return [underlying_ticks(600.0, at), with_delta(leg_ticks(LEG, 1.98, 2.02, at), delta)]


def forecast(bench: Bench, ticks: float, *, proven: bool = True, symbol: str = "SPY") -> None:
    """P1 of now: `ticks` in 10 s; in 60 s the opposite, which times nothing."""
    bench.give(
        DriftPredicted(
            symbol=symbol,
            model_version="1",
            made_at=bench.now,
            mid=600.0,
            horizons_seconds=[10, 60],
            features=[0.0, 0.0, 0.0],
            ticks=[ticks, -ticks],
            intervals={},
            inputs="",
            proven=[proven, not proven],
        )
    )


def dwelt(bench: Bench, seconds: float = 4.1, delta: float | None = DELTA) -> list[Any]:
    """Time passes with quotes that stand, and the forecast stays what it was at the start."""
    return bench.wait(seconds, fresh(bench, delta))


def test_an_entry_waits_one_dwell_more_when_its_structure_is_seen_to_get_cheaper() -> None:
    """-1.2 ticks of the underlying at delta 0.5 are -0.6 of the option: at least half a tick."""
    bench, parent, _ = working()
    forecast(bench, -1.2)
    emitted = dwelt(bench)
    assert only(emitted, OrderModifyIntended) == []
    (waited,) = only(emitted, EntryWaited)
    assert (waited.order_ref, waited.ladder_step) == (parent.order_ref, parent.ladder_step)
    assert (waited.underlying_ticks, waited.delta) == (-1.2, DELTA)
    assert waited.expected_ticks == pytest.approx(-0.6)
    assert waited.reason == "P1 sees -0.60 ticks in 10 s"
    assert waited.until - bench.now == timedelta(seconds=2 * 4 - 4.1)
    story = next(event for event in bench.log if event.body == waited)
    entry = next(event for event in bench.log if event.body == parent)
    assert story.correlation_id == entry.correlation_id, "it is part of the trade's explanation"
    assert only(dwelt(bench, 1.0), EntryWaited) == [], "said once for each price"
    assert only(dwelt(bench, 3.0), OrderModifyIntended) != [], "and no longer than that"


def test_a_wait_ends_when_the_forecast_no_longer_says_so() -> None:
    bench, _, _ = working()
    forecast(bench, -2.0)
    assert only(dwelt(bench), EntryWaited) != []
    forecast(bench, 2.0)
    assert only(dwelt(bench, 0.5), OrderModifyIntended) != []


@pytest.mark.parametrize(
    ("ticks", "delta", "given"),
    [
        (-0.9, DELTA, {}),
        (1.2, DELTA, {}),
        (-1.2, None, {}),
        (-1.2, float("nan"), {}),
        (-1.2, -DELTA, {}),
        (-5.0, DELTA, {"proven": False}),
        (-5.0, DELTA, {"symbol": "QQQ"}),
    ],
    ids=["too little", "against", "no delta", "no number", "a put", "no trust", "another symbol"],
)
def test_an_entry_climbs_without_delay_unless_all_of_it_holds(
    ticks: float, delta: float | None, given: dict[str, Any]
) -> None:
    bench, _, _ = working()
    forecast(bench, ticks, **given)
    emitted = dwelt(bench, delta=delta)
    assert only(emitted, EntryWaited) == [] and only(emitted, OrderModifyIntended) != []


def test_a_forecast_whose_horizon_has_passed_times_nothing() -> None:
    bench, _, _ = working()
    bench.now -= timedelta(seconds=6)
    forecast(bench, -5.0)
    bench.now += timedelta(seconds=6)
    assert only(dwelt(bench), OrderModifyIntended) != []


def test_a_closing_trade_never_waits() -> None:
    """Urgent ladders have no time to save a tick in."""
    bench, _, _ = working(strategy=Strategy.CLOSING)
    forecast(bench, -5.0)
    emitted = dwelt(bench, 1.6)
    assert only(emitted, EntryWaited) == []
    moves = (OrderModifyIntended, OrderCancelIntended)
    assert [body for body in emitted if isinstance(body, moves)] != []


def test_an_exit_never_waits_for_a_forecast() -> None:
    """Sold at a rising price a call would gain by waiting; the exit goes on all the same."""
    plain, _, _ = leaving()
    bench, _, _ = leaving()
    forecast(bench, 5.0)
    for desk in (plain, bench):
        desk.give(with_delta(leg_ticks(LEG, 1.98, 2.02, desk.now)))
    without, waiting = (desk.wait(1.6, quotes(desk)) for desk in (plain, bench))
    assert only(without, OrderModifyIntended) != []
    assert only(waiting, OrderModifyIntended) == only(without, OrderModifyIntended)
    assert only(waiting, EntryWaited) == []


def test_a_wait_is_folded_from_the_log_as_it_was_decided() -> None:
    """After a restart the same wait is not told again."""
    bench, _, _ = working()
    forecast(bench, -2.0)
    dwelt(bench)
    folded = Bench().consumer
    sources = [event for event in bench.log if event.input_position is None]
    for source in sources:
        own = [event for event in bench.log if event.input_position == source.position]
        folded.fold(source, own)
    assert folded.states == bench.consumer.states


def test_the_delta_of_a_spread_is_that_of_its_legs_as_bought() -> None:
    quotes_of = Quotes()
    for leg, delta in ((contract(600), 0.5), (contract(605), 0.2)):
        quotes_of.apply(with_delta(leg_ticks(leg, 1.0, 1.1), delta), START)
    assert structure_delta(quotes_of, debit_vertical()) == pytest.approx(0.3)
