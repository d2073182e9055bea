"""The arguments of append_events for one group of calls (sql/0005_append.sql).

Used by the appender. Pure: columns out of calls, nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar
from uuid import UUID

from store.rows import accepts_clock, clock_start

if TYPE_CHECKING:
    from store.call import Call

_ARGUMENTS = 33
_PARAMETERS = ", ".join(f"${number}" for number in range(1, _ARGUMENTS + 1))
APPEND = f"SELECT * FROM append_events({_PARAMETERS})"  # noqa: S608  numbers alone


Given = TypeVar("Given")
_Kind: TypeAlias = tuple[int, str, int, bool, str, str]


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
    events = [event for call in group for event in call.events]
    proposed = [event.proposed for event in events]
    checkpoints = [call.checkpoint for call in group if call.checkpoint is not None]
    clocks = [(n, *start) for n, e in enumerate(events, 1) if (start := clock_start(e)) is not None]
    streams: dict[str, int] = {}
    kinds: dict[_Kind, int] = {}
    event_kinds: list[int] = []
    offsets: list[int] = []
    counts: list[int] = []
    for event, given in zip(events, proposed, strict=True):
        at = streams.setdefault(given.stream, len(streams) + 1)
        if at > len(counts):
            counts.append(0)
        counts[at - 1] += 1
        offsets.append(counts[at - 1])
        kind = (at, event.type, event.schema, event.is_desk, given.worker, given.build)
        event_kinds.append(kinds.setdefault(kind, len(kinds) + 1))
    return [
        group_id,
        anchor.database_time,
        anchor.position,
        monotonic_seconds - anchor.monotonic_seconds,
        accepts_clock(events),
        list(streams),
        *_calls(group),
        [checkpoint.consumer for checkpoint in checkpoints],
        [checkpoint.expected for checkpoint in checkpoints],
        [checkpoint.position for checkpoint in checkpoints],
        *([clock[n] for clock in clocks] for n in range(3)),
        *([kind[n] for kind in kinds] for n in range(6)),
        event_kinds,
        offsets,
        _column([event.expected_version for event in proposed]),
        [event.event_id for event in proposed],
        [event.digest for event in events],
        [event.occurred_at for event in proposed],
        _column([event.market_time for event in proposed]),
        _column([event.causation_id for event in proposed]),
        _column([e.correlation_id if e.correlation_id != e.event_id else None for e in proposed]),
        _column([event.input_position for event in proposed]),
        _column([event.ordinal or None for event in proposed]),
        [event.data for event in events],
    ]


def _calls(group: Sequence[Call]) -> tuple[list[int], list[int], list[int]]:
    """First and last event of each call and the number of its checkpoint, 0 for none."""
    first: list[int] = []
    last: list[int] = []
    checkpoint: list[int] = []
    done = with_checkpoint = 0
    for call in group:
        first.append(done + 1)
        done += len(call.events)
        last.append(done)
        with_checkpoint += call.checkpoint is not None
        checkpoint.append(with_checkpoint if call.checkpoint is not None else 0)
    return first, last, checkpoint


def _column(values: list[Given | None]) -> list[Given | None]:
    """Empty when all are null: half of the columns of a tick are, and each costs time to send."""
    return values if any(value is not None for value in values) else []
