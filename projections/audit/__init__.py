"""Audit tables in Postgres, schema `audit`: what happened, row by row, for people and reports.

`PROJECTION` is run by run/projector.py on a PostgresTarget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.event import Recorded, event_type
from projections.audit import desk, forecasts, messages
from projections.projector import Projection
from projections.rows import Change

TABLES: Mapping[type[Any], Callable[[Recorded, Any], list[Change]]] = (
    dict(desk.TABLES) | dict(messages.TABLES) | dict(forecasts.TABLES)
)


def changes(event: Recorded) -> list[Change]:
    """Changes of tables of one event."""
    table = TABLES.get(type(event.body))
    return [] if table is None else table(event, event.body)


PROJECTION: Projection[Change] = Projection(
    name="audit",
    version=4,
    types=frozenset(event_type(body) for body in TABLES),
    effects=changes,
)
