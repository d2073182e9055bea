"""Metrics of quotes and books of an underlying: prices, imbalances, micro-price, order flow.

Called by report.py with each bar, and by report_minute.py for what no rule reads in between.
"""

from __future__ import annotations

from datetime import datetime

from domain.analytics.microstructure import CROSSED_SECONDS_MAX, Book
from domain.analytics.reporting import Report, moment
from domain.analytics.state import AnalyticsState, SymbolState
from domain.events.analytics import Quality
from domain.session import Session

OFI_STALE_SECONDS = 12.0


def _judged(state: AnalyticsState, symbol: SymbolState, at: float) -> tuple[Quality, str]:
    """Quality of what rests on the newest quote."""
    assert state.settings is not None
    book = symbol.book
    if symbol.halted:
        return Quality.STALE, "HALTED"
    if book.at == 0.0:
        return Quality.MISSING, "NO_QUOTE"
    if book.bad_since is not None and at - book.bad_since >= CROSSED_SECONDS_MAX:
        return Quality.DEGRADED, "LOCKED_OR_CROSSED"
    if at - book.at > state.settings.quote_age_max:
        return Quality.STALE, "QUOTE_OLD"
    return Quality.OK, ""


def _flow_quality(symbol: SymbolState, closed: float, at: float) -> Quality:
    """`closed` is when the last window did, or the open before the first one of the session."""
    return Quality.STALE if at - closed > OFI_STALE_SECONDS or symbol.halted else Quality.OK


def add_book(
    report: Report, state: AnalyticsState, symbol: SymbolState, session: Session, now: datetime
) -> None:
    assert state.settings is not None
    book, at = symbol.book, now.timestamp()
    quality, reason = _judged(state, symbol, at)
    as_of = moment(book.at) if book.at else now
    mid = book.good_mid or None
    mid_quality, mid_reason = quality, reason
    if quality is Quality.OK and at - book.good_at > state.settings.quote_age_max:
        mid_quality, mid_reason = Quality.STALE, "NO_GOOD_QUOTE"
    report.number("spot_mid", mid, moment(book.good_at) if mid else now, mid_quality, mid_reason)
    report.number("spot_bid", book.bid or None, as_of, quality, reason or "NO_BID")
    report.number("spot_ask", book.ask or None, as_of, quality, reason or "NO_ASK")
    report.number("quote_age_s", at - book.at if book.at else None, now, Quality.OK, "NO_QUOTE")
    report.number("book_imbalance", book.imbalance, as_of, quality, reason or "NO_DEPTH")
    _micro_price(report, symbol, book, as_of, quality, reason)
    _depth_imbalance(report, state, symbol, now)
    flow = symbol.order_flow
    closed = session.open_at.timestamp() + flow.closed_at
    quality = _flow_quality(symbol, closed, at)
    old = "HALTED" if symbol.halted else "OLD" if quality is Quality.STALE else ""
    known = quality if flow.ofi_norm is not None else Quality.MISSING
    reason = "NO_WINDOW" if known is Quality.MISSING else old
    report.number("ofi_norm", flow.ofi_norm, moment(closed), known, reason)
    score = flow.slow.mean_score(10.0) if flow.slow.is_warm else None
    reason = old if flow.slow.is_warm else "WARMUP"
    if score is None:
        quality = Quality.WARMUP
    report.number("ofi_5m_z", score, moment(closed), quality, reason)


def _micro_price(
    report: Report, symbol: SymbolState, book: Book, as_of: datetime, quality: Quality, reason: str
) -> None:
    """The weighted mid stands in until enough of the book was seen."""
    weighted = book.weighted_mid
    price = None
    if weighted is not None:
        price = symbol.micro.of(book.bid, book.ask, book.bid_size, book.ask_size)
    if price is None and quality is Quality.OK:
        quality, reason = Quality.WARMUP_MODEL, "WEIGHTED_MID" if weighted is not None else ""
    value = weighted if price is None else price
    report.number("micro_price", value, as_of, quality, reason or "NO_DEPTH")


def _depth_imbalance(
    report: Report, state: AnalyticsState, symbol: SymbolState, now: datetime
) -> None:
    assert state.settings is not None
    depth, quality, reason = symbol.depth, Quality.OK, ""
    if symbol.halted:
        quality, reason = Quality.STALE, "HALTED"
    elif depth.at == 0.0:
        quality, reason = Quality.MISSING, "NO_BOOK"
    elif now.timestamp() - depth.at > state.settings.quote_age_max:
        quality, reason = Quality.STALE, "BOOK_OLD"
    elif not depth.book.is_right:
        quality, reason = Quality.MISSING, "BOOK_DAMAGED"
    as_of = moment(depth.at) if depth.at else now
    report.number("depth_imb", depth.imbalance, as_of, quality, reason or "NO_DEPTH")


def add_book_minute(
    report: Report, state: AnalyticsState, symbol: SymbolState, session: Session, now: datetime
) -> None:
    """Order flow in shares and over all levels, and the weighted mid."""
    book, at = symbol.book, now.timestamp()
    quality, reason = _judged(state, symbol, at)
    as_of = moment(book.at) if book.at else now
    report.number("weighted_mid", book.weighted_mid, as_of, quality, reason or "NO_DEPTH")
    opened, flow, levels = session.open_at.timestamp(), symbol.order_flow, symbol.depth.flow
    slow = flow.slow.mean if flow.slow.count else None
    for name, value, since in (
        ("ofi", flow.ofi, flow.closed_at),
        ("ofi_5m", slow, flow.closed_at),
        ("ofi_levels", levels.value, levels.closed_at),
    ):
        quality = _flow_quality(symbol, opened + since, at)
        reason = "HALTED" if symbol.halted else "OLD"
        if value is None:
            quality, reason = Quality.MISSING, "NO_WINDOW"
        report.number(name, value, moment(opened + since), quality, reason)
