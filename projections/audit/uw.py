"""Typed audit rows of what Unusual Whales sent, one table for each channel family.

Pure: an event in, changes of tables out. A payload that cannot be read becomes a row that says
why; it is never dropped and never stops the projector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
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
    read_exposure,
    read_flow_alert,
    read_news,
    read_option_trade,
    read_price,
    read_strike_exposure,
)
from projections.audit.desk import where
from projections.audit.rows import Change, Upsert

Reader = Callable[[UwFrame], tuple[datetime, dict[str, Any]]]


def _rest_of(value: msgspec.Struct, *left_out: str, **renamed: str) -> dict[str, Any]:
    return {
        renamed.get(name, name): getattr(value, name)
        for name in value.__struct_fields__
        if name not in left_out
    }


def _flow_alert(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    alert = read_flow_alert(bytes(body.payload))
    names = {"id": "alert_id", "right": "option_right", "start_at": "started_at"}
    return alert.end_at, _rest_of(alert, "end_at", "trade_ids", **names)


def _option_trade(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    trade = read_option_trade(bytes(body.payload))
    left_out = (
        "executed_at",
        "created_at",
        "ask_volume",
        "bid_volume",
        "mid_volume",
        "no_side_volume",
        "multi_volume",
        "stock_multi_volume",
        "trade_codes",
    )
    values = _rest_of(trade, *left_out, id="trade_id", right="option_right")
    return trade.executed_at, values | {"tagged_side": trade.tagged_side}


def _exposure(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    exposure = read_exposure(bytes(body.payload), ticker(body.channel))
    return exposure.at, _rest_of(exposure, "at")


def _strike_exposure(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    exposure = read_strike_exposure(bytes(body.payload), ticker(body.channel))
    return exposure.at, _rest_of(exposure, "at")


def _news(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    news = read_news(bytes(body.payload))
    return news.at, _rest_of(news, "at")


def _price(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    price = read_price(bytes(body.payload), ticker(body.channel))
    return price.at, _rest_of(price, "at", close="price")


def _typed(table: str, read: Reader) -> Callable[[Recorded, Any], list[Change]]:
    def rows(event: Recorded, body: UwFrame) -> list[Change]:
        values = where(event) | {"received_at": body.received_at}
        try:
            source_at, fields = read(body)
        except PayloadError as error:
            values |= {"type": event.type, "channel": body.channel, "reason": str(error)[:500]}
            return [Upsert("uw_unread", "event_position", values)]
        return [Upsert(table, "event_position", values | {"source_at": source_at} | fields)]

    return rows


def rest_payload(event: Recorded, body: UwRestReceived) -> list[Change]:
    values = where(event) | {"received_at": body.received_at, "endpoint": body.endpoint}
    values |= {"path": body.path, "query": body.query, "symbol": body.symbol}
    values |= {"status": body.status, "payload": bytes(body.payload).decode()}
    return [Upsert("uw_rest_payloads", "event_position", values)]


TABLES: Mapping[type[Any], Callable[[Recorded, Any], list[Change]]] = {
    UwFlowAlertReceived: _typed("uw_flow_alerts", _flow_alert),
    UwOptionTradeReceived: _typed("uw_option_trades", _option_trade),
    UwGexReceived: _typed("uw_gex_snapshot", _exposure),
    UwGexStrikeReceived: _typed("uw_gex_strike", _strike_exposure),
    UwGexStrikeExpiryReceived: _typed("uw_gex_strike", _strike_exposure),
    UwNewsReceived: _typed("uw_news", _news),
    UwPriceReceived: _typed("uw_price_ticks", _price),
    UwRestReceived: rest_payload,
}
