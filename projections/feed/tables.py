"""Typed rows of what Unusual Whales sent, one table for each channel family.

Pure: an event in, rows out. A payload that cannot be read becomes a row that says why; it is never
dropped and never stops the projector.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec

from domain.event import Recorded
from domain.events.feeds import (
    FeedMessageRejected,
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
    UwRestReceived,
    UwTradingHaltReceived,
)
from domain.payloads import unusual_whales as uw
from projections.rows import Insert, column, json_text

REASON_CHARACTERS_MAX = 500
_ORIGIN = ("recorded_at", "event_position", "received_at")
Rows: TypeAlias = list[Insert]


def _insert(table: str, columns: tuple[str, ...], event: Recorded, values: tuple[Any, ...]) -> Rows:
    row = (event.recorded_at, event.position, *[column(value) for value in values])
    return [Insert(table, columns, row)]


def columns_of(
    cls: type[Any], source_at: str, added: str = "", left_out: str = "", **renamed: str
) -> dict[str, str]:
    """Columns of a table of `cls` and the fields that they hold; `source_at` is the field with the
    vendor's time."""
    kept = [name for name in cls.__struct_fields__ if name not in left_out.split()]
    first = {"source_at": source_at} if source_at else {}
    return first | {
        renamed.get(name, name): name for name in (*kept, *added.split()) if name != source_at
    }


def unread(event: Recorded, received_at: datetime, channel: str, reason: str) -> Rows:
    """The row of what could not be read; `channel` is an endpoint of REST too."""
    columns = (*_ORIGIN, "type", "channel", "reason")
    values = (received_at, event.type, channel, reason[:REASON_CHARACTERS_MAX])
    return _insert("uw_unread", columns, event, values)


def _typed(
    table: str, kind: type[UwFrame], cls: type[msgspec.Struct], source_at: str = "at", **given: str
) -> Callable[[Recorded, Any], Rows]:
    """One row a frame."""
    fields = columns_of(cls, source_at, **given)
    columns = (*_ORIGIN, *fields)
    values = attrgetter(*fields.values())
    read = uw.READERS[kind]

    def rows(event: Recorded, body: UwFrame) -> Rows:
        try:
            told = values(read(bytes(body.payload), uw.ticker(body.channel)))
        except uw.PayloadError as error:
            return unread(event, body.received_at, body.channel, str(error))
        return _insert(table, columns, event, (body.received_at, *told))

    return rows


def _board(event: Recorded, body: UwFrame) -> Rows:
    """One row a strike and expiry."""
    try:
        board = uw.read_board(bytes(body.payload), uw.ticker(body.channel))
    except uw.PayloadError as error:
        return unread(event, body.received_at, body.channel, str(error))
    about = (body.received_at, board.at, board.symbol, board.total_rows, board.has_more)
    return [
        Insert(
            "uw_periscope",
            BOARD_COLUMNS,
            (event.recorded_at, event.position, *about, number, *msgspec.structs.astuple(row)),
        )
        for number, row in enumerate(board.rows)
    ]


BOARD_COLUMNS = (
    *_ORIGIN,
    *("source_at", "symbol", "total_rows", "has_more", "row_number"),
    *("strike", "expiry", "gamma", "charm", "vanna"),
)


def _other(event: Recorded, body: UwOtherReceived) -> Rows:
    return unread(event, body.received_at, body.channel, "channel must be one that is known")


def rest_payload(event: Recorded, body: UwRestReceived) -> Rows:
    """The answer as it came."""
    columns = (*_ORIGIN, "endpoint", "path", "query", "symbol", "status", "purpose", "gap_id")
    values = (body.received_at, body.endpoint, body.path, body.query, body.symbol, body.status)
    more = (body.purpose, body.gap_id, json_text(body.headers))
    payload = bytes(body.payload).decode()
    return [
        Insert(
            "uw_rest_payloads",
            (*columns, "headers", "payload"),
            (event.recorded_at, event.position, *map(column, (*values, *more)), payload),
        )
    ]


def _rejected(event: Recorded, body: FeedMessageRejected) -> Rows:
    columns = (*_ORIGIN, "vendor", "feed", "reason", "payload")
    payload = base64.b64decode(body.payload_base64)
    reason = body.reason[:REASON_CHARACTERS_MAX]
    values = (body.received_at, body.vendor, body.feed, reason, payload)
    return _insert("rejected_messages", columns, event, values)


TABLES: Mapping[type[Any], Callable[[Recorded, Any], Rows]] = {
    UwFlowAlertReceived: _typed(
        "uw_flow_alerts",
        UwFlowAlertReceived,
        uw.FlowAlert,
        "end_at",
        id="alert_id",
        right="option_right",
        start_at="started_at",
    ),
    UwOptionTradeReceived: _typed(
        "uw_option_trades",
        UwOptionTradeReceived,
        uw.OptionTrade,
        "executed_at",
        added="tagged_side",
        id="trade_id",
        right="option_right",
    ),
    UwGexReceived: _typed("uw_gex_snapshot", UwGexReceived, uw.Exposure),
    UwGexStrikeReceived: _typed(
        "uw_gex_strike", UwGexStrikeReceived, uw.StrikeExposure, left_out="expiry"
    ),
    UwGexStrikeExpiryReceived: _typed(
        "uw_gex_strike_expiry", UwGexStrikeExpiryReceived, uw.StrikeExposure
    ),
    UwNewsReceived: _typed("uw_news", UwNewsReceived, uw.News),
    UwPriceReceived: _typed("uw_price_ticks", UwPriceReceived, uw.Price, close="price"),
    UwMarketTideReceived: _typed("uw_market_tide", UwMarketTideReceived, uw.MarketTide),
    UwNetFlowReceived: _typed("uw_net_flow", UwNetFlowReceived, uw.NetFlow),
    UwTradingHaltReceived: _typed("uw_trading_halts", UwTradingHaltReceived, uw.TradingHalt),
    UwIntervalFlowReceived: _typed(
        "uw_interval_flow", UwIntervalFlowReceived, uw.IntervalFlow, start_at="window_start_at"
    ),
    UwContractScreenerReceived: _typed(
        "uw_contract_screener",
        UwContractScreenerReceived,
        uw.ScreenedContract,
        right="option_right",
    ),
    UwLitTradeReceived: _typed("uw_lit_trades", UwLitTradeReceived, uw.ShareTrade, "executed_at"),
    UwOffLitTradeReceived: _typed(
        "uw_off_lit_trades", UwOffLitTradeReceived, uw.ShareTrade, "executed_at"
    ),
    UwCustomAlertReceived: _typed("uw_custom_alerts", UwCustomAlertReceived, uw.CustomAlert),
    UwInterpolatedIvReceived: _typed(
        "uw_interpolated_iv", UwInterpolatedIvReceived, uw.InterpolatedIv, ""
    ),
    UwIvTermStructureReceived: _typed(
        "uw_iv_term_structure", UwIvTermStructureReceived, uw.ExpiryIv, ""
    ),
    UwPeriscopeReceived: _board,
    UwFuturesTradeReceived: _typed(
        "uw_futures_trades", UwFuturesTradeReceived, uw.FuturesTrade, "executed_at"
    ),
    UwOtherReceived: _other,
    UwRestReceived: rest_payload,
    FeedMessageRejected: _rejected,
}
