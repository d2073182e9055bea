"""One small log for all tests of the replay tool, and copies of it that a test may damage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from pytest_postgresql.executors import NoopExecutor

from run.deciders import DECIDED_BY
from run.embedded import EmbeddedPostgres
from run.replay.__main__ import main
from store.postgres import PostgresStore
from tests.run.replay import by_hand
from tests.run.replay.small_log import SECRET, SmallLog, settings_of

SMALL, COPY = "replay_small", "replay_copy"


class Answer(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Ask = Callable[..., Answer]


def _execute(server: EmbeddedPostgres, *statements: str) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[call-overload]


async def _write(url: str) -> None:
    async with await PostgresStore.open(url, application_name="test") as store:
        await SmallLog(store, settings_of(url)).write()


@pytest.fixture(autouse=True)
def _signals_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in by_hand.WRITTEN:
        monkeypatch.delitem(DECIDED_BY, name)


@pytest.fixture(scope="session")
def small_log_url(
    postgres_server: EmbeddedPostgres, migrated_template: NoopExecutor
) -> Iterator[str]:
    """Address of the small log; the commands only read it, and so must the tests."""
    template = migrated_template.template_dbname
    _execute(postgres_server, f"CREATE DATABASE {SMALL} TEMPLATE {template} STRATEGY file_copy")
    url = postgres_server.dsn(SMALL)
    asyncio.run(_write(url))
    yield url
    _execute(postgres_server, f"DROP DATABASE {SMALL} WITH (FORCE)")


@pytest.fixture
def copy_url(postgres_server: EmbeddedPostgres, small_log_url: str) -> Iterator[str]:
    """Address of a copy of the small log, for this test alone."""
    _execute(postgres_server, f"CREATE DATABASE {COPY} TEMPLATE {SMALL} STRATEGY file_copy")
    yield postgres_server.dsn(COPY)
    _execute(postgres_server, f"DROP DATABASE {COPY} WITH (FORCE)")


@pytest.fixture
def ask_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Ask:
    """Runs the tool on a log of a given address."""
    file = tmp_path / "settings.env"
    file.write_text(f"STRIKETAPE_PUBLICATION_SECRET={SECRET}\n")
    monkeypatch.setenv("ENV_FILE", str(file))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    def ask(url: str, *arguments: str) -> Answer:
        monkeypatch.setenv("DATABASE_URL", url)
        capsys.readouterr()
        code = main(arguments)
        printed: Any = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return ask


@pytest.fixture
def ask(small_log_url: str, ask_at: Ask) -> Ask:
    """Runs the tool on the small log."""
    return lambda *arguments: ask_at(small_log_url, *arguments)
