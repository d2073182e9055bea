"""Applies the numbered migrations of sql/, once each, in order.

Called by run/migrate and by the tests. Every migration runs in a transaction of its own together
with its entry in `schema_migrations`; an advisory lock lets one runner work at a time. A migration
that was applied must never change: its checksum is compared on every run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

SQL_FOLDER = Path(__file__).resolve().parent.parent / "sql"
Progress = Callable[[int, int], None]
"""Called with migrations applied and to be applied."""
_LOCK_KEY = 7_236_001
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


class MigrationError(Exception):
    """The database and sql/ do not fit together; nothing was changed by the failing step."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of sql/."""

    number: int
    name: str
    sha256: str
    text: str


def migrations(folder: Path = SQL_FOLDER) -> list[Migration]:
    """All migrations of a folder by number.

    Raises:
        MigrationError: a number is missing or given twice, or a name is malformed.
    """
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationError(f"migration must be named NNNN_words.sql, was {path.name}")
        text = path.read_text()
        digest = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(int(match[1]), path.name, digest, text))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(f"migration {expected:04d} must come next, was {migration.name}")
    return found


async def migrate(
    dsn: str, folder: Path = SQL_FOLDER, on_applied: Progress = lambda _, __: None
) -> list[str]:
    """Bring a database up to date; returns the names of the migrations applied now.

    Raises:
        MigrationError: an applied migration was changed or is missing, or one failed.
    """
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "migrate"})
    try:
        # Of the session: it outlives the transactions and goes with the connection.
        await connection.execute("SELECT pg_advisory_lock($1::bigint)", _LOCK_KEY)
        await connection.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                number integer PRIMARY KEY,
                name text NOT NULL,
                sha256 text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
            )
            """
        )
        wanted = migrations(folder)
        pending = await _pending(connection, wanted)
        for number, migration in enumerate(pending):
            on_applied(number, len(pending))
            await _apply(connection, migration)
        on_applied(len(pending), len(pending))
        return [migration.name for migration in pending]
    finally:
        await connection.close()


async def _pending(
    connection: asyncpg.Connection[asyncpg.Record], wanted: Sequence[Migration]
) -> list[Migration]:
    rows = await connection.fetch("SELECT number, name, sha256 FROM schema_migrations")
    applied = {row["number"]: row for row in rows}
    known = {migration.number for migration in wanted}
    for number in sorted(applied.keys() - known):
        raise MigrationError(
            f"migration {applied[number]['name']} must be in sql/, was not: "
            "the database is newer than this build"
        )
    for migration in wanted:
        row = applied.get(migration.number)
        if row is not None and row["sha256"] != migration.sha256:
            raise MigrationError(
                f"applied migration {migration.name} must have sha256 {row['sha256'][:12]}, "
                f"was {migration.sha256[:12]}: put its text back and add a new migration"
            )
    return [migration for migration in wanted if migration.number not in applied]


async def _apply(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.text)
            await connection.execute(
                "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except asyncpg.PostgresError as error:
        where = getattr(error, "position", None)
        place = f" at character {where}" if where else ""
        raise MigrationError(f"migration {migration.name} failed{place}: {error}") from error
