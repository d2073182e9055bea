"""Reads a stream from its end backwards: what is asked is new, streams are years long."""

from __future__ import annotations

from collections.abc import AsyncIterator

from domain.event import Recorded
from store.contract import EventStore

PAGE_VERSIONS = 2_000


async def pages_backwards(
    store: EventStore, stream: str, versions: int = PAGE_VERSIONS
) -> AsyncIterator[list[Recorded]]:
    """The newest events of a stream, then those before them, each page by version."""
    version = await store.stream_version(stream)
    while version > 0:
        after = max(0, version - versions)
        yield await store.read_stream(stream, after, version)
        version = after


async def tail(store: EventStore, stream: str, versions: int) -> list[Recorded]:
    """The last events of a stream, by version."""
    async for page in pages_backwards(store, stream, versions):
        return page
    return []
