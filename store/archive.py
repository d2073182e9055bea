"""Reads archived days: the same questions as store/reading.py asks Postgres, put to Parquet files.

Used by store/archived_reading.py and by verification. Files are found under the folder of the
settings; which days there are says the table archived_days. Row groups are opened one at a time,
by the statistics of position and input_position, and of one that nothing is wanted of only the
columns that say so are read. Memory: two decoded groups, whatever the days.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from domain.event import Recorded
from store.archive_condition import condition
from store.archive_format import FOOTER, bounds_of, canonical_bytes, events_of, open_file
from store.archive_index import Index, IndexDamaged, open_index
from store.archived_days import ArchivedDay, ArchiveUnreadable, ById, Question
from store.envelope import Damaged, Sink, Span
from store.reading import Decode
from store.rows import recorded

StoredRow: TypeAlias = tuple[Any, ...]
"""Values in the order of store.rows.COLUMNS."""
Found = TypeVar("Found")
GROUPS_HELD_MAX = 2
OPEN_FILES_MAX = 32
UNREADABLE = (OSError, pa.ArrowException, ValueError, KeyError, OverflowError, MemoryError)
"""What bytes that are no archive any more may raise."""


_NO_POSITIONS = (2**63 - 1, -(2**63))
"""Bounds of an empty group: the archiver writes none, but somebody else may."""


def file_sha256(path: Path) -> str:
    """Digest of a whole file as hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Archive:
    """The files under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._groups: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._indexes: dict[str, Index] = {}
        """Mapped, one a class and day of two years at most: no memory of ours."""
        self._lock = threading.Lock()
        """Files and held groups are used by one thread at a time: a Parquet reader wants that."""
        self._open = lru_cache(OPEN_FILES_MAX)(self._opened)

    async def find(
        self,
        days: Sequence[ArchivedDay],
        question: Question,
        limit: int | None = None,
        decode: Decode = recorded,
    ) -> list[Recorded]:
        """Events of the days that the question wants, by position, at most `limit`.

        Raises:
            ArchiveUnreadable: a file is missing or damaged.
        """
        found: list[Recorded] = []
        days = [day for day in days if day.may_hold(question)]
        if question.by_id is not None:
            days = await asyncio.to_thread(self._may_know, days, question.by_id)
        for day in days:
            found += await asyncio.to_thread(self._find, day, question, limit, decode)
            if question.event_id is not None and found:
                break
        found.sort(key=lambda event: event.position)
        return found[:limit]

    def _may_know(self, days: Sequence[ArchivedDay], by_id: ById) -> list[ArchivedDay]:
        """The days whose index, if there is one, does not rule the ids out."""
        with self._lock:
            return [day for day in days if self._groups_of(day, by_id) != []]

    def _groups_of(self, day: ArchivedDay, by_id: ById) -> list[int] | None:
        """Row groups in which any of the ids may be; None without an index."""
        index = self._indexes.get(day.file) or open_index(self.folder / day.file, day.sha256)
        if index is None:
            return None
        self._indexes[day.file] = index
        try:
            name, ids = by_id
            return sorted({group for identity in ids for group in index.groups(name, identity)})
        except IndexDamaged:
            del self._indexes[day.file]  # it may be made again while this process lives
            return None

    async def rows(
        self, day: ArchivedDay, question: Question, limit: int | None, *, newest_first: bool
    ) -> list[StoredRow]:
        """Rows of a day as they are stored, at most `limit` from its first or from its last on.

        Raises:
            ArchiveUnreadable: the file is missing or damaged.
        """
        return await asyncio.to_thread(
            self._find, day, question, limit, _as_stored, newest_first=newest_first
        )

    async def last_before(
        self, day: ArchivedDay, column: Literal["market_time", "recorded_at"], at: datetime
    ) -> int:
        """Position of the last event of a day with an earlier time; 0 when there is none.

        Raises:
            ArchiveUnreadable: the file is missing or damaged.
        """
        return await asyncio.to_thread(self._last_before, day, column, at)

    def _last_before(self, day: ArchivedDay, column: str, at: datetime) -> int:
        with self._reading(day):
            file = self._open(day)

            def earlier(group: int) -> list[int]:
                table = file.read_row_group(group, columns=["position", column])
                return list(table.filter(pc.field(column) < at)["position"].to_pylist())

            # Times never fall with position, so that the groups with an earlier event come first.
            groups = range(file.num_row_groups)
            behind = bisect_left(groups, True, key=lambda group: not earlier(group))
            return max(earlier(behind - 1)) if behind else 0

    def _find(
        self,
        day: ArchivedDay,
        question: Question,
        limit: int | None,
        decode: Callable[[StoredRow], Found],
        *,
        newest_first: bool = False,
    ) -> list[Found]:
        found: list[Found] = []
        with self._reading(day):
            for table in self._tables(day, question, newest_first=newest_first):
                left = table.num_rows if limit is None else limit - len(found)
                begin = max(0, table.num_rows - left) if newest_first else 0
                found += events_of(table.slice(begin, left), decode)
                if limit is not None and len(found) >= limit:
                    break
        return found

    @contextmanager
    def _reading(self, day: ArchivedDay) -> Iterator[None]:
        """Files and held groups for one thread; whatever is wrong with them names the file."""
        try:
            with self._lock:
                yield
        except UNREADABLE as error:
            raise ArchiveUnreadable(
                f"{self.folder / day.file} must be readable, was not: put it back from its backup "
                f"({error})"
            ) from error

    def _tables(
        self, day: ArchivedDay, question: Question, *, newest_first: bool = False
    ) -> Iterator[pa.Table]:
        """The wanted rows of each group, by position; the last group first when asked."""
        file = self._open(day)
        names = json.loads(file.metadata.metadata[FOOTER])
        if question.own_clock is None and not _may_match(question.types, names["types"]):
            return
        if not _may_match(question.streams, names["streams"]):
            return
        streams = _streams(file, question, names["streams"])
        if streams == []:
            return
        wanted, columns = condition(day, question, streams)
        groups: Sequence[int] | None = None
        if question.by_id is not None:
            groups = self._groups_of(day, question.by_id)
        groups = range(file.num_row_groups) if groups is None else groups
        for group in reversed(groups) if newest_first else groups:
            if not _may_hold(file.metadata.row_group(group), question):
                continue
            if len(columns) > 1 and (day.file, group) not in self._groups:
                few = file.read_row_group(group, columns=sorted(columns))
                if few.filter(wanted).num_rows == 0:
                    continue
            table = self._group(day, file, group).filter(wanted)
            if table.num_rows:
                yield table

    def _group(self, day: ArchivedDay, file: pq.ParquetFile, group: int) -> pa.Table:
        """A group by position; the newest ones are held, because pages are smaller than groups."""
        key = (day.file, group)
        table = self._groups.pop(key, None)
        if table is None:
            table = file.read_row_group(group).sort_by("position")
        self._groups[key] = table
        while len(self._groups) > GROUPS_HELD_MAX:
            self._groups.popitem(last=False)
        return table

    def _opened(self, day: ArchivedDay) -> pq.ParquetFile:
        path = self.folder / day.file
        size = path.stat().st_size
        if size != day.bytes:
            raise OSError(f"{path} must have {day.bytes} bytes, had {size}")
        return open_file(path, checksums=True)


def _as_stored(row: StoredRow) -> StoredRow:
    return row


def input_bounds(file: pq.ParquetFile) -> tuple[int, int]:
    """First and last input that emissions in a file answer; 0 and 0 when there is none."""
    bounds: list[int] = []
    for group in range(file.num_row_groups):
        columns = file.metadata.row_group(group)
        for index in range(columns.num_columns):
            column = columns.column(index)
            if column.path_in_schema == "input_position":
                bounds += bounds_of(column) or ()
    return (min(bounds), max(bounds)) if bounds else (0, 0)


def _may_match(wanted: frozenset[str], there: list[str]) -> bool:
    """An empty list on either side excludes nothing."""
    return not wanted or not there or not wanted.isdisjoint(there)


def _may_hold(group: pq.RowGroupMetaData, question: Question) -> bool:
    """Whether the statistics of a group leave room for what is wanted."""
    bounds = {"position": (question.after, question.up_to)}
    if question.emitted_by is not None:
        bounds["input_position"] = question.emitted_by[1:]
    for index in range(group.num_columns):
        column = group.column(index)
        if (bound := bounds.get(column.path_in_schema)) is None:
            continue
        there = bounds_of(column)
        if there is None:
            return bool(column.path_in_schema == "position")  # no input at all, so no emission
        if there[1] <= bound[0] or there[0] > bound[1]:
            return False
    return True


def _streams(file: pq.ParquetFile, question: Question, listed: list[str]) -> list[str] | None:
    """The streams that are wanted, in a file that lists its own unless they are too many; None
    when all are."""
    if not question.category and question.shard is None:
        return sorted(question.streams) or None
    there = listed or file.read(columns=["stream"])["stream"].unique().to_pylist()
    return sorted(filter(question.takes, there))


class ArchivedBytes:
    """Canonical bytes of one archived file, by position, for comparing it with its seals.

    Checksums of pages are not looked at: what was altered shall be found event by event.
    """

    def __init__(self, path: Path, first: int) -> None:
        """Raises Damaged, with `first` as its position, when the file is no Parquet file or has
        no readable positions; OSError when it is not there."""
        self._held = -1
        self._bytes = memoryview(b"")
        self._offsets = self._positions = np.empty(0, np.int64)
        self._bounds: list[tuple[int, int]] = []
        bad = first
        try:
            self._file = open_file(path, checksums=False)
            for group in range(self._file.num_row_groups):
                there = bounds_of(self._file.metadata.row_group(group).column(0))
                bad = there[0] if there else bad
                column = self._file.read_row_group(group, columns=["position"])["position"]
                bounds = (pc.min(column).as_py(), pc.max(column).as_py())
                self._bounds.append(bounds if len(column) else _NO_POSITIONS)
        except (FileNotFoundError, PermissionError):
            raise
        except UNREADABLE as error:
            raise Damaged(bad, f"{path.name} of the archive cannot be read: {error}") from error
        self._name = path.name

    def stream(self, span: Span, sink: Sink) -> int:
        """Give the events with position in the span to the sink; returns how many they were.

        Raises:
            Damaged: a group cannot be decoded.
        """
        count = 0
        for group, (low, high) in enumerate(self._bounds):
            if high < span.first or low > span.last:
                continue
            self._load(group)
            begin, end = np.searchsorted(self._positions, (span.first, span.last + 1))
            sink(bytes(self._bytes[self._offsets[begin] : self._offsets[end]]))
            count += int(end - begin)
        return count

    def lowest(self, bounds: tuple[int, int]) -> int | None:
        """The lowest position from and to the bounds; None when no event stands there."""
        for group, (low, high) in enumerate(self._bounds):
            if high < bounds[0] or low > bounds[1]:
                continue
            column = self._file.read_row_group(group, columns=["position"])["position"].to_numpy()
            inside = column[(column >= bounds[0]) & (column <= bounds[1])]
            if len(inside):
                return int(inside.min())
        return None

    def _load(self, group: int) -> None:
        if group == self._held:
            return
        try:
            table = self._file.read_row_group(group).sort_by("position")
            self._bytes, self._offsets = canonical_bytes(table)
        except UNREADABLE as error:
            low = self._bounds[group][0]
            text = f"{self._name} of the archive cannot be decoded from here on: {error}"
            raise Damaged(low, text) from error
        self._positions = table["position"].to_numpy()
        self._held = group
