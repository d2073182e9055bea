"""The server of the log is killed and comes back: whoever reads waits, and nobody ends.

A real Postgres of this file's own, ended as by a crash and started on the data that are left.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import structlog
from argon2 import PasswordHasher

from api.app import create_app
from api.settings import ApiSettings
from domain.event import Recorded
from domain.events.controls import HaltRequested, TradingHalted
from domain.stage import Emission
from projections import audit
from projections.postgres_target import PostgresTarget
from projections.projector import Projector, TargetState
from run.api import open_pool, open_redis
from run.config import Settings
from run.embedded import EmbeddedPostgres, free_port
from run.keeper import rounds
from run.keeper.rounds import Keeper
from run.service import Process
from run.worker import Recorder, Worker
from store.contract import Selection
from store.errors import OutcomeUnknown, StoreUnavailable
from store.migrate import migrate
from store.partitions import make_partitions_ahead
from store.postgres import PostgresStore
from tests.store.propose import halt

# What was confirmed survives the death of the server, not that of the machine.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_wal_senders": "0"}
HALTS = Selection(types=frozenset({"HaltRequested"}))
PASSWORD = "correct horse battery"
WAIT_SECONDS_MAX = 180.0
PROMPT_SECONDS_MAX = 3.0
PRODUCERS = 64
EVENTS_PER_PRODUCER = 40


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_folder / "mortal", free_port(), SETTINGS)
    server.stop_leftover()
    shutil.rmtree(server.data, ignore_errors=True)
    with server:
        asyncio.run(migrate(server.dsn()))
        yield server
    shutil.rmtree(server.data, ignore_errors=True)


@pytest.fixture
def database_url(server: EmbeddedPostgres) -> str:
    return server.dsn()


def crash(server: EmbeddedPostgres) -> None:
    """All processes of the server end at once, nothing is put in order."""
    assert server.process is not None
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait()
    server.stop()


@asynccontextmanager
async def away(server: EmbeddedPostgres) -> AsyncIterator[None]:
    """The whole server crashes, and comes back at the end."""
    await asyncio.to_thread(crash, server)
    try:
        yield
    finally:
        await asyncio.to_thread(server.start)


async def until(holds: Callable[[], bool | Awaitable[bool]], tasks: Sequence[Any] = ()) -> None:
    """Poll; a task that ends meanwhile is told."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            for task in tasks:
                assert not task.done(), task
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def at_work(*works: Awaitable[None]) -> AsyncIterator[list[asyncio.Future[None]]]:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class EchoStage:
    """Answers every halt request."""

    name = "echo"
    types = frozenset({"HaltRequested"})

    def initial(self) -> list[str]:
        return []

    def evolve(self, state: list[str], event: Recorded) -> list[str]:
        assert isinstance(event.body, HaltRequested)
        return [event.body.reason]

    def react(self, state: list[str], event: Recorded) -> list[Emission]:
        return [Emission("halts", TradingHalted(who="echo", reason=state[0]))]


async def test_nobody_ends_and_nothing_is_missed(
    server: EmbeddedPostgres,
    store: PostgresStore,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.01)
    first = halt("before")
    await store.append([first])
    logged = await store.read(0)
    turns = [0] * 9
    reads: list[Callable[[], Awaitable[object]]] = [
        store.head,
        lambda: store.read(0, HALTS),
        lambda: store.read_stream("control"),
        lambda: store.event(first.event_id),
        lambda: store.caused_by(logged),
        lambda: store.emissions("echo", 0, 100),
        lambda: store.checkpoint("echo"),
        lambda: store.stream_version("control"),
        lambda: make_partitions_ahead(store),
    ]

    async def read_on(number: int) -> None:
        while True:
            await reads[number]()
            turns[number] += 1

    seen: list[Recorded] = []

    async def follow() -> None:
        async for events, _ in store.subscribe(0, HALTS):
            seen.extend(events)

    settings = Settings(_env_file=None, database_url=database_url, redis_url=redis_url)
    recorder = Recorder(store, "keeper", "test", uuid4().hex)
    process = Process("keeper", "test", "run", settings, store, recorder, structlog.get_logger())
    one_keeper = Keeper(process)
    worker = Worker("echo", [EchoStage()], store, "build")
    tables = PostgresTarget(database_url)
    projector = Projector(store, audit.PROJECTION, tables)
    works = [worker.run(), projector.run(), one_keeper.follow(), one_keeper.rounds(), follow()]
    async with at_work(*works, *(read_on(n) for n in range(len(reads)))) as tasks:
        await until(lambda: bool(seen and projector.position) and all(turns), tasks)
        async with away(server):
            # Whatever is asked while nobody answers waits as well.
            asked = list(turns)
            after = asyncio.create_task(store.append([halt("after")]))
        await asyncio.wait_for(after, WAIT_SECONDS_MAX)
        head = await store.head()

        async def all_caught_up() -> bool:
            rested = all(now > then + 1 for now, then in zip(turns, asked, strict=True))
            reached = min(projector.position, await store.checkpoint("echo")) >= head
            return rested and reached and len(seen) == 2 and bool(one_keeper.watched)

        await until(all_caught_up, tasks)
    await tables.close()
    answers = await store.read(0, Selection(types=frozenset({"TradingHalted"})))
    assert [event.body.reason for event in answers] == ["before", "after"]  # type: ignore[union-attr]
    faults = await store.read(0, Selection(types=frozenset({"ProcessFault"})))
    assert faults == []


