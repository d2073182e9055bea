"""What stands on the log, for tests that look at it."""

from __future__ import annotations

from typing import Any

from domain.event import Body, event_type
from store.contract import EventStore, Selection


async def bodies(store: EventStore, kind: type[Body] | str) -> list[Any]:
    """All events of a type, by position; one page at most."""
    name = kind if isinstance(kind, str) else event_type(kind)
    return [event.body for event in await store.read(0, Selection(types=frozenset({name})))]
