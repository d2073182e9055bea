"""The metrics of a symbol at one evaluation point, with quality and reason.

Called by the stage's `react`: it reads the state and changes nothing. Every number is rounded to
12 significant digits; null always has a reason.
"""

from __future__ import annotations

import math
from datetime import datetime

from domain.analytics import auction
from domain.analytics.bars import x_noise
from domain.analytics.closing_auction import (
    auction_now,
    began_late,
    impact_scale,
    in_auction_window,
    own_imbalance,
)
from domain.analytics.past import STALE_SESSIONS
from domain.analytics.report_book import add_book
from domain.analytics.report_chain import add_gex, add_surface
from domain.analytics.report_day import add_calendar, add_daily, add_variance
from domain.analytics.report_flow import add_flow
from domain.analytics.report_minute import (
    add_minute,
    add_opening_range,
    realised_quality,
)
from domain.analytics.reporting import (
    IMPORTED,
    MINUTE_STALE_SECONDS,
    Report,
    add_score,
    moment,
    of_bars,
)
from domain.analytics.state import AnalyticsState, SymbolState
from domain.analytics.tide import STALE_SECONDS
from domain.events.analytics import MetricComputed, Quality
from domain.session import Session

VWAP_WARM_BARS = 60


def metrics_of(state: AnalyticsState, name: str, now: datetime) -> MetricComputed:
    """All metrics of a symbol. The caller has made sure that a bar has closed."""
    symbol, session, settings = state.symbols[name], state.session, state.settings
    assert session is not None and settings is not None
    report = Report(now)
    add_book(report, state, symbol, session, now)
    _bars(report, state, symbol, session, now)
    add_flow(report, state, symbol, now)
    _tide(report, state, now)
    add_gex(report, state, symbol, now)
    add_surface(report, state, symbol, now)
    add_daily(report, symbol, session)
    add_variance(report, state, symbol, session, now)
    add_calendar(report, state, symbol, session, now)
    if in_auction_window(session, now):
        _auction(report, state, symbol, now)
    end = symbol.bars.last_end
    if end is not None and end.second == 0:
        add_minute(report, state, symbol, now)
    return MetricComputed(name, now, settings.version, report.metrics)


def _bars(
    report: Report, state: AnalyticsState, symbol: SymbolState, session: Session, now: datetime
) -> None:
    assert state.settings is not None
    bars, at = symbol.bars, now.timestamp()
    end = bars.last_end or now
    age = at - bars.arrived_at
    stale = age > state.settings.bar_age_max
    fresh, reason = (Quality.STALE, "NO_BARS") if stale else (Quality.OK, "")
    report.number("last_close", bars.close, end, fresh, reason)
    report.number("bar_age_s", age, now)
    vwap = bars.vwap
    quality = fresh
    if not stale and bars.closes.covered < VWAP_WARM_BARS:
        quality, reason = Quality.WARMUP, "WARMUP"
    report.number("vwap", vwap.price, end, quality, reason or "NO_VOLUME")
    report.number("vwap_sigma", vwap.sigma, end, quality, reason or "NO_VOLUME")
    deviation = None if bars.close is None else vwap.deviation(bars.close)
    report.number("vwap_dev", deviation, end, quality, reason or "NO_SPREAD")
    minute_end = bars.minute_end or end
    minute_age = (now - minute_end).total_seconds()
    old = bars.minute_end is not None and minute_age > MINUTE_STALE_SECONDS
    _realised(report, symbol, minute_end, fresh)
    _minutes(report, symbol, minute_end, Quality.STALE if old else Quality.OK)
    peers = [
        x_noise(other)
        for name, other in state.symbols.items()
        if name != symbol.symbol and not _minute_is_old(other, now)
    ]
    known = [x for x in peers if x is not None]
    mean = math.fsum(known) / len(known) if known else None
    report.number("peers_x", mean, minute_end, Quality.OK, "NO_PEERS")


def _minute_is_old(symbol: SymbolState, now: datetime) -> bool:
    end = symbol.bars.minute_end
    return end is None or (now - end).total_seconds() > MINUTE_STALE_SECONDS


def _realised(report: Report, symbol: SymbolState, end: datetime, fresh: Quality) -> None:
    quality, reason = realised_quality(symbol.bars, fresh)
    bars = symbol.bars
    for name, value in (
        ("rv_today", bars.realised),
        ("bv_today", bars.bipower),
        ("jump_z", bars.jump),
    ):
        report.number(name, value, end, quality, reason or "WARMUP")


def _minutes(report: Report, symbol: SymbolState, end: datetime, quality: Quality) -> None:
    bars, minutes = symbol.bars, symbol.minutes
    old = "OLD" if quality is Quality.STALE else ""
    report.number("minute_close", bars.minute_close, end, quality, old or "NO_MINUTE")
    is_ranged = bars.closed_minute >= 29
    for name, value, coverage, is_warm in (
        ("sigma_1m", minutes.sigma, minutes.mean_coverage, minutes.is_warm),
        ("ewma_vol_1m", minutes.annual, minutes.mean_coverage, minutes.is_warm),
        ("atr_1m", minutes.average_true_range, minutes.range_coverage, is_ranged),
    ):
        told, why = (quality, old) if is_warm and value is not None else (Quality.WARMUP, old)
        if told is Quality.OK:
            told, why = of_bars(coverage)
        known = None if told is Quality.MISSING else value
        report.number(name, known, end, told, why or "WARMUP")
    add_opening_range(report, bars.opening, "", end, quality)
    if bars.noise is not None and bars.noise_from_model and quality is Quality.OK:
        quality, old = Quality.WARMUP_MODEL, "MODEL"
    reason = bars.noise_reason or old
    noise = bars.noise
    report.number("noise_upper", noise.upper if noise else None, end, quality, reason)
    report.number("noise_lower", noise.lower if noise else None, end, quality, reason)
    report.number("noise_x", bars.noise_x, end, quality, reason)


