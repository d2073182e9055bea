"""Historical bars of the sandbox: 1 day, 5 mins, 1 min and 5 secs from the market model.

Answers reqHistoricalData in one historicalData message (17), paced as the real service is: at
most 60 requests in ten minutes of market time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from adapters.interactive_brokers.sandbox.contracts import (
    NEW_YORK,
    ContractDirectory,
    tws_time,
)
from adapters.interactive_brokers.sandbox.faults import Faults
from adapters.interactive_brokers.sandbox.requests import read_contract, read_market_data_legs
from adapters.interactive_brokers.sandbox.wire import FieldCursor, FieldValue
from adapters.market_model.contract import MarketModel

BAR_SECONDS = {"5 secs": 5, "1 min": 60, "5 mins": 300}
REQUESTS_MAX = 60
WINDOW = timedelta(minutes=10)
PREFIX = "Historical Market Data Service error message:"
Send = Callable[..., None]


class HistoryService:
    """One for each sandbox: the pacing counts every client's requests."""

    def __init__(self, market: MarketModel, directory: ContractDirectory, faults: Faults) -> None:
        self._market = market
        self._directory = directory
        self._faults = faults
        self._asked_at: deque[datetime] = deque()

    def answer(self, cursor: FieldCursor, send: Send) -> None:
        request_id, asked = cursor.integer(), read_contract(cursor)
        cursor.skip(1)  # includeExpired
        end_text, bar_size, duration = cursor.text(), cursor.text(), cursor.text()
        cursor.skip(2)  # useRTH, whatToShow
        date_format = cursor.integer()
        if asked.security_type == "BAG":
            read_market_data_legs(cursor)
        cursor.skip(2)  # keepUpToDate, options
        cursor.finish()
        if self._faults.is_on("swallow_history"):
            return
        contract = self._directory.find_one(asked)
        problem = self._faults.text("history_error") or self.paced()
        if problem:
            send(4, 2, request_id, 162, PREFIX + problem, "")
            return
        if contract is None:
            text = "No security definition has been found for the request"
            send(4, 2, request_id, 200, text, "")
            return
        end = _end_time(end_text) or self._market.now()
        if contract.is_option:
            rows: list[tuple[FieldValue, ...]] = []
        elif bar_size == "1 day":
            rows = self._daily(contract.symbol, duration, end)
        elif bar_size in BAR_SECONDS:
            rows = self._intraday(contract.symbol, bar_size, duration, end, date_format)
        else:
            text = f"Error validating request.-'bM' : cause - bar size {bar_size} not supported"
            send(4, 2, request_id, 321, text, "")
            return
        if not rows:
            send(4, 2, request_id, 162, f"{PREFIX}HMDS query returned no data: {asked.symbol}", "")
            return
        fields = [value for row in rows for value in row]
        start = end - timedelta(days=_days(duration))
        send(17, request_id, tws_time(start), tws_time(end), len(rows), *fields)

    def paced(self) -> str:
        """Count a request; what is wrong when there were too many."""
        now = self._market.now()
        while self._asked_at and now - self._asked_at[0] >= WINDOW:
            self._asked_at.popleft()
        self._asked_at.append(now)
        if len(self._asked_at) > REQUESTS_MAX:
            return "Historical data request pacing violation"
        return ""

    def _daily(self, symbol: str, duration: str, end: datetime) -> list[tuple[FieldValue, ...]]:
        days = _days(duration)
        bars = self._finished_days(symbol, days, end)
        return [
            (f"{day:%Y%m%d}", *prices, volume, round(sum(prices) / 4, 4), max(volume // 100, 1))
            for day, *prices, volume in bars[-days:]
        ]

    def _intraday(
        self, symbol: str, bar_size: str, duration: str, end: datetime, date_format: int
    ) -> list[tuple[FieldValue, ...]]:
        seconds = BAR_SECONDS[bar_size]
        length = _seconds(duration)
        sessions = self._sessions(symbol, _days(duration), end)
        rows: list[tuple[FieldValue, ...]] = []
        for session in sessions:
            for bar in self._market.bars(symbol, session, seconds):
                inside = length is None or bar.start >= end - timedelta(seconds=length)
                if bar.start >= end or not inside:
                    continue
                at = bar.start.astimezone(UTC)
                stamp = str(int(at.timestamp())) if date_format == 2 else tws_time(at)
                prices = (bar.open, bar.high, bar.low, bar.close)
                rows.append((stamp, *prices, bar.volume, bar.wap, bar.count))
        return rows

    def _finished_days(
        self, symbol: str, days: int, end: datetime
    ) -> list[tuple[date, float, float, float, float, int]]:
        """Daily bars of sessions that had closed by `end`."""
        last = end.astimezone(NEW_YORK)
        skipped = max((self._market.session_date - last.date()).days, 0)
        closed = last.hour >= 16
        bars = self._market.daily_bars(symbol, days + skipped)
        return [bar for bar in bars if bar[0] < last.date() or (bar[0] == last.date() and closed)]

    def _sessions(self, symbol: str, days: int, end: datetime) -> list[date]:
        """The last sessions that had begun before `end`, today's among them."""
        last = end.astimezone(NEW_YORK)
        skipped = max((self._market.session_date - last.date()).days, 0)
        sessions = [bar[0] for bar in self._market.daily_bars(symbol, days + skipped)]
        if self._market.now() >= self._market.open_at:
            sessions.append(self._market.session_date)
        begun = last.hour * 60 + last.minute > 9 * 60 + 30
        sessions = [day for day in sessions if day < last.date() or (day == last.date() and begun)]
        return sessions[-days:]


def _days(duration: str) -> int:
    """Sessions in a duration such as 25 D, 1 Y or 30 S."""
    count, _, unit = duration.partition(" ")
    factor = {"S": 0, "D": 1, "W": 5, "M": 21, "Y": 252}.get(unit[:1], 1)
    return max(int(count) * factor, 1)


def _seconds(duration: str) -> int | None:
    count, _, unit = duration.partition(" ")
    return int(count) if unit[:1] == "S" else None


def _end_time(text: str) -> datetime | None:
    """`YYYYMMDD HH:MM:SS Zone` or `YYYYMMDD-HH:MM:SS` in UTC; None for now."""
    if not text:
        return None
    if "-" in text:
        return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    stamp = " ".join(text.split()[:2])
    zone = UTC if text.endswith(("UTC", "GMT")) else NEW_YORK
    return datetime.strptime(stamp, "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
