"""The audit timeline: filtered pages of the log, newest or oldest first, whether hot or archived.

Called by api/timeline.py. Every query names the days it can concern, so that old partitions cost
nothing; a page that finds little stops after a second with a cursor to go on from, so that a rare
word in a year of ticks never holds a connection for long. Times are looked up by bisection:
recorded_at and market_time never fall with position. Postgres is asked first and the archive then,
so that a day that is archived meanwhile is never missed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from api.archived_log import ArchivedLog, LogRow, TimeColumn
from api.log_filter import Filter, clauses, literal, question
from store.archived_days import ArchivedDay, Question
from store.envelope import start_of
from store.reading import Pool
from store.rows import COLUMNS

LIMIT_MAX = 500
_FIRST_WINDOW = 20_000
_WINDOW_MAX = 2_000_000
_ARCHIVED_WINDOW_MAX = 32_768
"""Of a window that reaches into archived days: two groups of a file, held for the next window."""
PAGE_SECONDS_MAX = 1.0

Order = Literal["newest", "oldest"]
TimeKind = Literal["market", "recorded"]


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor to go on from; None when the range is exhausted."""

    rows: list[LogRow]
    next: int | None
    head: int


class _Span(NamedTuple):
    """Positions from first to last, recorded in [since, until)."""

    first: int
    last: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Days:
    first_positions: list[int]
    days: list[date]
    head: int

    def span(self, number: int) -> _Span:
        """Where a day of the log is; the last one has no end yet."""
        behind = self.first_positions[number + 1 :]
        since = start_of(self.days[number])
        last = behind[0] - 1 if behind else self.head
        return _Span(self.first_positions[number], last, since, since + timedelta(days=1))

    def bounds(self, after: int, up_to: int) -> tuple[datetime, datetime]:
        """[since, until) of recorded_at for positions in (after, up_to]."""
        first = max(0, bisect_right(self.first_positions, after + 1) - 1)
        last = max(0, bisect_right(self.first_positions, up_to) - 1)
        return start_of(self.days[first]), start_of(self.days[last]) + timedelta(days=1)


