"""A group of one event, for append_event (sql/0012_append_rows.sql).

Used by the appender: most decisions are one event, and one takes scalars where a group takes
arrays. Pure: nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from store.call import Call, Place, all_new
from store.group import Anchor, statement


def is_single(group: Sequence[Call]) -> bool:
    """True for one call with one event that is none of the clock's."""
    return len(group) == 1 and len(group[0].events) == 1 and not group[0].is_clock


class SingleEvent:
    """One event, given once."""

    statement = statement("append_event", 23)

    def __init__(self, call: Call) -> None:
        self._call = call

    def arguments(self, group_id: UUID, anchor: Anchor, monotonic_seconds: float) -> list[object]:
        event, checkpoint = self._call.events[0], self._call.checkpoint
        given = event.proposed
        consumer: tuple[str | None, int | None, int | None] = (None, None, None)
        if checkpoint is not None:
            consumer = (checkpoint.consumer, checkpoint.expected, checkpoint.position)
        return [
            group_id,
            anchor.database_time,
            anchor.position,
            monotonic_seconds - anchor.monotonic_seconds,
            *consumer,
            given.stream,
            event.type,
            event.schema,
            event.is_desk,
            given.worker,
            given.build,
            given.expected_version,
            given.event_id,
            event.digest,
            given.occurred_at,
            given.market_time,
            given.causation_id,
            given.correlation_id,
            given.input_position,
            given.ordinal,
            event.data,
        ]

    def repeats(self, row: asyncpg.Record) -> list[int]:
        return []

    def finish(self, row: asyncpg.Record, known: dict[int, Place]) -> int:
        _, recorded_at, position, version, market_time = row
        self._call.finish(all_new((position,), (version,), recorded_at, (market_time,)))
        return int(position)
