"""Metrics of the chain: exposures with regime, surface, expected moves, skew.

Called by report.py; reads the newest chain evaluation and judges its age.
"""

from __future__ import annotations

from datetime import datetime

from domain.analytics.expiry_surface import ExpirySurface, constant_maturity
from domain.analytics.gex import NEUTRAL, Exposure
from domain.analytics.refresh import traded_expiry
from domain.analytics.reporting import MINUTE_STALE_SECONDS, Report, moment
from domain.analytics.state import AnalyticsState, ChainState, SymbolState
from domain.analytics.traded import ExpiryRole
from domain.events.analytics import Quality

GEX_STALE_SECONDS = 60.0
VENDOR_LOW = 0.33
VENDOR_HIGH = 3.0
SOURCE_VENDOR = "SOURCE_VENDOR"
"""Why a value is DEGRADED: it is the vendor's, in the place of ours."""
SKEW_YEARS_MIN = 7 / 365


def _vendor_ratio(state: AnalyticsState, chain: ChainState, at: float) -> float | None:
    assert state.settings is not None
    total = chain.vendor.fresh_total(at, state.settings.vendor_gex_age_max)
    if total is None or chain.exposure is None or chain.exposure.total == 0:
        return None
    return total / chain.exposure.total


def exposure_quality(symbol: SymbolState, now: datetime) -> tuple[Quality, str]:
    """Of our own exposures, before they are compared with the vendor's."""
    chain, exposure = symbol.chain, symbol.chain.exposure
    if exposure is None:
        return Quality.MISSING, chain.spot_reason or "NO_CHAIN"
    if exposure.lacks:
        return Quality.WARMUP, exposure.lacks
    if now.timestamp() - chain.refreshed_at > GEX_STALE_SECONDS:
        return Quality.STALE, "OLD"
    if symbol.halted:
        return Quality.STALE, "HALTED"
    return (Quality.DEGRADED, chain.spot_reason) if chain.spot_reason else (Quality.OK, "")


def today_quality(exposure: Exposure | None, quality: Quality, reason: str) -> tuple[Quality, str]:
    """Of the exposures of today's expiry alone, given that of all: few of its contracts known are
    no exposure of 0."""
    is_known = quality in (Quality.OK, Quality.DEGRADED)
    if is_known and exposure is not None and exposure.lacks_today:
        return Quality.WARMUP, exposure.lacks_today
    return quality, reason


def term_quality(state: AnalyticsState, symbol: SymbolState, now: datetime) -> tuple[Quality, str]:
    """Of what rests on several expiries of the newest whole evaluation."""
    chain = symbol.chain
    assert state.settings is not None
    if chain.surface is None:
        return Quality.MISSING, chain.spot_reason or "NO_CHAIN"
    if now.timestamp() - chain.refreshed_at > state.settings.option_ages[2]:
        return Quality.STALE, "OLD"
    if symbol.halted:
        return Quality.STALE, "HALTED"
    if chain.spot_reason:
        return Quality.DEGRADED, chain.spot_reason
    return Quality.OK, "NO_NEIGHBOURS"


