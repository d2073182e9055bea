"""Builders of recorded events for the analytics tests: a small, seeded market.

Quotes are priced by the model itself, so that the surface must find the smile it was made from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from uuid import UUID

import msgspec
import numpy as np

from domain.analytics.parameters import PARAMETERS
from domain.event import Body, Recorded, derived_id, event_type
from domain.events.feeds import (
    ChainListed,
    HistoryImported,
    HistoryReady,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
    LineOpened,
    ListedOption,
    UnderlyingListed,
    UwGexReceived,
    UwMarketTideReceived,
    UwNewsReceived,
    UwOptionTradeReceived,
    UwRestReceived,
)
from domain.events.system import ClockStarted, ParametersChanged, PlannedDay, SessionPlanned
from domain.instruments import OptionContract, Right, occ_symbol
from domain.session import NEW_YORK, Session

DAY = date(2026, 10, 6)
OPEN = datetime(2026, 10, 6, 13, 30, tzinfo=UTC)
SPOTS = {"SPY": 660.0, "QQQ": 590.0, "IWM": 245.0}
CON_IDS = {"SPY": 1, "QQQ": 2, "IWM": 3}
RATE = 0.0375
EXPIRIES = (0, 1, 3, 10, 24, 38, 66)
_ROOT = UUID(int=0)


def recorded(body: Body, at: datetime, position: int = 1, stream: str = "test") -> Recorded:
    """An input as the shell hands it to a stage."""
    return Recorded(
        position=position,
        stream=stream,
        version=position,
        type=event_type(body),
        schema=1,
        event_id=derived_id("test", position),
        occurred_at=at,
        recorded_at=at,
        market_time=at,
        causation_id=None,
        correlation_id=_ROOT,
        worker="test",
        build="test",
        input_position=None,
        ordinal=0,
        body=body,
    )


class Tape:
    """Collects events with rising positions."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []

    def add(self, body: Body, at: datetime) -> None:
        self.events.append(recorded(body, at, len(self.events) + 1))


def planned_day(day: date, *, half: bool = False) -> PlannedDay:
    first = opening(day)
    close = first + timedelta(hours=3.5 if half else 6.5)
    return PlannedDay(
        session_date=day,
        open_at=first,
        close_at=close,
        options_close_at=close + timedelta(minutes=15),
        is_half_day=half,
    )


def plan(day: date = DAY, *, half: bool = False) -> SessionPlanned:
    """30 sessions before and 60 after: weekdays but Labor Day, Thanksgiving and Christmas."""
    holidays = {date(2026, 9, 7), date(2026, 11, 26), date(2026, 12, 25)}
    around = [day + timedelta(days=k) for k in range(-60, 100)]
    open_days = [d for d in around if d.weekday() < 5 and d not in holidays]
    return SessionPlanned(
        day=planned_day(day, half=half),
        earlier=tuple(planned_day(d) for d in open_days if d < day)[-30:],
        later=tuple(planned_day(d) for d in open_days if d > day)[:60],
        library="test",
    )


def session(day: date = DAY, *, half: bool = False) -> Session:
    return Session(plan(day, half=half))


def parameters(**changes: float | str | bool) -> ParametersChanged:
    values = {p.name: p.default for p in PARAMETERS} | changes
    return ParametersChanged(values=values, version=1, who="test", why="start")


def smile(x: float, years: float) -> float:
    """The volatility the test market is priced with; falling towards calls."""
    width = x / max(math.sqrt(years), 0.02)
    return 0.16 - 0.03 * width + 0.02 * width * width


def expiry_of(days: int) -> date:
    return DAY + timedelta(days=days)


def years_to(days: int, at: datetime) -> float:
    close = opening(expiry_of(days)) + timedelta(hours=6, minutes=30)
    return (close - at).total_seconds() / (365 * 86_400)


def strikes_of(symbol: str) -> list[float]:
    spot = SPOTS[symbol]
    step = 1.0 if symbol == "IWM" else 2.0
    center = round(spot / step) * step
    return [center + step * k for k in range(-17, 18)]


