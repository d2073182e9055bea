"""The services' login: a password at the door, and no more rights than its roles have."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from projections import audit
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from run.embedded import EmbeddedPostgres, free_port
from store.contract import Selection
from store.logins import SERVICE_LOGIN, WeakPassword, make_service_login
from store.migrate import migrate
from store.postgres import PostgresStore
from tests.store.propose import halt, price

PASSWORD = "correct horse battery"
HBA = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


@pytest.fixture(scope="module")
def guarded(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server that asks everybody but its owner for a password."""
    folder = server_folder / "guarded"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    rules = folder / "pg_hba.conf"
    rules.write_text(HBA)
    with EmbeddedPostgres(folder / "postgres", free_port(), {"hba_file": str(rules)}) as server:
        asyncio.run(migrate(server.dsn()))
        yield server
    shutil.rmtree(folder)


@pytest.fixture
async def service_url(guarded: EmbeddedPostgres) -> str:
    await make_service_login(guarded.dsn(), PASSWORD)
    return guarded.dsn().replace("postgres@", f"{SERVICE_LOGIN}:{PASSWORD.replace(' ', '%20')}@")


async def test_services_work_with_their_login(service_url: str) -> None:
    store = await PostgresStore.open(service_url, application_name="guarded")
    tables = PostgresTarget(service_url)
    try:
        await store.append([halt(1), price(1)])
        async for events, _ in store.subscribe(0, Selection()):
            assert events[0].type == "HaltRequested"
            break
        await Projector(store, audit.PROJECTION, tables).rebuild()
        assert await tables.state() is not None
    finally:
        await tables.close()
        await store.close()


async def test_a_wrong_password_is_refused(guarded: EmbeddedPostgres, service_url: str) -> None:
    wrong = service_url.replace("horse", "house")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


async def test_a_new_password_takes_the_place_of_the_old(
    guarded: EmbeddedPostgres, service_url: str
) -> None:
    await make_service_login(guarded.dsn(), "another long password")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(service_url)


async def test_the_login_itself_may_do_nothing_to_events(service_url: str) -> None:
    connection = await asyncpg.connect(service_url)
    try:
        for role in ("", "SET ROLE striketape_writer;", "SET ROLE striketape_projector;"):
            for statement in ("DELETE FROM events", "TRUNCATE events", "DROP TABLE events"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"{role} {statement}")
    finally:
        await connection.close()


async def test_a_short_password_is_refused_and_not_shown(guarded: EmbeddedPostgres) -> None:
    with pytest.raises(WeakPassword, match="at least 12") as caught:
        await make_service_login(guarded.dsn(), "hunter2")
    assert "hunter2" not in str(caught.value)
