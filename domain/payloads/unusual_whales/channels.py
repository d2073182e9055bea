"""Channel names of Unusual Whales: which event a frame becomes, its natural key.

Read by run/feeds for every frame and by the feed projection; pure.
"""

from __future__ import annotations

import msgspec

from domain.events.feeds import (
    UwContractScreenerReceived,
    UwCustomAlertReceived,
    UwFlowAlertReceived,
    UwFrame,
    UwFuturesTradeReceived,
    UwGexReceived,
    UwGexStrikeExpiryReceived,
    UwGexStrikeReceived,
    UwInterpolatedIvReceived,
    UwIntervalFlowReceived,
    UwIvTermStructureReceived,
    UwLitTradeReceived,
    UwMarketTideReceived,
    UwNetFlowReceived,
    UwNewsReceived,
    UwOffLitTradeReceived,
    UwOptionTradeReceived,
    UwOtherReceived,
    UwPeriscopeReceived,
    UwPriceReceived,
    UwTradingHaltReceived,
)
from domain.payloads.unusual_whales.reading import Fields, PayloadError, read_object

_FRAMES: dict[str, type[UwFrame]] = {
    "option_trades": UwOptionTradeReceived,
    "flow-alerts": UwFlowAlertReceived,
    "price": UwPriceReceived,
    "news": UwNewsReceived,
    "gex": UwGexReceived,
    "gex_strike": UwGexStrikeReceived,
    "gex_strike_expiry": UwGexStrikeExpiryReceived,
    "market_tide": UwMarketTideReceived,
    "net_flow": UwNetFlowReceived,
    "trading_halts": UwTradingHaltReceived,
    "interval_flow": UwIntervalFlowReceived,
    "contract_screener": UwContractScreenerReceived,
    "lit_trades": UwLitTradeReceived,
    "off_lit_trades": UwOffLitTradeReceived,
    "custom_alerts": UwCustomAlertReceived,
    "interpolated_iv": UwInterpolatedIvReceived,
    "iv_term_structure": UwIvTermStructureReceived,
    "periscope": UwPeriscopeReceived,
    "futures_trades": UwFuturesTradeReceived,
    "futures": UwFuturesTradeReceived,
}


def family(channel: str) -> str:
    """The channel's name without its ticker: option_trades of option_trades:SPY."""
    return channel.partition(":")[0]


def ticker(channel: str) -> str:
    """The ticker a channel was joined with, empty for a global one."""
    return channel.partition(":")[2]


def frame_type(channel: str) -> type[UwFrame]:
    """The event class of a joined channel; UwOtherReceived for one that nobody reads yet."""
    return _FRAMES.get(family(channel), UwOtherReceived)


_PRINTS = frozenset({"lit_trades", "off_lit_trades"})
_KEYED = frozenset({"option_trades", "flow-alerts", "news"}) | _PRINTS


class _Id(msgspec.Struct, gc=False):
    """All that is read of a trade here: what stands beside its id costs five times as much."""

    id: str


_id = msgspec.json.Decoder(_Id).decode


def _print_key(fields: Fields) -> str | None:
    """Prints of shares have no id, and the volume of the session tells two apart that are alike."""
    names = (fields.text("symbol"), fields.text("executed_at"))
    numbers = (fields.exact("price"), fields.exact("size"), fields.exact("volume"))
    if None in names or None in numbers:
        return None
    return "|".join(str(part) for part in (*names, *numbers))


def natural_key(channel: str, payload: bytes) -> str | None:
    """What makes this payload that fact and no other, or None when the vendor gives nothing.

    Trades and alerts carry an id; a headline is known by source, time and text, a print of shares
    by symbol, time, price, size and volume. A payload that cannot be read has no key: it is kept
    under its connection and sequence.
    """
    kind = family(channel)
    if kind not in _KEYED:
        return None
    try:
        if kind == "news":
            fields = read_object(payload)
            parts = (fields.text("source"), fields.text("timestamp"), fields.text("headline"))
            return None if None in parts[1:] else "|".join(part or "" for part in parts)
        if kind in _PRINTS:
            return _print_key(read_object(payload))
        return _id(payload).id or None
    except (PayloadError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
