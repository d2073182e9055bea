"""Capped Redis Streams of market and desk events, for readers outside the desk.

Each entry has the position as its id (`<position>-0`), so that an outside reader resumes by
position and two builds are equal. `MARKET` and `DESK` are run by run/projector.py on RedisTargets
with MARKET_PREFIX and DESK_PREFIX, which are the keys of the streams.
"""

from __future__ import annotations

from domain.event import Recorded, Retention, body_types, encode_body
from projections.projector import Projection
from projections.redis_target import Command

ENTRIES_MAX = 10_000
WINDOW_EVENTS = 100_000
"""A rebuild of the market stream begins this far back: ticks are most of the log."""


def entry(event: Recorded) -> list[Command]:
    """One entry: the envelope as fields, the body as its stored text."""
    return [
        (
            *("XADD", "", "MAXLEN", "=", str(ENTRIES_MAX), f"{event.position}-0"),
            *("position", str(event.position), "type", event.type, "stream", event.stream),
            *("event_id", str(event.event_id), "correlation_id", str(event.correlation_id)),
            *("occurred_at", event.occurred_at.isoformat()),
            *("market_time", event.market_time.isoformat()),
            *("data", encode_body(event.body).decode()),
        )
    ]


def _of(retention: Retention) -> frozenset[str]:
    return frozenset(name for name, cls in body_types().items() if cls.retention is retention)


MARKET_PREFIX = "striketape:market"
DESK_PREFIX = "striketape:desk"

MARKET: Projection[Command] = Projection(
    name="streams.market",
    version=1,
    types=_of(Retention.MARKET),
    effects=entry,
    window_events=WINDOW_EVENTS,
)
DESK: Projection[Command] = Projection(
    name="streams.desk", version=1, types=_of(Retention.DESK), effects=entry
)
