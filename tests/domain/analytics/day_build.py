"""A small day for the analytics tests: the history it begins with, and its market by the second."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

import numpy as np

from domain.event import Recorded
from domain.events.feeds import (
    HistoryImported,
    HistoryReady,
    LineOpened,
    UnderlyingListed,
)
from domain.events.system import ClockStarted
from domain.instruments import Right, occ_symbol
from tests.domain.analytics.build import (
    CON_IDS,
    DAY,
    EXPIRIES,
    OPEN,
    SPOTS,
    Tape,
    bar,
    book_ticks,
    chain_listed,
    contract,
    depth,
    expiry_of,
    opening,
    parameters,
    plan,
    quote_of,
    snapshot,
    strikes_of,
    ticks,
    tide,
    trade,
)


def started(history: bool = True, minute_sessions: int = 15) -> tuple[Recorded, ...]:
    """Everything a day begins with, in the order in which feeds write it."""
    return _started(history, minute_sessions)


@cache
def _started(history: bool, minute_sessions: int) -> tuple[Recorded, ...]:
    tape = Tape()
    at = OPEN - timedelta(minutes=30)
    tape.add(ClockStarted(base_market_time=at, speed=1.0, session_date=DAY), at)
    tape.add(parameters(), at)
    if history:
        for body in history_events(minute_sessions):
            tape.add(body, at)
    tape.add(plan(), at)
    for symbol in SPOTS:
        tape.add(
            UnderlyingListed(
                symbol=symbol,
                con_id=CON_IDS[symbol],
                primary_exchange="ARCA",
                size_multiplier=100,
            ),
            at,
        )
        for days in EXPIRIES:
            tape.add(chain_listed(symbol, days), at)
    if history:
        tape.add(HistoryReady(session_date=DAY, imported=1, warmup=()), at)
    return tuple(tape.events)


def start(tape: Tape, *, history: bool = True, minute_sessions: int = 15) -> None:
    """Begin an empty tape with `started`."""
    tape.events.extend(started(history, minute_sessions))


def imported(vendor: str, request: str, symbol: str, day: date, payload: object) -> HistoryImported:
    return HistoryImported(
        vendor=vendor,
        request=request,
        symbol=symbol,
        session_date=day,
        payload=payload if isinstance(payload, str) else json.dumps(payload),
    )


def daily_closes(symbol: str, count: int = 80) -> list[float]:
    """Closes of the sessions before DAY, ending at the symbol's spot; QQQ moves 1.2 x SPY."""
    rng = np.random.default_rng(7)
    moves = rng.normal(0.0, 0.008, count)
    own = np.random.default_rng(CON_IDS[symbol]).normal(0.0, 0.002, count)
    factor = {"SPY": 1.0, "QQQ": 1.2, "IWM": 1.1}[symbol]
    noise = 0.0 if symbol == "SPY" else 1.0
    path = np.exp(np.cumsum(factor * moves + noise * own))
    return [float(v) for v in path / path[-1] * SPOTS[symbol]]


def earlier_days(count: int) -> list[date]:
    """Weekdays before DAY, oldest first; good enough for daily bars beyond the plan."""
    days: list[date] = []
    day = DAY
    while len(days) < count:
        day -= timedelta(days=1)
        if day.weekday() < 5 and day != date(2026, 9, 7):
            days.append(day)
    return days[::-1]


def history_events(minute_sessions: int = 15) -> Iterator[HistoryImported]:
    planned = [d.session_date for d in plan().earlier]
    last = planned[-1]
    for symbol in SPOTS:
        closes = daily_closes(symbol)
        rows = [
            [str(day), c * 0.999, c * 1.006, c * 0.994, c, 60_000_000.0, c, 100_000]
            for day, c in zip(earlier_days(len(closes)), closes, strict=True)
        ]
        yield imported("ib", "ib.bars.1day", symbol, last, rows)
        for day in planned[-25:]:
            yield imported("ib", "ib.bars.5mins", symbol, day, past_bars(symbol, day, 5))
        for day in planned[-minute_sessions:]:
            yield imported("ib", "ib.bars.1min", symbol, day, past_bars(symbol, day, 1))
        for day in planned[-5:]:
            yield imported("uw", "uw.net-prem-ticks", symbol, day, premium_ticks(day))
        rank = [{"date": str(last), "close": "1", "volatility": "0.16", "iv_rank_1y": "42.5"}]
        yield imported("uw", "uw.iv-rank", symbol, last, {"data": rank})
        yield imported("uw", "uw.option-contracts", symbol, last, {"data": contract_rows(symbol)})
        yield imported("ib", "dividends", symbol, last, [["2026-12-18", 1.8, True]])
    for day in planned[-25:]:
        yield imported("uw", "uw.market-tide", "", day, tide_rows(day))
    calendar = [
        {
            "type": "report",
            "event": "ISM services",
            "time": "2026-10-06T14:00:00Z",
            "reported_period": "September",
            "prev": "52.0",
            "forecast": "51.8",
        }
    ]
    yield imported("uw", "uw.economic-calendar", "", last, {"data": calendar})


