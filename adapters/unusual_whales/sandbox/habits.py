"""What the vendor was seen to do at one time or on one key and not on another: switches that hold
until they are turned off, all off at first.

Most are pure rewrites of a payload or a body, here; the others are named here and asked for where
they act. docs/market-model.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from adapters.unusual_whales.sandbox.wire import JsonOut, Row
from domain.session import new_york

TOTALS = "totals"
"""market_tide and net_flow are totals of the session, and no changes."""
ALIAS = "flow_alerts"
"""flow_alerts is another name of flow-alerts."""
SILENT_JOINS = "silent_joins"
"""Nothing is said of a join beyond the limit."""
HUGE_REMAINING = "huge_remaining"
"""The header tells of a million calls that remain."""
EARLY_TRADES_MS_MAX = 2_000
LONG_PLACES = 165
CANCELLED_AFTER = timedelta(seconds=60)
INTEREST_HOUR, INTEREST_MINUTE = 6, 45
"""When the changes of open interest of the day before are there, New York."""
PRICES = ("open", "high", "low", "close")


# -- payloads of the socket --------------------------------------------------------------------


def _whole_numbers(payload: Row) -> Row:
    """184500 for 184500.0: a number without a fraction comes without a point."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in payload.items()
    }


def _without_ratio(payload: Row) -> Row:
    return payload | {"volume_oi_ratio": 0}


def _with_deltas(payload: Row, text: str) -> Row:
    return payload | {name: text for name in payload if name.startswith("delta_")}


def _off_the_second(payload: Row) -> Row:
    return payload | {"timestamp": int(str(payload["timestamp"])) + 137}


def _out_of_order(payload: Row) -> Row:
    """A third of the trades tell of up to two seconds ago, behind later ones."""
    lot = int(str(payload["id"])[:8], 16)
    if lot % 3:
        return payload
    return payload | {
        "executed_at": int(str(payload["executed_at"])) - lot % (EARLY_TRADES_MS_MAX + 1)
    }


PAYLOADS: Mapping[str, tuple[str, Callable[[Row], Row]]] = {
    "whole_numbers": ("flow-alerts", _whole_numbers),
    "no_ratio": ("flow-alerts", _without_ratio),
    "empty_deltas": ("gex", lambda payload: _with_deltas(payload, "")),
    "zero_deltas": ("gex", lambda payload: _with_deltas(payload, "0")),
    "odd_timestamps": ("gex", _off_the_second),
    "out_of_order": ("option_trades", _out_of_order),
}
"""By habit: payloads of which channel, and what becomes of them."""


def habitual_payload(channel: str, payload: bytes, habits: Collection[str]) -> bytes:
    """The payload as the vendor writes it under these habits."""
    name = channel.partition(":")[0]
    rewrites = [PAYLOADS[habit][1] for habit in habits if PAYLOADS.get(habit, ("",))[0] == name]
    if not rewrites:
        return payload
    row = msgspec.json.decode(payload)
    for rewrite in rewrites:
        row = rewrite(row)
    return msgspec.json.encode(row)


# -- bodies of REST ----------------------------------------------------------------------------

Rows: TypeAlias = list[Any]


def _long_decimals(rows: Rows, _: datetime, __: datetime) -> Rows:
    """Decimals with more than 160 places, and whole ones without a point."""
    return [_lengthened(row) for row in rows]


