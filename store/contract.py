"""What the event store promises; store/postgres.py keeps it, everything else relies on it.

Errors:

    StoreError
     +-- VersionConflict      a stream is not at the expected version (also eventsourcing's
     |                        IntegrityError, so that its own test cases understand it)
     +-- IdConflict           the id is on the log with other content
     +-- CheckpointConflict   another copy of this worker moved the checkpoint: stop
     +-- OutcomeUnknown       the connection was lost in COMMIT and reading back failed too
     +-- StoreUnavailable     nothing was written, or the log could not be read
     +-- ClockStepped         the database clock jumped; only ClockAccepted is admitted
     +-- UnreadableEvent      this build cannot read the event at a position
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from domain.event import Proposed, Recorded
from store.shards import Shard

PAGE_EVENTS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Consumed position of a worker or projector, moved by compare and set.

    `expected` is where it stands (0 for one that never ran); the move fails when it does not.
    """

    consumer: str
    expected: int
    position: int


class Appended(msgspec.Struct, frozen=True, gc=False):
    """Where the proposed events are, in the order given; repeats report their old position."""

    positions: tuple[int, ...]
    versions: tuple[int, ...]
    recorded_at: datetime
    market_times: tuple[datetime, ...]
    repeated: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events a reader wants: all conditions must hold; empty means no condition.

    `own_clock` adds the ClockTicked and WorkerStarted events of one worker to `types`, which
    itself must then not name those two. `without` leaves out single positions: they are not even
    decoded, so that a worker can pass over an event that no build can read. `story_begins` is the
    position of the event whose id `correlation_id` is, where that is known: only days on which it
    can be named are then looked into. `category` is the part of the stream's name before its first
    slash; `shard` the share of one of several consumers, each with a checkpoint of its own
    (Shard.consumer).
    """

    types: frozenset[str] = frozenset()
    streams: tuple[str, ...] = ()
    own_clock: str = ""
    correlation_id: UUID | None = None
    story_begins: int = 0
    without: frozenset[int] = frozenset()
    category: str = ""
    shard: Shard | None = None

    @property
    def takes_all(self) -> bool:
        """True without any condition but single positions."""
        return self == Selection(without=self.without)


class EventStore(Protocol):
    """The log. All methods are safe to call from many tasks at once."""

    async def append(
        self, events: Sequence[Proposed], checkpoint: Checkpoint | None = None
    ) -> Appended:
        """Append all or nothing, in one transaction with the checkpoint.

        Calls from many tasks are grouped into one commit without lingering; each call gets its
        own result or error. An event whose id is already on the log with the same content is a
        no-op that reports its position. An empty `events` with a checkpoint moves the checkpoint.
        """
        ...

    async def read(
        self,
        after: int,
        selection: Selection = ...,
        limit: int = PAGE_EVENTS_MAX,
        up_to: int | None = None,
    ) -> list[Recorded]:
        """A page of events with position > after (and <= up_to), by position."""
        ...

    def subscribe(
        self, after: int, selection: Selection = ..., page: int = 1_000
    ) -> AsyncIterator[tuple[list[Recorded], int]]:
        """Catch-up by pages, then woken by NOTIFY with a poll behind it; never ends.

        Yields (events, scanned): `scanned` is the log position up to which nothing else matches,
        so that a consumer's checkpoint can move although no event matched.
        """
        ...

    async def read_stream(
        self, stream: str, after_version: int = 0, up_to_version: int | None = None
    ) -> list[Recorded]:
        """The events of a stream with versions behind the one and up to the other, in order."""
        ...

    async def event(self, event_id: UUID) -> Recorded | None: ...

    async def caused_by(self, causes: Sequence[Recorded]) -> list[Recorded]:
        """Events whose cause is one of these events, by position. Ask for all of a level at once:
        an effect may be on any later day, so that each question looks at all of them."""
        ...

    async def emissions(self, worker: str, after: int, up_to: int) -> list[Recorded]:
        """Emissions of a worker for inputs in (after, up_to], by (input_position, ordinal)."""
        ...

    async def checkpoint(self, consumer: str) -> int:
        """Consumed position, 0 for a consumer that never ran."""
        ...

    async def head(self) -> int:
        """Position of the last visible event, 0 for an empty log."""
        ...

    async def stream_version(self, stream: str) -> int: ...
