"""Typed rows of Unusual Whales REST bodies. Each `read_*` takes the body's bytes, as recorded.

Rows come back in the vendor's order, which differs by endpoint: sort before relying on it.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import msgspec

from domain.instruments import Right, parse_occ_symbol
from domain.payloads.unusual_whales.reading import PayloadError, rows_of


class TideRow(msgspec.Struct, frozen=True):
    """/api/market/market-tide: totals of the session so far."""

    at: datetime
    net_call_premium: float
    net_put_premium: float
    net_volume: int


class ContractRow(msgspec.Struct, frozen=True):
    """/api/stock/{ticker}/option-contracts: one contract's session. No quote time.

    The five price fields are None together when nothing traded.
    """

    option_symbol: str
    symbol: str
    expiry: date
    right: Right
    strike: Decimal
    open_interest: int | None
    volume: int
    ask_volume: int
    bid_volume: int
    mid_volume: int
    sweep_volume: int
    multi_leg_volume: int
    bid: Decimal | None
    ask: Decimal | None
    last_price: Decimal | None
    implied_volatility: float | None
    total_premium: float


class NetPremiumTick(msgspec.Struct, frozen=True):
    """/api/stock/{ticker}/net-prem-ticks: changes of one minute; `start_at` is its start."""

    session_date: date | None
    start_at: datetime
    call_volume: int
    put_volume: int
    call_volume_ask_side: int
    call_volume_bid_side: int
    put_volume_ask_side: int
    put_volume_bid_side: int
    net_call_premium: float
    net_put_premium: float
    net_delta: float | None


class VolatilityRank(msgspec.Struct, frozen=True):
    """/api/stock/{ticker}/iv-rank: implied volatility as a fraction, its rank 0 to 100."""

    session_date: date
    close: Decimal | None
    volatility: float | None
    rank: float | None
    updated_at: datetime | None


class PaidDividend(msgspec.Struct, frozen=True):
    """/api/companies/{ticker}/dividends: paid or declared; dollars a share."""

    ex_date: date
    amount: Decimal


class CalendarLine(msgspec.Struct, frozen=True):
    """/api/market/economic-calendar: an announcement to come; there is no actual value."""

    kind: str
    event: str
    at: datetime
    reported_period: str | None
    previous: str | None
    forecast: str | None


def read_option_contracts(body: bytes) -> list[ContractRow]:
    """
    Raises:
        PayloadError: the body is not such an answer.
    """
    result = []
    for row in rows_of(body):
        option_symbol = row.required_text("option_symbol")
        try:
            symbol, expiry, right, strike = parse_occ_symbol(option_symbol)
        except ValueError as error:
            raise PayloadError(str(error)) from None
        result.append(
            ContractRow(
                option_symbol=option_symbol,
                symbol=symbol,
                expiry=expiry,
                right=right,
                strike=strike,
                open_interest=row.whole("open_interest"),
                volume=row.count("volume"),
                ask_volume=row.count("ask_volume"),
                bid_volume=row.count("bid_volume"),
                mid_volume=row.count("mid_volume"),
                sweep_volume=row.count("sweep_volume"),
                multi_leg_volume=row.count("multi_leg_volume"),
                bid=row.exact("nbbo_bid"),
                ask=row.exact("nbbo_ask"),
                last_price=row.exact("last_price"),
                implied_volatility=row.number("implied_volatility"),
                total_premium=row.number("total_premium") or 0.0,
            )
        )
    return result


def read_market_tide_rows(body: bytes) -> list[TideRow]:
    """Running totals of the session, oldest first, usually in steps of five minutes.

    Raises:
        PayloadError: the body is not such an answer.
    """
    return [
        TideRow(
            at=row.required_instant("timestamp"),
            net_call_premium=float(row.required_exact("net_call_premium")),
            net_put_premium=float(row.required_exact("net_put_premium")),
            net_volume=row.count("net_volume"),
        )
        for row in rows_of(body)
    ]


def read_net_premium_ticks(body: bytes) -> list[NetPremiumTick]:
    """Changes by the minute, oldest first; the running minute is there and still grows.

    Raises:
        PayloadError: the body is not such an answer.
    """
    return [
        NetPremiumTick(
            session_date=row.day("date"),
            start_at=row.required_instant("tape_time"),
            call_volume=row.count("call_volume"),
            put_volume=row.count("put_volume"),
            call_volume_ask_side=row.count("call_volume_ask_side"),
            call_volume_bid_side=row.count("call_volume_bid_side"),
            put_volume_ask_side=row.count("put_volume_ask_side"),
            put_volume_bid_side=row.count("put_volume_bid_side"),
            net_call_premium=float(row.required_exact("net_call_premium")),
            net_put_premium=float(row.required_exact("net_put_premium")),
            net_delta=row.number("net_delta"),
        )
        for row in rows_of(body)
    ]


def read_iv_rank(body: bytes) -> list[VolatilityRank]:
    """Last days, oldest first; today's is refreshed hourly.

    Raises:
        PayloadError: the body is not such an answer.
    """
    result = []
    for row in rows_of(body):
        session_date = row.day("date")
        if session_date is None:
            raise PayloadError("date must be a date, was absent")
        result.append(
            VolatilityRank(
                session_date=session_date,
                close=row.exact("close"),
                volatility=row.number("volatility"),
                rank=row.number("iv_rank_1y"),
                updated_at=row.instant("updated_at"),
            )
        )
    return result


def read_dividends(body: bytes) -> list[PaidDividend]:
    """Dividends of a fund, in the vendor's order; rows without ex-date or amount are left out.

    Raises:
        PayloadError: the body is not such an answer.
    """
    result = []
    for data in rows_of(body):
        for row in data.rows("dividends"):
            ex_date, amount = row.day("ex_date"), row.exact("amount")
            if ex_date is not None and amount is not None:
                result.append(PaidDividend(ex_date, amount))
    return result


def read_economic_calendar(body: bytes) -> list[CalendarLine]:
    """Lines around today, newest first. `event` has lost its leading asterisk.

    Raises:
        PayloadError: the body is not such an answer.
    """
    return [
        CalendarLine(
            kind=row.required_text("type"),
            event=row.required_text("event").lstrip("*"),
            at=row.required_instant("time"),
            reported_period=row.text("reported_period"),
            previous=row.text("prev"),
            forecast=row.text("forecast"),
        )
        for row in rows_of(body)
    ]
