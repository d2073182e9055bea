"""Moves days that are past their hot window from Postgres to the archive, one class and day a time.

Run by the keeper at night and by run/archive. The steps, each safe to be killed at and each taken
up again by the next run: the file under a temporary name, on the disk, renamed; read back and
compared with the day's seals; LogArchived on the log; its row in archived_days, from which readers
use the file; the partition detached concurrently, dropped; ids of market events forgotten. Nothing
is dropped whose file is not there with its bytes, or that was not empty.

Works as the owner of the tables, because only the owner may detach and drop; there is one archiver
at a time (an advisory lock).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from domain.event import Retention
from domain.events.log import LogArchived
from store.archive import UNREADABLE, ArchivedBytes, file_sha256, input_bounds
from store.archive_format import ROWS_PER_GROUP, Writer, open_file
from store.archive_index import open_index, write_index
from store.archived_days import DAYS, ArchivedDay, CannotArchive, Moved, archived_day
from store.durable import make_folder, remove, sync_file, sync_folder
from store.envelope import PostgresSource, RowSplitter, Sink, position_of
from store.heads import ClassSeal, Head, Heads
from store.partitions import leaf_name
from store.seal import CHAIN_START, ClassDigest, SealKey
from store.sealer import Point, no_point

if TYPE_CHECKING:
    from store.appender import Writer as Connection

LOCK_KEY = 7_236_006
"""That of no function of the migrations, or a night would stop a projector (sql/0018)."""
REDELIVERED = timedelta(days=1)
"""How long after its UTC day a market event may come again. Ids that vendors' facts derive again
are of one session of New York, which ends in the night after its UTC day."""
Record = Callable[[LogArchived], Awaitable[object]]
"""Appends the event of an archived day; the same day and bytes twice are one event."""


class Archiver:
    """One run: `owner` is a connection of the owner of the tables, `source` reads as anybody."""

    def __init__(
        self,
        owner: Connection,
        source: PostgresSource,
        folder: Path,
        heads: Heads,
        key: SealKey,
        record: Record,
        point: Point = no_point,
    ) -> None:
        self._owner = owner
        self._source = source
        self._folder = folder
        self._heads = heads
        self._key = key
        self._record = record
        self._point = point

    async def run(
        self, before: dict[Retention, date], on_moved: Callable[[Moved], None] = lambda _: None
    ) -> list[Moved]:
        """Archive all days before the given ones, oldest first.

        Raises:
            CannotArchive: a day must stay; those before it were moved.
            HeadsDamaged, ForeignKey, OSError: seals or archive cannot be read or written.
        """
        if not await self._owner.fetchval("SELECT pg_try_advisory_lock($1::bigint)", LOCK_KEY):
            raise CannotArchive("another archiver must end first")
        try:
            moved = []
            for row in await self._owner.fetch(DAYS):
                await self._index(archived_day(row))
                await self._inputs(archived_day(row))
            for retention, limit in before.items():
                for day in await self._days_of(retention, limit):
                    moved.append(await self._move(retention, day))
                    on_moved(moved[-1])
            return moved
        finally:
            await self._owner.execute("SELECT pg_advisory_unlock($1::bigint)", LOCK_KEY)

    async def _days_of(self, retention: Retention, limit: date) -> list[date]:
        """Days before the limit, and not so young that a vendor may redeliver them, that still have
        a table."""
        names = await self._owner.fetch(_LEAVES, f"^events_{retention.value}_[0-9]{{8}}$")
        today = (await self._owner.fetchval("SELECT clock_timestamp()")).astimezone(UTC).date()
        days = [
            datetime.strptime(row["relname"][-8:], "%Y%m%d").replace(tzinfo=UTC).date()
            for row in names
        ]
        return [day for day in days if day < min(limit, today - REDELIVERED)]

    async def _move(self, retention: Retention, day: date) -> Moved:
        leaf = leaf_name(retention.value, day)
        size = await self._owner.fetchval("SELECT pg_total_relation_size($1::text::regclass)", leaf)
        row = await self._owner.fetchrow(_DAY, retention.value, day)
        archived = archived_day(row) if row else None
        if archived is None and await self._has_events(leaf):
            archived = await self._archive(retention, day)
        if archived is not None:
            await self._index(archived)
        self._point("day archived")
        await self._drop(leaf, archived)
        count, archive_bytes = (archived.events, archived.bytes) if archived else (0, 0)
        return Moved(retention, day, count, size, archive_bytes)

    async def _archive(self, retention: Retention, day: date) -> ArchivedDay:
        heads = await self._whole_day(retention, day)
        name = f"{retention.value}/{day:%Y}/{retention.value}-{day:%Y-%m-%d}.parquet"
        path = self._folder / name
        make_folder(path.parent)
        partial = path.with_suffix(".new")
        remove(partial)
        first, last, count = await self._export(retention, heads, partial)
        self._point("file written")
        sync_file(partial)
        partial.rename(path)
        sync_folder(path.parent)
        self._point("file renamed")
        before = self._heads.before(self._key, day)
        await asyncio.to_thread(_compare, path, retention, heads, before)
        self._point("file compared")
        found = ArchivedDay(
            retention,
            day,
            first,
            last,
            count,
            name,
            path.stat().st_size,
            file_sha256(path),
            *input_bounds(open_file(path, checksums=True)),
        )
        await self._record(
            LogArchived(
                retention_class=retention.value,
                day=day,
                first_position=first,
                last_position=last,
                count=count,
                file=name,
                bytes=found.bytes,
                sha256=found.sha256,
            )
        )
        self._point("day recorded")
        await self._owner.execute(
            _INSERT,
            retention.value,
            day,
            first,
            last,
            count,
            name,
            found.bytes,
            found.sha256,
            found.first_input,
            found.last_input,
        )
        return found

    async def _inputs(self, day: ArchivedDay) -> None:
        """Note which inputs the emissions of a day answer, of one archived before that was done."""
        path = self._folder / day.file
        if day.last_input is not None or not path.exists():
            return
        try:
            bounds = input_bounds(open_file(path, checksums=True))
        except UNREADABLE as error:
            raise CannotArchive(f"{path} must be readable, was not: {error}") from error
        await self._owner.execute(_SET_INPUTS, day.retention.value, day.day, *bounds)

    async def _index(self, day: ArchivedDay) -> None:
        """Make the index of ids of an archived day, when there is none that fits its file."""
        path = self._folder / day.file
        if not path.exists():
            return
        index = open_index(path, day.sha256)
        if index is not None and await asyncio.to_thread(lambda: index.is_whole):
            return
        try:
            file = open_file(path, checksums=True)
            await asyncio.to_thread(write_index, path, file, day.sha256)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise CannotArchive(f"the index of {path} cannot be written: {error}") from error

    async def _whole_day(self, retention: Retention, day: date) -> list[Head]:
        """The seals of a day, when they reach from its first to its last event."""
        heads = list(takewhile(lambda head: head.day == day, self._heads.read(self._key, day)))
        first = await self._owner.fetchval(
            "SELECT first_position FROM log_days WHERE day = $1", day
        )
        last = None
        if first is not None:
            _, last = await self._source.stretch(first, _NO_POSITION)
        if last == _NO_POSITION:
            raise CannotArchive(
                f"{retention.value} events of {day} stay: nothing is on the log behind that day, "
                "so that it may still grow; it goes once a later day has events"
            )
        if not heads or (heads[0].first, heads[-1].last) != (first, last):
            raise CannotArchive(
                f"{retention.value} events of {day} must be sealed from the first to the last "
                f"before they are archived, were not: let the keeper seal, then run.verify"
            )
        return heads

    async def _export(
        self, retention: Retention, heads: list[Head], path: Path
    ) -> tuple[int, int, int]:
        """Write the file; first and last position of the class, and its number of events."""
        try:
            return await _Export(path).run(self._source, retention, heads)
        except (OSError, pa.ArrowException) as error:
            remove(path)
            raise CannotArchive(f"{path} cannot be written, the day stays: {error}") from error

    async def _drop(self, leaf: str, archived: ArchivedDay | None) -> None:
        """Take the partition out of the log, and then away; goes on where an earlier run was."""
        if archived is not None:
            path = self._folder / archived.file
            if not path.exists() or await asyncio.to_thread(file_sha256, path) != archived.sha256:
                raise CannotArchive(
                    f"{path} must be there as it was archived, was not: {leaf} is kept; delete the "
                    f"row of this day in archived_days to archive it again"
                )
        family = leaf[:-9]
        state = await self._owner.fetchval(_DETACHING, leaf)
        if state is not None:
            how = "FINALIZE" if state else "CONCURRENTLY"
            await self._owner.execute(f"ALTER TABLE {family} DETACH PARTITION {leaf} {how}")
        self._point("partition detached")
        if archived is None and await self._has_events(leaf):
            raise CannotArchive(f"{leaf} was to be empty, was not: attach it to {family} again")
        await self._owner.execute(f"DROP TABLE {leaf}")
        self._point("partition dropped")
        if archived is not None and archived.retention is Retention.MARKET:
            await self._owner.fetchval("SELECT prune_market_ids($1)", archived.last + 1)

    async def _has_events(self, leaf: str) -> bool:
        return bool(await self._owner.fetchval(f"SELECT EXISTS (SELECT FROM {leaf})"))  # noqa: S608


class _Export:
    """Gathers the rows of a day into groups and writes each beside the event loop."""

    def __init__(self, path: Path) -> None:
        self._writer = Writer(path)
        self._rows: list[bytes] = []
        self._first = self._last = self._count = 0

    async def run(
        self, source: PostgresSource, retention: Retention, heads: list[Head]
    ) -> tuple[int, int, int]:
        try:
            for head in heads:
                splitter = RowSplitter()
                await source.stream(head.span(retention), self._sink(splitter))
                self._rows += splitter.last()
                while len(self._rows) >= ROWS_PER_GROUP:
                    await self._write()
            while self._rows:
                await self._write()
        finally:
            await asyncio.to_thread(self._writer.close)
        return self._first, self._last, self._count

    def _sink(self, splitter: RowSplitter) -> Sink:
        return lambda piece: self._rows.extend(splitter.rows(piece))

    async def _write(self) -> None:
        group, self._rows = self._rows[:ROWS_PER_GROUP], self._rows[ROWS_PER_GROUP:]
        await asyncio.to_thread(self._writer.write, group)
        self._first = self._first or position_of(group[0])
        self._last = position_of(group[-1])
        self._count += len(group)


def _compare(path: Path, retention: Retention, heads: list[Head], before: Head | None) -> None:
    """Read a file back and compare it with the seals of its day.

    Raises:
        CannotArchive: it is not what was sealed.
    """
    file = ArchivedBytes(path, heads[0].first)
    for head in heads:
        digest = ClassDigest(
            head.span(retention), before.of(retention).digest if before else CHAIN_START
        )
        count = file.stream(head.span(retention), digest.take)
        if ClassSeal(count, digest.end(count)) != head.of(retention):
            raise CannotArchive(
                f"positions {head.first} to {head.last} in {path} must be what was sealed, were "
                "not: the day stays in Postgres; run.verify says what was touched"
            )
        before = head


_NO_POSITION = 2**62
"""Beyond any log: where a day ends that no event follows."""
_LEAVES = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname ~ $1 ORDER BY relname
"""
_DETACHING = "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = $1::text::regclass"
_DAY = f"{DAYS} WHERE retention = $1::text::retention AND day = $2"
_INSERT = """
    INSERT INTO archived_days (retention, day, first_position, last_position, events, file, bytes,
        sha256, first_input, last_input)
    VALUES ($1::text::retention, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_SET_INPUTS = """
    UPDATE archived_days SET first_input = $3, last_input = $4
    WHERE retention = $1::text::retention AND day = $2
"""
