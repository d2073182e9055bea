"""Metrics of the day: past sessions, variance forecast, news and calendar.

Called by report.py; reads the state and changes nothing.
"""

from __future__ import annotations

import math
from datetime import datetime

from domain.analytics.bars import LATE_MINUTES, variance_left, variance_until
from domain.analytics.economic_calendar import MISSING_CALENDAR, calendar_state
from domain.analytics.news import SILENT_SECONDS
from domain.analytics.report_chain import judged, role_surface
from domain.analytics.reporting import Report
from domain.analytics.state import AnalyticsState, SymbolState
from domain.analytics.traded import ExpiryRole
from domain.analytics.variance import har_means, share_to_come, variance_ratio
from domain.events.analytics import Quality
from domain.session import Session

RANK_SESSIONS_MAX = 4


def add_daily(report: Report, symbol: SymbolState, session: Session) -> None:
    """Measures of earlier sessions; as of the open they were read for."""
    past, as_of = symbol.past, session.open_at
    quality, reason = Quality.OK, "WARMUP"
    if past is None or past.previous_close is None:
        quality, reason = Quality.WARMUP, "NO_HISTORY"
    elif past.is_old:
        quality, reason = Quality.STALE, "OLD"
    trend = past.trend if past else None
    warm = quality
    if past is not None and not past.beta_is_warm and quality is Quality.OK:
        warm = Quality.WARMUP_MODEL
    values = (
        ("prev_close", past.previous_close if past else None, quality),
        ("adv20", past.adv20 if past else None, quality),
        ("beta", past.beta if past else None, warm),
        ("sma20", trend.sma20 if trend else None, quality),
        ("sd20", trend.sd20 if trend else None, quality),
        ("sd5", trend.sd5 if trend else None, quality),
        ("close_5d_ago", trend.close_5_sessions_ago if trend else None, quality),
    )
    for name, value, told in values:
        told = Quality.WARMUP if value is None and told is Quality.OK else told
        report.number(name, value, as_of, told, reason)
    _volatility_rank(report, symbol, session)


def _volatility_rank(report: Report, symbol: SymbolState, session: Session) -> None:
    """Our own once there is a year of closings, the vendor's rank before."""
    closings, past = symbol.closings, symbol.past
    recent = [day.session_date for day in session.plan.earlier[-RANK_SESSIONS_MAX:]]
    rank, percentile = closings.rank, closings.percentile
    quality, reason = Quality.OK, "FLAT"
    if not closings.is_warm:
        rank = past.iv_rank if past else None
        quality, reason = Quality.WARMUP, "FEW_CLOSINGS"
    elif recent and closings.session_date is not None and closings.session_date < recent[0]:
        quality, reason = Quality.STALE, "OLD"
    seeded, why = quality, reason
    if not closings.is_warm:
        seeded, why = Quality.WARMUP_MODEL, "VENDOR_SEED"
        if rank is None:
            seeded, why = Quality.WARMUP, "NO_SEED"
        elif past is not None and past.iv_rank_is_old:
            seeded, why = Quality.STALE, "OLD"
    report.number("iv_rank", rank, session.open_at, seeded, why)
    report.number("iv_pct", percentile, session.open_at, quality, reason)


