"""Fast reading of the two vendor payloads that come in thousands: option trades, contract rows.

Called by the stage. A trade is read by the codec of its channel (domain/payloads), but only
the fields that flow needs; rows of contracts are read here. Money comes as text or number, fields
may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from domain.analytics.flow import SWEEP_CODES, Trade, is_directional, quote_side, tagged_side
from domain.instruments import Right
from domain.payloads.unusual_whales.frames_trades import OPTION_TRADE, contract, trade_codes
from domain.payloads.unusual_whales.shapes import approximate, exact, instant

Amount = str | float | int | None


class ContractRow(msgspec.Struct):
    """A row of REST option-contracts."""

    option_symbol: str
    volume: int | None = None
    open_interest: int | None = None
    nbbo_bid: Amount = None
    nbbo_ask: Amount = None


class Contracts(msgspec.Struct):
    data: list[ContractRow]


_TRADE = OPTION_TRADE.shape.part(
    "option_symbol expiry size price executed_at premium nbbo_bid nbbo_ask underlying_price delta"
    " exchange trade_code tags report_flags volume ask_vol bid_vol"
)
CONTRACTS = msgspec.json.Decoder(Contracts)


def amount(value: Amount) -> float | None:
    """A number sent as text or number; None when empty or unreadable."""
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


class Print(NamedTuple):
    """A trade with the quote at it and the contract's session volumes after it."""

    trade: Trade
    bid: float | None
    ask: float | None
    volume: int | None
    ask_volume: int | None
    bid_volume: int | None


def read_trade(payload: bytes, session_date: date) -> Print:
    """
    Raises:
        PayloadError: the payload is not what channel option_trades carries.
    """
    return _TRADE.read(payload, lambda wire: _print(wire, session_date))


def _print(wire: Any, session_date: date) -> Print:
    option_symbol, tags, size = wire.option_symbol, wire.tags, wire.size
    _, expiry, right, _ = contract(option_symbol)
    price, premium = approximate(wire.price), approximate(wire.premium)
    codes = trade_codes(wire.trade_code)
    days = ((wire.expiry or expiry) - session_date).days
    executed_ms = wire.executed_at
    if type(executed_ms) is not int:
        executed_ms = int(instant(executed_ms).timestamp() * 1_000)
    trade = Trade(
        contract=option_symbol,
        is_call=right is Right.CALL,
        side=_side(wire, tags),
        price=price,
        size=size,
        premium=price * size * 100 if premium is None else premium,
        delta=wire.delta,
        spot=approximate(wire.underlying_price),
        exchange=wire.exchange or "",
        executed_ms=executed_ms,
        is_sweep="sweep" in tags or not SWEEP_CODES.isdisjoint(codes),
        directional=is_directional(codes, wire.report_flags, days, price),
    )
    bid, ask = approximate(wire.nbbo_bid), approximate(wire.nbbo_ask)
    return Print(trade, bid, ask, wire.volume, wire.ask_vol, wire.bid_vol)


def _side(wire: Any, tags: Sequence[str]) -> int:
    tagged = tagged_side(tags)
    if tagged is not None:
        return tagged
    bid, ask = exact(wire.nbbo_bid), exact(wire.nbbo_ask)
    return 0 if bid is None or ask is None else quote_side(exact(wire.price), bid, ask)