async def test_who_asks_while_it_is_away_waits_within_a_limit_or_not_at_all(
    server: EmbeddedPostgres, store: PostgresStore, database_url: str
) -> None:
    soon_over = await PostgresStore.open(
        database_url, application_name="soon over", read_stall_seconds_max=0.2
    )
    async with away(server):
        with pytest.raises(StoreUnavailable, match=r"nothing was read in 0\.\d s"):
            await soon_over.head()
        with pytest.raises(StoreUnavailable, match=r"python -m run\.migrate"):
            await PostgresStore.open(
                database_url, application_name="late", read_stall_seconds_max=0.2
            )
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="nothing was read"):
            await store.at_once().head()
        assert time.monotonic() - began < PROMPT_SECONDS_MAX
        waiting = asyncio.create_task(store.head())
        pages = store.subscribe(0, HALTS)
        following = asyncio.ensure_future(anext(pages))
        opening = asyncio.create_task(PostgresStore.open(database_url, application_name="start"))
        given_up = asyncio.create_task(store.head())
        done, _ = await asyncio.wait({waiting, following, opening, given_up}, timeout=0.3)
        assert not done
        given_up.cancel()
        await asyncio.wait({given_up}, timeout=PROMPT_SECONDS_MAX)
        assert given_up.cancelled()
        began = time.monotonic()
        await soon_over.close()
        assert time.monotonic() - began < PROMPT_SECONDS_MAX
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        assert await waiting == await store.head()
        events, _ = await following
        assert events[0].type == "HaltRequested"
        await (await opening).close()
    await pages.aclose()  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match="must be open to read"):
        await soon_over.head()


async def test_a_page_is_told_at_once_with_the_remedy(
    server: EmbeddedPostgres,
    store: PostgresStore,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    pool, redis = await open_pool(database_url), open_redis(redis_url)
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    settings = ApiSettings(
        operator_name="operator",
        operator_password_hash=hashed,
        mode="sandbox",
        build="test",
        dist=tmp_path,
        archive=tmp_path / "archive",
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        random_bytes=secrets.token_bytes,
    )
    transport = httpx.ASGITransport(create_app(settings, store.at_once(), redis, pool))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        login = {"name": "operator", "password": PASSWORD}
        assert (await client.post("/api/v1/login", json=login)).status_code == 200
        async with away(server):
            began = time.monotonic()
            answer = await client.get("/api/v1/alerts")
            assert answer.status_code == 503
            assert "Postgres" in answer.json()["remedy"]
            health = (await client.get("/api/v1/health")).json()
            assert health["postgres"]["status"] == "down"
            assert time.monotonic() - began < PROMPT_SECONDS_MAX
        assert (await client.get("/api/v1/alerts")).status_code == 200
    await redis.aclose()
    await pool.close()


async def test_a_burst_of_64_producers_survives_restarts_of_the_server(
    server: EmbeddedPostgres, store: PostgresStore
) -> None:
    """The server crashes twice and restarts in order once while all of them append: what was
    acknowledged is where it was said to be, everything is there once."""
    told: dict[UUID, int] = {}
    given: list[UUID] = []
    before = await store.head()

    async def produce(number: int) -> None:
        for version in range(1, EVENTS_PER_PRODUCER + 1):
            event = halt(version, f"burst/{number}", expected_version=version)
            given.append(event.event_id)
            while event.event_id not in told:
                # A restart on a busy machine may outlast what a writer waits: it tries again.
                with suppress(StoreUnavailable, OutcomeUnknown):
                    [position] = (await store.append([event])).positions
                    told[event.event_id] = position

    async with asyncio.TaskGroup() as tasks:
        producers = [tasks.create_task(produce(number)) for number in range(PRODUCERS)]
        for number, how in enumerate((crash, crash, EmbeddedPostgres.stop), start=1):
            enough = number * PRODUCERS * EVENTS_PER_PRODUCER // 4
            await until(lambda enough=enough: len(told) >= enough)  # type: ignore[misc]
            assert not any(producer.done() for producer in producers)
            await asyncio.to_thread(how, server)
            await asyncio.to_thread(server.start)
    events = await store.read(before)
    assert [event.position for event in events] == [before + n + 1 for n in range(len(events))]
    burst = [event for event in events if event.stream.startswith("burst/")]
    assert len(burst) == len(told) == PRODUCERS * EVENTS_PER_PRODUCER
    assert {event.event_id: event.position for event in burst} == told
    assert sorted(told) == sorted(given)


class AnswerLost(PostgresTarget):
    """Commits its first page and does not hear of it."""

    stood_at: list[int]

    async def apply(self, effects: Any, state: TargetState, position: int) -> TargetState | None:
        moved = await super().apply(effects, state, position)
        self.stood_at.append(state.position)
        if len(self.stood_at) == 1:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in COMMIT")
        return moved


async def test_a_page_whose_commit_was_not_heard_of_is_not_applied_again(
    store: PostgresStore, database_url: str
) -> None:
    target = AnswerLost(database_url)
    target.stood_at = []
    projector = Projector(store, audit.PROJECTION, target)
    await store.append([halt("one")])
    built = await projector.rebuild()
    [two] = (await store.append([halt("two")])).positions
    async with at_work(projector.run()) as tasks:
        await until(lambda: projector.position >= two, tasks)
        [three] = (await store.append([halt("three")])).positions
        await until(lambda: projector.position >= three, tasks)
    assert target.stood_at[:2] == [built.position, two]
    assert projector.rebuilds == 1
    await target.close()
