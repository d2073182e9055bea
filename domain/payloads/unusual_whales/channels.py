"""Channel names of Unusual Whales: which event a frame becomes, its natural key, its drift.

Read by run/feeds for every frame and by the audit projection; pure.
"""

from __future__ import annotations

from collections.abc import Iterable

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
from domain.payloads.unusual_whales.known_fields import OPTIONAL, REQUIRED
from domain.payloads.unusual_whales.reading import PayloadError, read_object, rows_of

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


def natural_key(channel: str, payload: bytes) -> str | None:
    """What makes this payload that fact and no other, or None when the vendor gives nothing.

    Trades and alerts carry an id; a headline is known by source, time and text. A payload that
    cannot be read has no key: it is kept under its connection and sequence.
    """
    kind = family(channel)
    if kind not in ("option_trades", "flow-alerts", "news"):
        return None
    try:
        fields = read_object(payload)
        if kind == "news":
            parts = (fields.text("source"), fields.text("timestamp"), fields.text("headline"))
            return None if None in parts[1:] else "|".join(part or "" for part in parts)
        return fields.text("id")
    except PayloadError:
        return None


def _differences(names: Iterable[str], known: str) -> list[str]:
    present = set(names)
    required, optional = REQUIRED[known], OPTIONAL.get(known, frozenset())
    vanished = [f"vanished field {name}" for name in sorted(required - present)]
    unknown = [f"unknown field {name}" for name in sorted(present - required - optional)]
    return vanished + unknown


def drift(channel: str, payload: bytes) -> list[str]:
    """Fields that this build does not know or that are gone, as sentences; none when it fits.

    A channel without a table of fields drifts never; bytes that are no object are one sentence.
    """
    kind = family(channel)
    if kind not in REQUIRED:
        return []
    try:
        return _differences(read_object(payload), kind)
    except PayloadError as error:
        return [str(error)]


def rest_drift(endpoint: str, body: bytes) -> list[str]:
    """The same for the rows of a REST body; each difference once, in order of name.

    `endpoint` is the template, such as /api/stock/{ticker}/option-contracts.
    """
    if endpoint not in REQUIRED:
        return []
    try:
        rows = rows_of(body)
    except PayloadError as error:
        return [str(error)]
    found: set[str] = set()
    for row in rows:
        found.update(_differences(row, endpoint))
    return sorted(found)
