"""Closed 5-second bars and what they drive: session sums, minutes, refreshes, evaluations.

Called by the stage with each bar. A bar older than the last one is ignored with an event; closed
aggregates are never opened again.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from domain.analytics.closing_auction import close_auctions, sample_auction
from domain.analytics.closing_volatility import note_volatility
from domain.analytics.ewma import clip
from domain.analytics.ingest import read_history
from domain.analytics.opening_range import model_move, noise_area
from domain.analytics.realised import (
    BAR_SECONDS,
    bipower_variation,
    grid_returns,
    jump_score,
    median_variation,
)
from domain.analytics.refresh import (
    refresh_chain,
    refresh_traded,
    tell_chains,
    tell_held_chains,
    tell_lines,
)
from domain.analytics.state import AnalyticsState, MinuteBar, SessionBars, SymbolState
from domain.analytics.traded import ExpiryRole
from domain.analytics.variance import (
    har_forecast,
    remaining_variance,
    share_to_come,
    variance_to_expiry,
)
from domain.event import Recorded
from domain.events.analytics import BarIgnored, Quality
from domain.events.feeds import IbBarReceived
from domain.session import Session
from domain.stage import Emission

AFTER_CLOSE_SECONDS = 15 * 60
SKEW_YEARS_MIN = 7 / 365
SKEW_MINUTES = 30
LATE_MINUTES = 30
OPEN_BARS_MAX = 12
"""The session's open is known when one of its first 60 seconds of bars came."""
NOISE_SCALE = 1.5