class LogPages:
    """Reads with the reader's role; safe to call from many tasks."""

    def __init__(self, pool: Pool, archived: ArchivedLog, monotonic: Callable[[], float]) -> None:
        self._pool = pool
        self._archived = archived
        self._monotonic = monotonic

    async def page(
        self,
        wanted: Filter,
        *,
        order: Order,
        after: int | None,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
        time_kind: TimeKind = "market",
    ) -> Page:
        """Up to `limit` events beyond the cursor `after`, in the given order.

        `since` and `until` bound the events' time, both inclusive.
        """
        assert 1 <= limit <= LIMIT_MAX
        head = await self.head()
        days = await self._days(head)
        if head == 0 or not days.days:
            return Page([], None, 0)
        low, high = 0, head
        if since is not None:
            low = await self._position_at(since, time_kind, days) - 1
        if until is not None:
            beyond = until + timedelta(microseconds=1)
            high = min(head, await self._position_at(beyond, time_kind, days) - 1)
        if after is not None and order == "newest":
            high = min(high, after - 1)
        elif after is not None:
            low = max(low, after)
        while True:
            archived = await self._archived.between(low, high, wanted.retention)
            page = await self._scan(wanted, order, low, high, limit, head, days, archived)
            # A day that was archived meanwhile may have gone before it was read.
            if archived == await self._archived.between(low, high, wanted.retention):
                return page

    async def _scan(
        self,
        wanted: Filter,
        order: Order,
        low: int,
        high: int,
        limit: int,
        head: int,
        days: _Days,
        archived: Sequence[ArchivedDay],
    ) -> Page:
        rows: list[LogRow] = []
        deadline = self._monotonic() + PAGE_SECONDS_MAX
        width = _FIRST_WINDOW
        while low < high:
            start, end = _next_window(order, low, high, width)
            if _within(archived, start, end):
                start, end = _next_window(order, low, high, min(width, _ARCHIVED_WINDOW_MAX))
            missing = limit - len(rows)
            found = await self._window(wanted, order, start, end, missing, days)
            if files := _within(archived, start, end):
                asked = question(wanted, start, end)
                newest = order == "newest"
                cold = await self._archived.rows(files, asked, missing, newest_first=newest)
                found = _merged(found, cold, newest_first=newest)[:missing]
            rows.extend(found)
            if len(found) == missing:
                return Page(rows, rows[-1]["position"], head)
            if order == "newest":
                high = start
            else:
                low = end
            if self._monotonic() > deadline and low < high:
                return Page(rows, high + 1 if order == "newest" else low, head)
            width = min(2 * width, _WINDOW_MAX)
        return Page(rows, None, head)

    async def _window(
        self, wanted: Filter, order: Order, start: int, end: int, limit: int, days: _Days
    ) -> list[LogRow]:
        since, until = days.bounds(start, end)
        conditions = ["position > $1", "position <= $2", "recorded_at >= $3", "recorded_at < $4"]
        given: list[object] = [start, end, since, until]
        for text, value in clauses(wanted):
            if value is None:
                conditions.append(text)
            else:
                given.append(value)
                conditions.append(text.format(f"${len(given)}"))
        direction = "DESC" if order == "newest" else "ASC"
        query = (
            f"SELECT {COLUMNS}, retention FROM events"  # noqa: S608 only constants are put in
            f" WHERE {' AND '.join(conditions)} ORDER BY position {direction} LIMIT {limit:d}"
        )
        return [dict(row) for row in await self._pool.fetch(query, *given)]

    async def head(self) -> int:
        """Position of the last visible event; 0 for an empty log."""
        return int(await self._pool.fetchval(_HEAD) or 0)

    async def tails(self, streams: Sequence[str], since: datetime) -> list[LogRow]:
        """The last event of each of these streams, when recorded since then."""
        rows = [dict(row) for row in await self._pool.fetch(_TAILS, list(streams), since)]
        files = await self._archived.of_days(since.date(), date.max)
        lacking = set(streams) - {row["stream"] for row in rows}
        if files and lacking:
            for place in await self._pool.fetch(_ENDS, sorted(lacking), files[0].first):
                last = place["last_position"]
                near = _within(files, last - 1, last)
                rows += await self._archived.rows(near, Question(last - 1, last))
        found = {row["stream"]: row for row in rows if row["recorded_at"] >= since}
        return [found[stream] for stream in sorted(found)]

    async def of_types(
        self, streams: Sequence[str], types: Sequence[str], since: datetime, until: datetime
    ) -> list[LogRow]:
        """The desk events of these types in these streams, oldest first."""
        given = (list(streams), list(types), since, until)
        rows = [dict(row) for row in await self._pool.fetch(_OF_TYPES, *given)]
        files = await self._archived.of_days(since.date(), until.date(), "desk")
        if files:
            asked = Question(
                files[0].first - 1,
                files[-1].last,
                streams=frozenset(streams),
                types=frozenset(types),
            )
            cold = await self._archived.rows(files, asked)
            rows = _merged(rows, [row for row in cold if since <= row["recorded_at"] < until])
        return rows

    async def streams_under(self, *prefixes: str) -> list[str]:
        """Names of the streams under these prefixes. Looks at every stream: ask seldom."""
        patterns = [literal(prefix) + "%" for prefix in prefixes]
        return [row["stream"] for row in await self._pool.fetch(_STREAMS, patterns)]

    async def first_position_of(self, day: date) -> int:
        """Position of the first event recorded on this UTC day or later; 1 for an empty log.

        That of the last event when all are older. The head is asked first: what is appended
        between the two questions must not be passed over.
        """
        head = await self.head()
        days = await self._days(head)
        for first, of_day in zip(days.first_positions, days.days, strict=True):
            if of_day >= day:
                return first
        return max(1, head)

    async def _days(self, head: int) -> _Days:
        rows = await self._pool.fetch(_DAYS)
        return _Days([row["first_position"] for row in rows], [row["day"] for row in rows], head)

    async def _position_at(self, at: datetime, kind: TimeKind, days: _Days) -> int:
        """The position behind the last event whose time is earlier than `at`; 1 without one."""
        column: TimeColumn = "market_time" if kind == "market" else "recorded_at"
        low, high = 0, len(days.days)
        while low < high:
            middle = (low + high) // 2
            if await self._has_earlier(at, column, days.span(middle)):
                low = middle + 1
            else:
                high = middle
        return 1 if low == 0 else 1 + await self._last_before(at, column, days.span(low - 1))

    async def _has_earlier(self, at: datetime, column: TimeColumn, day: _Span) -> bool:
        """Whether any event of a day is earlier."""
        first = await self._pool.fetchrow(_PROBE, *day)
        if first is not None and first[column] < at:
            return True
        return await self._archived_before(at, column, day) > 0

    async def _last_before(self, at: datetime, column: TimeColumn, day: _Span) -> int:
        """Position of the last event of a day that is earlier; 0 when there is none."""
        found = 0
        low, high = day.first, day.last + 1
        while low < high:
            middle = (low + high) // 2
            row = await self._pool.fetchrow(_PROBE, middle, *day[1:])
            if row is not None and row[column] < at:
                found = row["position"]
                low = found + 1
            else:
                high = middle
        return max(found, await self._archived_before(at, column, day))

    async def _archived_before(self, at: datetime, column: TimeColumn, day: _Span) -> int:
        files = await self._archived.of_days(day.since.date(), day.since.date())
        return await self._archived.last_before(files, column, at)


