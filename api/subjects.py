"""What deliveries and approvals are about: most of their events carry an id and nothing else.

A page of rows asks the log once for what was scheduled or requested under these ids; the summary
lines then say tier, channel, vendor, kind and title. Called by the timeline, the chain and the
live stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from api.archived_log import LogRow
from api.event_rows import envelope
from api.log_pages import LogPages

_BEGINNINGS = ("DeliveryScheduled", "ApprovalRequested")
_FIELDS = ("kind", "vendor", "tier", "channel", "title", "targets", "text")
_BEFORE = timedelta(days=4)
"""A delivery ends within its session; more than that over a long weekend is not looked for."""


class _Ids(msgspec.Struct):
    delivery_id: str = ""
    approval_id: str = ""


def _stream_of(row: LogRow) -> str:
    """Where the subject of this row is; empty when it says itself what it is about."""
    kind: str = row["type"]
    if kind in _BEGINNINGS or not kind.startswith(("Delivery", "Approval")):
        return ""
    try:
        ids = msgspec.json.decode(row["data"], type=_Ids)
    except msgspec.DecodeError:
        return ""
    if ids.delivery_id:
        return f"delivery/{ids.delivery_id}"
    return f"approval/{ids.approval_id}" if ids.approval_id else ""


async def _subjects(pages: LogPages, rows: Sequence[LogRow], streams: set[str]) -> dict[str, Any]:
    times = [row["recorded_at"] for row in rows]
    begun = await pages.of_types(
        sorted(streams), _BEGINNINGS, min(times) - _BEFORE, max(times) + timedelta(microseconds=1)
    )
    found: dict[str, Any] = {}
    for row in begun:
        body = msgspec.json.decode(row["data"])
        found.setdefault(row["stream"], {name: body[name] for name in _FIELDS if name in body})
    return found


async def envelopes(pages: LogPages, rows: Sequence[LogRow]) -> list[dict[str, Any]]:
    """The rows' envelopes; what a row lacks is taken from where its subject began."""
    streams = [_stream_of(row) for row in rows]
    wanted = {stream for stream in streams if stream}
    known = await _subjects(pages, rows, wanted) if wanted else {}
    return [envelope(row, known.get(stream)) for row, stream in zip(rows, streams, strict=True)]