def _lengthened(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    return {name: _longer(value) for name, value in row.items()}


def _longer(value: JsonOut) -> JsonOut:
    if not isinstance(value, str) or not value.removeprefix("-").replace(".", "", 1).isdecimal():
        return value
    whole, point, places = value.partition(".")
    if not point:
        return value
    return whole if not places.strip("0") else f"{whole}.{places.ljust(LONG_PLACES, '0')}"


def _cancelled_later(rows: Rows, now: datetime, _: datetime) -> Rows:
    """One print in five is taken back a minute after it came."""
    return [
        row | {"canceled": True}
        if _age(row, now) >= CANCELLED_AFTER and hash_of(row) % 5 == 0
        else row
        for row in rows
    ]


def _age(row: Any, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(row["executed_at"])


def hash_of(row: Any) -> int:
    """The same in every run."""
    return sum(str(row.get("id") or row.get("tracking_id")).encode())


def _zero_no_side(rows: Rows, _: datetime, __: datetime) -> Rows:
    return [row | {"no_side_volume": 0} for row in rows]


def _null_groups(rows: Rows, _: datetime, __: datetime) -> Rows:
    """Of every third row the fields that the vendor leaves out together."""
    group = ("call_charm", "put_charm", "call_vanna", "put_vanna")
    calls = [name for name in rows[0] if name.startswith("call_")] if rows else []
    names = [name for name in group if rows and name in rows[0]] or calls
    nulls = dict.fromkeys(names)
    return [row | nulls if number % 3 == 0 else row for number, row in enumerate(rows)]


def _restated(rows: Rows, now: datetime, close_at: datetime) -> Rows:
    """After the close the flow of the day has other numbers than while it went on."""
    if now < close_at:
        return rows
    return [row | {"volume": row["volume"] + 1, "transactions": row["transactions"] + 1}
            for row in rows]  # fmt: skip


def _three_sessions(rows: Rows, _: datetime, __: datetime) -> Rows:
    """Of each day the trade before the open, after the close, and the session itself."""
    result: Rows = []
    for row in rows:
        if "date" not in row:
            return rows
        opened = dict.fromkeys(PRICES, row["open"]) | {"volume": row["volume"] // 50}
        closed = dict.fromkeys(PRICES, row["close"]) | {"volume": row["volume"] // 40}
        result += [row | opened | {"market_time": "pr"}, row | closed | {"market_time": "po"}, row]
    return result


def _late_interest(rows: Rows, now: datetime, _: datetime) -> Rows:
    local = new_york(now)
    is_there = (local.hour, local.minute) >= (INTEREST_HOUR, INTEREST_MINUTE)
    return rows if is_there else []


BODIES: Mapping[str, tuple[tuple[str, ...], Callable[[Rows, datetime, datetime], Rows]]] = {
    "long_decimals": (("/greeks", "/spot-exposures/strike", "/greek-exposure"), _long_decimals),
    "cancelled_later": (("/api/option-trades", "/api/darkpool/"), _cancelled_later),
    "zero_no_side": (("/option-contracts",), _zero_no_side),
    "null_groups": (("/greeks", "/greek-exposure/strike"), _null_groups),
    "restated_flow": (("/greek-flow",), _restated),
    "three_sessions": (("/ohlc/1d",), _three_sessions),
    "late_interest": (("/oi-change",), _late_interest),
}
"""By habit: bodies of which paths (their end, or their beginning when they begin with /api), and
what becomes of their rows by the market time and the day's close."""
HABITS = frozenset({*PAYLOADS, *BODIES, TOTALS, ALIAS, SILENT_JOINS, HUGE_REMAINING})


def habitual_body(
    path: str, body: JsonOut, habits: Collection[str], now: datetime, close_at: datetime
) -> JsonOut:
    """The body as the vendor writes it under these habits."""
    rewrites = [BODIES[h][1] for h in habits if h in BODIES and _is_of(path, BODIES[h][0])]
    if not rewrites or not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return body
    rows = msgspec.json.decode(msgspec.json.encode(body["data"]))
    for rewrite in rewrites:
        rows = rewrite(rows, now, close_at)
    return body | {"data": rows}


def _is_of(path: str, forms: Collection[str]) -> bool:
    return any(
        path == form or (path.startswith(form) and form.endswith("/"))
        if form.startswith("/api/")
        else path.endswith(form)
        for form in forms
    )


def check_habits(names: Collection[str]) -> frozenset[str]:
    """
    Raises:
        ValueError: one is none; the message names all there are.
    """
    unknown = sorted(set(names) - HABITS)
    if unknown:
        raise ValueError(f"habits must be of {', '.join(sorted(HABITS))}, were {unknown}")
    return frozenset(names)
