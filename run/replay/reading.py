"""Pages of the log for the replay tool: everything selected, however much it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from domain.event import Recorded
from store.contract import EventStore, Selection


async def selected(
    store: EventStore, selection: Selection, after: int = 0, up_to: int | None = None
) -> AsyncIterator[Recorded]:
    """Selected events with position in (after, up_to], by position, a page at a time."""
    while page := await store.read(after, selection, up_to=up_to):
        for event in page:
            yield event
        after = page[-1].position


def of(*types: str) -> Selection:
    """All events of these types."""
    return Selection(types=frozenset(types))
