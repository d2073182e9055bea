"""How much of the log a question reads: no more than it shows, however long a stream is."""

from __future__ import annotations

from typing import Any

import pytest

from domain.event import Recorded
from domain.events.positions import (
    PnlExplained,
    PositionClosed,
    PositionMarked,
    PositionOpened,
    PositionWatermark,
)
from run.replay.names import find
from run.replay.past import Past, _mark_positions
from run.replay.reading import newest_of_stream
from run.replay.story import story_of
from store.postgres import PostgresStore
from tests.projections.story import with_fields
from tests.store.propose import halt, propose

MARKS = 60


def mark(number: int, position_id: str) -> Any:
    body = PositionMarked(
        position_id=position_id,
        symbol="SPY",
        mark=str(number),
        bid="1",
        ask="1",
        unrealised_pnl="0",
        underlying_price=600.0,
        quote_age_seconds=0.0,
        quality="live",
    )
    return propose(body, f"marks/{position_id}", (position_id, number))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """Every event that is read while a test runs, page by page and stream by stream."""
    events: list[Recorded] = []

    def counted(name: str) -> None:
        unchanged = getattr(PostgresStore, name)

        async def counting(self: PostgresStore, *given: Any, **named: Any) -> Any:
            found = await unchanged(self, *given, **named)
            events.extend(found)
            return found

        monkeypatch.setattr(PostgresStore, name, counting)

    for name in ("read", "read_stream"):
        counted(name)
    return events


async def test_the_last_mark_up_to_any_moment_is_found_by_a_few_reads(
    store: PostgresStore, read: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the position was marked last long before: each mark is followed by another's."""
    monkeypatch.setattr("run.replay.past.LOOK_BACK_POSITIONS", (1,))
    await store.append([mark(n, name) for n in range(1, MARKS + 1) for name in ("p", "q")])
    for up_to in (0, 1, 2, 3, MARKS, 2 * MARKS - 1, 2 * MARKS):
        past = Past()
        for name in ("p", "q"):
            past.fold.positions[name] = {"is_over": False}
        read.clear()
        await _mark_positions(store, past, up_to)
        marks = [past.fold.positions[name].get("mark") for name in ("p", "q")]
        expected = [(up_to + 1) // 2, up_to // 2]
        assert marks == [str(number) if number else None for number in expected]
        assert len(read) <= 2 * 8


async def test_the_end_of_a_trade_of_weeks_is_in_its_story(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watermark and an explanation a minute are no part of it, but those that led to an end."""
    monkeypatch.setattr("run.replay.story.EVENTS_MAX", 10)
    opened = propose(with_fields(PositionOpened, position_id="p"), "position/p", "opened")
    about: dict[str, Any] = {"correlation_id": opened.correlation_id}
    minutes = [
        propose(with_fields(cls, position_id="p"), f"{name}/p", (name, minute), **about)
        for minute in range(MARKS)
        for name, cls in (("watermark", PositionWatermark), ("explained", PnlExplained))
    ]
    closed = with_fields(PositionClosed, position_id="p")
    cause = minutes[-2].event_id
    left = propose(closed, "position/p", "closed", causation_id=cause, **about)
    final = with_fields(PnlExplained, position_id="p", is_final=True)
    told = propose(final, "explained/p", "final", causation_id=left.event_id, **about)
    await store.append([opened, *minutes, left, told])
    story = await story_of(store, "position/p")
    types = [event.type for event in story.events]
    assert types == ["PositionOpened", "PositionWatermark", "PositionClosed", "PnlExplained"]
    assert not story.truncated


async def test_a_stream_without_events_has_no_newest(store: PostgresStore) -> None:
    assert await newest_of_stream(store, "marks/none", 5) is None


async def test_of_a_long_stream_no_more_is_read_than_a_story_shows(
    store: PostgresStore, read: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("run.replay.story.EVENTS_MAX", 5)
    await store.append([halt(number, "order/long") for number in range(20)])
    for name in ("order/long", "long"):
        read.clear()
        assert len(await find(store, name, 6)) == len(read) == 6
        story = await story_of(store, name)
        assert len(story.events) == 5 and story.truncated
