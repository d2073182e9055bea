"""Typed audit rows of what Unusual Whales sent, one table for each channel family.

Pure: an event in, changes of tables out. A payload that cannot be read becomes a row that says
why; it is never dropped and never stops the projector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

import msgspec

from domain.event import Recorded
from domain.events.feeds import (
    UwFlowAlertReceived,
    UwFrame,
    UwGexReceived,
    UwGexStrikeExpiryReceived,
    UwGexStrikeReceived,
    UwNewsReceived,
    UwOptionTradeReceived,
    UwPriceReceived,
    UwRestReceived,
)
from domain.payloads.unusual_whales.channels import ticker
from domain.payloads.unusual_whales.reading import PayloadError
from domain.payloads.unusual_whales.socket_frames import (
    Exposure,
    FlowAlert,
    News,
    OptionTrade,
    Price,
    StrikeExposure,
    read_exposure,
    read_flow_alert,
    read_news,
    read_option_trade,
    read_price,
    read_strike_exposure,
)
from projections.audit.desk import where
from projections.audit.rows import Change, Upsert


def _typed(
    table: str,
    cls: type[msgspec.Struct],
    read: Callable[[UwFrame], Any],
    source_at: str = "at",
    left_out: str = "",
    added: str = "",
    **renamed: str,
) -> Callable[[Recorded, Any], list[Change]]:
    """Rows of a table from values of `cls`: its fields but for those left out, and what it tells
    besides; `source_at` is the field with the vendor's time."""
    kept = [n for n in cls.__struct_fields__ if n != source_at and n not in left_out.split()]
    names = (source_at, *kept, *added.split())
    columns = (
        *("event_position", "recorded_at", "received_at", "source_at"),
        *(renamed.get(name, name) for name in names[1:]),
    )
    values = attrgetter(*names)

    def rows(event: Recorded, body: UwFrame) -> list[Change]:
        try:
            told = values(read(body))
        except PayloadError as error:
            row = where(event) | {"received_at": body.received_at, "type": event.type}
            row |= {"channel": body.channel, "reason": str(error)[:500]}
            return [Upsert("uw_unread", "event_position", row)]
        found = (event.position, event.recorded_at, body.received_at, *told)
        return [Upsert(table, "event_position", dict(zip(columns, found, strict=True)))]

    return rows


def _of_payload(read: Callable[[bytes], Any]) -> Callable[[UwFrame], Any]:
    return lambda body: read(bytes(body.payload))


def _of_symbol(read: Callable[[bytes, str], Any]) -> Callable[[UwFrame], Any]:
    return lambda body: read(bytes(body.payload), ticker(body.channel))


_strike_exposures = _typed("uw_gex_strike", StrikeExposure, _of_symbol(read_strike_exposure))


def rest_payload(event: Recorded, body: UwRestReceived) -> list[Change]:
    values = where(event) | {"received_at": body.received_at, "endpoint": body.endpoint}
    values |= {"path": body.path, "query": body.query, "symbol": body.symbol}
    values |= {"status": body.status, "payload": bytes(body.payload).decode()}
    return [Upsert("uw_rest_payloads", "event_position", values)]


TABLES: Mapping[type[Any], Callable[[Recorded, Any], list[Change]]] = {
    UwFlowAlertReceived: _typed(
        "uw_flow_alerts",
        FlowAlert,
        _of_payload(read_flow_alert),
        source_at="end_at",
        left_out="trade_ids",
        id="alert_id",
        right="option_right",
        start_at="started_at",
    ),
    UwOptionTradeReceived: _typed(
        "uw_option_trades",
        OptionTrade,
        _of_payload(read_option_trade),
        source_at="executed_at",
        left_out="created_at ask_volume bid_volume mid_volume no_side_volume multi_volume"
        " stock_multi_volume trade_codes",
        added="tagged_side",
        id="trade_id",
        right="option_right",
    ),
    UwGexReceived: _typed("uw_gex_snapshot", Exposure, _of_symbol(read_exposure)),
    UwGexStrikeReceived: _strike_exposures,
    UwGexStrikeExpiryReceived: _strike_exposures,
    UwNewsReceived: _typed("uw_news", News, _of_payload(read_news)),
    UwPriceReceived: _typed("uw_price_ticks", Price, _of_symbol(read_price), close="price"),
    UwRestReceived: rest_payload,
}
