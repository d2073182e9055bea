"""What the pages of the API need of archived days: rows as they are stored, newest or oldest first.

Called by api/log_pages.py, which puts them beside what is hot in Postgres.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from domain.event import Retention
from store.archived_days import BETWEEN, DAYS, ArchivedDay, Question, archived_day
from store.reading import Pool
from store.rows import COLUMNS

if TYPE_CHECKING:
    from store.archive import Archive

LogRow: TypeAlias = dict[str, Any]
"""A row of the log as JSON shows it; its data is the stored text."""
TimeColumn = Literal["market_time", "recorded_at"]
_NAMES = COLUMNS.split(", ")
_OF_DAYS = f"{DAYS} WHERE day >= $1 AND day <= $2 ORDER BY first_position"


class ArchivedLog:
    """Archived days of one folder; safe to call from many tasks.

    Raises:
        ArchiveUnreadable: a file that holds what was asked for is missing or damaged.
    """

    def __init__(self, pool: Pool, folder: Path) -> None:
        self._pool = pool
        self._folder = folder
        self._opened: Archive | None = None

    async def between(self, after: int, up_to: int, wanted: str = "all") -> list[ArchivedDay]:
        """Days with a position in (after, up_to], of one retention class or of all."""
        return _of_class(await self._pool.fetch(BETWEEN, after, up_to), wanted)

    async def of_days(self, first: date, last: date, wanted: str = "all") -> list[ArchivedDay]:
        """The archived ones of these UTC days."""
        return _of_class(await self._pool.fetch(_OF_DAYS, first, last), wanted)

    async def rows(
        self,
        days: Sequence[ArchivedDay],
        question: Question,
        limit: int | None = None,
        *,
        newest_first: bool = False,
    ) -> list[LogRow]:
        """The first or the last rows that are wanted, at most `limit` of each day."""
        found: list[LogRow] = []
        for day in days:
            rows = await self._archive.rows(day, question, limit, newest_first=newest_first)
            named = [dict(zip(_NAMES, row, strict=True)) for row in rows]
            found += [row | {"retention": day.retention.value} for row in named]
        return found

    async def last_before(
        self, days: Sequence[ArchivedDay], column: TimeColumn, at: datetime
    ) -> int:
        """Position of the last event of these days with an earlier time; 0 when there is none."""
        return max([await self._archive.last_before(day, column, at) for day in days], default=0)

    @property
    def _archive(self) -> Archive:
        if self._opened is None:
            from store.archive import Archive  # see store/archived_days.py

            self._opened = Archive(self._folder)
        return self._opened


def _of_class(rows: Sequence[Any], wanted: str) -> list[ArchivedDay]:
    days = [archived_day(row) for row in rows]
    return [day for day in days if wanted == "all" or day.retention is Retention(wanted)]