def con_id(symbol: str, days: int, strike: float, call: bool) -> int:
    return CON_IDS[symbol] * 10_000_000 + days * 100_000 + int(strike * 10) * 2 + int(call)


def contract(symbol: str, days: int, strike: float, call: bool) -> OptionContract:
    return OptionContract(
        con_id=con_id(symbol, days, strike, call),
        symbol=symbol,
        expiry=expiry_of(days),
        strike=Decimal(str(strike)),
        right=Right.CALL if call else Right.PUT,
    )


def price_of(spot: float, strike: float, years: float, volatility: float, call: bool) -> float:
    """Black-Scholes in plain Python: quotes are made by the thousand."""
    deviation, sign = volatility * math.sqrt(years), 1.0 if call else -1.0
    discounted = strike * math.exp(-RATE * years)
    d1 = math.log(spot / discounted) / deviation + deviation / 2
    inside, paid = (0.5 * math.erfc(-sign * d / math.sqrt(2)) for d in (d1, d1 - deviation))
    return sign * (spot * inside - discounted * paid)


def quote_of(
    symbol: str, days: int, strike: float, call: bool, spot: float, at: datetime
) -> tuple[float, float]:
    """Bid and ask around the model price, to the cent."""
    years = years_to(days, at)
    forward = spot * math.exp(RATE * years)
    volatility = smile(math.log(strike / forward), years)
    price = price_of(spot, strike, years, volatility, call)
    bid = math.floor(price * 100) / 100
    return max(bid - 0.01, 0.0), bid + 0.02


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


def chain_listed(symbol: str, days: int) -> ChainListed:
    return ChainListed(
        symbol=symbol,
        expiry=expiry_of(days),
        trading_class=symbol,
        multiplier=100,
        contracts=tuple(
            ListedOption(
                con_id=con_id(symbol, days, strike, call),
                strike=Decimal(str(strike)),
                right=Right.CALL if call else Right.PUT,
            )
            for strike in strikes_of(symbol)
            for call in (True, False)
        ),
    )


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


def opening(day: date) -> datetime:
    return datetime.combine(day, time(9, 30), tzinfo=NEW_YORK).astimezone(UTC)


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


def ticks(
    symbol: str,
    at: datetime,
    quote: list[tuple[int, float, float]],
    option: OptionContract | None = None,
    connection: str = "c1",
) -> IbTicksReceived:
    return IbTicksReceived(
        con_id=CON_IDS[symbol] if option is None else option.con_id,
        symbol=symbol,
        expiry="" if option is None else str(option.expiry),
        strike=0.0 if option is None else float(option.strike),
        right="" if option is None else option.right.value,
        connection=connection,
        received_at=at,
        market_data_type=1,
        ticks=quote,
        computations=[],
    )


def book_ticks(
    symbol: str, at: datetime, mid: float, sizes: tuple[int, int] = (5, 4)
) -> IbTicksReceived:
    bid = math.floor(mid * 100) / 100
    return ticks(symbol, at, [(1, bid, sizes[0]), (2, bid + 0.01, sizes[1])])


def depth(symbol: str, at: datetime, mid: float, first: bool) -> IbDepthReceived:
    """Three levels a side around the mid, in place."""
    bid = math.floor(mid * 100) / 100
    kind = 0 if first else 1
    rows = [
        (m, "ARCA", kind, side, round(price, 2), 100.0 * (m + 3 + side))
        for m in range(3)
        for side, price in ((1, bid - m / 100), (0, bid + (1 + m) / 100))
    ]
    return IbDepthReceived(CON_IDS[symbol], symbol, "c1", at, rows)


def bar(symbol: str, begin: datetime, close: float, before: float | None = None) -> IbBarReceived:
    first = close if before is None else before
    return IbBarReceived(
        con_id=CON_IDS[symbol],
        symbol=symbol,
        connection="c1",
        received_at=begin + timedelta(seconds=5),
        start=begin,
        open=first,
        high=max(first, close) + 0.01,
        low=min(first, close) - 0.01,
        close=close,
        volume=10_000.0,
        wap=(first + close) / 2,
        count=50,
    )


