"""When a value is there but must not count as good: too few trades, carried bars, an old close or
rank, an old surface. Each case is right at its edge."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from domain.analytics.bars import _sample_skew, variance_left, variance_until
from domain.analytics.past import Past, past_of
from domain.analytics.realised import SessionCloses
from domain.analytics.report import metrics_of
from domain.analytics.state import AnalyticsState
from domain.events.analytics import Metric, Quality
from domain.session import Session
from tests.domain.analytics.build import OPEN, session
from tests.domain.analytics.stage_runs import metric
from tests.domain.analytics.test_auction_history_past import full_history
from tests.domain.analytics.test_quality_of_every_metric import folded

NOW = OPEN + timedelta(minutes=2)
FLOWS = ("ncp", "npp", "fi", "fi_s", "delta_flow", "delta_flow_z", "pcr_vol", "pcr_prem", "pcr_ask")


def reported(state: AnalyticsState, *names: str) -> list[Metric]:
    report = metrics_of(state, "SPY", NOW)
    return [metric(report, name) for name in names]


@pytest.mark.parametrize(("classified", "is_warm"), [(49, False), (50, True)])
def test_flow_is_warm_after_15_minutes_and_50_classified_trades(
    classified: int, is_warm: bool
) -> None:
    state = deepcopy(folded())
    flow = state.symbols["SPY"].flow
    flow.bars, flow.classified, flow.last_trade_at = 180, classified, NOW.timestamp()
    found = reported(state, *FLOWS)
    if is_warm:
        assert all(one.reason != "FEW_TRADES" for one in found if one.name in ("ncp", "npp"))
        assert found[0].quality is Quality.OK and found[4].quality is Quality.OK
    else:
        assert {(one.quality, one.reason) for one in found} == {(Quality.WARMUP, "FEW_TRADES")}
    assert {one.quality for one in reported(state, "fi_n", "sweep_net")} == {Quality.OK}
    minute = state.symbols["SPY"].bars.last_end
    assert minute is not None and minute.second == 0
    expected = Quality.OK if is_warm else Quality.WARMUP
    assert reported(state, "ncp_5m", "sweep_calls")[0].quality is expected


def test_realised_variance_over_carried_bars_is_degraded() -> None:
    """12 bars missing are carried; a 13th splits the session, which then only is scaled."""
    for missing, carried in ((0, 0), (12, 12), (13, 0)):
        closes = SessionCloses()
        closes.add(0, 600.0)
        closes.add(1 + missing, 601.0)
        assert closes.carried == carried
    state = deepcopy(folded())
    bars = state.symbols["SPY"].bars
    bars.closed_minute, bars.realised = 29, 1e-5
    assert reported(state, "rv_today")[0].quality is Quality.OK
    bars.closes.carried = 1
    found = reported(state, "rv_today")[0]
    assert (found.value, found.quality, found.reason) == (1e-5, Quality.DEGRADED, "CARRIED_BARS")


def past(*, days_gone: int = 0, rank_gone: int = 0) -> Past:
    """History whose newest daily bars, or vendor's ranks, are missing for so many sessions."""
    history, earlier = full_history(), [d.session_date for d in session().plan.earlier]
    for day in earlier[len(earlier) - days_gone :]:
        del history.daily["SPY"][day]
    rank = history.iv_rank["SPY"].pop(earlier[-1])
    history.iv_rank["SPY"][earlier[-1 - rank_gone]] = rank
    return past_of(history, session(), "SPY", 1.0, 1.0)


def test_previous_close_is_that_of_the_session_right_before() -> None:
    whole, gapped = past(), past(days_gone=1)
    assert whole.close_before == whole.previous_close
    assert gapped.previous_close is not None and gapped.close_before is None


def test_seeded_rank_is_marked_and_stale_after_4_sessions() -> None:
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    for gone, quality, reason in (
        (0, Quality.WARMUP_MODEL, "VENDOR_SEED"),
        (3, Quality.WARMUP_MODEL, "VENDOR_SEED"),
        (4, Quality.STALE, "OLD"),
    ):
        is_old = past(rank_gone=gone).iv_rank_is_old
        symbol.past = replace(cast(Past, symbol.past), iv_rank_is_old=is_old)
        found = reported(state, "iv_rank")[0]
        assert (found.quality, found.reason) == (quality, reason), gone


def test_average_volume_is_of_full_sessions() -> None:
    """19 x 60 and 1 x 30 million shares: a half day of a third of that is passed over."""
    history, day = full_history(), session()
    *_, full, half = (d.session_date for d in day.plan.earlier)
    bars = history.daily["SPY"]
    bars[full] = replace(bars[full], volume=30e6)
    bars[half] = replace(bars[half], volume=20e6)
    planned = tuple(
        d.model_copy(update={"is_half_day": d.session_date == half}) for d in day.plan.earlier
    )
    day = Session(day.plan.model_copy(update={"earlier": planned}))
    assert past_of(history, day, "SPY", 1.0, 1.0).adv20 == pytest.approx(58.5e6)


