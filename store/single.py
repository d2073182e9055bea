"""The arguments of append_event for a group of one event (sql/0010_append_event.sql).

Used by the appender: most decisions are one event, and one takes scalars where a group takes
thirty arrays. Pure: nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from store.call import Call
from store.group import Anchor

_ARGUMENTS = 23
_PARAMETERS = ", ".join(f"${number}" for number in range(1, _ARGUMENTS + 1))
APPEND_EVENT = f"SELECT * FROM append_event({_PARAMETERS})"  # noqa: S608  numbers alone


def is_single(group: Sequence[Call]) -> bool:
    """True for one call with one event that is none of the clock's."""
    return len(group) == 1 and len(group[0].events) == 1 and not group[0].is_clock


def event_arguments(
    call: Call, group_id: UUID, anchor: Anchor, monotonic_seconds: float
) -> list[object]:
    """Arguments in the order of the function's parameters."""
    event, checkpoint = call.events[0], call.checkpoint
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
