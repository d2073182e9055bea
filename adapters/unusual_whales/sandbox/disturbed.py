"""Payloads that the vendor was seen, or must be feared, to send in odd forms: pure rewrites.

Each takes a payload and gives another of the same channel that is still well formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta

import msgspec

from adapters.unusual_whales.sandbox.wire import JsonOut, Row, decimal, identity

DAY = timedelta(days=1)
DAY_MILLISECONDS = 86_400_000
EPOCH_MILLISECONDS_MIN = 1_000_000_000_000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
OPENING = "\u202e\u200b&quot;"
CLOSING = "&quot; &amp; &#39;more&#39;\u202c\u2066\ufeff"
"""Turns the writing direction, has no width, and is HTML that was not undone."""


def of_yesterday(payload: Row) -> Row:
    """All its times a day earlier, under other ids. Expiries stay."""
    return {name: _earlier(name, value) for name, value in payload.items()}


def _earlier(name: str, value: JsonOut) -> JsonOut:
    if name == "id":
        return identity(f"yesterday {value}")
    if name == "date":
        return (date.fromisoformat(str(value)) - DAY).isoformat()
    if isinstance(value, str) and _TIME.fullmatch(value):
        moved = datetime.fromisoformat(value) - DAY
        return moved.strftime("%Y-%m-%dT%H:%M:%S") + value[19:]
    if isinstance(value, int) and value >= EPOCH_MILLISECONDS_MIN:
        return value - DAY_MILLISECONDS
    return value


def with_odd_headline(payload: Row) -> Row:
    """Its headline between signs that hide, turn or stand for others."""
    return payload | {"headline": f"{OPENING}{payload['headline']}{CLOSING}"}


def without_underlying(payload: Row) -> Row:
    """As trades of index options come: the price of the underlying is an empty text."""
    return payload | {"underlying_price": ""}


REWRITES: Mapping[str, tuple[str, Callable[[Row], Row]]] = {
    "yesterday": ("", of_yesterday),
    "odd_headline": ("news", with_odd_headline),
    "no_underlying": ("option_trades", without_underlying),
}
"""What a fault does to the next payloads, and to those of which channel; empty for any."""


def rewritten(channel: str, payload: bytes, left: dict[str, int]) -> bytes:
    """The payload after the faults that are due for it, each of which `left` then counts down."""
    name = channel.partition(":")[0]
    for fault, (only, rewrite) in REWRITES.items():
        if left.get(fault, 0) > 0 and only in ("", name):
            left[fault] -= 1
            payload = msgspec.json.encode(rewrite(msgspec.json.decode(payload)))
    return payload


def restated_interest(rows: list[Row]) -> Row:
    """The same days of open interest with other numbers, as after a correction overnight."""
    return {"data": [_restated(row) for row in rows]}


def _restated(row: Row) -> Row:
    before, now = int(str(row["last_oi"])), int(str(row["curr_oi"])) + 100
    return row | {
        "curr_oi": now,
        "oi_diff_plain": now - before,
        "oi_change": decimal((now - before) / before, 10) if before else "0",
    }
