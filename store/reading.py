"""Pages of the log: keyset reads that open only the partitions of the days they need.

Used by store/postgres.py and store/subscription.py. recorded_at never falls with position, so a
position bounds it exactly: every query carries the UTC days it can concern as constants for the
planner, and 730 partitions cost no more than one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Self, TypeAlias
from uuid import UUID

import asyncpg

from domain.event import Recorded, Retention, body_class
from store.call import Place
from store.contract import PAGE_EVENTS_MAX, Selection
from store.envelope import start_of
from store.partitions import leaf_name
from store.rows import COLUMNS, recorded

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Decode: TypeAlias = Callable[[asyncpg.Record | tuple[Any, ...]], Recorded]
"""A row of COLUMNS as an event."""
_DAYS_AT_ONCE_MAX = 32
_WIDTH_MIN = 4_000
_WIDTH_MAX = 2_000_000
_TAIL_WIDTH_MAX = 10_000
"""A query of the newest day that covers no more is asked of its tables by name, with a plan that
is made once: a follower asks a hundred times a second, and planning costs four times the work."""
OWN_CLOCK_TYPES = frozenset({"ClockTicked", "WorkerStarted"})


@dataclass(frozen=True, slots=True)
class Head:
    """Position of the last visible event and the UTC day it was recorded on."""

    position: int
    day: date


@lru_cache(maxsize=1_024)
def retentions(selection: Selection) -> frozenset[Retention]:
    """The classes in which the selected events can be."""
    if not selection.types:
        return frozenset(Retention)
    found = {body_class(name).retention for name in selection.types}
    if selection.own_clock:
        found |= {Retention.MARKET, Retention.DESK}
    return frozenset(found)


def _first_width(selection: Selection, limit: int) -> int:
    """How many positions the first query of a page covers.

    However the planner errs about a day that was never analysed, a query cannot read more. Without
    a condition a page is as wide as it is long, because positions are dense; a story is found by
    its index; other widths grow while little is found.
    """
    if selection.takes_all:
        return limit
    return _WIDTH_MAX if selection.correlation_id else _WIDTH_MIN + limit


class Reader:
    """Reads pages over a pool of connections in the role of the reader; those of `tail_pool` plan
    a query once, those of `pool` each time."""

    def __init__(self, pool: Pool, tail_pool: Pool) -> None:
        self._pool = pool
        self._tail_pool = tail_pool
        self._decode: Decode = recorded
        self._first_positions: list[int] = []
        self._days: list[date] = []
        self._head = Head(0, date.min)

    def decoding(self, decode: Decode) -> Self:
        """The same reader with another idea of what a row is."""
        view = copy(self)
        view._decode = decode
        return view

    async def close(self) -> None:
        await self._pool.close()
        await self._tail_pool.close()

    async def head(self) -> Head:
        """The last visible event; day is date.min for an empty log."""
        row = await self._pool.fetchrow(_HEAD)
        if row is not None:
            self.notice(Head(row["last_position"], row["day"]))
        return self._head

    def notice(self, head: Head) -> None:
        """Take note of a head that somebody has seen."""
        if head.position > self._head.position:
            self._head = head

    async def page(
        self, after: int, selection: Selection, limit: int, up_to: int | None
    ) -> list[Recorded]:
        """Selected events with position in (after, up_to], at most `limit`, by position."""
        if not 1 <= limit <= PAGE_EVENTS_MAX:
            raise ValueError(f"limit must be from 1 to {PAGE_EVENTS_MAX}, was {limit}")
        if up_to is None or up_to > self._head.position:
            head = await self.head()
            up_to = head.position if up_to is None else min(up_to, head.position)
        if selection.story_begins:
            return await self._story(after, selection, limit, up_to)
        found: list[Recorded] = []
        width = _first_width(selection, limit)
        width_days = 1
        while after < up_to and len(found) < limit:
            since, until, last = await self._window(after, min(up_to, after + width), width_days)
            rows = await self._fetch(selection, after, last, since, until, limit - len(found))
            found.extend(map(self._decode, rows))
            after = last
            width = min(2 * width, _WIDTH_MAX)
            width_days = min(2 * width_days, _DAYS_AT_ONCE_MAX)
        return found

    async def _story(
        self, after: int, selection: Selection, limit: int, up_to: int
    ) -> list[Recorded]:
        """The same of one story, from the days on which it can be named alone."""
        begins, story = selection.story_begins, selection.correlation_id
        assert story is not None
        begun, _, _ = await self._window(begins - 1, begins, 1)
        found: list[Recorded] = []
        for since, until in await self._days_naming([story], {begun.date()}):
            left = limit - len(found)
            if left:
                rows = await self._fetch(selection, after, up_to, since, until, left)
                found.extend(map(self._decode, rows))
        return found

    async def _days_naming(
        self, ids: Sequence[UUID], own: set[date]
    ) -> list[tuple[datetime, datetime]]:
        """[since, until) of the days on which these ids may be named as a cause or a story, in
        order; days that follow each other together. `own` are the days of what they are the ids
        of."""
        rows = await self._pool.fetch(_NAMING, ids, min(own))
        found: list[tuple[datetime, datetime]] = []
        for day in sorted({*own, *(row["day"] for row in rows)}):
            since = begin = start_of(day)
            if found and found[-1][1] == since and (since - found[-1][0]).days < _DAYS_AT_ONCE_MAX:
                begin, _ = found.pop()
            found.append((begin, since + timedelta(days=1)))
        return found

    async def places(self, positions: Sequence[int]) -> dict[int, Place]:
        """Where the events of these positions are."""
        found: dict[int, Place] = {}
        for position in positions:
            since, until, _ = await self._window(position - 1, position, 1)
            row = await self._pool.fetchrow(_PLACE, position, since, until)
            if row is not None:
                found[position] = Place(*row.values())
        return found

    async def event(self, event_id: UUID) -> Recorded | None:
        position = await self._pool.fetchval(_POSITION, event_id)
        if position is None:
            return None
        since, until, _ = await self._window(position - 1, position, 1)
        row = await self._pool.fetchrow(_EVENT, position, since, until)
        return None if row is None else self._decode(row)

    async def caused_by(self, causes: Sequence[Recorded]) -> list[Recorded]:
        if not causes:
            return []
        ids = [cause.event_id for cause in causes]
        own = {cause.recorded_at.astimezone(UTC).date() for cause in causes}
        found: list[Recorded] = []
        for since, until in await self._days_naming(ids, own):
            rows = await self._pool.fetch(_CAUSED_BY, ids, since, until)
            found.extend(map(self._decode, rows))
        return found

    async def stream(
        self, stream: str, after_version: int, up_to_version: int | None = None
    ) -> list[Recorded]:
        bounds = await self._pool.fetchrow(_STREAM_BOUNDS, stream)
        if bounds is None or bounds["last_position"] == 0:
            return []
        since, _, _ = await self._window(bounds["first_position"] - 1, bounds["first_position"], 1)
        last = bounds["last_position"]
        _, until, _ = await self._window(last - 1, last, 1)
        rows = await self._pool.fetch(
            _STREAM, stream, after_version, since, until, up_to_version or 2**31 - 1
        )
        return [self._decode(row) for row in rows]

    async def stream_version(self, stream: str) -> int:
        row = await self._pool.fetchrow(_STREAM_BOUNDS, stream)
        return 0 if row is None else int(row["version"])

    async def emissions(self, worker: str, after: int, up_to: int) -> list[Recorded]:
        found: list[Recorded] = []
        if after >= up_to:
            return found
        # A worker commits its inputs in their order, so whatever it emitted for a later one ends
        # the search: on a long log that is mostly the same day.
        head = (await self.head()).position
        scanned, width_days = after, 1
        while scanned < head:
            since, until, scanned = await self._window(scanned, head, width_days)
            rows = await self._pool.fetch(_EMISSIONS, worker, after, up_to, since, until)
            found += map(self._decode, rows)
            if await self._pool.fetchval(_EMITTED_LATER, worker, up_to, since, until):
                break
            width_days = min(2 * width_days, _DAYS_AT_ONCE_MAX)
        return found

    async def checkpoint(self, consumer: str) -> int:
        return int(await self._pool.fetchval(_CHECKPOINT, consumer) or 0)

    async def _window(
        self, after: int, up_to: int, width_days: int
    ) -> tuple[datetime, datetime, int]:
        """(since, until, last): positions in (after, last] were recorded in [since, until), where
        last is at most up_to and the days are at most `width_days` of those with events."""
        if up_to > self._head.position:
            await self.head()
        if not self._days or self._days[-1] < self._head.day:
            rows = await self._pool.fetch(_DAYS)
            self._first_positions = [row["first_position"] for row in rows]
            self._days = [row["day"] for row in rows]
        if not self._days:
            return start_of(date.min), start_of(date.min), up_to
        first = max(0, bisect_right(self._first_positions, after + 1) - 1)
        beyond = first + width_days
        if beyond < len(self._days):
            up_to = min(up_to, self._first_positions[beyond] - 1)
        # Days without events may lie between these and the next ones, and are not opened.
        last = self._days[min(beyond, len(self._days)) - 1]
        return start_of(self._days[first]), start_of(last) + timedelta(days=1), up_to

    async def _fetch(
        self,
        selection: Selection,
        after: int,
        last: int,
        since: datetime,
        until: datetime,
        limit: int,
    ) -> list[asyncpg.Record]:
        condition, wanted = _condition(selection)
        if last - after <= _TAIL_WIDTH_MAX and since == start_of(self._head.day):
            leaves = (leaf_name(of.value, self._head.day) for of in sorted(retentions(selection)))
            tables = " UNION ALL ".join(
                f"SELECT {COLUMNS}, retention FROM {leaf}"  # noqa: S608
                for leaf in leaves
            )
            # Their day may be over by now, and gone.
            with suppress(asyncpg.UndefinedTableError):
                return await self._tail_pool.fetch(
                    f"SELECT {COLUMNS} FROM ({tables}) AS events WHERE position > $1"  # noqa: S608
                    f" AND position <= $2{condition} ORDER BY position LIMIT $3",
                    after,
                    last,
                    limit,
                    *wanted,
                )
        days = f"AND recorded_at >= ${len(wanted) + 4} AND recorded_at < ${len(wanted) + 5}"
        return await self._pool.fetch(
            f"SELECT {COLUMNS} FROM events WHERE position > $1"  # noqa: S608
            f" AND position <= $2 {days}{condition} ORDER BY position LIMIT $3",
            after,
            last,
            limit,
            *wanted,
            since,
            until,
        )


@lru_cache(maxsize=1_024)
def _condition(selection: Selection) -> tuple[str, tuple[object, ...]]:
    """What the selection asks of a row, to follow "AND position…", and its parameters from $4."""
    conditions: list[str] = []
    given: list[object] = []

    def parameter(value: object) -> str:
        given.append(value)
        return f"${len(given) + 3}"

    classes = retentions(selection)
    if len(classes) == 1:
        conditions.append(f"retention = '{next(iter(classes)).value}'")
    if selection.types or selection.own_clock:
        either = []
        if selection.types:
            either.append(f"type = ANY ({parameter(sorted(selection.types))}::text[])")
        if selection.own_clock:
            own = [f"clock/{selection.own_clock}", f"worker/{selection.own_clock}"]
            either.append(
                f"(type = ANY ({parameter(sorted(OWN_CLOCK_TYPES))}::text[])"
                f" AND stream = ANY ({parameter(own)}::text[]))"
            )
        conditions.append(f"({' OR '.join(either)})")
    if selection.streams:
        conditions.append(f"stream = ANY ({parameter(list(selection.streams))}::text[])")
    if selection.category:
        conditions.append(f"split_part(stream, '/', 1) = {parameter(selection.category)}")
    if selection.shard is not None:
        shard = selection.shard
        conditions.append(
            f"mod({_STREAM_HASH}, {parameter(shard.of)}::bigint) = {parameter(shard.index)}"
        )
    if selection.without:
        conditions.append(f"position <> ALL ({parameter(sorted(selection.without))}::bigint[])")
    if selection.correlation_id is not None:
        story = parameter(selection.correlation_id)
        # Of market events only emissions have their story indexed, and the root of one: it is
        # its own story.
        conditions.append(
            f"correlation_id = {story} AND (retention = 'desk'"
            f" OR input_position IS NOT NULL OR event_id = {story})"
        )
    return "".join(f" AND {condition}" for condition in conditions), tuple(given)


# The same as store/shards.py, whose test holds the two together.
_STREAM_HASH = (
    "('x' || left(encode(sha256(convert_to(stream, 'UTF8')), 'hex'), 8))::bit(32)::bigint"
)
_HEAD = """
    SELECT last_position, (recorded_at AT TIME ZONE 'UTC')::date AS day
    FROM commits ORDER BY last_position DESC LIMIT 1
