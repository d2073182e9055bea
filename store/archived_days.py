"""Archived days and what can be asked of them; the words that readers and archiver share.

Free of pyarrow, which takes a second and 45 MB to import: only who meets an archived day pays that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from domain.event import Retention
from store.errors import StoreError
from store.shards import Shard, category_of

if TYPE_CHECKING:
    import asyncpg

DAYS = """
    SELECT retention::text AS retention, day, first_position, last_position, events, file, bytes,
        sha256, first_input, last_input
    FROM archived_days
"""
BETWEEN = f"{DAYS} WHERE last_position > $1 AND first_position <= $2 ORDER BY first_position"
"""Days with a position in ($1, $2]."""


class ArchiveUnreadable(StoreError):
    """A file of the archive is missing or is not what was written; the text says which."""


class CannotArchive(Exception):
    """A day stays in Postgres; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class ArchivedDay:
    """One file: a class and UTC day, and between which positions its events lie."""

    retention: Retention
    day: date
    first: int
    last: int
    events: int
    file: str
    bytes: int
    sha256: str
    first_input: int | None = None
    """Inputs that its emissions answer: from, and to; 0 and 0 for none, None when not known."""
    last_input: int | None = None

    def may_hold(self, question: Question) -> bool:
        """Whether anything that is wanted can be in the file, as far as is known without it."""
        if question.emitted_by is None or self.first_input is None or self.last_input is None:
            return True
        _, after, up_to = question.emitted_by
        return self.last_input > after and self.first_input <= up_to


def archived_day(row: asyncpg.Record) -> ArchivedDay:
    """A row of DAYS."""
    retention, *others = row.values()
    return ArchivedDay(Retention(retention), *others)


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one class and day; sizes in bytes, of Postgres with indexes."""

    retention: Retention
    day: date
    events: int
    postgres_bytes: int
    archive_bytes: int


ById: TypeAlias = tuple[str, frozenset[UUID]]
"""A column of ids, and those that are asked for."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which archived events are wanted: position in (after, up_to], and all that is not empty."""

    after: int
    up_to: int
    types: frozenset[str] = frozenset()
    own_clock: tuple[frozenset[str], tuple[str, ...]] | None = None
    """Types and streams that are wanted as well as `types`."""
    streams: frozenset[str] = frozenset()
    versions: tuple[int, int] | None = None
    """(after, up_to) in the stream."""
    story: UUID | None = None
    """A correlation id."""
    event_id: UUID | None = None
    causation_ids: frozenset[UUID] = frozenset()
    emitted_by: tuple[str, int, int] | None = None
    """Worker, and bounds (after, up_to] of input_position."""
    without: frozenset[int] = frozenset()
    """Positions that are left out before anything is decoded."""
    category: str = ""
    shard: Shard | None = None
    without_types: frozenset[str] = frozenset()
    stream_begins: str = ""
    worker: str = ""
    symbol: str = ""
    """Named in the payload, or a part of the stream's name."""
    text: str = ""
    """Anywhere in the payload or the stream's name, in capitals or not."""

    @property
    def by_id(self) -> ById | None:
        """Column and ids when events are asked for by ids, which a file's index knows."""
        if self.event_id is not None:
            return "event_id", frozenset({self.event_id})
        return ("causation_id", self.causation_ids) if self.causation_ids else None

    def takes(self, stream: str) -> bool:
        """Whether events of a stream can be wanted."""
        return (
            (not self.streams or stream in self.streams)
            and (not self.category or category_of(stream) == self.category)
            and (self.shard is None or self.shard.takes(stream))
        )
