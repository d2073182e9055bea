"""The logical envelope of an event as bytes: what seals are taken over and archives are made of.

One SQL text says which columns those are, whatever tables they are kept in. The canonical bytes of
an event are its row of ENVELOPE_COLUMNS in Postgres' binary COPY format: a field count, then each
field with its length before it (-1 for null), numbers big-endian, times in microseconds since
2000-01-01 UTC, ids as 16 bytes, text and payload byte for byte. No two events have the same bytes,
and the end of each event follows from its own bytes.

Used by store/seal.py, store/archive.py and run/verify. Nothing here changes the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from domain.event import Retention, decode_body
from domain.events.log import LogSealed

if TYPE_CHECKING:
    import asyncpg

FIXED_COLUMNS = (
    "position", "version", "schema", "ordinal", "recorded_at", "market_time", "occurred_at",
    "event_id", "correlation_id",
)  # fmt: skip
"""Never null, so that what follows them is always at the same place."""
VARYING_COLUMNS = (
    "input_position", "causation_id", "stream", "type", "worker", "build", "data",
)  # fmt: skip
ENVELOPE_COLUMNS = FIXED_COLUMNS + VARYING_COLUMNS
_NULL = b"\xff\xff\xff\xff"
_ROW_BEGIN = len(ENVELOPE_COLUMNS).to_bytes(2, "big") + (8).to_bytes(4, "big")
"""Field count and the length of the position."""
FIXED_BYTES = 2 + (4 + 8) + 3 * (4 + 4) + 3 * (4 + 8) + 2 * (4 + 16)
POSITION = slice(6, 14)
"""Where the position lies in a canonical row."""
_FILE_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_FILE_TRAILER = b"\xff\xff"

_ENVELOPE = """
    SELECT position, version, schema, ordinal, recorded_at, market_time, occurred_at, event_id,
        correlation_id, input_position, causation_id, stream::text, type::text, worker::text,
        build::text, data::text
    FROM events
"""

_STRETCH = """
    SELECT d.day, (SELECT min(n.first_position) - 1 FROM log_days n
        WHERE n.first_position > d.first_position) AS last
    FROM log_days d WHERE d.first_position <= $1 ORDER BY d.first_position DESC LIMIT 1
"""
_LOWEST = """
    SELECT min(position) FROM events
    WHERE position BETWEEN $1 AND $2 AND recorded_at >= $3 AND recorded_at < $4
"""
_TAIL = """
    SELECT count(*) AS count, max(position) AS last,
        min(least(position, before + 1)) FILTER (WHERE position <> before + 1) AS broken_at,
        (SELECT max(last_position) FROM commits) AS committed
    FROM (SELECT position, lag(position, 1, $1) OVER (ORDER BY position) AS before
        FROM events WHERE position > $1 AND recorded_at >= $2) AS behind
"""
_SEAL = """
    SELECT schema, data::text AS data FROM events
    WHERE position = $1 AND recorded_at >= $2 AND retention = 'desk' AND type::text = 'LogSealed'
"""

Sink = Callable[[bytes], None]
"""Takes canonical bytes of successive events; pieces end anywhere."""


class MalformedCopy(Exception):
    """The server's COPY answer is not in the format that this module reads."""


class Damaged(Exception):
    """Bytes of the log or of its archive cannot be what was written: seen already in reading."""

    def __init__(self, position: int, text: str) -> None:
        super().__init__(text)
        self.position = position


