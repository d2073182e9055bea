"""Between events and rows: what is sent to the log, and what a row means.

Used by the appender and by all readers. Pure: no connection is touched here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from hashlib import blake2b
from operator import attrgetter
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
    encode_body,
    event_type,
)
from domain.events.system import ClockAccepted, ClockStarted
from store.errors import IdConflict, UnreadableEvent

if TYPE_CHECKING:
    import asyncpg

TRANSPORT_FIELDS = frozenset({"received_at", "connection", "sequence"})
"""How a market frame reached us: not part of what it says, so a redelivery is the same fact."""

COLUMNS = (
    "position, stream, version, type, schema, event_id, occurred_at, recorded_at, market_time,"
    " causation_id, correlation_id, worker, build, input_position, ordinal, data"
)


# What a decoder or an upcaster raises over data that is not what it expects. How deep a text may
# be nested before RecursionError depends on how deep its reader was called.
NOT_DECODED = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
    msgspec.MsgspecError,
)


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """A proposed event with its stored text and the digest of its content."""

    proposed: Proposed
    type: str
    schema: int
    is_desk: bool
    is_clock: bool
    """True for what starts or accepts the clock: it stands alone in its group."""
    data: str
    digest: bytes


def prepare(event: Proposed) -> Prepared:
    """Encode an event for the log."""
    body = event.body
    name, schema, is_desk, is_clock, content = _form(type(body))
    data = encode_body(body)
    compared = data if content is None else _encode(content(body))
    said = b"\0".join((event.stream.encode(), name.encode(), compared))
    digest = blake2b(said, digest_size=16).digest()
    return Prepared(event, name, schema, is_desk, is_clock, data.decode(), digest)


_encode = msgspec.json.Encoder().encode


@cache
def _form(cls: type[Body]) -> tuple[str, int, bool, bool, Callable[[Body], object] | None]:
    """Type, schema, class of a body, whether it is the clock's, and what takes from it the fields
    that are compared: all but those of transport. None when there is no transport among them."""
    content: Callable[[Body], object] | None = None
    if issubclass(cls, MarketEvent):
        names = cls.__struct_fields__
        kept = [name for name in names if name not in TRANSPORT_FIELDS]
        if len(kept) < len(names):
            content = _fields(kept)
    is_clock = issubclass(cls, ClockStarted | ClockAccepted)
    return event_type(cls), cls.schema_version, cls.retention is Retention.DESK, is_clock, content


def _fields(names: Sequence[str]) -> Callable[[Body], object]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda body: [getattr(body, name) for name in names]


def without_repeats(events: Sequence[Prepared]) -> tuple[list[Prepared], list[int]]:
    """Distinct events of one call, and for each given event the index of the one it is.

    Raises:
        IdConflict: one id with two contents.
    """
    if len(events) == 1 or len({event.proposed.event_id for event in events}) == len(events):
        return list(events), list(range(len(events)))
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


def recorded(row: asyncpg.Record | tuple[Any, ...]) -> Recorded:
    """The event of a row of COLUMNS, its body decoded and upcast.

    Raises:
        UnreadableEvent: this build cannot decode the body.
    """
    try:
        body = body_decoder(row[3], row[4])(row[15])
    except NOT_DECODED as error:
        raise UnreadableEvent(row[0], row[3], row[5], str(error)) from error
    values: Sequence[Any] = (*row[:15], body)
    return Recorded(*values)