"""
_DAYS = "SELECT first_position, day FROM log_days ORDER BY first_position"
_POSITION = "SELECT position FROM event_ids WHERE event_id = $1"
_PLACE = """
    SELECT position, version, recorded_at, market_time FROM events
    WHERE position = $1 AND recorded_at >= $2 AND recorded_at < $3
"""
_EVENT = f"""
    SELECT {COLUMNS} FROM events WHERE position = $1 AND recorded_at >= $2 AND recorded_at < $3
"""  # noqa: S608
_CAUSED_BY = f"""
    SELECT {COLUMNS} FROM events
    WHERE causation_id = ANY ($1::uuid[]) AND recorded_at >= $2 AND recorded_at < $3
    ORDER BY position
"""  # noqa: S608
# What is not noted yet (sql/0021_links.sql) may name anything.
_NAMING = """
    SELECT day FROM links WHERE id = ANY ($1::uuid[]) AND day > $2
    UNION
    SELECT day FROM log_days WHERE day > $2 AND day >= (
        SELECT max(day) FROM log_days
        WHERE first_position <= (SELECT position + 1 FROM links_noted))
"""
_STREAM_BOUNDS = "SELECT version, first_position, last_position FROM streams WHERE stream = $1"
_STREAM = f"""
    SELECT {COLUMNS} FROM events
    WHERE stream = $1 AND version > $2 AND version <= $5 AND recorded_at >= $3 AND recorded_at < $4
    ORDER BY version
"""  # noqa: S608
_EMISSIONS = f"""
    SELECT {COLUMNS} FROM events
    WHERE worker = $1 AND input_position > $2 AND input_position <= $3
        AND recorded_at >= $4 AND recorded_at < $5
    ORDER BY input_position, ordinal
"""  # noqa: S608
_EMITTED_LATER = """
    SELECT EXISTS (
        SELECT FROM events
        WHERE worker = $1 AND input_position > $2 AND recorded_at >= $3 AND recorded_at < $4)
"""
_CHECKPOINT = "SELECT position FROM checkpoints WHERE consumer = $1"
