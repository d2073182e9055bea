"""The vendor's minutes of net premium stand where our own flow has a hole, and nowhere else."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta

import pytest

from domain.analytics.ewma import minutes_moments
from domain.analytics.flow import Flow, Trade
from domain.analytics.ingest_rest import on_rest
from domain.analytics.premium_ticks import minute_of
from domain.analytics.report import metrics_of
from domain.analytics.state import AnalyticsState
from domain.events.analytics import Metric, Quality
from domain.events.feeds import UwRestReceived
from tests.domain.analytics.build import OPEN, raw, recorded, session
from tests.domain.analytics.stage_runs import metric
from tests.domain.analytics.test_flow import make
from tests.domain.analytics.test_quality_of_every_metric import folded

PATH = "/api/stock/{ticker}/net-prem-ticks"


def at(minute: float) -> datetime:
    return OPEN + timedelta(minutes=minute)


def row(minute: int, calls: float, puts: float, volume: int = 100, delta: float = 10.0) -> object:
    return {
        "date": "2026-10-06",
        "tape_time": at(minute).isoformat(),
        "net_call_premium": str(calls),
        "net_put_premium": str(puts),
        "call_volume": volume,
        "put_volume": volume // 2,
        "call_volume_ask_side": volume // 4,
        "call_volume_bid_side": volume // 4,
        "put_volume_ask_side": volume // 5,
        "put_volume_bid_side": 0,
        "net_delta": str(delta),
    }


def state() -> AnalyticsState:
    made = AnalyticsState()
    made.session = session()
    return made


def answer(made: AnalyticsState, rows: list[object], now: datetime, purpose: str = "poll") -> None:
    body = UwRestReceived(
        endpoint=PATH,
        path=PATH,
        query="",
        symbol="SPY",
        status=200,
        headers={},
        received_at=now,
        payload=raw({"data": rows}),
        purpose=purpose,
    )
    on_rest(made, recorded(body, now))


def trade(size: int, *, is_call: bool = True, premium: float = 1_000.0) -> Trade:
    return make(size=size, premium=premium, is_call=is_call, side=1)


def heard(flow: Flow, minute: int, size: int, premium: float) -> None:
    flow.add(trade(size, premium=premium), at(minute).timestamp(), minute)


@pytest.mark.parametrize("purpose", ["poll", "backfill"])
def test_a_minute_of_which_less_than_half_was_heard_is_the_vendors(purpose: str) -> None:
    """Of 150 contracts we heard 75 in minute 0, 74 in minute 1 and none in minute 2."""
    made = state()
    flow = made.symbols["SPY"].flow
    heard(flow, 0, 75, 1_000.0)
    heard(flow, 1, 74, 2_000.0)
    rows = [row(0, 9_000.0, 500.0), row(1, 7_000.0, 300.0), row(2, -4_000.0, 200.0)]
    answer(made, rows, at(3), purpose)
    assert (flow.ncp, flow.npp) == (1_000.0 + 7_000.0 - 4_000.0, 300.0 + 200.0)
    assert (flow.call_volume, flow.put_volume) == (75 + 200, 100)
    assert (flow.call_ask_volume, flow.put_ask_volume) == (75 + 50, 40)
    assert flow.repaired == {1, 2} and flow.ticks_until == 3 and not flow.minutes
    assert (flow.vendor_calls, flow.vendor_puts) == (12_000.0, 1_000.0)


def test_the_running_minute_and_rows_of_another_day_repair_nothing() -> None:
    made = state()
    flow = made.symbols["SPY"].flow
    answer(made, [row(-1, 5.0, 5.0), row(0, 100.0, 0.0), row(1, 50.0, 0.0)], at(1.5))
    assert (flow.ncp, flow.ticks_until, flow.vendor_calls) == (100.0, 1, 150.0)
    answer(made, [row(0, 100.0, 0.0), row(1, 80.0, 0.0)], at(2.2))
    assert (flow.ncp, flow.ticks_until, flow.vendor_calls) == (180.0, 2, 180.0)


def test_what_was_compared_once_stands() -> None:
    made = state()
    flow = made.symbols["SPY"].flow
    heard(flow, 0, 150, 1_000.0)
    answer(made, [row(0, 100.0, 0.0)], at(1.2))
    answer(made, [row(0, 9e9, 0.0, volume=10_000)], at(2.2))
    assert flow.ncp == 1_000.0


def test_a_trade_that_comes_after_its_minute_was_repaired_is_in_it_already() -> None:
    made = state()
    flow = made.symbols["SPY"].flow
    answer(made, [row(0, 100.0, 0.0)], at(1.2))
    flow.add(trade(5), at(1.3).timestamp(), 0)
    assert (flow.ncp, flow.call_volume, flow.last_trade_at) == (100.0, 100, at(1.3).timestamp())
    flow.add(trade(5), at(1.3).timestamp(), 1)
    assert (flow.ncp, flow.call_volume) == (1_100.0, 105)


def test_means_are_as_if_the_minute_had_come_evenly_in_its_bars() -> None:
    """Against a mean that did absorb it: 24 bars of nothing, 12 of the minute, 5 since."""
    made, missed = state(), 3_600.0
    symbol = made.symbols["SPY"]
    flow, exact = symbol.flow, minutes_moments(5)
    slow = minutes_moments(30)
    for n in range(41):
        flow.close_bar(n * 5.0, 5.0)
        for moments in (exact, slow):
            moments.update(missed / 12 if 24 <= n < 36 else 0.0, 5.0)
    symbol.bars.last_start = OPEN + timedelta(seconds=40 * 5)
    symbol.bars.close = 600.0
    rows = [row(0, 0.0, 0.0, 0, 0.0), row(1, 0.0, 0.0, 0, 0.0), row(2, missed, missed, delta=6.0)]
    answer(made, rows, at(41 / 12))
    for means in (flow.calls_fast, flow.puts_fast, flow.delta_fast):
        assert means.mean == pytest.approx(exact.mean, rel=1e-12)
    assert flow.calls_slow.mean == pytest.approx(slow.mean, rel=1e-12)
    assert flow.delta_slow.mean == pytest.approx(slow.mean, rel=1e-12), "6 shares at 600 dollars"


def test_a_minute_with_the_first_bar_is_what_the_means_start_with() -> None:
    """1,200 dollars in minute 0, five minutes of nothing: half of 100 dollars a bar is left."""
    made = state()
    symbol = made.symbols["SPY"]
    flow = symbol.flow
    for n in range(72):
        flow.close_bar(n * 5.0, 5.0)
    symbol.bars.last_start, symbol.bars.close = OPEN + timedelta(seconds=71 * 5), 600.0
    answer(made, [row(0, 1_200.0, -2_400.0, delta=4.0)], at(6))
    assert flow.calls_fast.mean == pytest.approx(50.0, rel=1e-12)
    assert flow.puts_fast.mean == pytest.approx(-100.0, rel=1e-12)
    assert flow.delta_fast.mean == pytest.approx(100.0, rel=1e-12), "4 shares at 600 dollars"
    assert flow.calls_slow.mean == pytest.approx(100.0 * 2 ** (-1 / 6), rel=1e-12)


def test_a_minute_repaired_after_the_close_has_not_decayed_since() -> None:
    """The last minute, told ten minutes later: 1,200 dollars in the last 12 of 4,680 bars."""
    made = state()
    symbol = made.symbols["SPY"]
    flow = symbol.flow
    for n in range(4_680):
        flow.close_bar(n * 5.0, 5.0)
    symbol.bars.last_start, symbol.bars.close = OPEN + timedelta(minutes=400), 600.0
    answer(made, [row(389, 1_200.0, 0.0)], at(400))
    assert flow.calls_fast.mean == pytest.approx(100.0 * (1 - 2 ** (-1 / 5)), rel=1e-9)


def test_a_trade_belongs_to_the_minute_in_which_it_was_executed() -> None:
    opened, now = OPEN.timestamp(), at(3.1).timestamp()
    for seconds, minute in ((0, 0), (59.9, 0), (60, 1), (179.9, 2), (-5, 3), (9_999, 3)):
        assert minute_of(int((opened + seconds) * 1_000), now, session()) == minute


def reported(made: AnalyticsState, *names: str) -> list[Metric]:
    report = metrics_of(made, "SPY", at(2))
    return [metric(report, name) for name in names]


@pytest.mark.parametrize(
    ("bars", "ticks", "flows", "sweeps"),
    [
        (179, 14, Quality.WARMUP, Quality.WARMUP),
        (179, 15, Quality.OK, Quality.WARMUP),
        (180, 0, Quality.OK, Quality.OK),
    ],
)
def test_ticks_of_15_minutes_warm_flow_up_but_no_sweeps(
    bars: int, ticks: int, flows: Quality, sweeps: Quality
) -> None:
    made = deepcopy(folded())
    flow = made.symbols["SPY"].flow
    flow.bars, flow.ticks_until, flow.classified = bars, ticks, 50
    flow.last_trade_at = at(2).timestamp()
    found = reported(made, "ncp", "delta_flow", "ncp_5m", "sweep_net", "sweep_calls")
    assert [one.quality for one in found] == [flows, flows, flows, sweeps, sweeps]


HEARD_WHOLE = {
    **dict.fromkeys(("ncp", "npp", "delta_flow", "pcr_vol", "pcr_ask", "ncp_5m"), 0),
    **dict.fromkeys(("sweep_net", "sweep_z", "sweep_calls", "sweep_puts"), 15),
    **dict.fromkeys(("fi_n", "fi", "fi_s"), 30),
    "pcr_prem": 390,
}
"""Closed minutes that must have been heard; those at 0 are the vendor's where we did not."""


