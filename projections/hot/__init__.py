"""Hot state in Redis: what is true now, by name. Keys are listed in docs/projections.md.

`PROJECTION` is run by run/projector.py on a RedisTarget with `PREFIX`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.event import Recorded, event_type
from domain.events.controls import CacheFlushRequested
from projections.hot import market, plant, trades
from projections.projector import Projection
from projections.redis_target import Command

PREFIX = "striketape:hot:"
VIEWS: Mapping[type[Any], Callable[[Recorded, Any], list[Command]]] = (
    dict(market.VIEWS) | dict(trades.VIEWS) | dict(plant.VIEWS)
)


def commands(event: Recorded) -> list[Command]:
    """Redis commands of one event."""
    view = VIEWS.get(type(event.body))
    return [] if view is None else view(event, event.body)


def asks_for_rebuild(event: Recorded) -> bool:
    """The operator flushes the cache: it is built from the log again."""
    return isinstance(event.body, CacheFlushRequested) and event.body.cache in ("", "all", "hot")


PROJECTION: Projection[Command] = Projection(
    name="hot",
    version=2,
    types=frozenset(event_type(body) for body in VIEWS) | {event_type(CacheFlushRequested)},
    effects=commands,
    asks_for_rebuild=asks_for_rebuild,
)