def _next_window(order: Order, low: int, high: int, width: int) -> tuple[int, int]:
    """(start, end]: the part of (low, high] that is read next."""
    return (max(low, high - width), high) if order == "newest" else (low, min(high, low + width))


def _within(files: Sequence[ArchivedDay], start: int, end: int) -> list[ArchivedDay]:
    """Archived days with a position in (start, end]."""
    return [day for day in files if day.last > start and day.first <= end]


def _merged(
    hot: Sequence[LogRow], cold: Sequence[LogRow], *, newest_first: bool = False
) -> list[LogRow]:
    """Both in order, each event once: as long as a day is in both places, both have it."""
    found = {row["position"]: row for row in (*cold, *hot)}
    return [found[position] for position in sorted(found, reverse=newest_first)]


_HEAD = "SELECT last_position FROM commits ORDER BY last_position DESC LIMIT 1"
_DAYS = "SELECT first_position, day FROM log_days ORDER BY first_position"
_PROBE = """
    SELECT position, recorded_at, market_time FROM events
    WHERE position >= $1 AND position <= $2 AND recorded_at >= $3 AND recorded_at < $4
    ORDER BY position LIMIT 1
"""
_TAILS = f"""
    SELECT e.* FROM streams AS s
    JOIN LATERAL (
        SELECT {COLUMNS}, retention FROM events
        WHERE position = s.last_position AND recorded_at >= $2
    ) AS e ON true
    WHERE s.stream = ANY ($1::text[]) ORDER BY s.stream
"""  # noqa: S608 only constants are put in
_ENDS = """
    SELECT stream, last_position FROM streams
    WHERE stream = ANY ($1::text[]) AND last_position >= $2 ORDER BY stream
"""
_OF_TYPES = f"""
    SELECT {COLUMNS}, retention FROM events
    WHERE stream = ANY ($1::text[]) AND type = ANY ($2::text[]) AND retention = 'desk'
        AND recorded_at >= $3 AND recorded_at < $4
    ORDER BY position
"""  # noqa: S608 only constants are put in
_STREAMS = "SELECT stream FROM streams WHERE stream LIKE ANY ($1::text[]) ORDER BY stream"
