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


async def newest_of_stream(store: EventStore, stream: str, up_to: int) -> Recorded | None:
    """The last event of a stream up to a position; None without one.

    Versions grow with positions, so that a search by halves finds it in a few small reads, however
    long the stream is.
    """
    newest: Recorded | None = None
    low, high = 0, await store.stream_version(stream)
    middle = high  # most are asked about the end of the log
    while low < high:
        found = await store.read_stream(stream, middle - 1, middle)
        if found and found[0].position <= up_to:
            low, newest = middle, found[0]
        else:
            high = middle - 1
        middle = (low + high + 1) // 2
    return newest


def of(*types: str) -> Selection:
    """All events of these types."""
    return Selection(types=frozenset(types))
