"""A projection in Postgres: changes and position in one transaction.

Used by projections/audit and projections/feed, each in the schema of its name. The state is a row
of the schema itself, so that swapping the schema swaps tables and position together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg

from projections.projector import RebuildLost, TargetState
from projections.rows import Call, Change, Insert, Upsert, column
from store.appender import close_quietly

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_SETTINGS = {
    "role": "striketape_projector",
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "10s",
    # The log is what must not be lost: a crash takes rows and position back together.
    "synchronous_commit": "off",
}


class PostgresTarget:
    """Tables of one schema, over a connection that is opened when needed and again when lost."""

    def __init__(self, dsn: str, name: str = "audit", *, is_building: bool = False) -> None:
        self.name = name
        self.schema = f"{name}_building" if is_building else name
        self._dsn = dsn
        self._days: set[date] = set()
        """Days of the schema's tables that are there, since another rebuild was last possible."""
        self._connection: Connection | None = None
        self._beside: PostgresTarget | None = None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await close_quietly(connection)
        if self._beside is not None:
            await self._beside.close()

    async def state(self) -> TargetState | None:
        self._days.clear()
        connection = await self._connected()
        row = await connection.fetchrow(
            f"SELECT generation, version, position, built_at FROM {self.schema}.projection_state"  # noqa: S608
        )
        if row is None:
            return None
        return TargetState(str(row[0]), row[1], row[2], row[3])

    async def apply(
        self, effects: Sequence[Change | Insert | Call], state: TargetState, position: int
    ) -> TargetState | None:
        connection = await self._connected()
        async with connection.transaction():
            moved = await connection.execute(
                f"UPDATE {self.schema}.projection_state SET position = $3"  # noqa: S608
                " WHERE generation = $1 AND position = $2",
                UUID(state.generation),
                state.position,
                position,
            )
            if moved != "UPDATE 1":
                return None
            changes = [effect for effect in effects if not isinstance(effect, Insert | Call)]
            calls = [effect for effect in effects if isinstance(effect, Call)]
            for statement, rows in batches(self.schema, changes):
                await connection.executemany(statement, rows)
            inserts = [effect for effect in effects if isinstance(effect, Insert)]
            days = await self._make_days(connection, [*inserts, *calls])
            await self._insert(connection, inserts)
            for call in calls:
                numbers = ", ".join(f"${number}" for number in range(1, len(call.values) + 2))
                statement = f"SELECT {call.function}({numbers})"
                await connection.execute(statement, self.schema, *call.values)
        self._days |= days
        return replace(state, position=position)

    async def _make_days(
        self, connection: Connection, effects: Sequence[Insert | Call]
    ) -> set[date]:
        """Make the days that effects need; those that were looked after."""
        days = {effect.values[0].astimezone(UTC).date() for effect in effects} - self._days
        for day in sorted(days):
            await connection.execute("SELECT make_feed_days($1, $2, 1)", self.schema, day)
        return days

    async def _insert(self, connection: Connection, inserts: Sequence[Insert]) -> None:
        """Copy rows in, a table at a time.

        Repeats are impossible: the position moves by compare and set in the same transaction.
        """
        tables: dict[tuple[str, tuple[str, ...]], list[tuple[Any, ...]]] = {}
        for row in inserts:
            tables.setdefault((row.table, row.columns), []).append(row.values)
        for (table, columns), rows in tables.items():
            await connection.copy_records_to_table(
                table, records=rows, columns=columns, schema_name=self.schema
            )

    async def begin(self, version: int, position: int) -> TargetState:
        self._days.clear()
        connection = await self._connected()
        generation = uuid4()
        async with connection.transaction():
            start = await connection.fetchval("SELECT begin_projection_build($1)", self.name)
            position = max(position, start)
            await connection.execute(
                f"INSERT INTO {self.schema}.projection_state"  # noqa: S608
                " (generation, version, position, built_at) VALUES ($1, $2, $3, $3)",
                generation,
                version,
                position,
            )
        return TargetState(str(generation), version, position, position)

    def beside(self) -> PostgresTarget:
        if self._beside is None:
            self._beside = PostgresTarget(self._dsn, self.name, is_building=True)
        return self._beside

    async def swap_in(self, built: TargetState) -> TargetState:
        connection = await self._connected()
        done = await connection.fetchval(
            "SELECT swap_in_projection_build($1, $2)", self.name, UUID(built.generation)
        )
        if not done:
            raise RebuildLost(
                f"{self.name}_building must hold generation {built.generation}, was gone"
            )
        self._days.clear()
        if self._beside is not None:
            await self._beside.close()
            self._beside = None
        return replace(built, built_at=built.position)

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            settings = _SETTINGS | {"application_name": f"projector {self.schema}"}
            self._connection = await asyncpg.connect(
                self._dsn, timeout=10, command_timeout=60, server_settings=settings
            )
        return self._connection


def batches(schema: str, changes: Sequence[Change]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Statements with their rows. The order within a table is kept, since rows there depend on
    each other; tables do not, so the changes of each go together."""
    tables: dict[str, list[tuple[str, list[tuple[Any, ...]]]]] = {}
    for change in changes:
        statement = _statement(schema, change)
        row = tuple(column(value) for value in change.values.values())
        table = tables.setdefault(change.table, [])
        if table and table[-1][0] == statement:
            table[-1][1].append(row)
        else:
            table.append((statement, [row]))
    return [batch for table in tables.values() for batch in table]


def _statement(schema: str, change: Change) -> str:
    numbered = {name: f"${number}" for number, name in enumerate(change.values, start=1)}
    others = [name for name in numbered if name != change.key]
    table = f"{schema}.{change.table}"
    if isinstance(change, Upsert):
        updated = ", ".join(f"{name} = EXCLUDED.{name}" for name in others)
        return (
            f"INSERT INTO {table} ({', '.join(numbered)}) VALUES ({', '.join(numbered.values())})"  # noqa: S608
            f" ON CONFLICT ({change.key}) DO UPDATE SET {updated}"
        )
    updated = ", ".join(f"{name} = {numbered[name]}" for name in others)
    return f"UPDATE {table} SET {updated} WHERE {change.key} = {numbered[change.key]}"  # noqa: S608
