"""What rests on quotes that do not count says so: in a halt, without volatilities, without an
expiry today."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import QuantLib as ql

from domain.analytics.bars import _sample_skew
from domain.analytics.chain import layout_of
from domain.analytics.depth_flow import LevelFlow
from domain.analytics.gex import Regime, exposure_of
from domain.analytics.microstructure import OrderFlow
from domain.analytics.refresh import refresh_chain
from domain.analytics.report import metrics_of
from domain.analytics.state import AnalyticsState
from domain.events.analytics import Quality
from domain.instruments import Right
from domain.pricing.dividends import forward_of
from tests.domain.analytics.build import DAY, OPEN, RATE, expiry_of, opening, years_to
from tests.domain.analytics.test_quality_of_every_metric import folded
from tests.domain.analytics.test_surface_and_exposure import AT, SPOT, filled_table, surface_of

NOW = OPEN + timedelta(minutes=2)
QUOTED = {"microstructure", "micro_price", "depth_flow", "gex", "surface"}
COUNTED = {"quote_age_s", "gex_vendor_ratio"}


def halted(state: AnalyticsState) -> AnalyticsState:
    state.symbols["SPY"].halted_by_broker = True
    return state


def test_in_a_halt_every_metric_of_quotes_is_stale() -> None:
    from domain.analytics.catalogue import METRICS

    names = {m.name for m in METRICS if m.module in QUOTED} - COUNTED
    before = {m.name: m for m in metrics_of(folded(), "SPY", NOW).metrics}
    after = {m.name: m for m in metrics_of(halted(deepcopy(folded())), "SPY", NOW).metrics}
    good = {name for name in names if before[name].quality is Quality.OK}
    assert {"gex_norm", "gex_regime", "term_slope", "atm_iv_0dte", "spot_mid", "gex_vol"} <= good
    wrong = {name: after[name] for name in good if after[name].quality is not Quality.STALE}
    assert not wrong
    assert {after[name].reason for name in good} <= {"HALTED", "STALE"}


def test_in_a_halt_the_vendors_gamma_does_not_stand_in() -> None:
    state = halted(deepcopy(folded()))
    state.symbols["SPY"].chain.vendor.take_total(5e9, NOW.timestamp())
    found = {m.name: m for m in metrics_of(state, "SPY", NOW).metrics}
    assert (found["gex_total"].quality, found["gex_total"].reason) == (Quality.STALE, "HALTED")


@pytest.mark.parametrize(("kept", "lacks"), [(53, ""), (52, "VOLATILITIES"), (0, "VOLATILITIES")])
def test_contracts_without_a_volatility_are_no_exposure_of_zero(kept: int, lacks: str) -> None:
    """Of 66 strikes within 5 % the volatility of so many is known; 80 % are 52.8."""
    table = filled_table((3, 10))
    surface = surface_of(table)
    near = np.flatnonzero(np.abs(surface.layout.strike / SPOT - 1) <= 0.05)
    iv = surface.iv.copy()
    assert near.size == 66
    iv[near[kept:]] = np.nan
    found = exposure_of(table, replace(surface, iv=iv), 45)
    assert (found.lacks, found.is_warm, found.coverage) == (lacks, not lacks, 1.0)


def test_order_flow_is_stale_12_s_after_its_last_window_when_quotes_have_stopped() -> None:
    state = deepcopy(folded())
    symbol, names = state.symbols["SPY"], ("ofi_norm", "ofi", "ofi_5m", "ofi_levels")
    for silent in range(10, 40, 5):
        symbol.order_flow.roll(120.0 + silent)
        symbol.depth.flow.roll(120.0 + silent)
    assert symbol.order_flow.closed_at == symbol.depth.flow.closed_at == 120.0
    for seconds, quality in ((12.0, Quality.OK), (12.5, Quality.STALE)):
        told = metrics_of(state, "SPY", NOW + timedelta(seconds=seconds)).metrics
        assert {m.quality for m in told if m.name in names} == {quality}


@pytest.mark.parametrize(("seconds", "quality"), [(12, Quality.OK), (13, Quality.STALE)])
def test_order_flow_of_the_session_before_is_stale_12_s_after_an_open_without_quotes(
    seconds: int, quality: Quality
) -> None:
    """The mean of five minutes lives on over the night, but says nothing of a silent morning."""
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    slow = symbol.order_flow.slow
    slow.observed = 1_500.0
    symbol.order_flow, symbol.depth.flow = OrderFlow(slow=slow), LevelFlow()
    for passed in range(5, 20, 5):
        symbol.order_flow.roll(float(passed))
    found = {m.name: m for m in metrics_of(state, "SPY", OPEN + timedelta(seconds=seconds)).metrics}
    assert found["ofi_5m_z"].value is not None
    assert found["ofi_5m_z"].quality is quality
    assert (found["ofi_norm"].value, found["ofi_norm"].reason) == (None, "NO_WINDOW")
    assert found["ofi_norm"].quality is Quality.MISSING


def test_the_side_of_the_flip_needs_no_volume_of_earlier_sessions() -> None:
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    symbol.past, symbol.chain.regime = None, Regime()
    refresh_chain(state, symbol, NOW)
    found = {m.name: m for m in metrics_of(state, "SPY", NOW).metrics}
    assert (found["gex_norm"].value, found["gex_norm"].reason) == (None, "NO_ADV20")
    assert found["gex_flip"].reason == "NO_ROOT" and found["gex_total"].value > 0
    assert (found["flip_side"].value, found["flip_side"].quality) == ("ABOVE", Quality.OK)


TODAY_ALONE = ("gex_0dte", "gex_flip_0dte", "call_wall_0dte", "put_wall_0dte", "charm_to_close")


@pytest.mark.parametrize(
    ("kept", "column", "lacks"),
    [
        (27, "iv", ""),
        (26, "iv", "VOLATILITIES"),
        (0, "iv", "VOLATILITIES"),
        (26, "open_interest", "OPEN_INTEREST"),
    ],
)
def test_too_few_of_todays_contracts_are_no_exposure_of_today(
    kept: int, column: str, lacks: str
) -> None:
    """Of today's 33 strikes within 5 % so many are known, 80 % are 26.4; later ones all are."""
    table = filled_table((0, 3, 10, 24, 31))
    surface = surface_of(table)
    near = np.flatnonzero(np.abs(surface.layout.strike / SPOT - 1) <= 0.05)
    unknown = near[surface.layout.expiry_index[near] == 0][kept:]
    assert unknown.size == 33 - kept
    if column == "iv":
        surface.iv[unknown] = np.nan
    else:
        for slots in (surface.layout.call, surface.layout.put):
            table.open_interest[slots[unknown]] = np.nan
    found = exposure_of(table, surface, 45)
    assert (found.lacks, found.lacks_today) == ("", lacks)
    state = deepcopy(folded())
    state.symbols["SPY"].chain.exposure = found
    told = {m.name: m for m in metrics_of(state, "SPY", NOW).metrics}
    assert told["gex_total"].quality is told["vanna_exposure"].quality is Quality.OK
    if lacks:
        seen = {(told[n].value, told[n].quality, told[n].reason) for n in TODAY_ALONE}
        assert seen == {(None, Quality.WARMUP, lacks)}
    else:
        assert told["gex_0dte"].quality is told["charm_to_close"].quality is Quality.OK