def test_rest_of_the_day_compares_what_was_realised_with_the_share_of_that_minute() -> None:
    """At 10:00 15.4 % are done; 15.4 % of the forecast realised leaves it as it is at 10:00:55."""
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    assert symbol.past is not None and symbol.past.forecast is not None
    forecast = symbol.past.forecast.rv_hat
    symbol.bars.realised = 0.154 * forecast
    symbol.bars.minute_end = OPEN + timedelta(minutes=30)
    symbol.bars.last_end = OPEN + timedelta(minutes=30, seconds=55)
    share = 1 - 0.154 - 0.185 * 55 / 3_600
    assert variance_left(state, symbol) == pytest.approx(forecast * share)


def test_skew_is_not_sampled_off_a_surface_older_than_180_s() -> None:
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    before = len(symbol.bars.skews)
    for age, sampled in ((180.5, 0), (180.0, 1)):
        symbol.chain.refreshed_at = NOW.timestamp() - age
        _sample_skew(state, symbol, 3, NOW)
        assert len(symbol.bars.skews) == before + sampled


def test_after_the_close_the_next_session_is_day_one_and_its_forecast_knows_this_one() -> None:
    """ln RV' = b0 + bd ln d + bw ln w + bm ln m with today as d: its night, 0.4 / 0.6 of it,
    and the whole session. Without today's variance this morning's forecast has to do."""
    state = deepcopy(folded())
    symbol, day = state.symbols["SPY"], session()
    assert symbol.past is not None and symbol.past.forecast is not None
    found = (*[1e-4] * 21, 2e-4)
    symbol.past = replace(symbol.past, variances=found)
    symbol.bars.last_end, symbol.bars.realised = day.close_at, 3e-4
    week, month = (3 * 1e-4 + 2e-4 + 3e-4) / 5, (20 * 1e-4 + 2e-4 + 3e-4) / 22
    logs = [math.log(v) for v in (3e-4, week, month)]
    fitted = -1.1883 + 0.5379 * logs[0] + 0.2274 * logs[1] + 0.1287 * logs[2]
    following = math.exp(fitted + 0.5993**2 / 2)
    assert variance_until(state, symbol, 1) == pytest.approx(following * (1 + 0.4 / 0.6))
    later = month + (following - month) * 0.94
    total = following * (1 + 0.4 / 0.6) + later * (1 + 0.4 / 0.6)
    assert variance_until(state, symbol, 2) == pytest.approx(total)
    symbol.bars.realised = None
    old = symbol.past.forecast.rv_hat
    assert variance_until(state, symbol, 1) == pytest.approx(old * (1 + 0.4 / 0.6))


@pytest.mark.parametrize(("age", "quality"), [(70.0, Quality.OK), (70.5, Quality.STALE)])
def test_the_change_of_skew_is_of_the_last_closed_minute(age: float, quality: Quality) -> None:
    """The chain is evaluated by the clock, whether or not bars close minutes."""
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    symbol.bars.skew_z, symbol.bars.minute_end = 1.5, NOW - timedelta(seconds=age)
    found = reported(state, "rr25", "skew_chg_z")
    assert [one.quality for one in found] == [Quality.OK, quality]


@pytest.mark.parametrize(("age", "quality"), [(150.0, Quality.OK), (150.5, Quality.STALE)])
def test_the_slope_of_the_tide_is_of_the_last_closed_minute(age: float, quality: Quality) -> None:
    state = deepcopy(folded())
    tide = state.tide
    tide.updated_at, tide.slope, tide.slope_z = NOW.timestamp(), 1.0, 0.5
    tide.slope_at, tide.slopes.imported = NOW.timestamp() - age, 0.0
    found = reported(state, "tide", "tide_slope", "tide_slope_z")
    assert [one.quality for one in found] == [Quality.OK, quality, quality]


@pytest.mark.parametrize(("age", "quality"), [(30.0, Quality.OK), (30.5, Quality.STALE)])
def test_no_alert_is_no_news_while_the_flow_is_not_heard(age: float, quality: Quality) -> None:
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    symbol.flow.last_trade_at = NOW.timestamp() - age
    symbol.alerts.add(1, NOW.timestamp() - 60)
    found = reported(state, "alerts_bullish", "alerts_bearish")
    assert [(one.value, one.quality) for one in found] == [(1.0, quality), (0.0, quality)]
