"""Hot views of the market: quotes by line, metrics by symbol, predictions by model and symbol.

Pure: an event in, Redis commands out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from domain.event import Recorded
from domain.events.analytics import MetricComputed, PredictionMade
from domain.events.feeds import (
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
    LineClosed,
    LineOpened,
)
from domain.events.forecasts import DriftPredicted
from projections.hot.fields import named, put
from projections.redis_target import Command

# Tick types of the broker, live and delayed.
_PRICED = {1: "bid", 66: "bid", 2: "ask", 67: "ask", 4: "last", 68: "last"}
_SIZED = {0: "bid_size", 69: "bid_size", 3: "ask_size", 70: "ask_size", 5: "last_size"}
_SIZED |= {71: "last_size", 8: "volume", 74: "volume"}
_MODEL_COMPUTATION = (13, 83)


def quote_key(con_id: int, symbol: str, *, is_option: bool) -> str:
    """`quote:SPY` for an underlying, `quote:<con_id>` for an option line."""
    return f"quote:{con_id}" if is_option else f"quote:{symbol}"


def ticks(event: Recorded, body: IbTicksReceived) -> list[Command]:
    """The newest value of each side; a side without quote has an empty price."""
    fields: dict[str, Any] = {}
    for kind, price, size in body.ticks:
        if kind in _PRICED:
            name = _PRICED[kind]
            fields[name] = price if price > 0 else None
            fields[f"{name}_size"] = size
        elif kind in _SIZED:
            fields[_SIZED[kind]] = size
    for computation in body.computations:
        if computation[0] in _MODEL_COMPUTATION:
            _, volatility, delta, _, _, gamma, vega, theta, _ = computation
            fields |= {"implied_volatility": volatility, "delta": delta, "gamma": gamma}
            fields |= {"vega": vega, "theta": theta}
    if not fields:
        return []
    key = quote_key(body.con_id, body.symbol, is_option=bool(body.expiry))
    fields |= {"symbol": body.symbol, "con_id": body.con_id}
    if body.expiry:
        fields |= {"expiry": body.expiry, "strike": body.strike, "right": body.right}
    fields |= {"market_data_type": body.market_data_type, "received_at": body.received_at}
    fields |= {"market_time": event.market_time, "position": event.position}
    return [("HSET", key, fields)]


def depth(event: Recorded, body: IbDepthReceived) -> list[Command]:
    """The book of an instrument; the target keeps it, for a packet says only what changed."""
    ticks_text = msgspec.json.encode(body.ticks).decode()
    at, position = body.received_at.isoformat(), str(event.position)
    return [("LEVELS", f"book:{body.symbol}", body.connection, ticks_text, at, position)]


def bar(event: Recorded, body: IbBarReceived) -> list[Command]:
    return [
        put(
            f"bar:{body.symbol}",
            start=body.start,
            open=body.open,
            high=body.high,
            low=body.low,
            close=body.close,
            volume=body.volume,
            wap=body.wap,
            position=event.position,
        )
    ]


def line_opened(_: Recorded, body: LineOpened) -> list[Command]:
    contract = body.contract
    return [
        ("SADD", "lines", str(contract.con_id)),
        put(f"line:{contract.con_id}", **named(contract)),
    ]


def line_closed(_: Recorded, body: LineClosed) -> list[Command]:
    con_id = str(body.contract.con_id)
    return [("SREM", "lines", con_id), ("DEL", f"line:{con_id}"), ("DEL", f"quote:{con_id}")]


def metrics(event: Recorded, body: MetricComputed) -> list[Command]:
    """One JSON text a metric: value, unit, as_of, quality, reason."""
    values = {
        metric.name: msgspec.json.encode(
            {
                "value": metric.value,
                "unit": metric.unit,
                "as_of": metric.as_of,
                "quality": metric.quality,
                "reason": metric.reason,
            }
        ).decode()
        for metric in body.metrics
    }
    about = {"evaluated_at": body.evaluated_at, "params_version": body.params_version}
    return [
        put(f"metrics:{body.symbol}", **values),
        put(f"metrics-about:{body.symbol}", **about, position=event.position),
    ]


def prediction(_: Recorded, body: PredictionMade) -> list[Command]:
    return [put(f"predictions:{body.symbol}", **{f"{body.model}:{body.kind}": body})]


def drift(_: Recorded, body: DriftPredicted) -> list[Command]:
    return [put(f"predictions:{body.symbol}", **{"P1:point": msgspec.json.encode(body).decode()})]


VIEWS: Mapping[type[Any], Callable[[Recorded, Any], list[Command]]] = {
    IbTicksReceived: ticks,
    IbBarReceived: bar,
    IbDepthReceived: depth,
    LineOpened: line_opened,
    LineClosed: line_closed,
    MetricComputed: metrics,
    PredictionMade: prediction,
    DriftPredicted: drift,
}
