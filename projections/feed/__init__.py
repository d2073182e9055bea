"""Typed tables of the market in Postgres, schema `feed`: what the vendors said, field by field, and
the metrics of each closed minute.

A projection of its own, so that the volume of the market never holds up the audit of trades. Its
tables have a partition for each day, as long as the log has that day's market events in Postgres.
`PROJECTION` is run by run/projector.py on a PostgresTarget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.event import Recorded, event_type
from domain.events.analytics import MetricComputed
from domain.events.feeds import UwRestReceived
from projections.feed import metrics, rest_rows, tables
from projections.projector import Projection
from projections.rows import Call, Insert

SCHEMA = "feed"
TABLES: Mapping[type[Any], Callable[[Recorded, Any], Sequence[Insert | Call]]] = dict(
    tables.TABLES
) | {MetricComputed: metrics.rows, UwRestReceived: rest_rows.rows}


def rows(event: Recorded) -> Sequence[Insert | Call]:
    """Rows of one event."""
    table = TABLES.get(type(event.body))
    return [] if table is None else table(event, event.body)


PROJECTION: Projection[Insert | Call] = Projection(
    name="feed",
    version=3,
    types=frozenset(event_type(body) for body in TABLES),
    effects=rows,
)
