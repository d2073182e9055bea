"""Pages of the log for the replay tool: everything selected, however much it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from domain.event import Recorded
from run.replay.printing import Progress
from store.contract import PAGE_EVENTS_MAX, EventStore, Selection

STRETCH_POSITIONS = 500_000
"""Read at a time, however few of them are selected: so often a long question says where it is."""


async def selected(
    store: EventStore,
    selection: Selection,
    after: int = 0,
    up_to: int | None = None,
    progress: Progress | None = None,
) -> AsyncIterator[Recorded]:
    """Selected events with position in (after, up_to], by position, a page at a time."""
    end = await store.head() if up_to is None else up_to
    while after < end:
        until = min(end, after + STRETCH_POSITIONS)
        page = await store.read(after, selection, up_to=until)
        for event in page:
            yield event
        after = page[-1].position if len(page) == PAGE_EVENTS_MAX else until
        if progress is not None:
            progress.at(after)
    if progress is not None:
        progress.end()


def of(*types: str) -> Selection:
    """All events of these types."""
    return Selection(types=frozenset(types))
