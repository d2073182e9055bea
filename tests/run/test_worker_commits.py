"""A worker's commit that the log refuses in part: what is committed, and how far it says it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from domain.event import Recorded
from domain.events.analytics import BarIgnored
from domain.events.controls import HaltRequested
from domain.stage import Emission
from run.stopped import PoisonInput
from run.worker import Recorder, Worker
from store.errors import StoreError
from store.postgres import PostgresStore
from tests.run.test_worker_shell import Count, CountingStage, ask, page, worker
from tests.store.propose import AT


class SeldomStage(CountingStage):
    """Answers the first and the last of five inputs, each with a mark in a stream of its own."""

    types = frozenset({"HaltRequested"})

    def evolve(self, state: Count, event: Recorded) -> Count:
        assert isinstance(event.body, HaltRequested)
        state.due = []
        if event.body.who in ("w0", "w4"):
            mark = BarIgnored(symbol=event.body.who, start=AT, last_start=AT)
            state.due = [Emission(f"marks/{event.body.who}", mark)]
        return state


async def test_inputs_without_an_answer_before_the_refused_one_are_consumed(
    store: PostgresStore,
) -> None:
    """The checkpoint stands right before the refused input: a skip passes over that one alone."""
    for number in range(5):
        await ask(store, number)
    one = Worker("signals", [SeldomStage()], store, "build-1")
    await one.recover()
    mark = BarIgnored(symbol="w4", start=AT, last_start=AT)
    await Recorder(store, "intruder", "build-1", "run-i").record("marks/w4", mark)
    one._commits.versions["marks/w4"] = 0
    with pytest.raises(PoisonInput, match="input 5 HaltRequested: VersionConflict"):
        await one.take(await store.read(0, one.selection, up_to=5), 5)
    assert await store.checkpoint("signals") == 4
    assert [event.input_position for event in await store.emissions("signals", 0, 10)] == [1]


@asynccontextmanager
async def held(database_url: str) -> AsyncIterator[None]:
    """While no commit goes through: the lock of the log is taken."""
    owner = await asyncpg.connect(database_url)
    await owner.execute("SELECT pg_advisory_lock(7236002)")
    try:
        yield
    finally:
        await owner.close()


async def test_what_is_decided_while_a_commit_is_under_way_leaves_in_one_more(
    store: PostgresStore, database_url: str
) -> None:
    """An exit does not wait for a commit of its own behind each answer of the broker."""
    for number in range(5):
        await ask(store, number)
    one = worker(store)
    await one.recover()
    commits = asyncio.create_task(one._commits.run())
    async with held(database_url):
        await one._take(await page(store, one), 5, one._leave)
        assert (one.position, one._commits.waiting) == (5, 4)
    await one._commits.flush()
    owner = await asyncpg.connect(database_url)
    # Each input leads to two events.
    sizes = "SELECT last_position - first_position + 1 FROM commits WHERE first_position > 5"
    assert [row[0] for row in await owner.fetch(f"{sizes} ORDER BY 1")] == [2, 8]
    await owner.close()
    assert await store.checkpoint("counter") == 5
    emitted = await store.emissions("counter", 0, 5)
    assert [event.input_position for event in emitted[::2]] == [1, 2, 3, 4, 5]
    commits.cancel()


@pytest.mark.parametrize(("at_once", "together"), [(True, [1, 1]), (False, [2])])
async def test_numbers_of_one_symbol_do_not_wait_for_those_of_the_next_unless_it_catches_up(
    store: PostgresStore, database_url: str, at_once: bool, together: list[int]
) -> None:
    """A bar at which nothing is decided is a decision against a signal: it is looked for."""
    for number in (0, 4):
        await ask(store, number)
    one = Worker("signals", [SeldomStage()], store, "build-1")
    await one.recover()
    commits = asyncio.create_task(one._commits.run())
    async with held(database_url):
        events = await store.read(0, one.selection, up_to=2)
        await one._take(events, 2, one._leave, at_once=at_once)
    await one._commits.flush()
    owner = await asyncpg.connect(database_url)
    sizes = "SELECT last_position - first_position + 1 FROM commits WHERE first_position > 2"
    assert [row[0] for row in await owner.fetch(sizes)] == together
    await owner.close()
    commits.cancel()


async def test_after_a_commit_that_failed_nothing_later_is_committed(
    store: PostgresStore, database_url: str
) -> None:
    """Else the checkpoint would pass over the input whose emissions are not there."""
    for number in range(5):
        await ask(store, number)
    one = Worker("signals", [SeldomStage()], store, "build-1")
    await one.recover()
    mark = BarIgnored(symbol="w0", start=AT, last_start=AT)
    await Recorder(store, "intruder", "build-1", "run-i").record("marks/w0", mark)
    one._commits.versions["marks/w0"] = 0
    commits = asyncio.create_task(one._commits.run())
    async with held(database_url):
        await one._take(await store.read(0, one.selection, up_to=5), 5, one._leave)
    with pytest.raises(PoisonInput, match="input 1 HaltRequested: VersionConflict"):
        await commits
    with pytest.raises(StoreError, match="must begin anew"):
        await one._commits.flush()
    assert await store.checkpoint("signals") == 0
    assert await store.emissions("signals", 0, 10) == []
    await one.recover()
    assert one.position == 0
