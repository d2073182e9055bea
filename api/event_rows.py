"""Events as JSON rows: what the timeline, the drawer, the chain and the live stream show.

Payloads stay the text that is stored, so that no figure passes through a float; the summary line
is made from a few fields that say most, in one order for every type.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from api.archived_log import LogRow
from domain.event import Recorded, encode_body
from store.unreadable import Unreadable, reason_unreadable, retention_of

PAYLOAD_CHARACTERS_MAX = 256 * 1_024
SUMMARY_CHARACTERS_MAX = 160
_PARTS_MAX = 6
_SUMMARY_FIELDS = (
    "symbol", "strategy", "direction", "purpose", "action", "side", "quantity", "structure",
    "order_type", "limit_price", "price", "state", "verdict", "approved", "accepted", "clean",
    "units", "denials", "condition", "measured", "threshold", "code", "severity", "kind",
    "vendor", "tier", "channel", "title", "targets", "verb", "command", "argument", "reason",
    "realised_pnl", "stop_price", "mark", "feed", "cause", "process", "worker", "text",
    "evidence", "via", "report_id", "comment", "who", "order_ref", "position_id", "signal_id",
    "attempt", "delivery_id", "approval_id",
)  # fmt: skip
_BARE_IDS = frozenset({"delivery_id", "approval_id"})
"""They say nothing to a reader: shown only where nothing else can be said."""


def from_recorded(event: Recorded) -> LogRow:
    """The row of an event that the store has decoded; `unreadable` says why it could not."""
    row: LogRow = {
        name: getattr(event, name)
        for name in (
            "position", "stream", "version", "type", "schema", "event_id", "occurred_at",
            "recorded_at", "market_time", "causation_id", "correlation_id", "worker", "build",
            "input_position", "ordinal",
        )
    }  # fmt: skip
    if isinstance(event.body, Unreadable):
        row["data"], row["unreadable"] = event.body.data, event.body.reason
    else:
        row["data"] = encode_body(event.body).decode()
    row["retention"] = retention_of(event).value
    return row


def mark_unreadable(row: LogRow) -> LogRow:
    """A row straight from the table, with the reason why this build cannot read it, if so."""
    reason = reason_unreadable(row["type"], row["schema"], row["data"])
    return row | {"unreadable": reason} if reason else row


def envelope(row: LogRow, subject: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The envelope with its summary line, without the payload.

    `subject` has the fields of what an event is about that names it by id alone.
    """
    shown = {name: _plain(value) for name, value in row.items() if name != "data"}
    shown["summary"] = summary(row["type"], row["data"], subject or {})
    if row.get("unreadable"):
        shown["summary"] = f"cannot be read: {row['unreadable']}"[:SUMMARY_CHARACTERS_MAX]
    return shown


def payload(row: LogRow, *, full: bool = False) -> dict[str, Any]:
    """The payload as stored, cut when it is very long."""
    data: str = row["data"]
    cut = not full and len(data) > PAYLOAD_CHARACTERS_MAX
    return {
        "payload_text": data[:PAYLOAD_CHARACTERS_MAX] if cut else data,
        "payload_characters": len(data),
        "payload_is_cut": cut,
    }


def summary(event_type: str, data: str, subject: Mapping[str, object]) -> str:
    """One line that says what happened; the type itself is shown beside it."""
    try:
        body = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return ""
    if not isinstance(body, Mapping):
        return ""
    body = {**subject, **body}
    parts: list[str] = []
    for name in _SUMMARY_FIELDS:
        if name in _BARE_IDS and parts:
            continue
        text = _part(name, body.get(name))
        if text and text not in parts:
            parts.append(text)
        if len(parts) == _PARTS_MAX:
            break
    if not parts and event_type == "ClockStarted":
        parts.append(f"speed {body.get('speed')}")
    return " · ".join(parts)[:SUMMARY_CHARACTERS_MAX]


def _part(name: str, value: object) -> str:
    match value:
        case None | "" | [] | {}:
            return ""
        case bool():
            return name if value else f"not {name}"
        case {"legs": list() as legs}:
            return " ".join(_leg(leg) for leg in legs)
        case dict():
            return ""
        case list():
            return ", ".join(str(item) for item in value[:4] if isinstance(item, str | int))
        case int() | float():
            return f"{name.replace('_', ' ')} {value}"
        case _ if name.endswith(("price", "pnl", "mark")):
            return f"{name.replace('_', ' ')} {value}"
        case _:
            return " ".join(str(value).split())[:80]


def _leg(leg: object) -> str:
    if not isinstance(leg, dict) or not isinstance(leg.get("contract"), dict):
        return ""
    contract = leg["contract"]
    sign = "+" if leg.get("ratio") == 1 else "-"
    return f"{sign}{contract.get('expiry')} {contract.get('strike')}{contract.get('right')}"


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case _:
            return value