def add_gex(report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    """Own exposure, degraded by a vendor's ratio outside [0.33, 3]; the vendor's, marked, while
    ours is missing, warming up or old. Never some of one and some of the other."""
    assert state.settings is not None
    chain, at = symbol.chain, now.timestamp()
    exposure = chain.exposure
    as_of = chain.refreshed or now
    ratio = None
    quality, reason = exposure_quality(symbol, now)
    if quality in (Quality.OK, Quality.DEGRADED):
        ratio = _vendor_ratio(state, chain, at)
        if ratio is not None and not VENDOR_LOW <= ratio <= VENDOR_HIGH:
            quality, reason = Quality.DEGRADED, "VENDOR_RATIO"
    known = exposure if exposure is not None and exposure.is_warm else None
    vendor = None
    if quality not in (Quality.OK, Quality.DEGRADED) and not symbol.halted:
        vendor = chain.vendor.fresh_total(at, state.settings.vendor_gex_age_max)
    if vendor is not None:
        _vendor_gex(report, state, chain, vendor, now)
    else:
        _own_gex(report, chain, known, as_of, quality, reason, ratio)
    today = known.total_0dte if known and not known.lacks_today else None
    told, why = today_quality(exposure, quality, reason)
    report.number("gex_0dte", today, as_of, told, why or "NO_EXPIRY")
    for name, value in (
        ("vanna_exposure", known.vanna if known else None),
        ("charm_exposure", known.charm if known else None),
    ):
        report.number(name, value, as_of, quality, reason)
    report.number("gex_vendor_ratio", ratio, as_of, Quality.OK, "NO_VENDOR")


def _own_gex(
    report: Report,
    chain: ChainState,
    known: Exposure | None,
    as_of: datetime,
    quality: Quality,
    reason: str,
    ratio: float | None,
) -> None:
    norm_reason = reason or "NO_ADV20"
    for name, value, missing in (
        ("gex_total", known.total if known else None, reason),
        ("gex_norm", chain.gex_norm if known else None, norm_reason),
        ("gex_flip", known.flip if known else None, reason or "NO_ROOT"),
        ("call_wall", known.call_wall if known else None, reason or "NO_WALL"),
        ("put_wall", known.put_wall if known else None, reason or "NO_WALL"),
    ):
        report.number(name, value, as_of, quality, missing)
    regime: str | None = chain.regime.name if known and chain.gex_norm is not None else None
    if regime is not None and ratio is not None and ratio < 0:
        # Ours and the vendor's sign differ: no entry may lean on either.
        report.text("gex_regime", NEUTRAL, as_of, Quality.DEGRADED, "VENDOR_SIGN")
    else:
        report.text("gex_regime", regime, as_of, quality, norm_reason if regime is None else reason)
    side = chain.regime.flip_side or None
    report.text("flip_side", side if known else None, as_of, quality, reason)


def _vendor_gex(
    report: Report, state: AnalyticsState, chain: ChainState, total: float, now: datetime
) -> None:
    assert state.settings is not None
    vendor, quality, as_of = chain.vendor, Quality.DEGRADED, moment(chain.vendor.at)
    levels = vendor.fresh_levels(now.timestamp(), state.settings.vendor_gex_age_max)
    seen = moment(levels.at) if levels else now
    missing = Quality.DEGRADED if levels else Quality.MISSING
    absent = SOURCE_VENDOR if levels else "NO_VENDOR_LEVELS"
    report.number("gex_total", total, as_of, quality, SOURCE_VENDOR)
    if vendor.norm is None:
        report.number("gex_norm", None, as_of, Quality.MISSING, "NO_ADV20")
    else:
        report.number("gex_norm", vendor.norm, as_of, quality, SOURCE_VENDOR)
    report.number("gex_flip", levels.flip if levels else None, seen, missing, absent)
    report.number("call_wall", levels.call_wall if levels else None, seen, missing, absent)
    report.number("put_wall", levels.put_wall if levels else None, seen, missing, absent)
    regime = vendor.regime.name if vendor.norm is not None else None
    report.text("gex_regime", regime, as_of, quality, SOURCE_VENDOR)
    side = vendor.regime.flip_side or None
    report.text("flip_side", side if levels else None, seen, missing, absent)


def judged(
    state: AnalyticsState,
    symbol: SymbolState,
    expiry: ExpirySurface | None,
    as_of: datetime,
    now: datetime,
) -> tuple[Quality, str]:
    """Quality, at `now`, of what rests on one expiry as it was evaluated at `as_of`."""
    assert state.settings is not None
    chain = symbol.chain
    if chain.surface is None:
        return Quality.MISSING, chain.spot_reason or "NO_CHAIN"
    if expiry is None:
        return Quality.MISSING, "NO_EXPIRY"
    limit = state.settings.option_ages[min(expiry.days, 2)]
    if (now - as_of).total_seconds() > limit:
        return Quality.STALE, "OLD"
    if symbol.halted:
        return Quality.STALE, "HALTED"
    if expiry.quality is not Quality.OK:
        return expiry.quality, expiry.reason
    if chain.spot_reason:
        return Quality.DEGRADED, chain.spot_reason
    return Quality.OK, ""


def role_surface(
    state: AnalyticsState, symbol: SymbolState, role: ExpiryRole
) -> tuple[ExpirySurface | None, datetime | None]:
    """What the newest evaluation says of the expiry that a role trades, and when it was made."""
    expiry = traded_expiry(state, symbol, role)
    newest = None if expiry is None else symbol.chain.newest(expiry)
    if expiry is None or newest is None:
        return None, None
    return newest[0].of(expiry), newest[1]


def add_surface(report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    """At-the-money levels, term structure, skew, expected moves."""
    chain, session = symbol.chain, state.session
    assert session is not None
    refreshed = chain.refreshed or now
    for name in ExpiryRole:
        expiry, at = role_surface(state, symbol, name)
        as_of = at or refreshed
        quality, reason = judged(state, symbol, expiry, as_of, now)
        missing = reason or "NOT_BRACKETED"
        report.number(f"atm_iv_{name}", expiry.atm_iv if expiry else None, as_of, quality, missing)
        em_quality, em_reason = quality, reason or "NO_STRADDLE"
        if expiry is not None and not expiry.em_consistent and quality is Quality.OK:
            em_quality, em_reason = Quality.DEGRADED, "STRADDLE_MODEL"
        report.number(
            f"em_1sd_{name}", expiry.em_1sd if expiry else None, as_of, em_quality, em_reason
        )
        forward_ok = None if expiry is None else float(expiry.forward_ok)
        age_quality = quality if quality is Quality.STALE else Quality.OK
        fresh = age_quality is Quality.OK
        forward_reason = expiry.forward_reason if expiry is not None and fresh else reason
        report.number(f"forward_ok_{name}", forward_ok, as_of, age_quality, forward_reason)
        strikes = None if expiry is None else float(expiry.valid_strikes)
        strikes_name = f"surface_valid_strikes_{name}"
        report.number(strikes_name, strikes, as_of, age_quality, reason or "NO_EXPIRY")
    _term(report, state, symbol, now, refreshed)
    skew = chain.surface.first_from(SKEW_YEARS_MIN) if chain.surface else None
    quality, reason = judged(state, symbol, skew, refreshed, now)
    missing = reason or "NOT_BRACKETED"
    report.number("rr25", skew.rr25 if skew else None, refreshed, quality, missing)
    report.number("bf25", skew.bf25 if skew else None, refreshed, quality, missing)
    score, minute = symbol.bars.skew_z, symbol.bars.minute_end
    if score is None and quality is Quality.OK:
        quality, reason = Quality.WARMUP, "WARMUP"
    elif minute is not None and (now - minute).total_seconds() > MINUTE_STALE_SECONDS:
        # The surface lives on, but the score is of the last closed minute.
        quality, reason = Quality.STALE, "OLD"
    report.number("skew_chg_z", score, refreshed, quality, reason)


def _term(
    report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime, as_of: datetime
) -> None:
    surface = symbol.chain.surface
    expiries = surface.expiries if surface else ()
    levels = {days: constant_maturity(expiries, days) for days in (9, 30, 60)}
    quality, reason = term_quality(state, symbol, now)
    for days, level in levels.items():
        report.number(f"atm_iv_{days}d", level, as_of, quality, reason)
    slope = levels[9] / levels[30] - 1 if levels[9] and levels[30] else None
    report.number("term_slope", slope, as_of, quality, reason)
