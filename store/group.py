"""Calls that are committed together: what is sent to the append functions, and each call's outcome.

Used by the appender. Nearly every group is plain and goes to append_rows; what is not is weighed
call by call by append_events (both sql/0012_append_rows.sql). Pure: nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from store.call import Call, Place, all_new, appended
from store.errors import CheckpointConflict, IdConflict, StoreError, VersionConflict
from store.rows import accepts_clock, clock_start


def statement(function: str, arguments: int) -> str:
    """A call of a function of the log with so many arguments."""
    parameters = ", ".join(f"${number}" for number in range(1, arguments + 1))
    return f"SELECT * FROM {function}({parameters})"  # noqa: S608  numbers alone


APPEND_ROWS = statement("append_rows", 10)
APPEND_EVENTS = statement("append_events", 14)
_STREAM, _OFFSET, _MARKET_TIME = 6, 7, 12
"""Where a row holds the number of its stream in the group, its own in that stream, and its time."""
_CONFLICTS: dict[int, type[StoreError]] = {1: VersionConflict, 2: IdConflict, 3: CheckpointConflict}


@dataclass(frozen=True, slots=True)
class Anchor:
    """A moment on both clocks: the database's time at our monotonic time, and what was the log's
    last position that we knew. A later jump of the one against the other is a step."""

    database_time: datetime
    position: int
    monotonic_seconds: float


@dataclass(slots=True)
class _Stream:
    """What a group appends to one stream. `first` and `last` number events of the group."""

    number: int
    first: int
    last: int
    events: int = 0
    expected: int | None = None


class Form(Protocol):
    """A way to append a group: a statement, its arguments, and what its answer means."""

    statement: str

    def arguments(self, group_id: UUID, anchor: Anchor, monotonic_seconds: float) -> list[object]:
        """In the order of the function's parameters."""
        ...

    def repeats(self, row: asyncpg.Record) -> list[int]:
        """Positions of those events that were on the log before."""
        ...

    def finish(self, row: asyncpg.Record, known: dict[int, Place]) -> int:
        """Give each call its outcome; the last new position, 0 for none.

        `known` are the places of its repeats.
        """
        ...


class Rows:
    """Calls whose ids and consumers differ (the appender sees to it), as rows."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.streams: dict[str, _Stream] = {}
        self.rows: list[tuple[Any, ...]] = []
        self.checkpoints = [call.checkpoint for call in calls if call.checkpoint is not None]
        self.types: set[str] = set()
        self.is_plain = True
        """False when append_events must weigh the calls."""
        for call in calls:
            if call.is_clock or not call.events or len(call.index) != len(call.events):
                self.is_plain = False
            self._add(call)

    def _add(self, call: Call) -> None:
        streams, rows, types = self.streams, self.rows, self.types
        for number, event in enumerate(call.events, len(rows) + 1):
            given = event.proposed
            stream = streams.get(given.stream)
            if stream is None:
                stream = streams[given.stream] = _Stream(len(streams) + 1, number, number)
            stream.last = number
            stream.events = offset = stream.events + 1
            if given.expected_version is not None:
                base = given.expected_version - offset + 1
                if stream.expected is not None and stream.expected != base:
                    self.is_plain = False
                stream.expected = base
            types.add(event.type)
            rows.append(
                (
                    given.stream,
                    event.type,
                    given.worker,
                    given.build,
                    event.schema,
                    event.is_desk,
                    stream.number,
                    offset,
                    given.expected_version,
                    given.event_id,
                    event.digest,
                    given.occurred_at,
                    given.market_time,
                    given.causation_id,
                    None if given.correlation_id == given.event_id else given.correlation_id,
                    given.input_position,
                    given.ordinal,
                    event.data,
                )
            )

    def common(
        self, group_id: UUID, anchor: Anchor, monotonic_seconds: float
    ) -> tuple[object, ...]:
        """The arguments that both functions begin with."""
        return (
            group_id,
            anchor.database_time,
            anchor.position,
            monotonic_seconds - anchor.monotonic_seconds,
            [(given.consumer, given.expected, given.position) for given in self.checkpoints],
            [
                (name, stream.expected, stream.events, stream.first, stream.last)
                for name, stream in self.streams.items()
            ],
        )


class PlainGroup:
    """A group for append_rows, which takes it whole or not at all."""

    statement = APPEND_ROWS

    def __init__(self, given: Rows) -> None:
        self._given = given

    def arguments(self, group_id: UUID, anchor: Anchor, monotonic_seconds: float) -> list[object]:
        return [
            *self._given.common(group_id, anchor, monotonic_seconds),
            any(stream.expected is not None for stream in self._given.streams.values()),
            ",".join(self._given.types),
            self._given.calls[-1].events[-1].proposed.market_time,
            self._given.rows,
        ]

    def repeats(self, row: asyncpg.Record) -> list[int]:
        return []

    def finish(self, row: asyncpg.Record, known: dict[int, Place]) -> int:
        _, recorded_at, position, versions, market_now = row
        start = 0
        for call in self._given.calls:
            end = start + len(call.events)
            call.finish(
                all_new(
                    range(position + start, position + end),
                    [versions[of[_STREAM] - 1] + of[_OFFSET] for of in self._given.rows[start:end]],
                    recorded_at,
                    [of[_MARKET_TIME] or market_now for of in self._given.rows[start:end]],
                )
            )
            start = end
        return int(position) + start - 1


class WeighedGroup:
    """A group for append_events, which weighs each call by itself."""

    statement = APPEND_EVENTS

    def __init__(self, given: Rows) -> None:
        self._given = given

    def arguments(self, group_id: UUID, anchor: Anchor, monotonic_seconds: float) -> list[object]:
        events = [event for call in self._given.calls for event in call.events]
        clocks = [(n, *of) for n, e in enumerate(events, 1) if (of := clock_start(e)) is not None]
        first: list[int] = []
        last: list[int] = []
        checkpoint: list[int] = []
        done = with_checkpoint = 0
        for call in self._given.calls:
            first.append(done + 1)
            done += len(call.events)
            last.append(done)
            with_checkpoint += call.checkpoint is not None
            checkpoint.append(with_checkpoint if call.checkpoint is not None else 0)
        return [
            *self._given.common(group_id, anchor, monotonic_seconds),
            accepts_clock(events),
            first,
            last,
            checkpoint,
            *([clock[n] for clock in clocks] for n in range(3)),
            self._given.rows,
        ]

    def repeats(self, row: asyncpg.Record) -> list[int]:
        positions, versions = row["positions"] or [], row["versions"] or []
        return [p for p, v in zip(positions, versions, strict=True) if p and v is None]

    def finish(self, row: asyncpg.Record, known: dict[int, Place]) -> int:
        outcomes, details, recorded_at = row["outcomes"], row["details"], row["recorded_at"]
        positions, versions = row["positions"] or [], row["versions"] or []
        market_times = row["market_times"] or [None] * len(positions)
        start = 0
        for number, call in enumerate(self._given.calls):
            end = start + len(call.events)
            if outcomes[number] != 0:
                call.finish(_CONFLICTS[outcomes[number]](details[number]))
            else:
                places = [
                    Place(positions[i], versions[i], recorded_at, market_times[i])
                    if versions[i] is not None
                    else known[positions[i]]
                    for i in range(start, end)
                ]
                new = {p.position for p in places} - known.keys()
                call.finish(appended(call, places, new, row["clock_now"]))
            start = end
        return max((p for p, v in zip(positions, versions, strict=True) if v), default=0)
