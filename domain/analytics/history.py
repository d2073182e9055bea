"""Imported history: past bars, premium ticks, open interest, dividends, the economic calendar.

Filled by the stage from HistoryImported events, which may come before the session is planned;
read once a session into what the metrics need. Answers that cannot be read are counted, and what
rests on them stays in warm-up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from domain.analytics.daily import DailyBar
from domain.analytics.dividend_table import ENTERED, PAID, DividendTable
from domain.analytics.economic_calendar import CalendarEvent
from domain.analytics.hot_frames import CONTRACTS
from domain.analytics.realised import session_variance
from domain.events.feeds import HistoryImported
from domain.payloads.unusual_whales import (
    read_economic_calendar,
    read_iv_rank,
    read_market_tide_rows,
    read_net_premium_ticks,
)
from domain.session import NEW_YORK

SESSIONS_KEPT = 45
MINUTES_KEPT = 390
_OPEN_MINUTE = 9 * 60 + 30


@dataclass(frozen=True, slots=True)
class MinuteSession:
    """Open and minute closes of a past session, by whole minutes since 09:30 New York."""

    open: float
    closes: dict[int, float]


@dataclass(slots=True)
class History:
    """By symbol and session date. `version` grows with every answer taken in."""

    version: int = 0
    unreadable: int = 0
    daily: dict[str, dict[date, DailyBar]] = field(default_factory=dict)
    variances: dict[str, dict[date, float]] = field(default_factory=dict)
    variance_minutes: dict[str, dict[date, int]] = field(default_factory=dict)
    """How many minutes of the session the bars behind a variance cover."""
    minutes: dict[str, dict[date, MinuteSession]] = field(default_factory=dict)
    tide: dict[date, list[tuple[float, float]]] = field(default_factory=dict)
    net_delta: dict[str, dict[date, list[float]]] = field(default_factory=dict)
    iv_rank: dict[str, dict[date, float]] = field(default_factory=dict)
    open_interest: dict[str, dict[date, tuple[tuple[str, int], ...]]] = field(default_factory=dict)
    dividends: dict[str, DividendTable] = field(default_factory=dict)
    calendar: dict[date, tuple[CalendarEvent, ...]] = field(default_factory=dict)

    def take(self, event: HistoryImported) -> None:
        """Read one answer; an unreadable one changes nothing but its count."""
        self.version += 1
        reader = _READERS.get(event.request)
        if reader is None:
            return
        try:
            reader(self, event)
        except (msgspec.DecodeError, LookupError, TypeError, ValueError):
            self.unreadable += 1


def _keep(series: dict[date, Any], day: date, value: Any) -> None:
    series[day] = value
    while len(series) > SESSIONS_KEPT:
        del series[min(series)]


def newest_before(series: dict[date, Any], day: date) -> Any | None:
    """The value of the last session before `day`; None without one."""
    earlier = [d for d in series if d < day]
    return series[max(earlier)] if earlier else None


def parsed_time(text: str) -> datetime:
    """An ISO time with offset or Z, as UTC; without either it is taken as UTC."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def minute_of_session(at: datetime) -> int:
    """Whole minutes since 09:30 New York of the same day."""
    local = at.astimezone(NEW_YORK)
    return local.hour * 60 + local.minute - _OPEN_MINUTE


def _rows(event: HistoryImported) -> Any:
    return msgspec.json.decode(event.payload)


def _daily(history: History, event: HistoryImported) -> None:
    bars = history.daily.setdefault(event.symbol, {})
    for row in _rows(event):
        day = date.fromisoformat(row[0][:10])
        if day <= event.session_date:
            bars[day] = DailyBar(day, *(float(value) for value in row[1:6]))


def _five_minutes(history: History, event: HistoryImported) -> None:
    timed = [(parsed_time(row[0]), row) for row in _rows(event)]
    inside = [(at, row) for at, row in timed if 0 <= minute_of_session(at) < MINUTES_KEPT]
    bars = [
        (float(row[1]), float(row[2]), float(row[3]), float(row[4]))
        for _, row in sorted(inside, key=lambda pair: pair[0])
    ]
    variance = session_variance(bars)
    if variance is not None and variance > 0:
        _keep(history.variances.setdefault(event.symbol, {}), event.session_date, variance)
        covered = history.variance_minutes.setdefault(event.symbol, {})
        _keep(covered, event.session_date, 5 * len({at for at, _ in inside}))


def _one_minute(history: History, event: HistoryImported) -> None:
    closes: dict[int, float] = {}
    first: tuple[int, float] | None = None
    for row in _rows(event):
        minute = minute_of_session(parsed_time(row[0]))
        if not 0 <= minute < MINUTES_KEPT:
            continue
        closes[minute] = float(row[4])
        if first is None or minute < first[0]:
            first = (minute, float(row[1]))
    if first is not None:
        session = MinuteSession(first[1], closes)
        _keep(history.minutes.setdefault(event.symbol, {}), event.session_date, session)


def _tide(history: History, event: HistoryImported) -> None:
    points = []
    for row in read_market_tide_rows(event.payload.encode()):
        minute = minute_of_session(row.at)
        if 0 <= minute <= MINUTES_KEPT:
            points.append((float(minute), row.net_call_premium - row.net_put_premium))
    if points:
        _keep(history.tide, event.session_date, sorted(points))


def _net_premium(history: History, event: HistoryImported) -> None:
    by_minute: dict[int, float] = {}
    for row in read_net_premium_ticks(event.payload.encode()):
        minute = minute_of_session(row.start_at)
        if 0 <= minute < MINUTES_KEPT and row.net_delta is not None:
            by_minute[minute] = row.net_delta
    if by_minute:
        series = [by_minute.get(minute, 0.0) for minute in range(max(by_minute) + 1)]
        _keep(history.net_delta.setdefault(event.symbol, {}), event.session_date, series)


def _iv_rank(history: History, event: HistoryImported) -> None:
    series = history.iv_rank.setdefault(event.symbol, {})
    for row in read_iv_rank(event.payload.encode()):
        if row.rank is not None and row.session_date <= event.session_date:
            _keep(series, row.session_date, row.rank)


def _contracts(history: History, event: HistoryImported) -> None:
    listed = tuple(
        (row.option_symbol, row.open_interest)
        for row in CONTRACTS.decode(event.payload).data
        if row.open_interest is not None
    )
    series = history.open_interest.setdefault(event.symbol, {})
    _keep(series, event.session_date, listed)


def _dividends(history: History, event: HistoryImported) -> None:
    table = history.dividends.get(event.symbol, DividendTable())
    table.take(event)
    history.dividends[event.symbol] = table


def calendar_events(body: bytes) -> tuple[CalendarEvent, ...]:
    """Events of the vendor's economic calendar, by time."""
    found = [CalendarEvent(row.at, row.kind, row.event) for row in read_economic_calendar(body)]
    return tuple(sorted(found, key=lambda event: (event.at, event.title)))


def _calendar(history: History, event: HistoryImported) -> None:
    _keep(history.calendar, event.session_date, calendar_events(event.payload.encode()))


_READERS = {
    "ib.bars.1day": _daily,
    "ib.bars.5mins": _five_minutes,
    "ib.bars.1min": _one_minute,
    "uw.market-tide": _tide,
    "uw.net-prem-ticks": _net_premium,
    "uw.iv-rank": _iv_rank,
    "uw.option-contracts": _contracts,
    "uw.economic-calendar": _calendar,
    ENTERED: _dividends,
    PAID: _dividends,
}
