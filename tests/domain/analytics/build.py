"""Builders of recorded events for the analytics tests: a small market by contract and message.

Quotes are priced by the model itself, so that the surface must find the smile it was made from.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.analytics.parameters import PARAMETERS
from domain.event import Body, Recorded, derived_id, event_type
from domain.events.feeds import (
    ChainListed,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
    ListedOption,
    UwGexReceived,
    UwMarketTideReceived,
    UwNewsReceived,
    UwOptionTradeReceived,
    UwRestReceived,
)
from domain.events.system import ParametersChanged, PlannedDay, SessionPlanned
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


def opening(day: date) -> datetime:
    return datetime.combine(day, time(9, 30), tzinfo=NEW_YORK).astimezone(UTC)


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
    symbol: str,
    days: int,
    strike: float,
    call: bool,
    spot: float,
    at: datetime,
    volatility: float | None = None,
) -> tuple[float, float]:
    """Bid and ask around the model price, to the cent; by the smile without a volatility."""
    years = years_to(days, at)
    if volatility is None:
        forward = spot * math.exp(RATE * years)
        volatility = smile(math.log(strike / forward), years)
    price = price_of(spot, strike, years, volatility, call)
    bid = math.floor(price * 100) / 100
    return max(bid - 0.01, 0.0), bid + 0.02


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


def snapshot(
    symbol: str, at: datetime, spot: float, days: int, volatility: float | None = None
) -> UwRestReceived:
    rows = []
    for strike in strikes_of(symbol):
        for call in (True, False):
            bid, ask = quote_of(symbol, days, strike, call, spot, at, volatility)
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
