"""The log for verification: read-only, and wherever its events are, hot or archived.

A day that is archived must be what was sealed in its file, and in Postgres as well as long as its
partition is there, or when somebody has put one there again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from store.archived_days import DAYS, ArchivedDay, ArchiveUnreadable, archived_day
from store.envelope import PostgresSource, Sink, Span, Within
from store.read_only import READ_ONLY, take_reader_role
from store.verification import Finding, Source

if TYPE_CHECKING:
    from store.archive import ArchivedBytes

CONNECT_SECONDS_MAX = 10.0
_FILES_MAX = 2
_SETTINGS = {**READ_ONLY, "application_name": "verify", "statement_timeout": "60s"}


class WholeLog(PostgresSource):
    """Canonical bytes of hot and archived days.

    Raises:
        ArchiveUnreadable: the file of an archived day is not there.
        Damaged: it is there and is no archive any more.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], folder: Path) -> None:
        super().__init__(pool)
        self._folder = folder
        self._files: OrderedDict[str, ArchivedBytes] = OrderedDict()
        self._altered: dict[str, Finding] = {}

    async def sources(self, span: Span) -> Sequence[Source]:
        """The file first when the day is archived, then Postgres when it has any of it."""
        row = await self._pool.fetchrow(_DAY, span.retention.value, span.day)
        if row is None:
            return [self]
        file = await self._file(archived_day(row))
        within = Within(span.day, span.day + _ONE, (span.first, span.last), span.retention)
        hot = await super().lowest(within)
        return [_File(file)] if hot is None else [_File(file), self]

    def altered_files(self) -> Sequence[Finding]:
        """Files opened so far that are not byte for byte what was archived."""
        return list(self._altered.values())

    async def lowest(self, within: Within) -> int | None:
        found = [await super().lowest(within)]
        for row in await self._pool.fetch(_DAYS_WITHIN, within.since, within.until):
            found.append((await self._file(archived_day(row))).lowest(within.bounds))
        return min((position for position in found if position is not None), default=None)

    async def _file(self, day: ArchivedDay) -> ArchivedBytes:
        file = self._files.pop(day.file, None)
        if file is None:
            from store.archive import ArchivedBytes, file_sha256  # see store/archived_days.py

            path = self._folder / day.file
            try:
                if await asyncio.to_thread(file_sha256, path) != day.sha256:
                    text = f"{path.name} of the archive is not byte for byte what was archived"
                    self._altered[day.file] = Finding(day.first, text)
                file = await asyncio.to_thread(ArchivedBytes, path, day.first)
            except OSError as error:
                raise ArchiveUnreadable(
                    f"{path} of the archive must be readable, was not ({error.strerror}): put it "
                    "back from its backup, or name the archive in STRIKETAPE_ARCHIVE_FOLDER"
                ) from error
        self._files[day.file] = file
        while len(self._files) > _FILES_MAX:
            self._files.popitem(last=False)
        return file


class _File:
    """One archived file as a source; its decoding leaves the event loop free."""

    def __init__(self, file: ArchivedBytes) -> None:
        self._file = file

    async def stream(self, span: Span, sink: Sink) -> int:
        return await asyncio.to_thread(self._file.stream, span, sink)


@asynccontextmanager
async def open_log(dsn: str, archive: Path) -> AsyncIterator[WholeLog]:
    """The log at an address, with the folder of its archive. Raises what asyncpg raises."""
    pool = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=2,
        timeout=CONNECT_SECONDS_MAX,
        server_settings=_SETTINGS,
        init=take_reader_role,
    )
    try:
        yield WholeLog(pool, archive)
    finally:
        await pool.close()


_ONE = timedelta(days=1)
_DAY = f"{DAYS} WHERE retention = $1::text::retention AND day = $2"
_DAYS_WITHIN = f"{DAYS} WHERE day >= $1 AND day < $2 ORDER BY day"
