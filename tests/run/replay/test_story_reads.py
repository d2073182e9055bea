"""How often a story asks the log: a reviewer waits for each look-up, on a long log for the disk."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from domain.event import Recorded, derived_id
from run.replay.story import story_of
from store.postgres import PostgresStore
from tests.store.propose import halt, price


async def test_a_long_chain_of_causes_comes_in_one_read(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what led to the trade from outside its thread is looked up one by one."""
    tick, length = price(1), 30
    chain = [
        halt(
            number,
            "order",
            correlation_id=tick.event_id,
            causation_id=derived_id("order", number - 1) if number else tick.event_id,
        )
        for number in range(length)
    ]
    await store.append([tick, *chain])
    looked_up: list[UUID] = []
    event = PostgresStore.event

    async def counted(self: PostgresStore, event_id: UUID) -> Recorded | None:
        looked_up.append(event_id)
        return await event(self, event_id)

    monkeypatch.setattr(PostgresStore, "event", counted)
    for place in (0, length // 2, length - 1):
        looked_up.clear()
        story = await story_of(store, f"event/{chain[place].event_id}")
        assert [found.position for found in story.events] == list(range(1, length + 2))
        assert looked_up == [chain[place].event_id, tick.event_id]


async def test_effects_are_followed_over_stories_a_level_at_a_time(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event of the chain begins a story of its own; each has two effects."""
    events = [price(0)]
    for number in range(1, 7):
        cause = events[(number - 1) // 2].event_id
        events.append(halt(number, f"stream/{number}", causation_id=cause))
    await store.append(events)
    levels: list[list[int]] = []
    caused_by = PostgresStore.caused_by

    async def counted(self: PostgresStore, causes: Sequence[Recorded]) -> list[Recorded]:
        levels.append([cause.position for cause in causes])
        return await caused_by(self, causes)

    monkeypatch.setattr(PostgresStore, "caused_by", counted)
    story = await story_of(store, f"event/{events[0].event_id}")
    assert [found.position for found in story.events] == list(range(1, 8))
    assert levels == [[1], [2, 3], [4, 5, 6, 7]]
