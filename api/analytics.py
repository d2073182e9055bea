"""What analytics and forecasts say now, by symbol: GET /analytics.

Read from the hot state in Redis (projections/hot/market.py): a metric is in the newest report that
carried it, and those of the minute come with one bar in twelve.
"""

from __future__ import annotations

from typing import Any

import msgspec
from redis.exceptions import RedisError
from starlette.responses import Response

from api.dispatch import Call, json_answer
from api.errors import ApiError
from api.fold_state import Row
from domain.analytics.catalogue import METRICS
from domain.instruments import SYMBOLS
from projections.hot import PREFIX


async def analytics(call: Call) -> Response:
    """`metrics` in the order of docs/metrics.md, each with its row a symbol; `forecasts` newest of
    each model and kind; `evaluated_at` of the newest report by symbol."""
    try:
        values = {symbol: await _hash(call, f"metrics:{symbol}") for symbol in SYMBOLS}
        about = {symbol: await _hash(call, f"metrics-about:{symbol}") for symbol in SYMBOLS}
        made = {symbol: await _hash(call, f"predictions:{symbol}") for symbol in SYMBOLS}
    except (RedisError, OSError) as error:
        raise ApiError(
            503,
            "redis_unavailable",
            f"the hot state in Redis must be readable, was not: {type(error).__name__}",
            "start Redis; the projector fills it again by itself",
        ) from None
    metrics = [
        {"metric": spec.name, "unit": spec.unit, "module": spec.module, "meaning": spec.meaning}
        | {"symbols": {symbol: _metric(values[symbol].get(spec.name)) for symbol in SYMBOLS}}
        for spec in METRICS
    ]
    forecasts = [
        _forecast(symbol, name, text)
        for symbol in SYMBOLS
        for name, text in sorted(made[symbol].items())
    ]
    evaluated = {symbol: about[symbol].get("evaluated_at") for symbol in SYMBOLS}
    answer = {"symbols": SYMBOLS, "metrics": metrics, "forecasts": forecasts}
    return json_answer(answer | {"evaluated_at": evaluated})


async def _hash(call: Call, key: str) -> dict[str, str]:
    """The client decodes: fields and values are texts."""
    found: dict[Any, Any] = await call.desk.redis.hgetall(PREFIX + key)
    return {str(name): str(value) for name, value in found.items()}


def _metric(text: str | None) -> Row | None:
    """Value as text, with why it is not there; None when no report has carried it yet."""
    if text is None:
        return None
    told: Row = msgspec.json.decode(text)
    return {name: told[name] for name in ("as_of", "quality", "reason")} | {
        "value": _text(told["value"])
    }


def _forecast(symbol: str, name: str, text: str) -> Row:
    body: Row = msgspec.json.decode(text)
    model, _, kind = name.partition(":")
    values = body.get("values")
    if values is None:  # P1: a column a horizon
        seconds = body["horizons_seconds"]
        values = {f"ticks_{s}s": t for s, t in zip(seconds, body["ticks"], strict=True)}
    return {
        "symbol": symbol,
        "model": model,
        "kind": kind,
        "bucket": body.get("bucket", "ANY"),
        "made_at": body["made_at"],
        "horizon_end": body.get("horizon_end"),
        "values": {name: _text(value) for name, value in values.items()},
    }


def _text(value: Any) -> str | None:
    """Numbers as the log has them, at most 12 digits."""
    return f"{value:.12g}" if isinstance(value, int | float) else value
