"""Events that this build cannot read, shown instead of refused.

Whoever decides must stop at such an event (UnreadableEvent); whoever only shows the log to a person
shows that it is there, why it cannot be read, and what is stored. Used by views of the store that
`PostgresStore.showing_unreadable` gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from domain.event import Recorded, Retention, body_decoder, body_types
from store.errors import UnreadableEvent
from store.rows import NOT_DECODED, recorded

if TYPE_CHECKING:
    import asyncpg


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """Stands where the body would. No event type: it is never on the log."""

    retention: ClassVar[Retention] = Retention.DESK

    reason: str
    data: str
    """The payload as stored."""


def recorded_or_unreadable(row: asyncpg.Record | tuple[Any, ...]) -> Recorded:
    """The event of a row of COLUMNS; with an Unreadable for a body when it cannot be decoded."""
    try:
        return recorded(row)
    except UnreadableEvent as error:
        values: Any = (*row[:15], Unreadable(_short(error), row[15]))
        return Recorded(*values)


def reason_unreadable(name: str, schema: int, data: str) -> str:
    """Why this build cannot read a payload; empty when it can."""
    try:
        body_decoder(name, schema)(data)
    except NOT_DECODED as error:
        return _first_line(error)
    return ""


def retention_of(event: Recorded) -> Retention:
    """Of an event that can be read or not; that of an unknown type is taken for a desk event's."""
    known = body_types().get(event.type)
    return type(event.body).retention if known is None else known.retention


def _short(error: UnreadableEvent) -> str:
    return _first_line(error.__cause__ or error)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:400]
