"""Metrics that no rule reads between two minutes: reported with the bar that closes a minute.

Called by report.py; reads the state and changes nothing. They are apart so that a bar's decisions
do not wait for them twelve times a minute.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from domain.analytics import ranges
from domain.analytics.expiry_surface import constant_maturity
from domain.analytics.flow import ratio
from domain.analytics.news import KEYWORDS_VERSION
from domain.analytics.opening_range import OPENING_MINUTES, OpeningRange
from domain.analytics.realised import JUMP_SCORE
from domain.analytics.report_book import add_book_minute
from domain.analytics.report_chain import (
    SKEW_YEARS_MIN,
    exposure_quality,
    judged,
    role_surface,
    term_quality,
    today_quality,
)
from domain.analytics.report_flow import add_flow_minute
from domain.analytics.reporting import (
    MINUTE_STALE_SECONDS,
    Report,
    add_score,
    moment,
    of_bars,
)
from domain.analytics.state import AnalyticsState, SessionBars, SymbolState
from domain.analytics.traded import ExpiryRole
from domain.events.analytics import Quality

BANDS = (1, 2, 3)
VWAP_WARM_BARS = 60
REALISED_WARM_MINUTES = 30


def add_minute(report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    assert state.settings is not None and state.session is not None
    add_book_minute(report, state, symbol, state.session, now)
    stale = now.timestamp() - symbol.bars.arrived_at > state.settings.bar_age_max
    _bars(report, symbol, now, stale=stale)
    _ranges(report, state, symbol)
    add_flow_minute(report, state, symbol, now)
    _exposure(report, symbol, now)
    _vendor_scores(report, state, symbol, now)
    _surface(report, state, symbol, now)
    report.text("news_keywords", str(KEYWORDS_VERSION), now)


def _bars(report: Report, symbol: SymbolState, now: datetime, *, stale: bool) -> None:
    bars = symbol.bars
    end = bars.last_end or now
    late = Quality.STALE if stale else Quality.OK
    old = "NO_BARS" if stale else ""
    warm = late if stale or bars.closes.covered >= VWAP_WARM_BARS else Quality.WARMUP
    price, sigma = bars.vwap.price, bars.vwap.sigma
    reason = old or ("WARMUP" if warm is Quality.WARMUP else "NO_VOLUME")
    for width in BANDS:
        for name, sign in (("upper", 1), ("lower", -1)):
            band = None if price is None or sigma is None else price + sign * width * sigma
            report.number(f"vwap_{name}_{width}", band, end, warm, reason)
    closed = bars.minute_end or end
    is_old = (now - closed).total_seconds() > MINUTE_STALE_SECONDS
    for minutes, opening in zip(OPENING_MINUTES, bars.openings, strict=True):
        quality = Quality.STALE if is_old else Quality.OK
        add_opening_range(report, opening, f"_{minutes}", closed, quality)
    quality, reason = realised_quality(bars, late)
    reason = reason or "WARMUP"
    report.number("medrv_today", bars.median, end, quality, reason)
    jump = None
    if bars.realised is not None and bars.bipower is not None:
        jump = max(bars.realised - bars.bipower, 0.0)
    report.number("jump_today", jump, end, quality, reason)
    flag = None if bars.jump is None else float(bars.jump > JUMP_SCORE)
    report.number("jump_flag", flag, end, quality, reason)


def realised_quality(bars: SessionBars, fresh: Quality) -> tuple[Quality, str]:
    """Of realised variance and what is taken from the same closes; `fresh` is that of the bars."""
    if fresh is not Quality.OK:
        return fresh, "NO_BARS"
    if bars.closed_minute < REALISED_WARM_MINUTES - 1:
        return Quality.WARMUP, "WARMUP"
    since = bars.closes.elapsed_seconds - 60 * (bars.closed_minute + 1)
    if since > MINUTE_STALE_SECONDS:
        # Bars have come again, but no minute has closed since.
        return Quality.STALE, "OLD"
    if bars.realised is None:
        return Quality.MISSING, bars.realised_reason
    flaw = bars.closes.flaw
    return (Quality.DEGRADED, flaw) if flaw else (Quality.OK, "")


def add_opening_range(
    report: Report, opening: OpeningRange | None, ending: str, end: datetime, quality: Quality
) -> None:
    """High, low and break of one range; `ending` ends their names, `quality` is of the minutes."""
    high = low = broken = None
    reason = "OLD" if quality is Quality.STALE else ""
    if opening is None or not opening.is_complete:
        quality, reason = Quality.WARMUP, reason or "WARMUP"
    else:
        if quality is Quality.OK:
            quality, reason = of_bars(opening.coverage)
        if quality is not Quality.MISSING:
            high, low, broken = opening.high, opening.low, float(opening.break_direction)
    report.number(f"or_high{ending}", high, end, quality, reason)
    report.number(f"or_low{ending}", low, end, quality, reason)
    report.number(f"or_break{ending}", broken, end, quality, reason)


def _ranges(report: Report, state: AnalyticsState, symbol: SymbolState) -> None:
    past, session = symbol.past, state.session
    assert session is not None
    found = past.ranges if past else None
    quality, reason = Quality.OK, ""
    if found is None:
        quality, reason = Quality.WARMUP, "WARMUP"
    elif past is not None and past.is_old:
        quality, reason = Quality.STALE, "OLD"
    values = (
        ("var_parkinson_20d", found.parkinson if found else None),
        ("var_garman_klass_20d", found.garman_klass if found else None),
        ("var_rogers_satchell_20d", found.rogers_satchell if found else None),
        ("var_yang_zhang_20d", found.yang_zhang if found else None),
        ("vol_yang_zhang_20d", ranges.annual(found.yang_zhang) if found else None),
    )
    for name, value in values:
        report.number(name, value, session.open_at, quality, reason)


def _exposure(report: Report, symbol: SymbolState, now: datetime) -> None:
    chain = symbol.chain
    exposure, as_of = chain.exposure, chain.refreshed or now
    quality, reason = exposure_quality(symbol, now)
    known = exposure if exposure is not None and exposure.is_warm else None
    puts, calls = (known.put_interest, known.call_interest) if known else (0.0, 0.0)
    for name, value, missing in (
        ("gex_vol", known.by_volume if known else None, ""),
        ("gex_dir", known.directed if known else None, ""),
        ("pcr_oi", ratio(puts, calls, calls), "FEW_CONTRACTS"),
    ):
        report.number(name, value, as_of, quality, reason or missing)
    today = known if known and not known.lacks_today else None
    quality, reason = today_quality(exposure, quality, reason)
    call_wall, put_wall = today.walls_0dte if today else (None, None)
    for name, value, missing in (
        ("gex_flip_0dte", today.flip_0dte if today else None, "NO_ROOT"),
        ("call_wall_0dte", call_wall, "NO_WALL"),
        ("put_wall_0dte", put_wall, "NO_WALL"),
        ("charm_to_close", today.charm_to_close if today else None, "NO_EXPIRY"),
    ):
        report.number(name, value, as_of, quality, reason or missing)


def _vendor_scores(
    report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime
) -> None:
    assert state.settings is not None
    at = now.timestamp()
    for name, found in (
        ("vendor_vanna_z", symbol.vendor_vanna),
        ("vendor_charm_z", symbol.vendor_charm),
    ):
        quality, reason = Quality.OK, ""
        as_of = now if found.value is None else moment(found.at)
        if found.value is None:
            quality, reason = Quality.MISSING, "NO_VENDOR"
        elif at - found.at > state.settings.vendor_gex_age_max:
            quality, reason = Quality.STALE, "OLD"
        add_score(report, name, found.score, found.moments, as_of, quality, reason)


def _surface(report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    chain = symbol.chain
    assert state.settings is not None
    as_of = chain.refreshed or now
    for role in ExpiryRole:
        expiry, at = role_surface(state, symbol, role)
        quality, reason = judged(state, symbol, expiry, at or as_of, now)
        if expiry is not None and not expiry.em_consistent and quality is Quality.OK:
            quality, reason = Quality.DEGRADED, "STRADDLE_MODEL"
        move = expiry.em_mean_abs if expiry else None
        name = f"em_mean_abs_{role}"
        report.number(name, move, at or as_of, quality, reason or "NO_STRADDLE")
    quality, reason = term_quality(state, symbol, now)
    expiries = chain.surface.expiries if chain.surface else ()
    report.number("atm_iv_1d", constant_maturity(expiries, 1), as_of, quality, reason)
    near, far = constant_maturity(expiries, 30), constant_maturity(expiries, 60)
    spread = near - far if near is not None and far is not None else None
    report.number("term_30_60", spread, as_of, quality, reason)
    unchecked = None
    if chain.surface is not None:
        unchecked = float(np.count_nonzero(chain.surface.premium_unchecked))
    report.number("premiums_unchecked", unchecked, as_of, quality, reason)
    skew = chain.surface.first_from(SKEW_YEARS_MIN) if chain.surface else None
    quality, reason = judged(state, symbol, skew, as_of, now)
    scaled = None
    if skew is not None and skew.rr25 is not None and skew.atm_iv:
        scaled = skew.rr25 / skew.atm_iv
    report.number("rr25_norm", scaled, as_of, quality, reason or "NOT_BRACKETED")