def _tide(report: Report, state: AnalyticsState, now: datetime) -> None:
    tide, at = state.tide, now.timestamp()
    quality, reason = Quality.OK, ""
    if tide.updated_at is None:
        quality, reason = Quality.MISSING, "NO_TIDE"
    elif at - tide.updated_at > STALE_SECONDS:
        quality, reason = Quality.STALE, "OLD"
    elif tide.mode.is_contradicted:
        quality, reason = Quality.DEGRADED, "FLOW_MODE"
    as_of = moment(tide.updated_at) if tide.updated_at is not None else now
    report.number("tide", tide.value, as_of, quality, reason)
    known = quality in (Quality.OK, Quality.DEGRADED)
    if known and tide.slope is not None and at - tide.slope_at > STALE_SECONDS:
        # The tide goes on, but no minute has closed.
        quality, reason, known = Quality.STALE, "OLD", False
    told, why = (Quality.WARMUP, "WARMUP") if tide.slope is None and known else (quality, reason)
    report.number("tide_slope", tide.slope, as_of, told, why)
    if tide.slope_z is None and known:
        quality, reason = Quality.WARMUP, "WARMUP"
    add_score(report, "tide_slope_z", tide.slope_z, tide.slopes, as_of, quality, reason)
    _closing_tides(report, state)


def _closing_tides(report: Report, state: AnalyticsState) -> None:
    """Of past sessions as the vendor's history has them."""
    session, last = state.session, state.tide_5d_on
    assert session is not None
    recent = [day.session_date for day in session.plan.earlier[-STALE_SESSIONS:]]
    quality, reason = Quality.WARMUP_MODEL, IMPORTED
    if state.tide_5d_z is None:
        quality, reason = Quality.WARMUP, "WARMUP"
    elif recent and last is not None and last < recent[0]:
        quality, reason = Quality.STALE, "OLD"
    report.number("tide_5d_z", state.tide_5d_z, session.open_at, quality, reason)


def _auction(report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    session, past = state.session, symbol.past
    assert session is not None
    found = auction_now(state, symbol, now.timestamp())
    if began_late(symbol, session, now):
        found = auction.NO_DATA
    run, price = symbol.auction, symbol.book.good_mid or symbol.bars.close
    quality = Quality.OK if found.q is not None else Quality.MISSING
    if found.q is not None and run.samples < 2:
        quality = Quality.WARMUP
    reason = found.reason
    report.number("auction_q", found.q, now, quality, reason)
    left = (session.close_at - now).total_seconds()
    score = None if found.q is None else symbol.auctions.score(found.q, left)
    if score is None and found.q is not None:
        model = Quality.WARMUP_MODEL if quality is Quality.OK else quality
        report.number("auction_z", auction.score(found.q), now, model, reason or "MODEL")
    else:
        report.number("auction_z", score, now, quality, reason)
    _own_auction(report, state, symbol, price, now)
    seen = run.samples > 0
    report.number("auction_persist", run.persist if seen else None, now, quality, reason or "NONE")
    held = run.held_seconds if seen and found.q is not None else None
    report.number("auction_sign_held_s", held, now, quality, reason or "NONE")
    missing = reason or "NOT_PUBLISHED"
    report.number("auction_paired_ratio", found.paired_ratio, now, quality, missing)
    report.number("auction_ind_dev_bps", found.ind_dev_bps, now, quality, missing)
    moved = run.moved_bps(price) if price else None
    report.number("auction_moved_bps", moved, now, quality, missing)
    impact = None
    if found.q is not None and past is not None and past.forecast is not None:
        impact = auction.impact_bps(found.q, past.forecast.rv_hat, impact_scale(state, symbol))
    report.number("auction_k_bps", impact, now, quality, reason or "NO_FORECAST")


def _own_auction(
    report: Report, state: AnalyticsState, symbol: SymbolState, price: float | None, now: datetime
) -> None:
    """The underlying's own auction, which is small against its continuous volume."""
    ticks, first = state.auction_ticks.get(symbol.symbol), symbol.auction.first_own
    known = ticks is not None and ticks.imbalance is not None
    fresh = auction.fresh_ticks(state.auction_ticks, symbol.symbol, now.timestamp())
    quality, reason = (Quality.OK, "") if fresh else (Quality.STALE, "OLD")
    if not known:
        quality, reason = Quality.MISSING, "NO_AUCTION_DATA"
    as_of = moment(ticks.at) if ticks is not None and ticks.at else now
    q = own_imbalance(state, symbol) if fresh else None
    adv = symbol.past.adv20 if symbol.past is not None else None
    share = abs(q) / adv if q is not None and adv else None
    report.number("auction_imb_adv", share, as_of, quality, reason or "NO_ADV20")
    dollars = q * price if q is not None and price else None
    report.number("auction_imb_notional", dollars, as_of, quality, reason or "NO_PRICE")
    change = q - first if q is not None and first is not None else None
    report.number("auction_d_imb", change, as_of, quality, reason or "NOT_PUBLISHED")
