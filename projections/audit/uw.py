"""Typed audit rows of what Unusual Whales sent, one table for each channel family.

Pure: an event in, changes of tables out. A payload that cannot be read becomes a row that says
why; it is never dropped and never stops the projector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
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

Reader = Callable[[UwFrame], tuple[datetime, dict[str, Any]]]


def _columns(
    cls: type[msgspec.Struct], *left_out: str, **renamed: str
) -> Callable[[msgspec.Struct], dict[str, Any]]:
    """What takes the columns of a row from a typed value: its fields, but for those left out."""
    names = [name for name in cls.__struct_fields__ if name not in left_out]
    columns = [renamed.get(name, name) for name in names]
    values = attrgetter(*names)
    return lambda value: dict(zip(columns, values(value), strict=True))


_FLOW_ALERT = _columns(
    FlowAlert,
    *("end_at", "trade_ids"),
    id="alert_id",
    right="option_right",
    start_at="started_at",
)
_OPTION_TRADE = _columns(
    OptionTrade,
    *("executed_at", "created_at", "ask_volume", "bid_volume", "mid_volume", "no_side_volume"),
    *("multi_volume", "stock_multi_volume", "trade_codes"),
    id="trade_id",
    right="option_right",
)
_EXPOSURE = _columns(Exposure, "at")
_STRIKE_EXPOSURE = _columns(StrikeExposure, "at")
_NEWS = _columns(News, "at")
_PRICE = _columns(Price, "at", close="price")


def _flow_alert(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    alert = read_flow_alert(bytes(body.payload))
    return alert.end_at, _FLOW_ALERT(alert)


def _option_trade(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    trade = read_option_trade(bytes(body.payload))
    values = _OPTION_TRADE(trade)
    values["tagged_side"] = trade.tagged_side
    return trade.executed_at, values


def _exposure(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    exposure = read_exposure(bytes(body.payload), ticker(body.channel))
    return exposure.at, _EXPOSURE(exposure)


def _strike_exposure(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    exposure = read_strike_exposure(bytes(body.payload), ticker(body.channel))
    return exposure.at, _STRIKE_EXPOSURE(exposure)


def _news(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    news = read_news(bytes(body.payload))
    return news.at, _NEWS(news)


def _price(body: UwFrame) -> tuple[datetime, dict[str, Any]]:
    price = read_price(bytes(body.payload), ticker(body.channel))
    return price.at, _PRICE(price)


def _typed(table: str, read: Reader) -> Callable[[Recorded, Any], list[Change]]:
    def rows(event: Recorded, body: UwFrame) -> list[Change]:
        values = where(event)
        values["received_at"] = body.received_at
        try:
            values["source_at"], fields = read(body)
        except PayloadError as error:
            values |= {"type": event.type, "channel": body.channel, "reason": str(error)[:500]}
            return [Upsert("uw_unread", "event_position", values)]
        values |= fields
        return [Upsert(table, "event_position", values)]

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