@dataclass(frozen=True, slots=True)
class Span:
    """Events of one class and UTC day of recorded_at with position from `first` to `last`."""

    retention: Retention
    day: date
    first: int
    last: int

    @property
    def since(self) -> datetime:
        """Start of the day, a bound that lets the planner leave the other days out."""
        return start_of(self.day)

    @property
    def until(self) -> datetime:
        return start_of(self.day + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Within:
    """Days from `since` up to `until` (not included), positions from and to the bounds."""

    since: date
    until: date
    bounds: tuple[int, int]
    retention: Retention | None = None
    """None for both classes."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The log behind a position, in one look."""

    end: int
    """Last position of the log, whether its event is there or not."""
    count: int
    broken_at: int | None
    """First position that is missing or there twice."""


def start_of(day: date) -> datetime:
    """Midnight UTC at which a day of the log begins."""
    return datetime.combine(day, time(0), UTC)


def envelope_query(span: Span) -> str:
    """The one query of canonical rows. Bounds are constants, so that the planner opens one leaf."""
    return (
        f"{_ENVELOPE} WHERE retention = '{span.retention.value}'"
        f" AND recorded_at >= '{span.since.isoformat()}'"
        f" AND recorded_at < '{span.until.isoformat()}'"
        f" AND position BETWEEN {span.first:d} AND {span.last:d} ORDER BY position"
    )


class PostgresSource:
    """Canonical bytes of what is in Postgres, in the role of a reader."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def stream(self, span: Span, sink: Sink) -> int:
        """Raises MalformedCopy, and whatever asyncpg raises of a lost connection."""
        rows = _Rows(sink)
        async with self._pool.acquire() as connection:
            status = await connection.copy_from_query(
                envelope_query(span), output=rows.take, format="binary"
            )
        rows.end()
        return int(status.removeprefix("COPY "))

    async def stretch(self, first: int, up_to: int) -> tuple[date, int]:
        """(day, last): the UTC day of a position on the log, and the last position up to `up_to`
        that is of the same day."""
        row = await self._pool.fetchrow(_STRETCH, first)
        assert row is not None, f"position {first} must be on the log"
        return row["day"], min(up_to, row["last"] or up_to)

    async def lowest(self, within: Within) -> int | None:
        """The lowest position of any event there; None when there is none."""
        since, until = start_of(within.since), start_of(within.until)
        only = f" AND retention = '{within.retention.value}'" if within.retention else ""
        position: int | None = await self._pool.fetchval(
            _LOWEST + only, *within.bounds, since, until
        )
        return position

    async def tail(self, after: int, since: datetime) -> Tail:
        """What stands behind a position that was recorded at `since` or later."""
        row = await self._pool.fetchrow(_TAIL, after, since)
        assert row is not None
        end = max(row["last"] or 0, row["committed"] or 0)
        broken_at = row["broken_at"]
        if broken_at is None and end > max(row["last"] or 0, after):
            broken_at = max(row["last"] or 0, after) + 1
        return Tail(end, row["count"], broken_at)

    async def seal_at(self, position: int, since: datetime) -> LogSealed | None:
        """The seal at a position; None when none stands there."""
        row = await self._pool.fetchrow(_SEAL, position, since)
        if row is None:
            return None
        try:
            body = decode_body("LogSealed", row["schema"], row["data"])
        except ValueError:
            return None
        assert isinstance(body, LogSealed)
        return body


class _Rows:
    """Passes on the rows of a COPY answer without the header and trailer of the format."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held = b""
        self._is_begun = False

    async def take(self, piece: bytes) -> None:
        data = self._held + piece
        if not self._is_begun:
            if len(data) < len(_FILE_HEADER) + len(_FILE_TRAILER):
                self._held = data
                return
            if not data.startswith(_FILE_HEADER):
                raise MalformedCopy(f"COPY must begin with its signature, was {data[:19]!r}")
            self._is_begun = True
            data = data[len(_FILE_HEADER) :]
        # The last two bytes seen so far may be the trailer.
        self._held = data[-2:]
        if len(data) > 2:
            self._sink(data[:-2])

    def end(self) -> None:
        if not self._is_begun or self._held != _FILE_TRAILER:
            raise MalformedCopy(f"COPY must end with its trailer, was {self._held!r}")


def position_of(row: bytes) -> int:
    """Position of the event of a canonical row."""
    return int.from_bytes(row[POSITION], "big", signed=True)


class RowSplitter:
    """Cuts canonical bytes into the rows of single events, whatever pieces they come in."""

    def __init__(self) -> None:
        self._held = b""

    def rows(self, piece: bytes) -> list[bytes]:
        """The rows that are complete with this piece, but for the last: only the beginning of
        another one shows where a row ends."""
        data = self._held + piece
        found: list[bytes] = []
        is_null, find, add = data.startswith, data.find, found.append
        start = 0
        while True:
            # Both ids and numbers may hold any bytes. Behind them is only text, which holds no
            # zero byte, and its lengths: the first _ROW_BEGIN there is the next row's.
            at = start + FIXED_BYTES
            at += 4 if is_null(_NULL, at) else 12
            at += 4 if is_null(_NULL, at) else 20
            end = find(_ROW_BEGIN, at)
            if end < 0:
                break
            add(data[start:end])
            start = end
        self._held = data[start:]
        return found

    def last(self) -> list[bytes]:
        """The last row, when there was any."""
        return [self._held] if self._held else []
