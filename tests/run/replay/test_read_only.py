"""Replay and verify of a login that may only read: as against a read replica."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from run.verify import main as verify
from store.errors import StoreUnavailable
from store.logins import SERVICE_LOGIN, make_service_login
from store.postgres import PostgresStore
from store.seal import make_key
from store.sealer import Sealer
from tests.run.replay.conftest import Ask
from tests.run.replay.small_log import MESSAGE
from tests.store.propose import halt
from tests.store.sealed_log import proposal

AUDITOR = "auditor_who_only_reads"
QUESTIONS = (
    ("state", "--at", "10:31"),
    ("timeline", "--from", "10:30", "--to", "10:31"),
    ("why", MESSAGE),
    ("verify-decisions",),
)


def _as(url: str, login: str) -> str:
    return url.replace("//postgres@", f"//{login}@")


@pytest.fixture
def auditor_url(copy_url: str) -> Iterator[str]:
    """A copy of the small log, by a login that has SELECT and whose transactions only read."""
    with psycopg.connect(copy_url, autocommit=True) as owner:
        name = sql.Identifier(AUDITOR)
        for statement in (
            "CREATE ROLE {} LOGIN",
            "ALTER ROLE {} SET default_transaction_read_only = on",
            "GRANT USAGE ON SCHEMA public TO {}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
        ):
            owner.execute(sql.SQL(statement).format(name))
        yield _as(copy_url, AUDITOR)
        owner.execute(sql.SQL("DROP OWNED BY {}").format(name))
        owner.execute(sql.SQL("DROP ROLE {}").format(name))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[0])
def test_whoever_may_only_read_gets_the_same_answers(
    ask_at: Ask, copy_url: str, auditor_url: str, question: tuple[str, ...]
) -> None:
    owner = ask_at(copy_url, *question, "--json")
    assert owner.code == 0, owner.err
    assert ask_at(auditor_url, *question, "--json") == owner


async def test_the_services_login_which_inherits_nothing_can_ask_too(
    copy_url: str, auditor_url: str
) -> None:
    """Without its role it may not even read."""
    await make_service_login(copy_url, "correct horse battery")
    for login in (SERVICE_LOGIN, AUDITOR):
        async with await PostgresStore.open(
            _as(copy_url, login), application_name="test", read_only=True
        ) as store:
            assert len(await store.read(0)) == await store.head() > 0
            with pytest.raises(StoreUnavailable, match="opened to read only"):
                await store.append([halt(1)])


async def test_subscriptions_of_a_reader_follow_the_log(copy_url: str, auditor_url: str) -> None:
    async with (
        await PostgresStore.open(auditor_url, application_name="test", read_only=True) as reader,
        await PostgresStore.open(copy_url, application_name="test") as writer,
    ):
        head = await writer.head()
        await writer.append([halt(1, stream="halt/1")])
        async with aclosing(reader.subscribe(head)) as pages:
            async for events, _ in pages:
                if events:
                    assert [event.stream for event in events] == ["halt/1"]
                    break


async def test_verify_needs_nothing_but_select(
    copy_url: str,
    auditor_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DATABASE_URL", auditor_url)
    key = make_key(Path("var/seal.key"))
    async with await PostgresStore.open(copy_url, application_name="test") as store:
        await Sealer(store, store.canonical, Path("var/seals"), key, proposal).beat()
    assert await to_thread(verify, ["--json"]) == 0
