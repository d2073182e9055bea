"""The runner of migrations: once each, in order, unchanged, one runner at a time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest

from run import migrate as command
from store.migrate import SQL_FOLDER, MigrationError, migrate, migrations


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
