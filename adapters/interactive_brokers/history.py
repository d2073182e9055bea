"""Historical bars as HistoryImported events, one for a session of bars or a run of days.

Used by market_data.py. Keeps TWS's pacing (60 requests in ten minutes of market time, one in
flight) and waits it out once when TWS complains all the same.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from datetime import time as dt_time
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ib_async import BarData, Contract

from adapters.interactive_brokers.link import NO_ANSWER, RequestFailed
from adapters.interactive_brokers.market_link import MarketLink
from domain.events.feeds import HistoryImported

NEW_YORK = ZoneInfo("America/New_York")
REQUESTS_MAX = 55
"""Five short of TWS's 60, which also count new bar subscriptions."""
WINDOW_MARKET_SECONDS = 600.0
PACED_WAIT_MARKET_SECONDS = 60.0
ANSWER_SECONDS = 60.0
ATTEMPTS_MAX = 3
REQUEST_NAMES = {"1 day": "ib.bars.1day", "5 mins": "ib.bars.5mins", "1 min": "ib.bars.1min"}
DATE_FORMAT_EPOCH = 2

Row: TypeAlias = list[str | float | int]


class HistoryReader:
    """One for each feed; `speed` is market seconds a real second."""

    def __init__(self, speed: Callable[[], float], answer_seconds: float = ANSWER_SECONDS) -> None:
        self._speed = speed
        self._answer_seconds = answer_seconds
        self._asked_at: deque[float] = deque()
        self._one_at_a_time = asyncio.Lock()

    async def read(
        self,
        link: MarketLink,
        contract: Contract,
        bar_size: str,
        duration: str,
        before: date,
        end: datetime | None,
    ) -> Sequence[HistoryImported]:
        if bar_size not in REQUEST_NAMES:
            raise ValueError(f"bar size must be one of {tuple(REQUEST_NAMES)}, was {bar_size!r}")
        if end is None:  # the midnight before: today's bars would take a session's place
            end = datetime.combine(before, dt_time(), NEW_YORK)
        async with self._one_at_a_time:
            bars = await self._ask(link, contract, bar_size, duration, end)
        if bar_size == "1 day":
            return _daily(contract.symbol, bars, before)
        return _sessions(contract.symbol, bar_size, bars, before)

    async def _ask(
        self,
        link: MarketLink,
        contract: Contract,
        bar_size: str,
        duration: str,
        end: datetime,
    ) -> list[BarData]:
        end_text = end.astimezone(UTC).strftime("%Y%m%d-%H:%M:%S")
        for attempt in range(1, ATTEMPTS_MAX + 1):
            await self._pace()
            request = link.client.getReqId()

            def send(request: int = request) -> None:
                link.client.reqHistoricalData(
                    request,
                    contract,
                    end_text,
                    duration,
                    bar_size,
                    "TRADES",
                    1,
                    DATE_FORMAT_EPOCH,
                    False,
                    [],
                )

            try:
                return await link.ask_by_number(request, send, self._answer_seconds)
            except RequestFailed as refused:
                if refused.code == NO_ANSWER:
                    link.client.cancelHistoricalData(request)  # TWS keeps fifty open at most
                if "pacing" not in refused.text or attempt == ATTEMPTS_MAX:
                    raise
            await asyncio.sleep(PACED_WAIT_MARKET_SECONDS / self._speed())
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _pace(self) -> None:
        """Wait until the window of ten market minutes has room."""
        while True:
            now, window = time.monotonic(), WINDOW_MARKET_SECONDS / self._speed()
            while self._asked_at and now - self._asked_at[0] >= window:
                self._asked_at.popleft()
            if len(self._asked_at) < REQUESTS_MAX:
                self._asked_at.append(now)
                return
            await asyncio.sleep(self._asked_at[0] + window - now)


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _values(bar: BarData) -> Row:
    return [
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        _number(bar.volume),
        bar.average,
        bar.barCount,
    ]


def _event(request: str, symbol: str, session: date, rows: list[Row]) -> HistoryImported:
    return HistoryImported(
        vendor="ib",
        request=request,
        symbol=symbol,
        session_date=session,
        payload=json.dumps(rows, separators=(",", ":")),
    )


def _daily(symbol: str, bars: list[BarData], before: date) -> list[HistoryImported]:
    """One event; the day that is still going on is left out."""
    rows: list[Row] = []
    last: date | None = None
    for bar in bars:
        text = str(bar.date)
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
        if day < before:
            rows.append([day.isoformat(), *_values(bar)])
            last = day
    return [] if last is None else [_event(REQUEST_NAMES["1 day"], symbol, last, rows)]


def _sessions(
    symbol: str, bar_size: str, bars: list[BarData], before: date
) -> list[HistoryImported]:
    """One event for each session before `before`, oldest first."""
    sessions: dict[date, list[Row]] = {}
    for bar in bars:
        start = datetime.fromtimestamp(int(str(bar.date)), UTC)
        session = start.astimezone(NEW_YORK).date()
        if session < before:
            sessions.setdefault(session, []).append([start.isoformat(), *_values(bar)])
    name = REQUEST_NAMES[bar_size]
    return [_event(name, symbol, session, rows) for session, rows in sorted(sessions.items())]
