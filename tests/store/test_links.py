"""Causes and stories over many days: all is found, and only days that can hold it are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.event import Recorded, Retention
from run.upkeep import note_links
from store.contract import Selection
from store.postgres import PostgresStore
from tests.store.archived_log import archivable
from tests.store.propose import halt, price, propose
from tests.store.sealed_log import Connection, Days

BOUNDS, LAST = (10, 20, 30), 40
APART = {16: 8, 33: 27}
"""Beginnings of other stories, and the events of earlier days that led to them."""
STORY = (3, 12, 14, 25, 38)
"""Positions of a story that begins with the tick at 2; each is the cause of the next."""
HALTS = frozenset({"HaltRequested"})


@pytest.fixture
async def days(database_url: str, owner: Connection) -> list[date]:
    """Positions 1 to 40 on three past days and today; no other names any event."""
    root = price(2)
    cause = root.event_id
    events = []
    for position in range(1, LAST + 1):
        if position in STORY:
            given = {"causation_id": cause, "correlation_id": root.event_id}
            events.append(propose(halt(position).body, f"halt/{position}", position, **given))
            cause = events[-1].event_id
        elif position in APART:
            led = price(APART[position]).event_id
            events.append(propose(halt(position).body, "apart", position, causation_id=led))
        else:
            events.append(price(position))
    async with await PostgresStore.open(database_url, application_name="test") as store:
        await store.append(events)
    return [*await Days(owner).spread(BOUNDS), datetime.now(UTC).date()]


@pytest.fixture
async def store(days: list[date], database_url: str) -> AsyncIterator[PostgresStore]:
    """Opened when the days are as they are."""
    async with await PostgresStore.open(database_url, application_name="test") as opened:
        yield opened


async def check(store: PostgresStore, log: list[Recorded]) -> None:
    """Every effect and the whole story are found."""
    chain = [2, *STORY]
    for cause, effect in zip(chain, STORY, strict=False):
        assert [e.position for e in await store.caused_by([log[cause - 1]])] == [effect]
    for effect, cause in APART.items():
        assert [e.position for e in await store.caused_by([log[cause - 1]])] == [effect]
    assert [e.position for e in await store.caused_by(log)] == sorted((*STORY, *APART))
    assert await store.caused_by([log[4], log[16]]) == []
    root = log[1]
    story = Selection(types=HALTS, correlation_id=root.event_id, story_begins=root.position)
    assert [e.position for e in await store.read(1, story)] == list(STORY)
    assert [e.position for e in await store.read(1, story, 2)] == [3, 12]
    assert [e.position for e in await store.read(12, story, 2)] == [14, 25]
    assert [e.position for e in await store.read(3, story, 10, 25)] == [12, 14, 25]


async def looked_into(store: PostgresStore, event: Recorded, own: date) -> list[date]:
    windows = await store._reader._days_naming([event.event_id], {own})
    return [
        (since + timedelta(days=number)).date()
        for since, until in windows
        for number in range((until - since).days)
    ]


async def test_effects_and_stories_are_found_however_far_they_are_noted(
    store: PostgresStore, owner: Connection, days: list[date]
) -> None:
    log = await store.read(0)
    await check(store, log)
    steps = []
    while step := await owner.fetchval("SELECT note_links(7)"):
        steps.append(step)
        await check(store, log)
    assert steps == [7, 3, 7, 3, 7, 3, 7, 3], "a step ends with its day"
    noted = {(row["id"], row["day"]) for row in await owner.fetch("SELECT * FROM links")}
    ids: dict[int, UUID] = {event.position: event.event_id for event in log}
    assert noted == {
        *((ids[cause], day) for cause, day in zip((3, 14, 25), days[1:], strict=True)),
        *((ids[2], day) for day in days[1:]),
        (ids[8], days[1]),
        (ids[27], days[3]),
    }
    later = halt("later", causation_id=ids[12], correlation_id=ids[2])
    await store.append([later])
    found = await store.caused_by([log[11]])
    assert [event.position for event in found] == [14, LAST + 1]


async def test_days_on_which_nothing_is_named_are_not_looked_into(
    store: PostgresStore, days: list[date], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await store.read(0)
    assert await looked_into(store, log[4], days[0]) == days, "nothing is noted yet"
    together = await store._reader._days_naming([log[4].event_id], {days[0]})
    assert [(until - since).days for since, until in together] == [3, 1]
    assert await note_links(store) == LAST and await note_links(store) == 0
    first, second, third, today = days
    assert await looked_into(store, log[4], first) == [first, today]
    assert await looked_into(store, log[2], first) == [first, second, today]
    assert await looked_into(store, log[1], first) == days
    assert await looked_into(store, log[13], second) == [second, third, today]
    assert await looked_into(store, log[37], today) == [today]
    windows: list[timedelta] = []
    fetch = store._reader._fetch

    async def spied(*given: Any) -> list[asyncpg.Record]:
        windows.append(given[4] - given[3])
        return await fetch(*given)

    monkeypatch.setattr(store._reader, "_fetch", spied)
    lonely = Selection(types=HALTS, correlation_id=log[4].event_id, story_begins=5)
    assert await store.read(4, lonely) == []
    assert windows == [timedelta(days=1)] * 2


async def test_what_an_archived_event_led_to_on_later_days_is_found(
    database_url: str, tmp_path: Path, owner: Connection
) -> None:
    """Its id is no longer in Postgres when the day of its effect is noted."""
    async with archivable(database_url, tmp_path) as desk:
        before = await desk.everything()
        await desk.archiver().run({Retention.MARKET: desk.days[-1] + timedelta(days=1)})
        await note_links(desk.store)
        for event in before:
            effects = [other for other in before if other.causation_id == event.event_id]
            assert await desk.store.caused_by([event]) == effects
        across = before[49]
        assert [effect.position for effect in await desk.store.caused_by([across])] == [51]
        begins = across.position
        story = Selection(types=HALTS, correlation_id=across.event_id, story_begins=begins)
        assert [e.position for e in await desk.store.read(begins - 1, story)] == [51]