def on_bar(state: AnalyticsState, event: Recorded) -> None:
    """Take a bar in and say in `state.due` what is to be reported."""
    body = event.body
    assert isinstance(body, IbBarReceived)
    symbol, session, settings = state.symbols.get(body.symbol), state.session, state.settings
    if symbol is None or session is None or settings is None:
        return
    bars = symbol.bars
    if bars.last_start is not None and body.start <= bars.last_start:
        ignored = BarIgnored(body.symbol, body.start, bars.last_start)
        state.told.append(Emission(f"metrics/{body.symbol}/bars", ignored))
        return
    seconds = (body.start - session.open_at).total_seconds()
    length = (session.close_at - session.open_at).total_seconds()
    if not 0 <= seconds < length + AFTER_CLOSE_SECONDS:
        return
    read_history(state)
    now = event.market_time
    close_auctions(state, now)
    late = bars.minute is not None and seconds // 60 > bars.minute.index
    if late:
        close_minute(state, symbol, session, now)
    bars.last_start, bars.last_end = body.start, body.start + timedelta(seconds=BAR_SECONDS)
    bars.arrived_at, bars.close, bars.stale_reported = now.timestamp(), body.close, False
    elapsed = now.timestamp() - session.open_at.timestamp()
    symbol.order_flow.roll(elapsed)
    symbol.depth.flow.roll(elapsed)
    if seconds < length:
        missing = bars.closes.missing_before(int(seconds // BAR_SECONDS))
        _add(symbol, body, seconds)
        symbol.flow.close_bar(now.timestamp(), BAR_SECONDS, missing)
    ends_minute = (seconds + BAR_SECONDS) % 60 == 0
    if ends_minute and seconds < length:
        close_minute(state, symbol, session, now)
    if state.thinned and not (ends_minute or late):
        return
    slot = int((seconds + BAR_SECONDS) // settings.chain_refresh)
    if state.thinned or slot != symbol.chain.refresh_slot:
        symbol.chain.refresh_slot = slot
        refresh_chain(state, symbol, now)
    else:
        refresh_traded(state, symbol, now)
    tell_lines(state)
    if not state.thinned:
        tell_chains(state, symbol, now, ExpiryRole)
        tell_held_chains(state, symbol, now)
    if ends_minute:
        _sample_skew(state, symbol, int((seconds + BAR_SECONDS) // 60), now)
    sample_auction(state, symbol, session, now)
    state.due.append(body.symbol)


def _add(symbol: SymbolState, body: IbBarReceived, seconds: float) -> None:
    bars = symbol.bars
    index = int(seconds // BAR_SECONDS)
    if bars.open is None and index < OPEN_BARS_MAX:
        bars.open = body.open
    bars.closes.add(index, body.close)
    bars.vwap.add(body.wap, body.volume)
    if bars.opening is not None:
        bars.opening.add_bar(seconds, body.high, body.low)
    for opening in bars.openings:
        if not opening.is_complete:
            opening.add_bar(seconds, body.high, body.low)
    minute = int(seconds // 60)
    if bars.minute is None:
        bars.minute = MinuteBar(minute, body.high, body.low, body.close, body.volume)
    else:
        bars.minute.high = max(bars.minute.high, body.high)
        bars.minute.low = min(bars.minute.low, body.low)
        bars.minute.close = body.close
        bars.minute.volume += body.volume
        bars.minute.bars += 1


def close_minute(
    state: AnalyticsState, symbol: SymbolState, session: Session, now: datetime
) -> None:
    """Close the minute in progress and bring everything that counts in minutes up to date."""
    bars, settings = symbol.bars, state.settings
    minute = bars.minute
    assert minute is not None and settings is not None
    bars.minute = None
    sigma_before = symbol.minutes.sigma if symbol.minutes.is_warm else None
    change = symbol.minutes.add(
        minute.high,
        minute.low,
        minute.close,
        adjacent=bars.closed_minute == minute.index - 1,
        index=minute.index,
        bars=minute.bars,
    )
    bars.closed_minute, bars.minute_close = minute.index, minute.close
    bars.minute_end = session.after_open(minutes=minute.index + 1)
    at = now.timestamp()
    symbol.news.close_minute(change, sigma_before, minute.volume, at, settings.shock_seconds)
    if bars.opening is not None:
        bars.opening.add_minute(minute.index + 1, minute.close)
    for opening in bars.openings:
        opening.add_minute(minute.index + 1, minute.close)
    bars.realised, bars.realised_reason = bars.closes.realised()
    _jumps(bars)
    note_volatility(state, symbol, now)
    symbol.vendor_vanna.close_minute(at, settings.vendor_gex_age_max)
    symbol.vendor_charm.close_minute(at, settings.vendor_gex_age_max)
    _noise(state, symbol, session, minute)
    past = symbol.past
    left = (session.close_at - bars.minute_end).total_seconds() / 60
    if left <= LATE_MINUTES and bars.late_return is None and past and past.close_before:
        bars.late_return = math.log(minute.close / past.close_before)
    if minute.index > state.tide_minute:
        state.tide_minute = minute.index
        state.tide.close_minute(minute.index + 1, at)


def _jumps(bars: SessionBars) -> None:
    """What is robust to jumps, and their score; no return reaches over a gap."""
    bars.bipower = bars.median = bars.jump = None
    if bars.realised is None:
        return
    returns = [grid_returns(np.array(run)) for run in bars.closes.runs]
    gaps = bars.closes.gap_scale
    bipower, median = bipower_variation(returns), median_variation(returns)
    bars.bipower = None if bipower is None else gaps * bipower
    bars.median = None if median is None else gaps * median
    bars.jump = jump_score(returns)


def _noise(state: AnalyticsState, symbol: SymbolState, session: Session, minute: MinuteBar) -> None:
    bars, past = symbol.bars, symbol.past
    bars.noise = bars.noise_x = None
    if past is None or past.close_before is None:
        bars.noise_reason = "NO_PREVIOUS_CLOSE"
        return
    if bars.open is None:
        bars.noise_reason = "NO_OPEN"
        return
    move = past.moves[minute.index] if past.moves and minute.index < len(past.moves) else None
    bars.noise_from_model = move is None
    if move is None:
        if past.forecast is None:
            bars.noise_reason = "NO_FORECAST"
            return
        move = model_move(past.forecast.rv_hat, share_to_come(session, minute.index + 1))
    bars.noise = noise_area(bars.open, past.close_before, move)
    bars.noise_x = bars.noise.position(minute.close)
    bars.noise_reason = "" if bars.noise_x is not None else "NARROW"


def x_noise(symbol: SymbolState) -> float | None:
    """The noise feature: clip(x / 1.5, -1, 1)."""
    position = symbol.bars.noise_x
    return None if position is None else clip(position / NOISE_SCALE, -1.0, 1.0)


def variance_left(state: AnalyticsState, symbol: SymbolState) -> float | None:
    """V_rem at the end of the last bar; 0 after the close, None without a forecast."""
    past, session, settings = symbol.past, state.session, state.settings
    end = symbol.bars.last_end
    if past is None or past.forecast is None or session is None or settings is None or end is None:
        return None
    if end >= session.close_at:
        return 0.0
    share = share_to_come(session, (end - session.open_at).total_seconds() / 60)
    # What was realised is known to the last closed minute.
    then = symbol.bars.minute_end or end
    return remaining_variance(
        past.forecast.rv_hat,
        share,
        symbol.bars.realised,
        settings.variance_exponent,
        share_to_come(session, (then - session.open_at).total_seconds() / 60),
    )


def variance_until(state: AnalyticsState, symbol: SymbolState, days: int) -> float | None:
    """V(T) to the expiry `days` sessions from now (0 = today, 1 = the next session)."""
    session, settings, past = state.session, state.settings, symbol.past
    left = variance_left(state, symbol)
    if left is None or session is None or settings is None or past is None:
        return None
    if past.forecast is None or len(session.plan.later) < days:
        return None
    dates = [session.session_date, *(day.session_date for day in session.plan.later[:days])]
    nights = [(b - a).days for a, b in pairwise(dates)]
    end = symbol.bars.last_end
    if end is None or end < session.close_at:
        return variance_to_expiry(past.forecast, left, nights, settings.overnight_share)
    # Day 1 is the next session, whose forecast knows this one.
    realised = symbol.bars.realised
    following = None
    if realised is not None:
        following = har_forecast(
            (*past.variances, realised),
            settings.variance_ratios[symbol.symbol],
            symbol.coefficients,
        )
    return variance_to_expiry(following or past.forecast, None, nights, settings.overnight_share)


def _sample_skew(state: AnalyticsState, symbol: SymbolState, minute: int, now: datetime) -> None:
    """30-minute change of RR25 at the first expiry of 7 days or more, once a closed minute. What is
    too old, halted or not all right is no observation."""
    surface, bars = symbol.chain.surface, symbol.bars
    bars.skew_z = None
    assert state.settings is not None
    if now.timestamp() - symbol.chain.refreshed_at > state.settings.option_ages[2]:
        return
    found = surface.first_from(SKEW_YEARS_MIN) if surface is not None else None
    if found is None or found.rr25 is None or found.quality is not Quality.OK:
        return
    if symbol.chain.spot_reason:
        return
    bars.skews.append((minute, found.rr25))
    before = next((v for m, v in bars.skews if m == minute - SKEW_MINUTES), None)
    if before is None:
        return
    change = found.rr25 - before
    scores = symbol.skew_scores
    bars.skew_z = scores.score(change) if scores.is_warm else None
    scores.update(change, 60.0)
