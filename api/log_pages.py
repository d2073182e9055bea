"""The audit timeline: filtered pages of the log, newest or oldest first, straight from its table.

Called by api/timeline.py. Every query names the days it can concern, so that old partitions cost
nothing; a page that finds little stops after a second with a cursor to go on from, so that a rare
word in a year of ticks never holds a connection for long. Times are looked up by bisection:
recorded_at and market_time never fall with position.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID

from store.reading import Pool
from store.rows import COLUMNS

LIMIT_MAX = 500
_FIRST_WINDOW = 20_000
_WINDOW_MAX = 2_000_000
_PROBE_POSITIONS = 2_000
PAGE_SECONDS_MAX = 1.0

Order = Literal["newest", "oldest"]
TimeKind = Literal["market", "recorded"]
LogRow = dict[str, Any]
"""A row of the log as JSON shows it; its data is the stored text."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a page shows; empty conditions hold for all."""

    retention: Literal["desk", "market", "all"] = "desk"
    types: tuple[str, ...] = ()
    without_types: tuple[str, ...] = ()
    stream: str = ""
    worker: str = ""
    symbol: str = ""
    text: str = ""
    correlation: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor to go on from; None when the range is exhausted."""

    rows: list[LogRow]
    next: int | None
    head: int
    archived: dict[str, date] = field(default_factory=dict)
    """Last archived day in the range, of each class that was wanted: its events are in files, and
    not among the rows."""


@dataclass(frozen=True, slots=True)
class _Days:
    first_positions: list[int]
    days: list[date]

    def bounds(self, after: int, up_to: int) -> tuple[datetime, datetime]:
        """[since, until) of recorded_at for positions in (after, up_to]."""
        first = max(0, bisect_right(self.first_positions, after + 1) - 1)
        last = max(0, bisect_right(self.first_positions, up_to) - 1)
        return _start(self.days[first]), _start(self.days[last]) + timedelta(days=1)


class LogPages:
    """Reads with the reader's role; safe to call from many tasks."""

    def __init__(self, pool: Pool, monotonic: Callable[[], float]) -> None:
        self._pool = pool
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

        `since` and `until` bound the events' time, both inclusive. Days in the archive are told,
        not read: a filter on payloads would decode every file.
        """
        assert 1 <= limit <= LIMIT_MAX
        head = await self.head()
        days = await self._days()
        if head == 0 or not days.days:
            return Page([], None, 0)
        low, high = 0, head
        if since is not None:
            low = await self._position_at(since, time_kind, head, days) - 1
        if until is not None:
            beyond = until + timedelta(microseconds=1)
            high = await self._position_at(beyond, time_kind, head, days) - 1
        archived = await self._archived(wanted, low, high)
        if after is not None and order == "newest":
            high = min(high, after - 1)
        elif after is not None:
            low = max(low, after)
        page = await self._scan(wanted, order, low, high, limit, head, days)
        return replace(page, archived=archived)

    async def _archived(self, wanted: Filter, low: int, high: int) -> dict[str, date]:
        rows = await self._pool.fetch(_ARCHIVED, low, high)
        return {
            row["retention"]: row["day"]
            for row in rows
            if wanted.retention in ("all", row["retention"])
        }

    async def _scan(
        self,
        wanted: Filter,
        order: Order,
        low: int,
        high: int,
        limit: int,
        head: int,
        days: _Days,
    ) -> Page:
        rows: list[LogRow] = []
        deadline = self._monotonic() + PAGE_SECONDS_MAX
        width = _FIRST_WINDOW
        while low < high:
            if order == "newest":
                start, end = max(low, high - width), high
            else:
                start, end = low, min(high, low + width)
            missing = limit - len(rows)
            found = await self._window(wanted, order, start, end, missing, days)
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
        for text, value in _conditions(wanted):
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
        rows = await self._pool.fetch(_TAILS, list(streams), since)
        return [dict(row) for row in rows]

    async def of_types(
        self, streams: Sequence[str], types: Sequence[str], since: datetime, until: datetime
    ) -> list[LogRow]:
        """Stream and data of the events of these types in these streams, oldest first."""
        rows = await self._pool.fetch(_OF_TYPES, list(streams), list(types), since, until)
        return [dict(row) for row in rows]

    async def streams_under(self, *prefixes: str) -> list[str]:
        """Names of the streams under these prefixes. Looks at every stream: ask seldom."""
        patterns = [_literal(prefix) + "%" for prefix in prefixes]
        return [row["stream"] for row in await self._pool.fetch(_STREAMS, patterns)]

    async def first_position_of(self, day: date) -> int:
        """Position of the first event recorded on this UTC day or later; 1 for an empty log.

        That of the last event when all are older. The head is asked first: what is appended
        between the two questions must not be passed over.
        """
        head = await self.head()
        days = await self._days()
        for first, of_day in zip(days.first_positions, days.days, strict=True):
            if of_day >= day:
                return first
        return max(1, head)

    async def _days(self) -> _Days:
        rows = await self._pool.fetch(_DAYS)
        return _Days([row["first_position"] for row in rows], [row["day"] for row in rows])

    async def _position_at(self, at: datetime, kind: TimeKind, head: int, days: _Days) -> int:
        """The least position whose time is `at` or later; head + 1 when there is none."""
        low, high = 1, head + 1
        while low < high:
            middle = (low + high) // 2
            end = min(middle + _PROBE_POSITIONS, head)
            since, until = days.bounds(middle - 1, end)
            row = await self._pool.fetchrow(_PROBE, middle, end, since, until)
            # What is no longer hot in Postgres is older than anything that is.
            if row is None or row["market_time" if kind == "market" else "recorded_at"] < at:
                low = middle + 1 if row is None else max(middle, row["position"]) + 1
            else:
                high = middle
        return low


def _conditions(wanted: Filter) -> Sequence[tuple[str, object | None]]:
    found: list[tuple[str, object | None]] = []
    if wanted.retention != "all":
        found.append((f"retention = '{wanted.retention}'", None))
    if wanted.types:
        found.append(("type = ANY ({}::text[])", list(wanted.types)))
    if wanted.without_types:
        found.append(("type <> ALL ({}::text[])", list(wanted.without_types)))
    if wanted.stream:
        found.append(("stream LIKE {}", _literal(wanted.stream) + "%"))
    if wanted.worker:
        found.append(("worker = {}", wanted.worker))
    if wanted.symbol:
        # Bodies are compact JSON, so that a nested symbol is found without parsing.
        found.append(
            (
                "(data::text LIKE '%\"symbol\":\"' || {0} || '\"%'"
                " OR stream LIKE '%' || {0} OR stream LIKE '%/' || {0} || '/%')",
                wanted.symbol,
            )
        )
    if wanted.text:
        found.append(
            ("(data::text ILIKE {0} OR stream ILIKE {0})", f"%{_literal(wanted.text)}%"),
        )
    if wanted.correlation is not None:
        # The same condition as the log's own reader has, for which there are indexes.
        found.append(
            (
                "(correlation_id = {0} AND (retention = 'desk' OR input_position IS NOT NULL"
                " OR event_id = {0}))",
                wanted.correlation,
            )
        )
    return found


def _literal(text: str) -> str:
    """Text without wildcards of LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _start(day: date) -> datetime:
    return datetime.combine(day, time(0), UTC)


_HEAD = "SELECT last_position FROM commits ORDER BY last_position DESC LIMIT 1"
_DAYS = "SELECT first_position, day FROM log_days ORDER BY first_position"
_ARCHIVED = """
    SELECT retention::text AS retention, max(day) AS day FROM archived_days
    WHERE last_position > $1 AND first_position <= $2 GROUP BY retention ORDER BY retention
"""
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
_OF_TYPES = """
    SELECT stream, data FROM events
    WHERE stream = ANY ($1::text[]) AND type = ANY ($2::text[]) AND retention = 'desk'
        AND recorded_at >= $3 AND recorded_at < $4
    ORDER BY position
"""
_STREAMS = "SELECT stream FROM streams WHERE stream LIKE ANY ($1::text[]) ORDER BY stream"
