"""Real servers for the tests: one Postgres and one Valkey for each test process.

Each test that asks for a database gets a fresh one, cloned from a migrated template. Durability
is off here and nowhere else.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from pytest_postgresql import factories
from pytest_postgresql.executors import NoopExecutor
from redis.asyncio import Redis

from run.collector import collect_seldom
from run.embedded import EmbeddedPostgres, EmbeddedValkey, free_port
from store.migrate import migrate
from store.postgres import PostgresStore
from tests.waiting import Until, until

# How long an example takes says something about the machine, nothing about the code.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("desk")

_SLOTS_MAX = 64
_MEMORY = Path("/dev/shm")
_MEMORY_FREE_BYTES_MIN = 4_000_000_000
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}
_POSTGRES_PORT = free_port()
_BEGIN_WITH = (
    "tests/e2e/test_demo.py",
    "tests/crash/test_trader_survives_kills.py",
    "tests/sim/test_lives",
    "tests/ui/test_page_in_browser.py",
    "tests/e2e/",
    "tests/ui/",
    "tests/run/test_services.py",
    "tests/crash/",
    "tests/projections/",
    "tests/adapters/market_model/",
    "tests/store/",
)
"""The files that take longest, so that none of them is left alone at the end."""


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules are there now, and stay: to look through them again and
    again for garbage cost an eighth of a life of the simulation."""
    collect_seldom()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        begins = (i for i, part in enumerate(_BEGIN_WITH) if item.nodeid.startswith(part))
        return next(begins, len(_BEGIN_WITH))

    items.sort(key=place)


def _servers_root() -> Path:
    """Memory where there is plenty, else the folder of temporary files.

    A database is three hundred files, and ext4 without a journal gets slow at making files while
    it has just deleted many: a database for a test cost 0.1 to 0.5 s there, in memory 0.035 s.
    """
    try:
        roomy = shutil.disk_usage(_MEMORY).free >= _MEMORY_FREE_BYTES_MIN
    except OSError:
        roomy = False
    return _MEMORY if roomy and os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that this test process has for itself.

    Slots are used again, so that a server left over by a killed run is found and stopped.
    """
    checkout = hashlib.sha256(str(Path(__file__).resolve()).encode()).hexdigest()[:8]
    root = _servers_root() / f"striketape-tests-{os.getuid()}-{checkout}"
    root.mkdir(mode=0o755, exist_ok=True)
    for slot in range(_SLOTS_MAX):
        folder = root / str(slot)
        folder.mkdir(mode=0o755, exist_ok=True)
        with open(folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder
            return
    pytest.fail(f"at most {_SLOTS_MAX} test processes must run at once")


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_folder / "postgres", _POSTGRES_PORT, _NOT_DURABLE)
    server.stop_leftover()
    shutil.rmtree(server.data, ignore_errors=True)
    with server:
        yield server
    shutil.rmtree(server.data, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(server_folder / "valkey", free_port())
    server.stop_leftover()
    shutil.rmtree(server.data, ignore_errors=True)
    with server:
        yield server
    shutil.rmtree(server.data, ignore_errors=True)


def _migrate_template(host: str, port: int, user: str, dbname: str, **_: Any) -> None:
    asyncio.run(migrate(f"postgresql://{user}@{host}:{port}/{dbname}"))


_template = factories.postgresql_noproc(
    host="127.0.0.1", port=_POSTGRES_PORT, user="postgres", dbname="desk", load=[_migrate_template]
)


@pytest.fixture(scope="session")
def migrated_template(
    postgres_server: EmbeddedPostgres, request: pytest.FixtureRequest
) -> NoopExecutor:
    """The template database; asked for by name because it connects as soon as it is set up."""
    template: NoopExecutor = request.getfixturevalue("_template")
    return template


@pytest.fixture(scope="session")
def database_maker(postgres_server: EmbeddedPostgres) -> Iterator[psycopg.Connection[Any]]:
    """The connection that makes and drops the databases of tests."""
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner_connection(
    postgres_server: EmbeddedPostgres,
    migrated_template: NoopExecutor,
    database_maker: psycopg.Connection[Any],
) -> Iterator[psycopg.Connection[Any]]:
    """The owner's connection to a fresh migrated database, dropped after the test.

    Copied file by file: by way of the WAL, as is usual, it takes more than twice the processor,
    and as much again when it is dropped, with all its pages in the server's memory.
    """
    name, template = migrated_template.dbname, migrated_template.template_dbname
    database_maker.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    try:
        with closing(psycopg.connect(postgres_server.dsn(name))) as connection:
            yield connection
    finally:
        database_maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(owner_connection: psycopg.Connection[Any]) -> str:
    """Address of a fresh migrated database; dropped after the test."""
    about = owner_connection.info
    return f"postgresql://{about.user}@{about.host}:{about.port}/{about.dbname}"


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection of the owner of the tables."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture(name="until")
def until_fixture() -> Until:
    """Wait until a condition holds."""
    return until


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """An open store on a fresh migrated database."""
    opened = await PostgresStore.open(database_url, application_name="test")
    yield opened
    await opened.close()


@pytest.fixture
def redis_url(valkey_server: EmbeddedValkey) -> str:
    return valkey_server.url()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An asyncio client of an empty Valkey."""
    client = Redis.from_url(redis_url, decode_responses=True)
    await client.flushall()
    yield client
    await client.aclose()
