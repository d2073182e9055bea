"""Bars that did not come are told in what rests on them: carried, scaled, or no value at all."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from domain.analytics.bars import on_bar
from domain.analytics.opening_range import OpeningRange
from domain.analytics.realised import MinuteVolatility, SessionCloses
from domain.analytics.report import metrics_of
from domain.analytics.state import AnalyticsState
from domain.events.analytics import Metric, Quality
from tests.domain.analytics.build import OPEN, bar, recorded
from tests.domain.analytics.stage_runs import metric
from tests.domain.analytics.test_quality_of_every_metric import folded

NOW = OPEN + timedelta(minutes=2)
REALISED = ("rv_today", "bv_today", "jump_z", "medrv_today", "jump_today", "jump_flag")
OPENING = ("or_high", "or_low", "or_break")


def reported(state: AnalyticsState, *names: str, seconds: float = 0) -> list[Metric]:
    report = metrics_of(state, "SPY", NOW + timedelta(seconds=seconds))
    return [metric(report, name) for name in names]


def realised_for_half_an_hour() -> AnalyticsState:
    state = deepcopy(folded())
    bars = state.symbols["SPY"].bars
    bars.closed_minute, bars.realised, bars.realised_reason = 29, 2e-5, ""
    bars.bipower, bars.median, bars.jump = 1.5e-5, 1.6e-5, 3.5
    return state


def test_jumps_have_the_quality_of_the_variance_they_are_in() -> None:
    state = realised_for_half_an_hour()
    closes = state.symbols["SPY"].bars.closes
    found = reported(state, *REALISED)
    assert {one.quality for one in found} == {Quality.OK}
    assert found[4].value == pytest.approx(5e-6) and found[5].value == 1.0
    closes.carried = 1
    told = {(one.quality, one.reason) for one in reported(state, *REALISED)}
    assert told == {(Quality.DEGRADED, "CARRIED_BARS")}


def test_a_sum_that_was_split_at_a_gap_and_scaled_says_so() -> None:
    """Thirteen bars in a row are missing, of sixteen: what the others add up to is scaled."""
    state = realised_for_half_an_hour()
    closes = SessionCloses()
    closes.add(0, 600.0)
    closes.add(1, 600.0)
    assert closes.flaw == ""
    closes.add(15, 601.0)
    assert closes.gap_scale == pytest.approx(16 / 3) and closes.flaw == "GAPS_SCALED"
    state.symbols["SPY"].bars.closes = closes
    told = {(one.quality, one.reason) for one in reported(state, *REALISED)}
    assert told == {(Quality.DEGRADED, "GAPS_SCALED")}


def test_without_enough_bars_there_is_no_variance_and_no_jump() -> None:
    state = realised_for_half_an_hour()
    bars = state.symbols["SPY"].bars
    bars.realised = bars.bipower = bars.median = bars.jump = None
    bars.realised_reason = "COVERAGE"
    told = {(one.value, one.quality, one.reason) for one in reported(state, *REALISED)}
    assert told == {(None, Quality.MISSING, "COVERAGE")}


def test_realised_variance_is_stale_12_s_after_the_last_bar() -> None:
    state = realised_for_half_an_hour()
    names = REALISED[:3]
    assert {one.quality for one in reported(state, *names, seconds=12.0)} == {Quality.OK}
    late = reported(state, *names, seconds=12.5)
    assert {(one.quality, one.reason) for one in late} == {(Quality.STALE, "NO_BARS")}


@pytest.mark.parametrize(
    ("last_bar", "told"),
    [(373, (Quality.DEGRADED, "GAPS_SCALED")), (374, (Quality.STALE, "OLD"))],
)
def test_after_a_gap_realised_variance_is_stale_until_a_minute_closes(
    last_bar: int, told: tuple[Quality, str]
) -> None:
    """Thirty minutes are closed; 70 s of bars since are usual, more mean that a gap was in them."""
    state = realised_for_half_an_hour()
    closes = SessionCloses()
    for index in (*range(350), last_bar):
        closes.add(index, 600.0)
    state.symbols["SPY"].bars.closes = closes
    found = reported(state, *REALISED)
    assert {(one.quality, one.reason) for one in found} == {told}
    assert found[0].value == 2e-5


def test_the_flow_is_told_which_bars_did_not_come() -> None:
    """Two minutes of bars, and the next one five minutes later: 60 are missing, 85 have passed."""
    state = deepcopy(folded())
    assert state.symbols["SPY"].flow.bars == 24
    begin = NOW + timedelta(minutes=5)
    late = bar("SPY", begin, 660.0)
    on_bar(state, recorded(late, begin + timedelta(seconds=5)))
    assert state.symbols["SPY"].flow.bars == 85


def test_the_range_is_complete_with_its_last_bar() -> None:
    opening = OpeningRange(5)
    for n in range(59):
        opening.add_bar(5.0 * n, 101.0, 99.0)
    assert not opening.is_complete
    opening.add_bar(295.0, 102.0, 99.0)
    assert opening.is_complete and opening.high == 102.0 and opening.coverage == 1.0
    opening.add_bar(300.0, 110.0, 90.0)
    assert (opening.high, opening.low, opening.bars) == (102.0, 99.0, 60)


@pytest.mark.parametrize(
    ("bars", "quality", "reason"),
    [
        (60, Quality.OK, ""),
        (59, Quality.DEGRADED, "MISSING_BARS"),
        (48, Quality.DEGRADED, "MISSING_BARS"),
        (47, Quality.MISSING, "COVERAGE"),
    ],
)
def test_an_opening_range_tells_that_bars_are_missing_in_it(
    bars: int, quality: Quality, reason: str
) -> None:
    """Of 60 bars of 5 minutes; under 48, 80 %, there is neither range nor break."""
    state = deepcopy(folded())
    opening = OpeningRange(5, high=661.0, low=659.0, bars=bars, is_complete=True)
    opening.break_direction = 1
    of_symbol = state.symbols["SPY"].bars
    of_symbol.opening, of_symbol.openings = opening, (opening, opening, opening)
    for names in (OPENING, tuple(f"{name}_5" for name in OPENING)):
        found = reported(state, *names)
        assert {(one.quality, one.reason) for one in found} == {(quality, reason)}
        expected = [None] * 3 if quality is Quality.MISSING else [661.0, 659.0, 1.0]
        assert [one.value for one in found] == expected


def test_the_ranges_of_all_lengths_are_stale_70_s_after_the_minute() -> None:
    state = deepcopy(folded())
    opening = OpeningRange(5, high=661.0, low=659.0, bars=60, is_complete=True)
    state.symbols["SPY"].bars.openings = (opening, opening, opening)
    assert reported(state, "or_high_5", seconds=70)[0].quality is Quality.OK
    assert reported(state, "or_high_5", seconds=70.5)[0].quality is Quality.STALE


def test_means_over_minutes_tell_the_bars_that_they_lack() -> None:
    """Of 30 minutes one came with 6 of its 12 bars: 29.5 / 30. The 14 of ATR are whole."""
    minutes = MinuteVolatility()
    for n in range(40):
        bars = 6 if n == 12 else 12
        minutes.add(101.0, 99.0, 100.0 + n % 2, adjacent=True, index=n, bars=bars)
    assert minutes.mean_coverage == pytest.approx(29.5 / 30) and minutes.range_coverage == 1.0
    minutes.add(101.0, 99.0, 100.0, adjacent=False, index=46, bars=12)
    assert minutes.range_coverage == pytest.approx(8 / 14)
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    symbol.minutes, symbol.bars.closed_minute = minutes, 46
    found = reported(state, "sigma_1m", "ewma_vol_1m", "atr_1m")
    assert [(one.quality, one.reason) for one in found] == [
        (Quality.DEGRADED, "MISSING_BARS"),
        (Quality.DEGRADED, "MISSING_BARS"),
        (Quality.MISSING, "COVERAGE"),
    ]
    assert found[2].value is None
    minutes.begin_session()
    assert minutes.mean_coverage == 1.0, "the night lacks no bars"
