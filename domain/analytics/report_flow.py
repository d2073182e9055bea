"""Metrics of option flow: premium, imbalance, delta flow, sweeps, ratios, alerts.

Called by report.py with each bar, and by report_minute.py for what no rule reads in between; reads
the state and changes nothing. What the vendor's minutes cannot repair says for how long a hole
weighs in it (MISSING_TRADES): it stands, because the trades that were heard are a sample.
"""

from __future__ import annotations

from datetime import datetime

from domain.analytics.flow import (
    CLASSIFIED_MIN,
    SWEEP_MINUTES,
    WARM_BARS,
    WINDOW_MINUTES,
    Flow,
    ratio,
)
from domain.analytics.reporting import Report, add_score, moment
from domain.analytics.state import AnalyticsState, SymbolState
from domain.events.analytics import Quality

TICKS_STALE_SECONDS = 150.0
TICKS_WARM_MINUTES = 10
MISSING_TRADES = "MISSING_TRADES"
"""Why what rests on single trades is DEGRADED: some of them were not heard."""

Judged = tuple[Quality, str]


def _heard(state: AnalyticsState, at: float) -> Judged:
    """Of what rests on trades as they come: the market's are never silent for long."""
    assert state.settings is not None
    last = state.symbols["SPY"].flow.last_trade_at
    if last is None:
        return Quality.MISSING, "NO_TRADES"
    if at - last > state.settings.flow_age_max:
        return Quality.STALE, "NO_TRADES"
    return Quality.OK, ""


def _sweeps_judged(flow: Flow, heard: Judged) -> Judged:
    """The vendor's rows tell nothing of sweeps: 15 minutes are those that we heard."""
    return (Quality.WARMUP, "WARMUP") if heard[0] is Quality.OK and flow.bars < WARM_BARS else heard


def _warm(flow: Flow, heard: Judged) -> Judged:
    return (Quality.WARMUP, "WARMUP") if heard[0] is Quality.OK and not flow.is_warm else heard


def _classified(flow: Flow, warm: Judged) -> Judged:
    few = warm[0] is Quality.OK and flow.classified < CLASSIFIED_MIN
    return (Quality.WARMUP, "FEW_TRADES") if few else warm


def _whole(
    state: AnalyticsState,
    flow: Flow,
    judged: Judged,
    value: float | None,
    now: datetime,
    reach: int,
) -> Judged:
    """`judged`, unless trades that went into `value`, of the last `reach` closed minutes, were not
    heard. A null has its reason already."""
    assert state.session is not None
    last = state.session.minute(now)
    if value is None or judged[0] is not Quality.OK:
        return judged
    if flow.has_hole(state.symbols["SPY"].flow, max(0, last - reach), last):
        return Quality.DEGRADED, MISSING_TRADES
    return judged


def add_flow(report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime) -> None:
    """What strategies read, with each bar."""
    flow = symbol.flow
    heard = _heard(state, now.timestamp())
    warm = _warm(flow, heard)
    judged = _classified(flow, warm)
    as_of = now if flow.last_trade_at is None else moment(flow.last_trade_at)
    net = None if flow.last_trade_at is None else flow.sweeps.net
    sweeps = _sweeps_judged(flow, heard)
    quality, reason = _whole(state, flow, sweeps, net, now, SWEEP_MINUTES)
    report.number("sweep_net", net, as_of, quality, reason or "FEW_TRADES")
    quality, reason = _whole(state, flow, sweeps, flow.sweep_z, now, SWEEP_MINUTES)
    add_score(report, "sweep_z", flow.sweep_z, flow.sweep_scores, as_of, quality, reason)
    classified, raw, shrunk = flow.imbalances()
    count = float(classified)
    quality, reason = _whole(state, flow, warm, count, now, WINDOW_MINUTES)
    report.number("fi_n", count, as_of, quality, reason)
    quality, reason = judged
    traded = flow.last_trade_at is not None
    report.number("ncp", flow.ncp if traded else None, as_of, quality, reason or "NO_TRADES")
    report.number("npp", flow.npp if traded else None, as_of, quality, reason or "NO_TRADES")
    few = reason or "FEW_TRADES"
    quality, reason = _whole(state, flow, judged, raw, now, WINDOW_MINUTES)
    report.number("fi", raw, as_of, quality, few if raw is None else reason)
    report.number("fi_s", shrunk, as_of, quality, few if raw is None else reason)
    quality, reason = judged
    level = flow.delta_slow.mean if flow.delta_slow.count else None
    report.number("delta_flow", level, as_of, quality, reason or "NO_BARS")
    add_score(report, "delta_flow_z", flow.delta_z, flow.delta_scores, as_of, quality, reason)
    _ratios(report, state, flow, judged, as_of, now)


