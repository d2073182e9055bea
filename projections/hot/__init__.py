"""Hot state in Redis: what is true now, by name. Keys are listed in docs/projections.md.

`PROJECTION` is run by run/projector.py on a RedisTarget with `PREFIX`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.event import Recorded, event_type
from domain.events.controls import CacheFlushRequested
from projections.hot import feeds, market, plant, trades, unusual_whales
from projections.projector import Projection
from projections.redis_target import Command

PREFIX = "striketape:hot:"
CACHES = ("hot", "all")
"""Names by which a flush may ask for it."""
View = Callable[[Recorded, Any], list[Command]]


def _together(one: View, other: View) -> View:
    return lambda event, body: one(event, body) + other(event, body)


def _views() -> dict[type[Any], View]:
    found: dict[type[Any], View] = {}
    for module in (market, trades, plant, feeds, unusual_whales):
        for body, view in module.VIEWS.items():
            found[body] = _together(found[body], view) if body in found else view
    return found


VIEWS: Mapping[type[Any], View] = _views()


def commands(event: Recorded) -> list[Command]:
    """Redis commands of one event."""
    view = VIEWS.get(type(event.body))
    return [] if view is None else view(event, event.body)


def asks_for_rebuild(event: Recorded) -> bool:
    """The operator flushes the cache: it is built from the log again."""
    return isinstance(event.body, CacheFlushRequested) and event.body.cache in ("", *CACHES)


PROJECTION: Projection[Command] = Projection(
    name="hot",
    version=7,
    types=frozenset(event_type(body) for body in VIEWS) | {event_type(CacheFlushRequested)},
    effects=commands,
    asks_for_rebuild=asks_for_rebuild,
)
