"""The arguments of append_events for one group of calls (sql/0005_append.sql).

Used by the appender. Pure: columns out of calls, nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from store.rows import accepts_clock, clock_start

if TYPE_CHECKING:
    from store.appender import Call

_ARGUMENTS = 32
_PARAMETERS = ", ".join(f"${number}" for number in range(1, _ARGUMENTS + 1))
APPEND = f"SELECT * FROM append_events({_PARAMETERS})"  # noqa: S608  numbers alone


@dataclass(frozen=True, slots=True)
class Anchor:
    """A moment on both clocks: the database's time at our monotonic time, and what was the log's
    last position that we knew. A later jump of the one against the other is a step."""

    database_time: datetime
    position: int
    monotonic_seconds: float


def group_arguments(
    group: Sequence[Call], group_id: UUID, anchor: Anchor, monotonic_seconds: float
) -> list[object]:
    """Arguments in the order of the function's parameters."""
    streams: dict[str, int] = {}
    offsets: list[int] = []
    event_streams: list[int] = []
    counts: list[int] = []
    first: list[int] = []
    last: list[int] = []
    call_checkpoint: list[int] = []
    checkpoints = [call.checkpoint for call in group if call.checkpoint is not None]
    clocks: list[tuple[int, datetime, float]] = []
    events = [event for call in group for event in call.events]
    proposed = [event.proposed for event in events]
    for number, event in enumerate(events, start=1):
        at = streams.setdefault(event.proposed.stream, len(streams) + 1)
        if at > len(counts):
            counts.append(0)
        counts[at - 1] += 1
        event_streams.append(at)
        offsets.append(counts[at - 1])
        started = clock_start(event)
        if started is not None:
            clocks.append((number, *started))
    done = with_checkpoint = 0
    for call in group:
        first.append(done + 1)
        done += len(call.events)
        last.append(done)
        with_checkpoint += call.checkpoint is not None
        call_checkpoint.append(with_checkpoint if call.checkpoint is not None else 0)
    return [
        group_id,
        anchor.database_time,
        anchor.position,
        monotonic_seconds - anchor.monotonic_seconds,
        accepts_clock(events),
        list(streams),
        first,
        last,
        call_checkpoint,
        [checkpoint.consumer for checkpoint in checkpoints],
        [checkpoint.expected for checkpoint in checkpoints],
        [checkpoint.position for checkpoint in checkpoints],
        [clock[0] for clock in clocks],
        [clock[1] for clock in clocks],
        [clock[2] for clock in clocks],
        event_streams,
        offsets,
        [event.expected_version for event in proposed],
        [event.event_id for event in proposed],
        [event.digest for event in events],
        [event.is_desk for event in events],
        [event.type for event in events],
        [event.schema for event in events],
        [event.occurred_at for event in proposed],
        [event.market_time for event in proposed],
        [event.causation_id for event in proposed],
        [event.correlation_id for event in proposed],
        [event.worker for event in proposed],
        [event.build for event in proposed],
        [event.input_position for event in proposed],
        [event.ordinal for event in proposed],
        [event.data for event in events],
    ]
