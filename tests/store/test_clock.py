"""market_time over changes of speed, and steps of the database clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from domain.events.system import ClockAccepted
from store.contract import Checkpoint
from store.errors import ClockStepped
from store.postgres import PostgresStore
from tests.store.propose import clock_started, halt, propose

BASE = datetime(2026, 10, 6, 13, 30, tzinfo=UTC)


async def test_market_time_is_real_time_until_the_clock_is_started(store: PostgresStore) -> None:
    done = await store.append([halt(1)])
    assert done.market_times == (done.recorded_at,)


async def test_market_time_runs_from_the_newest_start_at_its_speed(store: PostgresStore) -> None:
    await store.append([halt("before")])
    started = await store.append([clock_started(BASE, 60.0), halt("same call")])
    assert started.market_times == (BASE, BASE)
    later = await store.append([halt("later")])
    elapsed = later.recorded_at - started.recorded_at
    assert elapsed > timedelta(0)
    assert abs(later.market_times[0] - (BASE + 60 * elapsed)) < timedelta(microseconds=2)

    faster_base = later.market_times[0]
    faster = await store.append([clock_started(faster_base, 600.0, "faster")])
    end = await store.append([halt("end")])
    elapsed = end.recorded_at - faster.recorded_at
    assert abs(end.market_times[0] - (faster_base + 600 * elapsed)) < timedelta(microseconds=2)


async def test_market_time_never_falls_with_position(store: PostgresStore) -> None:
    await store.append([clock_started(BASE, 100.0)])
    await store.append([halt(1)])
    # A restart at the last tick lies a little behind what is on the log.
    await store.append([clock_started(BASE, 1.0, "restart")])
    for key in range(2, 6):
        await store.append([halt(key), halt((key, "b"))])
    times = [event.market_time for event in await store.read(0)]
    assert times == sorted(times)


async def test_virtual_time_runs_give_market_time_themselves(store: PostgresStore) -> None:
    given = [BASE + timedelta(seconds=n) for n in range(3)]
    done = await store.append(
        [propose(halt(n).body, key=n, market_time=given[n]) for n in range(3)]
    )
    assert done.market_times == tuple(given)
    assert [event.market_time for event in await store.read(0)] == given


async def test_recorded_at_never_falls_when_the_clock_is_behind_the_log(
    store: PostgresStore, database_url: str
) -> None:
    first = await store.append([halt(1)])
    ahead = first.recorded_at + timedelta(hours=1)
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE commits SET recorded_at = $1", ahead)
    await owner.close()
    assert (await store.append([halt(2)])).recorded_at == ahead


class Monotonic:
    """A monotonic clock that can lose time, as one does while a laptop sleeps."""

    def __init__(self) -> None:
        self.lost_seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() - self.lost_seconds


@pytest.mark.parametrize("lost_seconds", [120.0, -120.0])
async def test_a_clock_step_admits_nothing_but_its_acceptance(
    database_url: str, lost_seconds: float
) -> None:
    clock = Monotonic()
    async with await PostgresStore.open(
        database_url, application_name="test", monotonic=clock
    ) as store:
        await store.append([halt(1)])
        clock.lost_seconds = lost_seconds
        # A busy machine takes a moment between our clock and the database's.
        with pytest.raises(ClockStepped, match=r"stepped by -?1(19|20)\.\d s"):
            await store.append([halt(2)])
        accepted = ClockAccepted(who="operator", why="slept", step_seconds=lost_seconds)
        with pytest.raises(ClockStepped):
            await store.append([propose(accepted, key="a"), halt(3)])
        await store.append([propose(accepted, key="a")])
        await store.append([halt(4)])
        assert [event.type for event in await store.read(0)] == [
            "HaltRequested",
            "ClockAccepted",
            "HaltRequested",
        ]


async def test_an_acceptance_frees_the_other_processes_too(database_url: str) -> None:
    clock = Monotonic()
    async with (
        await PostgresStore.open(database_url, application_name="one", monotonic=clock) as one,
        await PostgresStore.open(database_url, application_name="two", monotonic=clock) as two,
    ):
        await one.append([halt(1)])
        await two.append([halt(2)])
        clock.lost_seconds = 7_200.0
        with pytest.raises(ClockStepped):
            await two.append([halt(3)])
        body = ClockAccepted(who="operator", why="slept", step_seconds=7_200.0)
        await one.append([propose(body, key="a")])
        await two.append([halt(3)])
        clock.lost_seconds = 14_400.0
        with pytest.raises(ClockStepped):
            await two.append([halt(4)])


async def test_a_small_difference_and_a_fresh_start_are_no_step(database_url: str) -> None:
    clock = Monotonic()
    clock.lost_seconds = 86_400.0
    async with await PostgresStore.open(
        database_url, application_name="test", monotonic=clock
    ) as store:
        await store.append([halt(1)])
        clock.lost_seconds += 50.0
        assert (await store.append([halt(2)])).positions == (2,)


async def test_a_refused_step_outlives_the_processes_that_saw_it(database_url: str) -> None:
    """Whoever is started afterwards has an anchor of the new time, and must not take it for good:
    nor may one that was started between the step and its being noticed."""
    clock = Monotonic()
    async with await PostgresStore.open(
        database_url, application_name="one", monotonic=clock
    ) as one:
        await one.append([halt(1)])
        async with await PostgresStore.open(database_url, application_name="between") as between:
            await between.append([halt("before it was noticed")])
            clock.lost_seconds = 7_200.0
            with pytest.raises(ClockStepped):
                await one.append([halt(2)])
            for events in ([halt(2)], [halt(2), halt(3)], [clock_started(BASE, 1.0)]):
                with pytest.raises(ClockStepped, match=r"stepped by 7\d{3}.* run\.accept_clock"):
                    await between.append(events)
    async with await PostgresStore.open(database_url, application_name="restarted") as later:
        with pytest.raises(ClockStepped, match="stepped by 7"):
            await later.append([halt(2)])
        with pytest.raises(ClockStepped):
            await later.append([], Checkpoint("worker", 0, 1))
        step = (await later.clock()).step_seconds
        assert step == pytest.approx(7_200, abs=10)
        await later.append(
            [propose(ClockAccepted(who="ann", why="slept", step_seconds=step), key="a")]
        )
        assert (await later.clock()).step_seconds is None
        await later.append([halt(2)])
    async with await PostgresStore.open(database_url, application_name="fresh") as fresh:
        await fresh.append([halt(3)])


async def test_a_step_that_was_accepted_is_not_noted_by_who_notices_it_later(
    database_url: str,
) -> None:
    clock = Monotonic()
    async with (
        await PostgresStore.open(database_url, application_name="one", monotonic=clock) as one,
        await PostgresStore.open(database_url, application_name="two", monotonic=clock) as two,
    ):
        await two.append([halt(1)])
        clock.lost_seconds = 7_200.0
        body = ClockAccepted(who="operator", why="slept", step_seconds=7_200.0)
        await one.append([propose(body, key="a")])
        await two.append([halt(2)])
        assert (await one.clock()).step_seconds is None
