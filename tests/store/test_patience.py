"""A log that cannot be written for a moment: waiters wait within a limit, whoever holds it ends.

A real second connection holds the lock of the log, or a row that an append needs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from domain.event import Recorded
from store import patience
from store.contract import Checkpoint
from store.errors import StoreUnavailable
from store.postgres import PostgresStore
from tests.store.propose import halt

LOCK_OF_THE_LOG = "SELECT pg_advisory_xact_lock(7236002)"


@asynccontextmanager
async def held(database_url: str, statement: str = LOCK_OF_THE_LOG) -> AsyncIterator[None]:
    """A connection without time-outs that holds what appends need."""
    owner = await asyncpg.connect(database_url)
    try:
        async with owner.transaction():
            await owner.execute(statement)
            yield
    finally:
        await owner.close()


class Waits(list[float]):
    """Seconds of the stall before each further attempt."""

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self) < count:
                await asyncio.sleep(0.01)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def patient(database_url: str, waits: Waits) -> AsyncIterator[PostgresStore]:
    """A store whose waits are counted; it has written one event, so that its statement is known."""
    store = await PostgresStore.open(database_url, application_name="test", on_wait=waits.append)
    await store.append([halt("first")], Checkpoint("worker", 0, 1))
    yield store
    await store.close()


async def reasons(store: PostgresStore) -> list[str]:
    events: list[Recorded] = await store.read(0)
    return [str(getattr(event.body, "reason", "")) for event in events]


@pytest.mark.parametrize(
    "statement",
    [
        LOCK_OF_THE_LOG,
        "SELECT FROM streams WHERE stream = 'control' FOR UPDATE",
        "SELECT FROM checkpoints WHERE consumer = 'worker' FOR UPDATE",
    ],
)
async def test_a_lock_that_is_held_for_a_while_is_waited_for(
    database_url: str, patient: PostgresStore, waits: Waits, statement: str
) -> None:
    async with held(database_url, statement):
        one = asyncio.create_task(patient.append([halt(1)], Checkpoint("worker", 1, 2)))
        await waits.reach(1)
        # What comes while the log stands still goes after it, in order.
        two = asyncio.create_task(patient.append([halt(2)], Checkpoint("worker", 2, 3)))
        await waits.reach(2)
        assert not one.done()
    async with asyncio.timeout(20):
        assert (await one).positions == (2,)
        assert (await two).positions == (3,)
    assert await reasons(patient) == ["first", "1", "2"]
    assert await patient.checkpoint("worker") == 3
    assert waits == sorted(waits)


async def test_a_lock_that_stays_fails_every_waiter_loudly_at_the_limit(
    database_url: str, patient: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "STALL_SECONDS_MAX", 1.0)
    async with held(database_url):
        began = time.monotonic()
        # Too many for one group: the second waits behind the first.
        calls = [[halt((n, k)) for k in range(300)] for n in (1, 2, 3)]
        outcomes = await asyncio.wait_for(
            asyncio.gather(*(patient.append(call) for call in calls), return_exceptions=True), 20
        )
        took = time.monotonic() - began
        for outcome in outcomes:
            assert isinstance(outcome, StoreUnavailable)
            assert "nothing was written in" in str(outcome)
            assert "lock timeout" in str(outcome)
        # One stall, one limit: those behind do not wait it out once more each.
        assert 1.0 <= took < 1.0 + 3 * 1.5
    assert (await patient.append([halt(4)], Checkpoint("worker", 1, 2))).positions == (2,)
    assert await reasons(patient) == ["first", "4"]


async def test_a_new_stall_gets_the_whole_limit_again(
    database_url: str, patient: PostgresStore, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "STALL_SECONDS_MAX", 1.0)
    async with held(database_url):
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(patient.append([halt(1)]), 20)
    waits.clear()
    monkeypatch.setattr(patience, "STALL_SECONDS_MAX", 15.0)
    async with held(database_url):
        task = asyncio.create_task(patient.append([halt(1)]))
        await waits.reach(1)
    assert (await asyncio.wait_for(task, 20)).positions == (2,)
    assert waits[0] < 1.0


async def test_a_stuck_holder_is_ended_before_its_waiters_give_up(
    patient: PostgresStore, waits: Waits
) -> None:
    stuck = await patient.connect_writer()
    ended = asyncio.Event()
    stuck.add_termination_listener(lambda *_: ended.set())
    await stuck.execute("BEGIN")
    await stuck.execute(LOCK_OF_THE_LOG)
    done = await asyncio.wait_for(patient.append([halt(1)]), 20)
    assert done.positions == (2,)
    assert waits
    await asyncio.wait_for(ended.wait(), 30)


async def test_who_gives_up_while_the_log_stands_still_has_written_nothing(
    database_url: str, patient: PostgresStore, waits: Waits
) -> None:
    async with held(database_url):
        tasks = [asyncio.create_task(patient.append([halt(n)])) for n in (1, 2, 3)]
        await waits.reach(1)
        tasks[1].cancel()
        alone = asyncio.create_task(patient.append([halt(4)]))
        await asyncio.sleep(0)
        alone.cancel()
    outcomes: list[Any] = await asyncio.wait_for(
        asyncio.gather(*tasks, alone, return_exceptions=True), 20
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "Appended",
        "CancelledError",
        "Appended",
        "CancelledError",
    ]
    await patient.append([halt(5)])
    assert await reasons(patient) == ["first", "1", "3", "5"]


async def test_closing_does_not_wait_long_for_a_log_that_stands_still(
    database_url: str, waits: Waits
) -> None:
    store = await PostgresStore.open(database_url, application_name="test", on_wait=waits.append)
    async with held(database_url):
        calls = [[halt((n, k)) for k in range(300)] for n in range(10)]
        tasks = [asyncio.create_task(store.append(call)) for call in calls]
        await waits.reach(1)
        began = time.monotonic()
        await asyncio.wait_for(store.close(), 20)
        assert time.monotonic() - began < patience.CLOSING_SECONDS_MAX + 3.0
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}


async def test_reads_that_wait_for_the_server_are_counted_with_their_seconds(
    database_url: str, waits: Waits
) -> None:
    """The database takes no connection until a read has tried three times more."""
    address, _, name = database_url.rpartition("/")
    allow = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS '
    owner = await asyncpg.connect(f"{address}/postgres")
    async with await PostgresStore.open(
        database_url, application_name="waits", on_read_wait=waits.append
    ) as store:
        await store.append([halt(1)])
        assert await store.head() == 1 and waits == []
        try:
            await owner.execute(allow + "false")
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'waits%'"
            )
            began = time.monotonic()
            reading = asyncio.create_task(store.head())
            await waits.reach(3)
        finally:
            await owner.execute(allow + "true")
        async with asyncio.timeout(20):
            assert await reading == 1
        assert 0 < sum(waits) <= time.monotonic() - began
    await owner.close()
