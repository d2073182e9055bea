"""Rows of the floor table (floor.sql): the same events as the log's, in plain columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from domain.event import Proposed, encode_body, event_type

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
FLOOR_SQL = Path(__file__).with_name("floor.sql")
COLUMNS = (
    *("position", "recorded_at", "market_time", "occurred_at", "input_position", "event_id"),
    *("causation_id", "correlation_id", "version", "ordinal", "schema", "retention"),
    *("stream", "type", "worker", "build", "data"),
)
INSERT = (
    f"INSERT INTO floor.events ({', '.join(COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join(f'${number}' for number in range(1, len(COLUMNS) + 1))})"
)


class Floor:
    """The floor table over one connection; numbers rows as the log would."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._position = 0
        self._versions: dict[str, int] = {}

    def rows(self, events: Sequence[Proposed]) -> list[tuple[Any, ...]]:
        """Values of COLUMNS for new rows; not part of what is timed."""
        return [self._row(event) for event in events]

    async def copy(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """One binary COPY, one commit."""
        await self.connection.copy_records_to_table(
            "events", schema_name="floor", columns=COLUMNS, records=rows
        )

    async def insert(self, row: tuple[Any, ...]) -> None:
        """One durable INSERT of one row: what a commit costs."""
        await self.connection.execute(INSERT, *row)

    def _row(self, event: Proposed) -> tuple[Any, ...]:
        self._position += 1
        version = self._versions[event.stream] = self._versions.get(event.stream, 0) + 1
        now = datetime.now(UTC)
        body = event.body
        return (
            *(self._position, now, now, event.occurred_at, event.input_position),
            *(event.event_id, event.causation_id, event.correlation_id, version, event.ordinal),
            *(body.schema_version, 1, event.stream, event_type(body), event.worker, event.build),
            encode_body(body).decode(),
        )
