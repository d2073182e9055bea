"""Following the log: wake-up, selection, lost connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from domain.event import Recorded, derived_id
from domain.events.system import ClockTicked, WorkerStarted
from store import reading, subscription
from store.contract import Selection
from store.postgres import PostgresStore
from tests.store.propose import halt, price, propose

Pages = AsyncIterator[tuple[list[Recorded], int]]


async def _collect(pages: Pages, count: int) -> list[Recorded]:
    seen: list[Recorded] = []
    async with asyncio.timeout(30):
        async for events, scanned in pages:
            seen.extend(events)
            assert scanned >= (events[-1].position if events else 0)
            if len(seen) >= count:
                break
    return seen


async def _terminate(database_url: str, application_name: str) -> int:
    """End the backends of an application; returns how many there were."""
    owner = await asyncpg.connect(database_url)
    rows = await owner.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = $1 AND datname = current_database()",
        application_name,
    )
    await owner.close()
    return len(rows)


async def _listening(database_url: str) -> None:
    """Wait until the doorbell of the store listens; only the owner sees what others run."""
    owner = await asyncpg.connect(database_url)
    async with asyncio.timeout(30):
        while not await owner.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test listener'"
            " AND datname = current_database() AND query LIKE 'LISTEN%'"
        ):
            await asyncio.sleep(0.01)
    await owner.close()


async def test_an_append_wakes_a_reader_long_before_the_poll(
    store: PostgresStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "POLL_SECONDS", 30.0)
    pages = store.subscribe(0, Selection(types=frozenset({"HaltRequested"})))
    first = asyncio.ensure_future(anext(pages))
    await _listening(database_url)
    began = time.monotonic()
    await store.append([halt(1)])
    events, scanned = await asyncio.wait_for(first, 30)
    assert (events[0].position, scanned) == (1, 1)
    assert time.monotonic() - began < 5.0


async def test_a_reader_of_desk_events_sleeps_through_ticks_and_still_moves_on(
    store: PostgresStore,
) -> None:
    pages = store.subscribe(0, Selection(types=frozenset({"HaltRequested"})))
    await store.append([price(n) for n in range(10)])
    events, scanned = await asyncio.wait_for(anext(pages), 30)
    assert (events, scanned) == ([], 10)
    await store.append([halt(1)])
    events, scanned = await asyncio.wait_for(anext(pages), 30)
    assert [event.position for event in events] == [11]


async def test_ticks_that_ring_all_day_do_not_put_off_the_poll(store: PostgresStore) -> None:
    """Else the position of who reads desk events alone would stand still all day."""
    pages = store.subscribe(0, Selection(types=frozenset({"HaltRequested"})))
    page = asyncio.ensure_future(anext(pages))
    ticks = 0
    async with asyncio.timeout(30):
        while not page.done():
            ticks += 1
            await store.append([price(ticks)])
    assert page.result()[0] == [] and 0 < page.result()[1] <= ticks


async def test_what_rang_while_nobody_listened_is_found_when_somebody_does_again(
    store: PostgresStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A halt while the listener reconnects is not left to the next one."""
    monkeypatch.setattr(subscription, "POLL_SECONDS", 30.0)
    bell = store._doorbell
    may_connect, connect = asyncio.Event(), bell._connect
    may_connect.set()

    async def connect_when_allowed() -> Any:
        await may_connect.wait()
        return await connect()

    monkeypatch.setattr(bell, "_connect", connect_when_allowed)
    pages = store.subscribe(0, Selection(types=frozenset({"HaltRequested"})))
    page = asyncio.ensure_future(anext(pages))
    await _listening(database_url)
    may_connect.clear()
    assert await _terminate(database_url, "test listener") == 1
    await store.append([price(1), halt(1)])
    assert not page.done()
    may_connect.set()
    events, _ = await asyncio.wait_for(page, 30)
    assert [event.position for event in events] == [2]


async def test_catch_up_goes_by_pages_in_order(store: PostgresStore) -> None:
    await store.append([price(n) for n in range(95)])
    pages = store.subscribe(5, page=20)
    sizes = []
    positions: list[int] = []
    while len(positions) < 90:
        events, scanned = await asyncio.wait_for(anext(pages), 30)
        sizes.append(len(events))
        positions.extend(event.position for event in events)
        assert scanned == positions[-1]
    assert positions == list(range(6, 96))
    assert sizes == [20, 20, 20, 20, 10]