def snapshot(symbol: str, at: datetime, spot: float, days: int) -> UwRestReceived:
    rows = []
    for strike in strikes_of(symbol):
        for call in (True, False):
            bid, ask = quote_of(symbol, days, strike, call, spot, at)
            right = Right.CALL if call else Right.PUT
            rows.append(
                {
                    "option_symbol": occ_symbol(
                        symbol, expiry_of(days), right, Decimal(str(strike))
                    ),
                    "volume": 700,
                    "nbbo_bid": f"{bid:.2f}",
                    "nbbo_ask": f"{ask:.2f}",
                }
            )
    return UwRestReceived(
        endpoint="/api/stock/{ticker}/option-contracts",
        path=f"/api/stock/{symbol}/option-contracts",
        query="",
        symbol=symbol,
        status=200,
        headers={},
        received_at=at,
        payload=raw({"data": rows}),
    )


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def frame_fields(channel: str, at: datetime, value: object) -> dict[str, object]:
    return {
        "channel": channel,
        "connection": "u1",
        "sequence": 1,
        "received_at": at,
        "payload": raw(value),
    }


def trade(
    symbol: str,
    at: datetime,
    *,
    days: int = 0,
    strike: float | None = None,
    call: bool = True,
    side: str = "ask_side",
    size: int = 10,
    price: float = 2.0,
    spot: float | None = None,
    **changes: object,
) -> UwOptionTradeReceived:
    right = Right.CALL if call else Right.PUT
    level = strikes_of(symbol)[17] if strike is None else strike
    value: dict[str, object] = {
        "id": "x",
        "underlying_symbol": symbol,
        "option_symbol": occ_symbol(symbol, expiry_of(days), right, Decimal(str(level))),
        "option_type": "call" if call else "put",
        "expiry": str(expiry_of(days)),
        "strike": str(level),
        "size": size,
        "price": f"{price:.2f}",
        "premium": f"{price * size * 100:.2f}",
        "nbbo_bid": f"{price - 0.01:.2f}",
        "nbbo_ask": f"{price:.2f}",
        "underlying_price": str(SPOTS[symbol] if spot is None else spot),
        "delta": "0.5" if call else "-0.5",
        "executed_at": int(at.timestamp() * 1000),
        "tags": [side] if side else [],
        "report_flags": [],
        "trade_code": "auto",
        "exchange": "XCBO",
    } | changes
    return UwOptionTradeReceived(**frame_fields(f"option_trades:{symbol}", at, value))


def tide(at: datetime, calls: float, puts: float) -> UwMarketTideReceived:
    value = {
        "timestamp": at.isoformat(),
        "net_volume": 1,
        "net_call_premium": str(calls),
        "net_put_premium": str(puts),
    }
    return UwMarketTideReceived(**frame_fields("market_tide", at, value))


def news(at: datetime, headline: str, tickers: tuple[str, ...] = ()) -> UwNewsReceived:
    value = {
        "headline": headline,
        "timestamp": at.isoformat(),
        "source": "test",
        "tickers": list(tickers),
    }
    return UwNewsReceived(**frame_fields("news", at, value))


def vendor_gex(
    symbol: str, at: datetime, gamma: float, vanna: float | None = None, charm: float | None = None
) -> UwGexReceived:
    value: dict[str, str | int] = {
        "ticker": symbol,
        "timestamp": int(at.timestamp() * 1000),
        "price": "1",
        "gamma_per_one_percent_move_oi": str(gamma),
    }
    for greek, told in (("vanna", vanna), ("charm", charm)):
        if told is not None:
            value[f"{greek}_per_one_percent_move_oi"] = str(told)
    return UwGexReceived(**frame_fields(f"gex:{symbol}", at, value))


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
