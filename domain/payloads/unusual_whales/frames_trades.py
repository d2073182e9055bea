"""Socket payloads of prints and prices: options, shares, futures.

Prices, quotes, strikes and premiums are Decimal because sides are decided on them exactly; greeks
are float. A field the vendor left out is None.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from domain.instruments import Right, parse_occ_symbol
from domain.payloads.unusual_whales.reading import PayloadError
from domain.payloads.unusual_whales.shapes import Codec, exact, symbol_of


def contract(option_symbol: str) -> tuple[str, date, Right, Decimal]:
    """Symbol, expiry, right and strike of an OCC option symbol.

    Raises:
        PayloadError: the text is none.
    """
    try:
        return parse_occ_symbol(option_symbol)
    except ValueError as error:
        raise PayloadError(str(error)) from None


class OptionTrade(msgspec.Struct, frozen=True, gc=False):
    """option_trades: one print. Volumes are the contract's session totals after it."""

    symbol: str
    expiry: date
    right: Right
    strike: Decimal
    premium: Decimal
    trade_codes: tuple[str, ...]
    option_symbol: str
    id: str
    executed_at: datetime
    created_at: datetime | None
    price: Decimal
    size: int
    bid: Decimal | None
    ask: Decimal | None
    ewma_bid: Decimal | None
    ewma_ask: Decimal | None
    underlying_price: Decimal | None
    implied_volatility: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    rho: float | None
    theoretical_price: Decimal | None
    open_interest: int | None
    volume: int | None
    ask_volume: int | None
    bid_volume: int | None
    mid_volume: int | None
    no_side_volume: int | None
    multi_volume: int | None
    stock_multi_volume: int | None
    tags: tuple[str, ...]
    report_flags: tuple[str, ...]
    exchange: str | None
    is_canceled: bool

    @property
    def tagged_side(self) -> int | None:
        """+1 ask side, -1 bid side, 0 mid or no side, None without a tag."""
        for tag, side in (("ask_side", 1), ("bid_side", -1), ("mid_side", 0), ("no_side", 0)):
            if tag in self.tags:
                return side
        return None


class Price(msgspec.Struct, frozen=True, gc=False):
    """price: last price of an underlying and its session volume."""

    symbol: str
    at: datetime
    close: Decimal
    session_volume: int | None


class ShareTrade(msgspec.Struct, frozen=True, gc=False):
    """lit_trades and off_lit_trades: one print of shares, without an id of the vendor's."""

    symbol: str
    executed_at: datetime
    reported_at: datetime | None
    """When the trade reporting facility had it; off-exchange prints may be late."""
    kind: str | None
    price: Decimal
    size: int
    session_volume: int | None
    settlement: str | None
    trade_code: str | None
    extended_hours_code: str | None
    sale_condition_code: str | None
    bid: Decimal | None
    ask: Decimal | None
    bid_quantity: int | None
    ask_quantity: int | None
    sector: str | None
    issue_type: str | None
    next_earnings_date: date | None
    average_30_day_volume: float | None
    market_cap: Decimal | None


class FuturesTrade(msgspec.Struct, frozen=True, gc=False):
    """futures_trades and futures:<CONTRACT>; the vendor documents the name alone, fields are those
    of the REST tape."""

    symbol: str
    executed_at: datetime
    price: Decimal
    size: int | None
    side: str | None


@lru_cache(maxsize=1_024)
def trade_codes(text: str | None) -> tuple[str, ...]:
    """The conditions of a print, sent as a list in a text."""
    return tuple(code for code in (text or "").split(",") if code)


def _option_trade(wire: Any) -> tuple[Any, ...]:
    root, expiry, right, strike = contract(wire.option_symbol)
    premium = exact(wire.premium)
    if premium is None:
        premium = exact(wire.price) * wire.size * 100
    return (
        symbol_of(wire.underlying_symbol or root),
        wire.expiry or expiry,
        right,
        exact(wire.strike) or strike,
        premium,
        trade_codes(wire.trade_code),
    )


OPTION_TRADE = Codec(
    OptionTrade,
    lead=_option_trade,
    lead_fields=6,
    also={"text": "underlying_symbol trade_code", "exact": "strike premium", "day": "expiry"},
    bid="nbbo_bid",
    ask="nbbo_ask",
    ewma_bid="ewma_nbbo_bid",
    ewma_ask="ewma_nbbo_ask",
    theoretical_price="theo",
    ask_volume="ask_vol",
    bid_volume="bid_vol",
    mid_volume="mid_vol",
    no_side_volume="no_side_vol",
    multi_volume="multi_vol",
    stock_multi_volume="stock_multi_vol",
    is_canceled="canceled",
)
PRICE = Codec(Price, symbol="ticker", at="time", session_volume="vol")
SHARE_TRADE = Codec(
    ShareTrade,
    kind="type",
    reported_at="trf_executed_at",
    session_volume="volume",
    settlement="trade_settlement",
    extended_hours_code="ext_hour_sold_codes",
    sale_condition_code="sale_cond_codes",
    bid="nbbo_bid",
    ask="nbbo_ask",
    bid_quantity="nbbo_bid_quantity",
    ask_quantity="nbbo_ask_quantity",
    average_30_day_volume="avg30_volume",
    market_cap="marketcap",
)
FUTURES_TRADE = Codec(FuturesTrade, symbol="contract")
