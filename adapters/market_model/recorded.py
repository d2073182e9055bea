"""A market whose SPY is a recording by the second; QQQ and IWM follow it by beta.

Everything the recording does not hold (options, flow, the basket, the auction, intraday history)
is made as for a seeded day, around the recorded prices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.market_model.book import RecordedQuotes
from adapters.market_model.history import HistoricDay, seeded_history
from adapters.market_model.lean import (
    PRICE_UNIT,
    DailyRow,
    RecordingMissing,
    daily_rows,
    require_day,
    second_rows,
)
from adapters.market_model.market import SimulatedMarket
from adapters.market_model.paths import (
    ADV_SHARES,
    AFTER_CLOSE_SECONDS,
    BEFORE_OPEN_SECONDS,
    day_table,
    follower_log_path,
)
from adapters.market_model.scenario import BASKET, QUIET_DAY, BasketMember, Scenario
from adapters.market_model.seconds import SecondTable
from adapters.market_model.seeded import basket_tables
from adapters.market_model.session_plan import SessionPlan, SimSession
from adapters.market_model.variance import SYMBOL_FACTOR
from domain.session import new_york

Integers = NDArray[np.int64]
RECORDED_DAY = replace(
    QUIET_DAY,
    name="recorded_day",
    noise_scale=((0.0, 1.0), (390.0, 1.0)),
    pinned_minutes=(),
    variance_premium=1.05,
    gex_norm=-0.03,
    flow_alignment=0.7,
)
"""What stands around a recorded SPY decides nothing by itself: options near their fair price,
buyers who follow the tape, dealers a little short of gamma, noise of the followers unscaled."""


def _grid(rows: Integers, session: SimSession) -> tuple[Integers, Integers]:
    """Rows of the model's grid, and their second in it."""
    start = new_york(session.open_at - timedelta(seconds=BEFORE_OPEN_SECONDS))
    first = start.hour * 3600 + start.minute * 60 + start.second
    second = rows[:, 0] // 1000 - first
    length = BEFORE_OPEN_SECONDS + session.seconds + AFTER_CLOSE_SECONDS
    inside = (second >= 0) & (second < length)
    return rows[inside], second[inside]


def recorded_table(folder: Path, symbol: str, session: SimSession) -> SecondTable:
    """The recorded trades of a day on the model's grid; seconds without a trade carry the close."""
    rows, second = _grid(second_rows(folder, symbol, session.session_date, "trade"), session)
    length = BEFORE_OPEN_SECONDS + session.seconds + AFTER_CLOSE_SECONDS
    if len(rows) == 0:
        raise RecordingMissing(f"recording must cover the session of {session.session_date}")
    prices = rows[:, 1:5] / PRICE_UNIT
    close = np.full(length, np.nan)
    close[second] = prices[:, 3]
    place = np.maximum.accumulate(np.where(np.isnan(close), 0, np.arange(length)))
    carried = np.where(np.isnan(close[place]), prices[0, 0], close[place])
    columns = [carried.copy() for _ in range(3)]
    for index, column in enumerate(columns):
        column[second] = prices[:, index]
    volume = np.zeros(length, dtype=np.int64)
    volume[second] = rows[:, 5]
    start = session.open_at - timedelta(seconds=BEFORE_OPEN_SECONDS)
    return SecondTable(symbol, start, columns[0], columns[1], columns[2], carried, volume)


def recorded_quotes(folder: Path, symbol: str, session: SimSession) -> RecordedQuotes:
    """The recorded top of book at the end of each second of the grid."""
    rows, second = _grid(second_rows(folder, symbol, session.session_date, "quote"), session)
    length = BEFORE_OPEN_SECONDS + session.seconds + AFTER_CLOSE_SECONDS
    row_of = np.zeros(length, dtype=np.int64)
    row_of[second] = np.arange(len(rows))
    row_of = np.maximum.accumulate(row_of)
    cents = PRICE_UNIT // 100
    return RecordedQuotes(
        bid=rows[row_of, 4] // cents,
        ask=-(-rows[row_of, 9] // cents),
        bid_size=rows[row_of, 5],
        ask_size=rows[row_of, 10],
    )


def _recorded_days(
    rows: Sequence[DailyRow], sessions: Sequence[SimSession]
) -> list[HistoricDay] | None:
    """Earlier sessions from the daily file; None when it does not cover the last 60 of them.

    A session's variance is Parkinson's range estimate [PARK80].
    """
    by_date = {row.session_date: row for row in rows}
    known = [s for s in sessions if s.session_date in by_date]
    if len(known) < 60 or known[-1] != sessions[-1]:
        return None
    days = []
    for session in known:
        row = by_date[session.session_date]
        variance = math.log(row.high / row.low) ** 2 / (4 * math.log(2))
        days.append(
            HistoricDay(
                session, row.open, row.high, row.low, row.close, row.volume, max(variance, 1e-6)
            )
        )
    return days


class RecordedMarket(SimulatedMarket):
    """The market of a recorded day. `recording` is a folder in LEAN's layout."""

    def __init__(
        self,
        recording: Path,
        day: date,
        plan: SessionPlan,
        seed: int,
        scenario: Scenario = RECORDED_DAY,
        basket: Sequence[BasketMember] = BASKET,
    ) -> None:
        """
        Raises:
            RecordingMissing: the folder has no seconds of SPY for that day.
            ValueError: `plan` is not that of `day`.
        """
        if plan.day.session_date != day:
            raise ValueError(f"plan must be of {day}, was of {plan.day.session_date}")
        require_day(recording, day)
        table = recorded_table(recording, "SPY", plan.day)
        first = BEFORE_OPEN_SECONDS
        session = table.close[first - 1 : first + plan.day.seconds]
        spy = np.log(session / session[0])
        moves = np.diff(spy[::300])
        variance = max(float((moves**2).sum()), 1e-6)
        daily = {symbol: _daily_or_none(recording, symbol) for symbol in ADV_SHARES}
        opening = self._openings(float(session[0]), daily, day)
        tables = {"SPY": table}
        for symbol in ("QQQ", "IWM"):
            path = follower_log_path(seed, symbol, spy, scenario, variance)
            volatility = math.sqrt(variance * SYMBOL_FACTOR[symbol])
            tables[symbol] = day_table(
                seed, symbol, plan.day, path, opening[symbol], ADV_SHARES[symbol], volatility
            )
        tables |= basket_tables(seed, plan.day, list(spy), basket, math.sqrt(variance))
        history = seeded_history(seed, plan.earlier, opening, basket, scenario.daily_volatility)
        for symbol, rows in daily.items():
            covered = _recorded_days(rows, plan.earlier)
            if covered is not None:
                history[symbol] = covered
        quotes = {"SPY": recorded_quotes(recording, "SPY", plan.day)}
        super().__init__(seed, plan, scenario, tables, history, basket, quotes)

    @staticmethod
    def _openings(spy: float, daily: dict[str, list[DailyRow]], day: date) -> dict[str, float]:
        """Opening prices: recorded where the daily file has the day, else in SPY's proportion."""
        result = {"SPY": round(spy, 2)}
        for symbol in ("QQQ", "IWM"):
            rows = {row.session_date: row.open for row in daily[symbol]}
            usual = QUIET_DAY.spot[symbol] / QUIET_DAY.spot["SPY"]
            result[symbol] = round(rows.get(day, spy * usual), 2)
        return result


def _daily_or_none(recording: Path, symbol: str) -> list[DailyRow]:
    try:
        return daily_rows(recording, symbol)
    except RecordingMissing:
        return []