def after_a_hole(minutes_ago: int, *, is_repaired: bool) -> dict[str, Metric]:
    """SPY 100 minutes after the open, warm, with a hole of one minute that ended so long ago."""
    made = deepcopy(folded())
    symbol, now = made.symbols["SPY"], at(100)
    flow, hole = symbol.flow, 100 - minutes_ago
    flow.bars, flow.ticks_until, flow.sweep_z = 180, 100, 1.0
    for minute in range(100):
        if is_repaired or minute != hole:
            flow.add(make(size=200, side=1, is_call=minute % 2 == 0), now.timestamp(), minute)
    if is_repaired:
        flow.repaired.add(hole)
    return {one.name: one for one in metrics_of(made, "SPY", now).metrics}


@pytest.mark.parametrize("is_repaired", [True, False])
@pytest.mark.parametrize("minutes_ago", [1, 15, 16, 30, 31, 97])
def test_what_a_hole_weighs_in_is_degraded_while_it_does(
    minutes_ago: int, is_repaired: bool
) -> None:
    """A minute that is the vendor's, or one of which nobody has told anything yet."""
    found = after_a_hole(minutes_ago, is_repaired=is_repaired)
    for name, minutes in HEARD_WHOLE.items():
        quality, reason = Quality.OK, ""
        if minutes_ago <= minutes:
            quality, reason = Quality.DEGRADED, "MISSING_TRADES"
        one = found[name]
        assert (one.quality, one.reason) == (quality, reason) and one.value is not None, name