def test_an_expired_chain_has_no_volatility_and_no_exposure_left() -> None:
    """At the close the last volatilities are seconds old: they are not those of the contracts any
    more, whose delta is a step and whose gamma is gone."""
    table = filled_table((0, 10))
    before = surface_of(table)
    forwards = [
        replace(f, years=f.years if f.years > 0.01 else 0.0)
        for f in (
            forward_of(SPOT, [], AT, opening(e) + timedelta(hours=6.5), RATE)
            for e in before.layout.expiries
        )
    ]
    closed = surface_of(table, forwards=forwards)
    today = closed.layout.slice_of(0)
    assert np.isfinite(before.iv[today]).all() and np.isnan(closed.iv[today]).all()
    assert closed.of(expiry_of(0)).quality is Quality.EXPIRED
    found = exposure_of(table, closed, 45)
    assert (found.lacks, found.lacks_today, found.total_0dte) == ("", "", 0.0)


def test_without_an_expiry_today_its_exposures_are_null() -> None:
    none = exposure_of(table := filled_table((3, 10)), surface_of(table), 45)
    assert (none.total_0dte, none.charm_to_close) == (None, None)
    state = deepcopy(folded())
    state.symbols["SPY"].chain.exposure = replace(none)
    found = {m.name: m for m in metrics_of(state, "SPY", NOW).metrics}
    for name in ("gex_0dte", "charm_to_close"):
        assert (found[name].value, found[name].quality) == (None, Quality.MISSING)
        assert found[name].reason == "NO_EXPIRY"