def _ratios(
    report: Report,
    state: AnalyticsState,
    flow: Flow,
    judged: Judged,
    as_of: datetime,
    now: datetime,
) -> None:
    """Put over call; the vendor's minutes know volumes and no premium but the net one."""
    assert state.session is not None
    since_open = state.session.minute(now)
    calls, asked = flow.call_volume, flow.call_ask_volume
    of_premium = ratio(flow.put_premium, flow.call_premium, calls)
    for name, value, (quality, reason) in (
        ("pcr_vol", ratio(flow.put_volume, calls, calls), judged),
        ("pcr_prem", of_premium, _whole(state, flow, judged, of_premium, now, since_open)),
        ("pcr_ask", ratio(flow.put_ask_volume, asked, asked), judged),
    ):
        report.number(name, value, as_of, quality, reason or "FEW_TRADES")


def add_flow_minute(
    report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime
) -> None:
    flow, at = symbol.flow, now.timestamp()
    heard = _heard(state, at)
    sweeps = _sweeps_judged(flow, heard)
    for name, value in (("sweep_calls", flow.sweeps.calls), ("sweep_puts", flow.sweeps.puts)):
        known = None if flow.last_trade_at is None else value
        quality, reason = _whole(state, flow, sweeps, known, now, SWEEP_MINUTES)
        report.number(name, known, now, quality, reason or "NO_TRADES")
    quality, reason = _classified(flow, _warm(flow, heard))
    for name, moments in (
        ("ncp_5m", flow.calls_fast),
        ("ncp_30m", flow.calls_slow),
        ("npp_5m", flow.puts_fast),
        ("npp_30m", flow.puts_slow),
        ("delta_flow_5m", flow.delta_fast),
    ):
        mean = moments.mean if moments.count else None
        report.number(name, mean, now, quality, reason or "NO_BARS")
    _ticks(report, flow, at, now)
    bullish, bearish = symbol.alerts.counts(at)
    told = symbol.alerts.at is not None
    # Alerts are made of the same trades: none of them is no news while those are not heard.
    silent = heard[0] is Quality.STALE
    why = "NO_TRADES" if silent and told else "NO_ALERTS"
    for name, count in (("alerts_bullish", bullish), ("alerts_bearish", bearish)):
        known = float(count) if told else None
        report.number(name, known, now, Quality.STALE if silent else Quality.OK, why)


def _ticks(report: Report, flow: Flow, at: float, now: datetime) -> None:
    """The vendor's own sums since the open."""
    quality, reason = Quality.OK, ""
    if flow.ticks_at is None:
        quality, reason = Quality.MISSING, "NO_TICKS"
    elif at - flow.ticks_at > TICKS_STALE_SECONDS:
        quality, reason = Quality.STALE, "OLD"
    elif flow.ticks_until < TICKS_WARM_MINUTES:
        quality, reason = Quality.WARMUP, "WARMUP"
    as_of = now if flow.ticks_at is None else moment(flow.ticks_at)
    for name, value in (("vendor_ncp", flow.vendor_calls), ("vendor_npp", flow.vendor_puts)):
        known = None if flow.ticks_at is None else value
        report.number(name, known, as_of, quality, reason)