def test_a_hole_in_one_symbol_marks_no_other() -> None:
    made = deepcopy(folded())
    now = at(100)
    for name in ("SPY", "QQQ"):
        flow = made.symbols[name].flow
        flow.bars, flow.ticks_until, flow.sweep_z = 180, 100, 1.0
        for minute in range(100):
            flow.add(make(size=200, side=1), now.timestamp(), minute)
    made.symbols["QQQ"].flow.repaired.add(99)
    degraded = {}
    for name in ("SPY", "QQQ"):
        found = metrics_of(made, name, now).metrics
        degraded[name] = {one.name for one in found if one.reason == "MISSING_TRADES"}
    assert not degraded["SPY"] and {"fi_s", "sweep_z", "pcr_prem"} <= degraded["QQQ"]


@pytest.mark.parametrize(
    ("minutes", "age", "quality"),
    [
        (10, 150.0, Quality.OK),
        (9, 0.0, Quality.WARMUP),
        (10, 150.5, Quality.STALE),
        (10, None, Quality.MISSING),
    ],
)
def test_the_vendors_sums_need_10_minutes_and_are_stale_after_150_s(
    minutes: int, age: float | None, quality: Quality
) -> None:
    made = deepcopy(folded())
    flow = made.symbols["SPY"].flow
    flow.ticks_until, flow.vendor_calls, flow.vendor_puts = minutes, 5.0, -2.0
    flow.ticks_at = None if age is None else at(2).timestamp() - age
    found = reported(made, "vendor_ncp", "vendor_npp")
    assert {one.quality for one in found} == {quality}
    assert [one.value for one in found] == ([None, None] if age is None else [5.0, -2.0])
