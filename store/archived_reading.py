"""The reader that goes through to the archive: the same questions, whether a day is hot or not.

Every question is put to Postgres first; then, when its days can be archived ones, the table
archived_days is asked and what is missing comes from the files. In this order nothing is lost to
a day that is archived meanwhile: its row is there before its partition goes. As long as both are
there, an event found twice is one event.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from domain.event import Recorded, Retention
from domain.events.system import POSITION_MAX
from store.archived_days import BETWEEN, DAYS, ArchivedDay, Question, archived_day
from store.call import Place
from store.contract import Selection
from store.envelope import start_of
from store.reading import (
    _POSITION,
    _STREAM_BOUNDS,
    OWN_CLOCK_TYPES,
    Head,
    Pool,
    Reader,
    retentions,
)

if TYPE_CHECKING:
    from store.archive import Archive

HEAD_SECONDS_MAX = 60.0
"""Only days before that of the head are archived, so an old head must not be believed: the day of
it may be over by now, and gone."""
_MARKET_DAYS = f"{DAYS} WHERE retention = 'market' ORDER BY first_position DESC"


class ArchivedReader(Reader):
    """A reader over Postgres and the archive.

    Raises:
        ArchiveUnreadable: a file that holds what was asked for is missing or damaged.
    """

    def __init__(self, pool: Pool, tail_pool: Pool, folder: Path) -> None:
        super().__init__(pool, tail_pool)
        self._folder = folder
        self._archive: Archive | None = None
        self._head_seen_at = -HEAD_SECONDS_MAX

    async def head(self) -> Head:
        found = await super().head()
        self._head_seen_at = time.monotonic()
        return found

    def notice(self, head: Head) -> None:
        super().notice(head)
        if head.position >= self._head.position:
            self._head_seen_at = time.monotonic()

    async def page(
        self, after: int, selection: Selection, limit: int, up_to: int | None
    ) -> list[Recorded]:
        if up_to is None or up_to > self._head.position:
            head = await self.head()
            up_to = head.position if up_to is None else min(up_to, head.position)
        elif time.monotonic() - self._head_seen_at > HEAD_SECONDS_MAX:
            await self.head()
        found: list[Recorded] = []
        classes = retentions(selection)
        while after < up_to and len(found) < limit:
            since, _, _ = await self._window(after, after + 1, 1)
            if since >= start_of(self._head.day):
                # Only days that are over are archived.
                return found + await super().page(after, selection, limit - len(found), up_to)
            days = await self._days_between(after, up_to, classes)
            last = min(days[0].last, up_to) if days else up_to
            if days and after < days[0].first - 1:
                last = days[0].first - 1
            some = await self._span(after, last, selection, limit - len(found))
            if days == await self._days_between(after, up_to, classes):
                found += some
                after = found[-1].position if len(found) >= limit else last
        return found

    async def _span(
        self, after: int, last: int, selection: Selection, limit: int
    ) -> list[Recorded]:
        """Selected events of both places with position in (after, last]."""
        days = await self._days_between(after, last, retentions(selection))
        archived = await self._find(days, _selected(selection, after, last), limit)
        if len(archived) >= limit:
            last = archived[limit - 1].position
        return _merged(await super().page(after, selection, limit, last), archived)[:limit]

    async def places(self, positions: Sequence[int]) -> dict[int, Place]:
        found = await super().places(positions)
        for position in positions:
            if position not in found:
                for event in await self._at(position):
                    found[position] = Place(
                        event.position, event.version, event.recorded_at, event.market_time
                    )
        return found

    async def event(self, event_id: UUID) -> Recorded | None:
        found = await super().event(event_id)
        if found is not None:
            return found
        position = await self._pool.fetchval(_POSITION, event_id)
        if position is not None:
            return next(iter(await self._at(position)), None)
        # Ids of market events went with their day: the files know, the newest first. Those of desk
        # events stay.
        days = [archived_day(row) for row in await self._pool.fetch(_MARKET_DAYS)]
        question = Question(-1, POSITION_MAX, event_id=event_id)
        return next(iter(await self._find(days, question, 1)), None)

    async def caused_by(self, causes: Sequence[Recorded]) -> list[Recorded]:
        if not causes:
            return []
        hot = await super().caused_by(causes)
        first = min(cause.position for cause in causes)
        ids = frozenset(cause.event_id for cause in causes)
        days = await self._days_between(first, POSITION_MAX)
        question = Question(first, POSITION_MAX, causation_ids=ids)
        return _merged(hot, await self._find(days, question))

    async def stream(
        self, stream: str, after_version: int, up_to_version: int | None = None
    ) -> list[Recorded]:
        hot = await super().stream(stream, after_version, up_to_version)
        if hot and hot[0].version == after_version + 1:
            return hot
        bounds = await self._pool.fetchrow(_STREAM_BOUNDS, stream)
        if bounds is None or bounds["last_position"] == 0:
            return hot
        first, last = bounds["first_position"], bounds["last_position"]
        versions = (after_version, up_to_version or 2**31 - 1)
        question = Question(first - 1, last, streams=frozenset({stream}), versions=versions)
        days = await self._days_between(first - 1, last)
        found = _merged(hot, await self._find(days, question))
        return sorted(found, key=lambda event: event.version)

    async def emissions(self, worker: str, after: int, up_to: int) -> list[Recorded]:
        hot = await super().emissions(worker, after, up_to)
        if after >= up_to:
            return hot
        days = await self._days_between(after, POSITION_MAX)
        question = Question(after, POSITION_MAX, emitted_by=(worker, after, up_to))
        found = _merged(hot, await self._find(days, question))
        return sorted(found, key=lambda event: (event.input_position or 0, event.ordinal))

    async def _at(self, position: int) -> list[Recorded]:
        days = await self._days_between(position - 1, position)
        return await self._find(days, Question(position - 1, position), 1)

    async def _find(
        self, days: Sequence[ArchivedDay], question: Question, limit: int | None = None
    ) -> list[Recorded]:
        if not days:
            return []
        if self._archive is None:
            from store.archive import Archive  # see store/archived_days.py

            self._archive = Archive(self._folder)
        return await self._archive.find(days, question, limit, self._decode)

    async def _days_between(
        self, after: int, last: int, classes: frozenset[Retention] = frozenset(Retention)
    ) -> list[ArchivedDay]:
        days = [archived_day(row) for row in await self._pool.fetch(BETWEEN, after, last)]
        return [day for day in days if day.retention in classes]


def _merged(hot: Iterable[Recorded], archived: Iterable[Recorded]) -> list[Recorded]:
    """Both by position, each event once; the archive's when both have it."""
    found = {event.position: event for event in hot}
    found.update((event.position, event) for event in archived)
    return [found[position] for position in sorted(found)]


def _selected(selection: Selection, after: int, last: int) -> Question:
    """The question of a page; it means the same as the conditions of Reader._fetch."""
    own = selection.own_clock
    return Question(
        after,
        last,
        types=selection.types,
        own_clock=(OWN_CLOCK_TYPES, (f"clock/{own}", f"worker/{own}")) if own else None,
        streams=frozenset(selection.streams),
        story=selection.correlation_id,
        without=selection.without,
        category=selection.category,
        shard=selection.shard,
    )
