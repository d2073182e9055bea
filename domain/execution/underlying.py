"""The underlying as exits need it: minute closes, VWAP, noise area, ATR, from bars and history.

The trader folds this itself with the same pure modules as the signals, so that exits do not
depend on the signals process. Called by stops.py.
"""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import msgspec

from domain.analytics.dividend_table import REQUESTS as DIVIDENDS
from domain.analytics.dividend_table import DividendTable
from domain.analytics.opening_range import (
    NOISE_SESSIONS,
    NoiseArea,
    mean_absolute_moves,
    model_move,
    noise_area,
)
from domain.analytics.variance import share_to_come
from domain.analytics.vwap import Vwap
from domain.events.feeds import HistoryImported, IbBarReceived
from domain.session import SESSION_MINUTES, Session

BAR = timedelta(seconds=5)
ATR_MINUTES = 14
MINUTE_BARS = "ib.bars.1min"
DAY_BARS = "ib.bars.1day"


@dataclass(frozen=True, slots=True)
class Minute:
    """A closed minute; `index` is the minutes from the open to its start."""

    index: int
    open: float
    high: float
    low: float
    close: float
    vwap: float | None
    """VWAP of the session at its end."""


@dataclass(slots=True)
class UnderlyingWatch:
    """One symbol's session so far. Bars older than the last one are ignored."""

    vwap: Vwap = field(default_factory=Vwap)
    session_open: float | None = None
    last_start: datetime | None = None
    forming: Minute | None = None
    ranges: deque[float] = field(default_factory=lambda: deque(maxlen=ATR_MINUTES))
    previous_minute_close: float | None = None
    sessions: dict[date, tuple[float, dict[int, float]]] = field(default_factory=dict)
    daily_close: tuple[date, float] | None = None
    dividend_table: DividendTable = field(default_factory=DividendTable)
    dividends: dict[date, float] = field(default_factory=dict)
    """Dollars a share by ex-date, from the session on."""
    moves: list[float | None] | None = None

    def start_session(self, symbol: str, session: Session) -> None:
        """A new day: history before it stays, the session starts afresh."""
        today = session.session_date
        self._look_ahead(symbol, session)
        for day in [day for day in self.sessions if day >= today]:
            del self.sessions[day]
        if self.daily_close is not None and self.daily_close[0] >= today:
            self.daily_close = None
        self.vwap = Vwap()
        self.session_open = self.last_start = self.forming = None
        self.ranges.clear()
        self.previous_minute_close = None
        self.moves = self._moves()

    def import_history(self, body: HistoryImported, session: Session | None) -> None:
        """Keep what exits need of an answer; of today or later nothing (rules of history)."""
        if body.request in DIVIDENDS:
            # What the vendor sends must not stop the trader; the analytics count it.
            with suppress(msgspec.DecodeError, LookupError, TypeError, ValueError):
                self.dividend_table.take(body)
            if session is not None:
                self._look_ahead(body.symbol, session)
            return
        if session is not None and body.session_date >= session.session_date:
            return
        rows = json.loads(body.payload)
        if body.request == MINUTE_BARS and rows:
            opened = datetime.fromisoformat(rows[0][0])
            closes = {
                int((datetime.fromisoformat(row[0]) - opened).total_seconds() // 60): float(row[4])
                for row in rows
            }
            self.sessions[body.session_date] = (float(rows[0][1]), closes)
            for day in sorted(self.sessions)[:-NOISE_SESSIONS]:
                del self.sessions[day]
            self.moves = self._moves()
        elif body.request == DAY_BARS and rows:
            last = rows[-1]
            self.daily_close = (date.fromisoformat(str(last[0])[:10]), float(last[4]))

    def _look_ahead(self, symbol: str, session: Session) -> None:
        self.dividends = {}
        for dividend in self.dividend_table.ahead(symbol, session):
            before = self.dividends.get(dividend.ex_date, 0.0)
            self.dividends[dividend.ex_date] = before + dividend.amount

    def _moves(self) -> list[float | None] | None:
        ordered = [self.sessions[day] for day in sorted(self.sessions)]
        return mean_absolute_moves(ordered, SESSION_MINUTES)

    def add_bar(self, bar: IbBarReceived, session: Session) -> Minute | None:
        """Fold a 5-second bar; returns the minute that it closes, if any."""
        late = self.last_start is not None and bar.start <= self.last_start
        if late or not session.is_open(bar.start):
            return None
        self.last_start = bar.start
        index = session.minute(bar.start)
        closed = self._close() if self.forming and self.forming.index != index else None
        if self.session_open is None:
            self.session_open = bar.open
        self.vwap.add(bar.wap, bar.volume)
        now = self.forming
        if now is None:
            self.forming = Minute(index, bar.open, bar.high, bar.low, bar.close, self.vwap.price)
        else:
            self.forming = Minute(
                index,
                now.open,
                max(now.high, bar.high),
                min(now.low, bar.low),
                bar.close,
                self.vwap.price,
            )
        ends_minute = session.minute(bar.start + BAR) != index
        return self._close() if ends_minute else closed

    def _close(self) -> Minute:
        minute = self.forming
        assert minute is not None
        self.forming = None
        before = self.previous_minute_close
        spans = [minute.high - minute.low]
        if before is not None:
            spans += [abs(minute.high - before), abs(minute.low - before)]
        self.ranges.append(max(spans))
        self.previous_minute_close = minute.close
        return minute

    @property
    def last_close(self) -> float | None:
        """Of the newest bar of the session."""
        return self.previous_minute_close if self.forming is None else self.forming.close

    @property
    def atr(self) -> float | None:
        """Plain mean of the last 14 true ranges of one-minute bars of the session."""
        if len(self.ranges) < ATR_MINUTES:
            return None
        return sum(self.ranges) / ATR_MINUTES

    def previous_close(self, session: Session) -> float | None:
        """Close of the session before, less a dividend of today."""
        dividend = self.dividends.get(session.session_date, 0.0)
        if self.daily_close is not None:
            return self.daily_close[1] - dividend
        if not self.sessions:
            return None
        closes = self.sessions[max(self.sessions)][1]
        return closes[max(closes)] - dividend

    def area(self, minute: int, session: Session, rv_hat: float | None) -> NoiseArea | None:
        """The noise area at the end of a minute; from the variance forecast until 14 sessions."""
        before = self.previous_close(session)
        if self.session_open is None or before is None or not 0 <= minute < SESSION_MINUTES:
            return None
        move = self.moves[minute] if self.moves is not None else None
        if move is None and rv_hat is not None:
            move = model_move(rv_hat, share_to_come(session, minute + 1))
        return noise_area(self.session_open, before, move) if move is not None else None