async def test_a_page_of_rare_events_is_filled_from_a_wide_log_without_one_missing(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_WIDTH_MIN", 10)
    rare = {7, 8, 900, 1_401, 2_600, 2_999}
    events = [halt(n) if n in rare else price(n) for n in range(1, 3_001)]
    await store.append(events)
    selection = Selection(types=frozenset({"HaltRequested"}))
    first = await store.read(0, selection, limit=4)
    rest = await store.read(first[-1].position, selection, limit=4)
    assert [event.position for event in first + rest] == sorted(rare)


async def test_a_reader_survives_the_loss_of_every_connection(
    store: PostgresStore, database_url: str
) -> None:
    task = asyncio.create_task(_collect(store.subscribe(0), 5))
    await store.append([halt(1)])
    await _listening(database_url)
    assert await _terminate(database_url, "test listener") == 1
    await store.append([halt(2)])
    assert await _terminate(database_url, "test") >= 1
    await store.append([halt(3)])
    await _listening(database_url)
    await store.append([halt(4), halt(5)])
    assert [event.position for event in await task] == [1, 2, 3, 4, 5]


async def test_selections_take_types_streams_own_clock_and_story(store: PostgresStore) -> None:
    story = derived_id("story")
    ticks = [propose(ClockTicked(worker=w), f"clock/{w}", w) for w in ("trader", "signals")]
    starts = [
        propose(
            WorkerStarted(
                worker=w,
                run_id="r",
                resumed_after=0,
                build="b",
                stages=(),
                types=(),
                configuration_sha256="",
                python="",
                platform="",
            ),
            f"worker/{w}",
            w,
        )
        for w in ("trader", "signals")
    ]
    mark = propose(
        price(0).body, "marks", "m", correlation_id=story, worker="trader", input_position=1
    )
    await store.append(
        [*ticks, *starts, halt(1), halt(2, "other", correlation_id=story), price(1), mark]
    )

    async def positions(selection: Selection) -> list[int]:
        return [event.position for event in await store.read(0, selection)]

    halts = frozenset({"HaltRequested"})
    assert await positions(Selection()) == list(range(1, 9))
    assert await positions(Selection(types=halts)) == [5, 6]
    assert await positions(Selection(types=halts, own_clock="trader")) == [1, 3, 5, 6]
    assert await positions(Selection(streams=("other", "uw/price:SPY"))) == [6, 7]
    assert await positions(Selection(types=halts, streams=("other",))) == [6]
    assert await positions(Selection(correlation_id=story)) == [6, 8]
    assert await positions(Selection(correlation_id=derived_id("uw/price:SPY", 1))) == [7]
    assert [e.position for e in await store.read(2, limit=3)] == [3, 4, 5]
    assert [e.position for e in await store.read(2, up_to=4)] == [3, 4]
    with pytest.raises(ValueError, match="limit must be from 1 to 5000"):
        await store.read(0, limit=5_001)


async def test_a_cancellation_that_a_client_swallowed_still_ends_the_follower(
    store: PostgresStore,
) -> None:
    """As asyncio.wait_for of Python 3.11 does, which redis-py calls for every write."""
    await store.append([halt(1), halt(2)])
    told = asyncio.Event()

    async def follow() -> None:
        async for _ in store.subscribe(0, Selection(), page=1):
            told.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    follower = asyncio.create_task(follow())
    await told.wait()
    follower.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await follower


async def test_one_page_is_fetched_ahead_of_the_consumer_and_never_more(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next page arrives while the consumer is busy; who leaves it leaves no task behind."""
    await store.append([halt(number) for number in range(9)])
    read, fetched = reading.Reader.page, 0

    async def counted(*given: Any) -> list[Recorded]:
        nonlocal fetched
        found = await read(*given)
        fetched += 1
        return found

    monkeypatch.setattr(reading.Reader, "page", counted)
    pages = store.subscribe(0, page=3)
    events, scanned = await anext(pages)
    assert ([event.position for event in events], scanned) == ([1, 2, 3], 3)
    (ahead,) = (task for task in asyncio.all_tasks() if task.get_name() == "store.next_page")
    async with asyncio.timeout(30):
        await asyncio.wait([ahead])
    assert fetched == 2
    assert [event.position for event in (await anext(pages))[0]] == [4, 5, 6]
    await pages.aclose()  # type: ignore[attr-defined]
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "store.next_page"]