@pytest.mark.parametrize(
    ("quality", "spot_reason", "sampled"),
    [(Quality.OK, "", 1), (Quality.DEGRADED, "", 0), (Quality.OK, "HALTED", 0)],
)
def test_the_skew_is_sampled_off_a_sound_surface_alone(
    quality: Quality, spot_reason: str, sampled: int
) -> None:
    state = deepcopy(folded())
    symbol = state.symbols["SPY"]
    surface = symbol.chain.surface
    assert surface is not None
    expiries = tuple(replace(e, quality=quality) for e in surface.expiries)
    symbol.chain.surface = replace(surface, expiries=expiries)
    symbol.chain.spot_reason = spot_reason
    before = len(symbol.bars.skews)
    _sample_skew(state, symbol, 3, NOW)
    assert len(symbol.bars.skews) == before + sampled


def test_the_premium_taken_out_of_a_put_is_that_of_its_whole_variance() -> None:
    """QuantLib's QdFp less Black-Scholes over n whole days at sigma sqrt(365 T / n)."""
    days, strike = 24, 650.0
    table = filled_table((days,))
    plain = surface_of(table)
    surface_of(table, premiums_max=500)
    slot = table.add(expiry_of(days), strike, Right.PUT)
    sigma = float(plain.iv[layout_of(table, DAY, 75).strike == strike][0])
    years = years_to(days, AT)
    scaled = sigma * math.sqrt(365 * years / days)
    assert scaled**2 * days / 365 == pytest.approx(sigma**2 * years)
    today = ql.Date(DAY.day, DAY.month, DAY.year)
    ql.Settings.instance().evaluationDate = today
    count = ql.Actual365Fixed()
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(SPOT)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, count)),
        ql.YieldTermStructureHandle(ql.FlatForward(today, RATE, count)),
        ql.BlackVolTermStructureHandle(
            ql.BlackConstantVol(today, ql.NullCalendar(), scaled, count)
        ),
    )
    payoff = ql.PlainVanillaPayoff(ql.Option.Put, strike)
    american = ql.VanillaOption(payoff, ql.AmericanExercise(today, today + days))
    american.setPricingEngine(ql.QdFpAmericanEngine(process))
    european = ql.VanillaOption(payoff, ql.EuropeanExercise(today + days))
    european.setPricingEngine(ql.AnalyticEuropeanEngine(process))
    exact = american.NPV() - european.NPV()
    assert exact > 0.01 and table.premium[slot] == pytest.approx(exact, abs=3e-4)


def test_open_interest_is_counted_without_a_volatility_too() -> None:
    """35 strikes in each of two expiries, 1,000 contracts each; a third lies beyond 45 days."""
    table = filled_table((3, 10, 66))
    surface = surface_of(table)
    for iv in (surface.iv, np.where(surface.layout.strike < SPOT, np.nan, surface.iv)):
        found = exposure_of(table, replace(surface, iv=iv), 45)
        assert (found.call_interest, found.put_interest) == (70_000.0, 70_000.0)
    nothing = exposure_of(table, replace(surface, iv=np.full(surface.iv.size, np.nan)), 45)
    assert (nothing.call_interest, nothing.put_interest) == (70_000.0, 70_000.0)
