"""Between events and rows: what is sent to append_events, and what a row means.

Used by the appender and by all readers. Pure: no connection is touched here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from domain.event import (
    Body,
    MarketEvent,
    Proposed,
    Recorded,
    Retention,
    body_decoder,
    event_type,
)
from domain.events.system import ClockAccepted, ClockStarted
from store.errors import IdConflict, UnreadableEvent
from store.eventsourcing import MAPPER, StreamEvent

if TYPE_CHECKING:
    import asyncpg

TRANSPORT_FIELDS = frozenset({"received_at", "connection", "sequence"})
"""How a market frame reached us: not part of what it says, so a redelivery is the same fact."""

COLUMNS = (
    "position, stream, version, type, schema, event_id, occurred_at, recorded_at, market_time,"
    " causation_id, correlation_id, worker, build, input_position, ordinal, data"
)


# What a decoder or an upcaster raises over data that is not what it expects.
_NOT_DECODED = (LookupError, ValueError, TypeError, AttributeError, msgspec.MsgspecError)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A proposed event with its stored text and the digest of its content."""

    proposed: Proposed
    type: str
    schema: int
    is_desk: bool
    data: str
    digest: bytes


def prepare(event: Proposed) -> Prepared:
    """Encode an event for the log."""
    stored = MAPPER.to_stored_event(
        StreamEvent(event.stream, event.expected_version or 0, event.body)
    )
    data = stored.state
    name = event_type(event.body)
    content = blake2b(event.stream.encode(), digest_size=16)
    content.update(b"\0" + name.encode() + b"\0" + _compared(event.body, data))
    body_class = type(event.body)
    return Prepared(
        proposed=event,
        type=name,
        schema=body_class.schema_version,
        is_desk=body_class.retention is Retention.DESK,
        data=data.decode(),
        digest=content.digest(),
    )


@cache
def _content_fields(cls: type[MarketEvent]) -> tuple[str, ...] | None:
    """Fields without transport; None when there is no transport among them."""
    names = cls.__struct_fields__
    kept = tuple(name for name in names if name not in TRANSPORT_FIELDS)
    return None if len(kept) == len(names) else kept


def _compared(body: Body, data: bytes) -> bytes:
    if not isinstance(body, MarketEvent):
        return data
    kept = _content_fields(type(body))
    if kept is None:
        return data
    return msgspec.json.encode([getattr(body, name) for name in kept])


def without_repeats(events: Sequence[Prepared]) -> tuple[list[Prepared], list[int]]:
    """Distinct events of one call, and for each given event the index of the one it is.

    Raises:
        IdConflict: one id with two contents.
    """
    seen: dict[UUID, int] = {}
    distinct: list[Prepared] = []
    index: list[int] = []
    for event in events:
        at = seen.setdefault(event.proposed.event_id, len(distinct))
        if at == len(distinct):
            distinct.append(event)
        elif distinct[at].digest != event.digest:
            raise IdConflict(
                f"event {event.type} {event.proposed.event_id} must be given once, "
                "was given with two contents"
            )
        index.append(at)
    return distinct, index


def clock_start(event: Prepared) -> tuple[datetime, float] | None:
    """(base of market time, speed) when the event starts the clock."""
    body = event.proposed.body
    return (body.base_market_time, body.speed) if isinstance(body, ClockStarted) else None


def accepts_clock(events: Sequence[Prepared]) -> bool:
    """True for the only append that a stepped clock admits."""
    return len(events) > 0 and all(isinstance(e.proposed.body, ClockAccepted) for e in events)


def recorded(row: asyncpg.Record) -> Recorded:
    """The event of a row of COLUMNS, its body decoded and upcast.

    Raises:
        UnreadableEvent: this build cannot decode the body.
    """
    try:
        body = body_decoder(row[3], row[4])(row[15])
    except _NOT_DECODED as error:
        raise UnreadableEvent(row[0], row[3], row[5], str(error)) from error
    values: Sequence[Any] = (*row[:15], body)
    return Recorded(*values)