def past_bars(symbol: str, day: date, minutes: int) -> list[list[object]]:
    rng = np.random.default_rng(day.toordinal() * 10 + minutes)
    count = 390 // minutes
    path = SPOTS[symbol] * np.exp(np.cumsum(rng.normal(0, 0.0005 * math.sqrt(minutes), count)))
    rows: list[list[object]] = []
    before = SPOTS[symbol]
    for k, close in enumerate(path.tolist()):
        at = opening(day) + timedelta(minutes=k * minutes)
        high, low = max(before, close), min(before, close)
        rows.append([at.isoformat(), before, high, low, close, 1000.0, close, 10])
        before = close
    return rows


def premium_ticks(day: date) -> dict[str, object]:
    rng = np.random.default_rng(day.toordinal())
    counts = dict.fromkeys(
        (
            "call_volume",
            "put_volume",
            "call_volume_ask_side",
            "call_volume_bid_side",
            "put_volume_ask_side",
            "put_volume_bid_side",
            "net_call_volume",
            "net_put_volume",
        ),
        10,
    )
    return {
        "data": [
            {
                "date": str(day),
                "tape_time": (opening(day) + timedelta(minutes=k)).isoformat(),
                "net_call_premium": "1000.0",
                "net_put_premium": "-500.0",
                "net_delta": f"{v:.4f}",
                **counts,
            }
            for k, v in enumerate(rng.normal(0, 50_000, 390).tolist())
        ]
    }


def tide_rows(day: date) -> dict[str, object]:
    rng = np.random.default_rng(day.toordinal() + 1)
    calls, puts = np.cumsum(rng.normal(0, 1e6, 78)), np.cumsum(rng.normal(0, 1e6, 78))
    return {
        "data": [
            {
                "timestamp": (opening(day) + timedelta(minutes=5 * k)).isoformat(),
                "date": str(day),
                "net_call_premium": f"{c:.4f}",
                "net_put_premium": f"{p:.4f}",
                "net_volume": 100,
            }
            for k, (c, p) in enumerate(zip(calls.tolist(), puts.tolist(), strict=True))
        ]
    }


def contract_rows(symbol: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for days in EXPIRIES:
        for strike in strikes_of(symbol):
            for call in (True, False):
                far = abs(strike / SPOTS[symbol] - 1)
                interest = int((8_000 if call else 6_000) * math.exp(-40 * far)) + 50
                rows.append(
                    {
                        "option_symbol": occ_symbol(
                            symbol,
                            expiry_of(days),
                            Right.CALL if call else Right.PUT,
                            Decimal(str(strike)),
                        ),
                        "open_interest": interest,
                        "volume": 0,
                    }
                )
    return rows


def path(symbol: str, bars: int) -> list[float]:
    rng = np.random.default_rng(CON_IDS[symbol] + 100)
    moves = rng.normal(0.0, 0.00012, bars)
    return [float(v) for v in SPOTS[symbol] * np.exp(np.cumsum(moves))]


def market(tape: Tape, minutes: int, *, symbols: tuple[str, ...] = ("SPY", "QQQ", "IWM")) -> None:
    """`minutes` of bars, quotes, trades, snapshots, tide and lines after `start`."""
    paths = {symbol: path(symbol, minutes * 12) for symbol in symbols}
    lines = {s: [k for k in strikes_of(s) if abs(k - SPOTS[s]) <= 12] for s in symbols}
    for symbol in symbols:
        for strike in lines[symbol]:
            for call in (True, False):
                tape.add(LineOpened(contract=contract(symbol, 0, strike, call)), OPEN)
    for k in range(minutes * 12):
        begin = OPEN + timedelta(seconds=5 * k)
        end = begin + timedelta(seconds=5)
        if k % 12 == 0:
            tape.add(tide(begin + timedelta(seconds=1), 1e5 * (k % 7), -5e4 * (k % 5)), begin)
        for symbol in symbols:
            before = paths[symbol][k - 1] if k else SPOTS[symbol]
            close = paths[symbol][k]
            at = begin + timedelta(seconds=2)
            if k % 12 == 0:
                for days in EXPIRIES:
                    tape.add(snapshot(symbol, at, close, days), at)
            tape.add(book_ticks(symbol, at, (before + close) / 2, (5 + k % 3, 4)), at)
            if k % 2 == 0:
                side = ("ask_side", "bid_side", "mid_side")[(k // 2) % 3]
                tape.add(trade(symbol, at, call=k % 4 == 0, side=side, spot=close), at)
            late = end - timedelta(seconds=1)
            for strike in lines[symbol]:
                call = (k + int(strike)) % 2 == 0
                bid, ask = quote_of(symbol, 0, strike, call, close, late)
                option = contract(symbol, 0, strike, call)
                tape.add(ticks(symbol, late, [(1, bid, 20), (2, ask, 30)], option), late)
            tape.add(book_ticks(symbol, late, close, (6, 5)), late)
            tape.add(depth(symbol, late, close, k == 0), late)
            tape.add(bar(symbol, begin, close, before), end)
