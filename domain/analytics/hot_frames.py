"""Fast reading of the two vendor payloads that come in thousands: option trades, contract rows.

Called by the stage. Only the fields that metrics need are decoded, which takes 2 instead of 40
microseconds a trade; every other payload is read by domain/payloads. Money comes as text or
number, fields may be missing.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import msgspec

from domain.analytics.flow import SWEEP_CODES, Trade, is_directional, quote_side, tagged_side

Amount = str | float | int | None


class OptionTrade(msgspec.Struct):
    """Channel option_trades."""

    option_symbol: str
    option_type: str
    expiry: str
    size: int
    price: Amount
    executed_at: int
    premium: Amount = None
    nbbo_bid: Amount = None
    nbbo_ask: Amount = None
    underlying_price: Amount = None
    delta: Amount = None
    exchange: str | None = None
    trade_code: str | None = None
    tags: list[str] = []
    report_flags: list[str] = []
    volume: int | None = None


class ContractRow(msgspec.Struct):
    """A row of REST option-contracts."""

    option_symbol: str
    volume: int | None = None
    open_interest: int | None = None
    nbbo_bid: Amount = None
    nbbo_ask: Amount = None


class Contracts(msgspec.Struct):
    data: list[ContractRow]


OPTION_TRADE = msgspec.json.Decoder(OptionTrade)
CONTRACTS = msgspec.json.Decoder(Contracts)


def amount(value: Amount) -> float | None:
    """A number sent as text or number; None when empty or unreadable."""
    if value is None or value == "":
        return None
    try:
        return float(value)
    except ValueError:
        return None


@lru_cache(maxsize=512)
def _ordinal(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _side(raw: OptionTrade) -> int:
    tagged = tagged_side(raw.tags)
    if tagged is not None:
        return tagged
    try:
        price, bid, ask = (Decimal(str(v)) for v in (raw.price, raw.nbbo_bid, raw.nbbo_ask))
    except InvalidOperation:
        return 0
    return quote_side(price, bid, ask)


def trade_of(raw: OptionTrade, session_date: date) -> Trade | None:
    """A trade as flow needs it; None without price."""
    price = amount(raw.price)
    if price is None:
        return None
    codes = tuple(raw.trade_code.split(",")) if raw.trade_code else ()
    premium = amount(raw.premium)
    days = _ordinal(raw.expiry) - session_date.toordinal()
    return Trade(
        contract=raw.option_symbol,
        is_call=raw.option_type == "call",
        side=_side(raw),
        price=price,
        size=raw.size,
        premium=price * raw.size * 100 if premium is None else premium,
        delta=amount(raw.delta),
        spot=amount(raw.underlying_price),
        exchange=raw.exchange or "",
        executed_ms=raw.executed_at,
        is_sweep="sweep" in raw.tags or not SWEEP_CODES.isdisjoint(codes),
        directional=is_directional(codes, raw.report_flags, days, price),
    )
