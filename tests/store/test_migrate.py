"""The runner of migrations: once each, in order, unchanged, one runner at a time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest

from run import migrate as command
from store.contract import Checkpoint, Selection
from store.errors import CheckpointConflict
from store.migrate import SQL_FOLDER, MigrationError, migrate, migrations
from store.postgres import PostgresStore
from tests.store.propose import AT, clock_started, halt, price

OLDEST_WRITABLE = 12
"""The first number whose append functions this build can call; tests/crash migrates empty ones."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in SQL_FOLDER.glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def _add(folder: Path, text: str) -> str:
    name = f"{len(migrations(folder)) + 1:04d}_extra.sql"
    (folder / name).write_text(text)
    return name


async def test_a_second_run_does_nothing(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_new_migrations_are_applied_once_by_one_of_many_runners(
    database_url: str, folder: Path
) -> None:
    name = _add(folder, "CREATE TABLE extra (n integer); INSERT INTO extra VALUES (1);")
    runs = await asyncio.gather(*(migrate(database_url, folder) for _ in range(4)))
    assert sorted(runs) == [[], [], [], [name]]
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM extra") == 1
    await connection.close()


async def test_a_changed_migration_is_named(database_url: str, folder: Path) -> None:
    first = folder / "0001_roles.sql"
    first.write_text(first.read_text() + "\n-- changed\n")
    with pytest.raises(
        MigrationError, match=r"0001_roles\.sql must have sha256 \w{12}, was \w{12}"
    ):
        await migrate(database_url, folder)


async def test_a_database_newer_than_the_build_is_refused(database_url: str, folder: Path) -> None:
    name = _add(folder, "SELECT 1;")
    await migrate(database_url, folder)
    (folder / name).unlink()
    with pytest.raises(MigrationError, match="newer than this build"):
        await migrate(database_url, folder)


async def test_a_failing_migration_leaves_nothing_behind(database_url: str, folder: Path) -> None:
    name = _add(folder, "CREATE TABLE half (n integer); SELECT no_such_function();")
    with pytest.raises(MigrationError, match=f"{name} failed.*no_such_function"):
        await migrate(database_url, folder)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    await connection.close()


LENT = (
    (
        15,
        "backend_started()",
        "RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'",
    ),
    (
        16,
        "append_rows(uuid, timestamptz, bigint, double precision, consumer_row[], stream_row[],"
        " boolean, text, timestamptz, event_row[])",
        "RETURNS TABLE (clock_now timestamptz, recorded_at timestamptz, first_position bigint,"
        " versions integer[], market_now timestamptz) LANGUAGE sql AS"
        " 'SELECT * FROM append_rows($1, $2, $3, $4, $5, $6, $7, true, true, $9, $10)'",
    ),
)
"""What this build's appender asks and a database before migration `number` does not have."""


async def lend(address: str, statement: str) -> None:
    connection = await asyncpg.connect(address)
    await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize("number", range(OLDEST_WRITABLE, len(migrations(SQL_FOLDER))))
async def test_a_log_that_holds_events_is_migrated_with_all_it_holds(
    database_url: str, folder: Path, tmp_path: Path, number: int
) -> None:
    """Events, versions, ids, consumers and the clock go on where they were."""
    address, name = f"{database_url}_old{number}", f"{database_url.rpartition('/')[2]}_old{number}"
    owner = await asyncpg.connect(database_url)
    await owner.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    old = tmp_path / "old"
    old.mkdir()
    for migration in migrations(folder)[:number]:
        (old / migration.name).write_text((folder / migration.name).read_text())
    try:
        await migrate(address, old)
        before = Selection()
        lent = [(function, body) for since, function, body in LENT if number < since]
        for function, body in lent:
            await lend(address, f"CREATE FUNCTION {function} {body}")
        async with await PostgresStore.open(address, application_name="before") as store:
            await store.append([clock_started(AT, 1.0)])
            await store.append([halt(1), price(1), price(2), halt(2)], Checkpoint("worker", 0, 3))
            await store.append([halt("alone")])
            events = await store.read(0, before)
        for function, _ in lent:
            await lend(address, f"DROP FUNCTION {function}")
        applied = await migrate(address, folder)
        assert len(applied) == len(migrations(folder)) - number
        async with await PostgresStore.open(address, application_name="after") as store:
            assert await store.read(0, before) == events
            repeated = await store.append([halt(2), price(2)])
            assert repeated.positions == (5, 4)
            with pytest.raises(CheckpointConflict):
                await store.append([halt(3)], Checkpoint("worker", 0, 6))
            done = await store.append([halt(3), price(3)], Checkpoint("worker", 3, 6))
            assert (done.positions, done.versions) == ((7, 8), (4, 3))
            assert done.market_times[0] >= events[-1].market_time
            assert await store.event(events[3].event_id) == events[3]
    finally:
        await owner.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await owner.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [("0099_far.sql", "must come next"), ("99_short.sql", "must be named NNNN_words")],
)
def test_numbers_have_no_gaps(folder: Path, name: str, message: str) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=message):
        migrations(folder)


async def test_each_migration_says_how_far_it_is(database_url: str, folder: Path) -> None:
    _add(folder, "SELECT 1;")
    _add(folder, "SELECT 2;")
    said: list[tuple[int, int]] = []
    for _ in range(2):
        await migrate(database_url, folder, lambda done, of: said.append((done, of)))
    assert said == [(0, 2), (1, 2), (2, 2), (0, 0)]


def test_the_command_tells_what_it_did(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert command.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "applied": [], "error": ""}
    assert command.main([]) == 0
    assert capsys.readouterr().out == "up to date\n"
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert command.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]
    monkeypatch.delenv("DATABASE_URL")
    assert command.main([]) == 2
    assert "DATABASE_URL must be set" in capsys.readouterr().err