def add_variance(
    report: Report, state: AnalyticsState, symbol: SymbolState, session: Session, now: datetime
) -> None:
    """Forecast of today, its rest, variance to the expiries, and what options pay over it."""
    past, bars = symbol.past, symbol.bars
    forecast = past.forecast if past else None
    end = bars.last_end or now
    quality, reason = Quality.OK, ""
    if forecast is None:
        quality, reason = Quality.WARMUP, "NO_FORECAST"
    elif past is not None and past.forecast_from_ranges:
        quality, reason = Quality.WARMUP_MODEL, "RANGE_VARIANCES"
    report.number(
        "rv_hat_day", forecast.rv_hat if forecast else None, session.open_at, quality, reason
    )
    _add_past_variances(report, symbol, session, end, quality, reason)
    settings = state.settings
    minutes, fresh = (end - session.open_at).total_seconds() / 60, Quality.OK
    silence = now.timestamp() - bars.arrived_at
    if settings is not None and silence > settings.bar_age_max and session.is_open(now):
        # What is still to come shrinks with every bar: without bars it is not known.
        fresh, quality, reason = Quality.STALE, Quality.STALE, "NO_BARS"
    report.number("rho", share_to_come(session, minutes), end, fresh, reason)
    report.number("v_rem", variance_left(state, symbol), end, quality, reason)
    for name in ExpiryRole:
        expiry, made_at = role_surface(state, symbol, name)
        sessions = {ExpiryRole.TODAY: 0, ExpiryRole.NEXT_SESSION: 1}.get(name)
        if sessions is None and expiry is not None:
            sessions = sum(day.session_date <= expiry.expiry for day in session.plan.later)
        total = None if sessions is None else variance_until(state, symbol, sessions)
        report.number(f"v_to_expiry_{name}", total, end, quality, reason or "NO_PLAN")
        ratio = None
        if total is not None and expiry is not None and expiry.atm_iv is not None:
            ratio = variance_ratio(expiry.atm_iv, expiry.years, total)
        implied, why = quality, reason or "NO_SURFACE"
        if expiry is not None and forecast is not None and fresh is Quality.OK:
            seen, seen_why = judged(state, symbol, expiry, made_at or end, now)
            implied, why = (implied, why) if seen is Quality.OK else (seen, seen_why)
        if name is ExpiryRole.TODAY:
            report.number("vr_0dte", ratio, end, implied, why)
        premium = None if ratio is None or ratio < 0 else math.sqrt(ratio)
        report.number(f"vrp_{name}", premium, end, implied, why)
    _late_momentum(report, symbol, session, end, quality, reason)


def _add_past_variances(
    report: Report,
    symbol: SymbolState,
    session: Session,
    end: datetime,
    quality: Quality,
    reason: str,
) -> None:
    """What the next forecast rests on: sessions that are over, this one too after its close."""
    found = () if symbol.past is None else symbol.past.variances
    realised, as_of = symbol.bars.realised, session.open_at
    if end >= session.close_at:
        found = (*found, realised) if realised is not None and realised > 0 else ()
        as_of = session.close_at
    means = har_means(found)
    for place, name in enumerate(("rv_1d", "rv_5d", "rv_22d")):
        report.number(name, None if means is None else means[place], as_of, quality, reason)


def _late_momentum(
    report: Report,
    symbol: SymbolState,
    session: Session,
    end: datetime,
    quality: Quality,
    reason: str,
) -> None:
    """Switched off before T_close - 30 min: it counts as available with x = 0."""
    if end < session.before_close(minutes=LATE_MINUTES):
        report.number("late_mom_x", 0.0, end)
        return
    change, past = symbol.bars.late_return, symbol.past
    value = None
    if change is not None and past is not None and past.forecast is not None:
        value = math.copysign(math.tanh(abs(change) / math.sqrt(past.forecast.rv_hat)), change)
    report.number("late_mom_x", value, end, quality, reason or "NO_RETURN")


def add_calendar(
    report: Report, state: AnalyticsState, symbol: SymbolState, session: Session, now: datetime
) -> None:
    """News state and blackouts; texts keep their reason, which says why."""
    at = now.timestamp()
    name, reason = symbol.news.state(at)
    silent = state.news_at is None or at - state.news_at > SILENT_SECONDS
    quality = Quality.DEGRADED if silent else Quality.OK
    report.text("news_state", name, now, quality, reason or ("FEED_SILENT" if silent else ""))
    state_name, codes = calendar_state(session, state.calendar_today, now)
    known = state.calendar_today is not None
    quality = Quality.OK if known else Quality.DEGRADED
    report.text("calendar_state", state_name, now, quality, codes)
    for metric, found in (
        ("calendar_today", state.calendar_today),
        ("calendar_next", state.calendar_next),
    ):
        text = None if found is None else ",".join(found)
        reason = MISSING_CALENDAR if found is None else ""
        report.text(metric, text, session.open_at, Quality.OK, reason)
