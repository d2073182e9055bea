"""What is reported with the bar that closes a minute: each formula by hand, each null with why."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from domain.analytics.closings import CLOSINGS, Closings, percentile_of, rank_of
from domain.analytics.daily import DailyBar
from domain.analytics.flow_alerts import FlowAlerts, direction_of
from domain.analytics.flow_mode import FlowMode
from domain.analytics.gex import exposure_of
from domain.analytics.ranges import annual, range_variances
from domain.analytics.realised import (
    SessionCloses,
    bipower_variation,
    grid_returns,
    jump_score,
    median_variation,
)
from domain.analytics.stage import AnalyticsStage
from domain.analytics.vwap import Vwap
from domain.events.analytics import FlowModeContradicted, MetricComputed, Quality
from domain.events.sessions import ClosingVolatility
from domain.events.system import ClockTicked
from domain.instruments import Right, occ_symbol
from domain.payloads.unusual_whales import FlowAlert, read_flow_alert
from domain.pricing.black_scholes import delta_and_vega
from tests.domain.analytics.build import DAY, OPEN, Tape, bar, expiry_of, session, tide
from tests.domain.analytics.day_build import market, start
from tests.domain.analytics.stage_runs import day_emissions, metric, reports
from tests.domain.analytics.test_surface_and_exposure import filled_table, surface_of
from tests.domain.payloads.frames import FRAMES


def test_median_variation_follows_its_definition() -> None:
    returns = np.array([0.01, -0.03, 0.02, 0.005])
    squares = 0.02**2 + 0.02**2
    scale = math.pi / (6 - 4 * math.sqrt(3) + math.pi)
    assert median_variation([returns]) == pytest.approx(scale * 4 / 2 * squares)
    assert median_variation([returns[:2]]) is None


def test_no_return_and_no_product_reaches_over_a_gap() -> None:
    """Two runs: the pair of returns on both sides of the gap is no pair."""
    first, second = np.array([0.01, 0.02]), np.array([-0.04, 0.03])
    pairs = 0.01 * 0.02 + 0.04 * 0.03
    assert bipower_variation([first, second]) == pytest.approx(math.pi / 2 * 4 / 2 * pairs)
    assert median_variation([first, second]) is None and jump_score([first, second]) is None
    closes = SessionCloses()
    for index in (*range(122), *range(182, 304)):
        closes.add(index, 600.0 if index < 150 else 630.0)
    returns = [grid_returns(np.array(run)) for run in closes.runs]
    assert [r.tolist() for r in returns] == [[0.0, 0.0], [0.0, 0.0]]
    assert closes.gap_scale == pytest.approx(304 / 244)
    short = SessionCloses()
    for index in (0, 1, 2, 10, 11):
        short.add(index, 600.0)
    assert short.gap_scale == 1.0, "a gap of up to a minute is carried over"


def test_ranges_of_equal_days_are_the_formulas() -> None:
    bars = [
        DailyBar(date(2026, 8, 1) + timedelta(days=k), 100.0, 110.0, 95.0, 105.0, 1.0)
        for k in range(21)
    ]
    found = range_variances(bars)
    assert found is not None
    span, day = math.log(110 / 95) ** 2, math.log(1.05) ** 2
    rogers = math.log(110 / 105) * math.log(1.1) + math.log(95 / 105) * math.log(0.95)
    assert found.parkinson == pytest.approx(span / (4 * math.log(2)))
    assert found.garman_klass == pytest.approx(0.5 * span - (2 * math.log(2) - 1) * day)
    assert found.rogers_satchell == pytest.approx(rogers)
    k = 0.34 / (1.34 + 21 / 19)
    assert found.yang_zhang == pytest.approx((1 - k) * rogers), "nights and days do not vary"
    assert annual(found.yang_zhang) == pytest.approx(math.sqrt(252 * found.yang_zhang))
    assert range_variances(bars[1:]) is None


def test_yang_zhang_takes_the_night_from_the_close_before() -> None:
    flat = [
        DailyBar(date(2026, 8, 1) + timedelta(days=k), c, c, c, c, 1.0)
        for k, c in enumerate([100.0 * (1.01 if k % 2 else 1.0) for k in range(21)])
    ]
    found = range_variances(flat)
    assert found is not None
    move = math.log(1.01)
    assert found.yang_zhang == pytest.approx(20 / 19 * move * move, rel=1e-9)
    assert found.parkinson == 0.0


def test_rank_and_percentile_by_hand() -> None:
    assert rank_of(0.18, [0.10, 0.20, 0.30]) == pytest.approx(40.0)
    assert rank_of(0.40, [0.10, 0.30]) == 100.0 and rank_of(0.05, [0.10, 0.30]) == 0.0
    assert percentile_of(0.20, [0.10, 0.20, 0.30, 0.15]) == 50.0, "strictly below"
    assert rank_of(0.2, [0.2, 0.2]) is None and percentile_of(0.2, [0.2, 0.2]) is None


def test_rank_needs_two_hundred_and_fifty_two_closings_before_the_latest() -> None:
    closings = Closings()
    for k in range(CLOSINGS):
        closings.add(DAY, 0.10 + k / 1000)
    assert not closings.is_warm and closings.rank is None
    closings.add(DAY, 0.10)
    assert closings.is_warm and (closings.rank, closings.percentile) == (0.0, 0.0)
    closings.add(DAY, 0.2255)
    assert closings.percentile == pytest.approx(100 * 126 / 252)


@pytest.mark.parametrize(
    ("right", "ask", "bid", "direction"),
    [
        (Right.CALL, "60", "40", 1),
        (Right.CALL, "59.9", "40.1", 0),
        (Right.CALL, "30", "70", -1),
        (Right.PUT, "40", "60", 1),
        (Right.PUT, "60", "40", -1),
    ],
)
def test_direction_of_an_alert(right: Right, ask: str, bid: str, direction: int) -> None:
    channel = next(name for name in FRAMES if name.startswith("flow"))
    alert = read_flow_alert(FRAMES[channel], "")
    changed: FlowAlert = msgspec.structs.replace(
        alert,
        right=right,
        total_premium=Decimal(100),
        ask_side_premium=Decimal(ask),
        bid_side_premium=Decimal(bid),
    )
    assert direction_of(changed) == direction
    assert direction_of(msgspec.structs.replace(changed, total_premium=None)) == 0


def test_alerts_count_for_fifteen_minutes() -> None:
    alerts = FlowAlerts()
    alerts.add(1, 1_000.0)
    alerts.add(-1, 1_100.0)
    alerts.add(0, 1_200.0)
    assert alerts.counts(1_200.0) == (1, 1)
    assert alerts.counts(1_900.0) == (0, 1)
    alerts.add(1, 1_950.0)
    assert len(alerts.bullish) == 1


def test_exposure_of_today_alone_and_its_delta_until_the_close() -> None:
    """One call above the spot: it loses its delta; one below gains what it lacks."""
    table = filled_table((0, 10))
    table.open_interest[: table.count] = 0.0
    for days, strike, interest in ((0, 664.0, 10.0), (0, 656.0, 7.0), (10, 670.0, 99.0)):
        occ = occ_symbol("SPY", expiry_of(days), Right.CALL, Decimal(str(strike)))
        table.open_interest[table.slot_of_symbol(occ)] = interest
    surface = surface_of(table)
    found = exposure_of(table, surface, 45)
    total = 0.0
    for strike, interest, at_close in ((664.0, 10.0, 0.0), (656.0, 7.0, 1.0)):
        node = np.flatnonzero(surface.layout.strike == strike)[:1]
        now = delta_and_vega(
            surface.spot_escrowed[node],
            surface.layout.strike[node],
            surface.years[node],
            surface.rate[node],
            surface.iv[node],
            np.array([True]),
        )[0][0]
        total += (at_close - float(now)) * interest * 100 * surface.spot
    assert found.charm_to_close == pytest.approx(total)
    assert found.call_wall == 670.0 or found.walls_0dte[0] in (664.0, 656.0)
    assert found.walls_0dte[1] is None and found.flip_0dte is None
    assert (found.call_interest, found.put_interest) == (116.0, 0.0)


def test_bands_are_multiples_of_sigma() -> None:
    vwap = Vwap()
    vwap.add(100.0, 1.0)
    vwap.add(102.0, 1.0)
    assert (vwap.price, vwap.sigma) == (101.0, 1.0)
    for report in reports(list(day_emissions())):
        if metric(report, "last_close").as_of.second:
            assert not any(m.name == "vwap_upper_1" for m in report.metrics)
            continue
        middle, width = metric(report, "vwap").value, metric(report, "vwap_sigma").value
        for k in (1, 2, 3):
            for name, sign in (("upper", 1), ("lower", -1)):
                band = metric(report, f"vwap_{name}_{k}").value
                assert band == pytest.approx(middle + sign * k * width)  # type: ignore[operator]


def test_derived_surface_metrics_agree_with_their_parts() -> None:
    report = next(
        r
        for r in reversed(reports(list(day_emissions())))
        if metric(r, "last_close").as_of.second == 0
    )
    near, far = (metric(report, f"atm_iv_{d}d").value for d in (30, 60))
    assert metric(report, "term_30_60").value == pytest.approx(near - far)  # type: ignore[operator]
    straddle = metric(report, "em_mean_abs_0dte").value
    deviation = metric(report, "em_1sd_0dte").value
    assert deviation == pytest.approx(math.sqrt(math.pi / 2) * straddle)  # type: ignore[operator]
    assert metric(report, "atm_iv_1d").quality is Quality.OK
    assert metric(report, "or_high_5").quality is Quality.WARMUP
    assert metric(report, "iv_pct").reason == "FEW_CLOSINGS"


def test_the_last_good_volatility_is_the_closing_one_and_told_once() -> None:
    stage = AnalyticsStage()
    state = stage.initial()
    tape = Tape()
    start(tape)
    market(tape, 2, symbols=("SPY",))
    over = session().close_at + timedelta(seconds=60)
    tape.add(bar("SPY", session().close_at - timedelta(seconds=5), 660.0), session().close_at)
    tape.add(ClockTicked(worker="signals"), over)
    tape.add(ClockTicked(worker="signals"), over + timedelta(seconds=1))
    told, seen = [], []
    for event in tape.events:
        state = stage.evolve(state, event)
        for emission in stage.react(state, event):
            if isinstance(emission.body, ClosingVolatility):
                told.append(emission.body)
            elif isinstance(emission.body, MetricComputed):
                seen.append(metric(emission.body, "atm_iv_30d"))
    good = [m for m in seen if m.quality is Quality.OK]
    assert [(b.symbol, b.session_date, b.closings) for b in told] == [("SPY", DAY, 1)]
    assert told[0].as_of < OPEN + timedelta(minutes=2, seconds=1)
    assert told[0].volatility == pytest.approx(good[-1].value, rel=1e-3)  # type: ignore[arg-type]
    assert list(state.symbols["SPY"].closings.values) == pytest.approx([told[0].volatility])


def test_exposure_of_the_session_by_volume_and_by_side() -> None:
    """By hand: gamma x contracts x 100 x S^2 x 0.01, the sides of calls and puts alike."""
    table = filled_table((10,))
    table.open_interest[: table.count] = 1.0
    for right, volumes in ((Right.CALL, (50.0, 30.0, 12.0)), (Right.PUT, (20.0, 2.0, 9.0))):
        slot = table.slot_of_symbol(occ_symbol("SPY", expiry_of(10), right, Decimal(660)))
        table.volume[slot], table.ask_volume[slot], table.bid_volume[slot] = volumes
    surface = surface_of(table)
    node = int(np.flatnonzero(surface.layout.strike == 660.0)[0])
    forward_sd = surface.iv[node] * math.sqrt(surface.years[node])
    d1 = math.log(surface.spot_escrowed[node] / 660.0) + surface.rate[node] * surface.years[node]
    d1 = d1 / forward_sd + forward_sd / 2
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    gamma = density / (surface.spot_escrowed[node] * forward_sd)
    unit = gamma * 100 * surface.spot**2 * 0.01
    found = exposure_of(table, surface, 45)
    assert found.by_volume == pytest.approx(unit * (50 - 20))
    assert found.directed == pytest.approx(unit * (12 + 9 - 30 - 2))


def test_tide_that_looks_like_totals_is_told_once_and_degrades_the_session() -> None:
    stage, tape = AnalyticsStage(), Tape()
    start(tape)
    for k in range(60):
        at = OPEN + timedelta(seconds=2 * k)
        tape.add(tide(at, 1e6 + 1e4 * k, -2e6 + 1e4 * k), at)
    tape.add(bar("SPY", OPEN + timedelta(seconds=115), 660.0), OPEN + timedelta(minutes=2))
    state, told = stage.initial(), []
    for event in tape.events:
        state = stage.evolve(state, event)
        told.extend(emission.body for emission in stage.react(state, event))
    contradictions = [b for b in told if isinstance(b, FlowModeContradicted)]
    assert [(b.records, b.configured) for b in contradictions] == [(30, "increments")]
    changes, sizes = 29 * 2e4, sum(1e6 + 1e4 * k + 2e6 - 1e4 * k for k in range(1, 30))
    assert contradictions[0].change_share == pytest.approx(changes / sizes)
    report = next(b for b in told if isinstance(b, MetricComputed))
    assert metric(report, "tide").quality is Quality.DEGRADED
    assert metric(report, "tide").reason == "FLOW_MODE"


def test_increments_that_change_by_their_own_size_contradict_nothing() -> None:
    mode = FlowMode()
    for k in range(100):
        mode.add(1e5 * (-1) ** k, 5e4 * (k % 3 - 1))
        assert not mode.contradicts_increments()
    assert mode.share is not None and mode.share > 1
