"""Market times and positions: before the first clock, over several days, under several builds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from domain.events.system import WorkerStarted
from run.replay.builds import recorded_runs
from run.replay.question import CannotAnswer, parse_time, position_at, positions_of_day
from store.contract import Selection
from tests.store.propose import clock_started, halt, propose

MONDAY, TUESDAY = date(2026, 10, 5), date(2026, 10, 6)
OPENS = datetime(2026, 10, 5, 13, 30, tzinfo=UTC)
NEXT = OPENS + timedelta(days=1)


def started(worker: str, build: str) -> Any:
    body = WorkerStarted(
        worker=worker,
        run_id=build,
        resumed_after=0,
        build=build,
        stages=(),
        types=(),
        configuration_sha256="",
        python="",
        platform="",
    )
    return propose(body, f"worker/{worker}", (worker, build))


@pytest.fixture
async def two_days(store: Any) -> Any:
    """What is written before the first ClockStarted has the real time: months later here."""
    for events in (
        [halt(1)],
        [clock_started(OPENS, 0.0, "monday"), halt(2), started("trader", "old")],
        [clock_started(NEXT, 0.0, "tuesday"), halt(3), started("trader", "new")],
        [started("projector", "other")],
    ):
        await store.append(events)
    return store


async def test_a_day_is_a_new_york_day_and_the_first_takes_what_came_before_its_clock(
    two_days: Any,
) -> None:
    assert await positions_of_day(two_days, MONDAY) == (0, 4)
    assert await positions_of_day(two_days, TUESDAY) == (4, 8)
    with pytest.raises(CannotAnswer, match="no event of 2026-10-07"):
        await positions_of_day(two_days, TUESDAY + timedelta(days=1))


async def test_a_day_ends_at_midnight_in_new_york_and_not_in_utc(two_days: Any) -> None:
    """22:00 in New York is the next day in UTC and still this one."""
    late = datetime(2026, 10, 7, 2, 0, tzinfo=UTC)
    await two_days.append([clock_started(late, 0.0, "late"), halt(4)])
    assert await positions_of_day(two_days, TUESDAY) == (4, 10)
    midnight = datetime(2026, 10, 7, 4, 0, tzinfo=UTC)
    await two_days.append([clock_started(midnight, 0.0, "midnight")])
    assert await positions_of_day(two_days, TUESDAY) == (4, 10)
    assert await positions_of_day(two_days, TUESDAY + timedelta(days=1)) == (10, 11)


async def test_the_position_at_a_time_is_that_of_the_last_event_up_to_it(two_days: Any) -> None:
    moments = (OPENS - timedelta(seconds=1), OPENS, NEXT - timedelta(seconds=1), NEXT)
    assert [await position_at(two_days, at) for at in moments] == [0, 4, 4, 8]


class WithHoles:
    """The log of a store as it reads when events at some positions are lost."""

    def __init__(self, store: Any, holes: frozenset[int]) -> None:
        self._store, self._holes = store, holes

    async def head(self) -> int:
        head: int = await self._store.head()
        return head

    async def read(
        self, after: int, selection: Selection, limit: int, up_to: int | None = None
    ) -> Any:
        left = replace(selection, without=self._holes)
        return await self._store.read(after, left, limit, up_to)


async def test_a_lost_event_never_makes_a_time_show_what_came_later(two_days: Any) -> None:
    """Whichever one or two events are lost, the answer is the last one left up to that time."""
    later = range(3, 9)
    for holes in (*combinations(later, 1), *combinations(later, 2)):
        log: Any = WithHoles(two_days, frozenset(holes))
        for at, last in ((OPENS, 4), (NEXT - timedelta(seconds=1), 4), (NEXT, 8)):
            left = max(position for position in range(2, last + 1) if position not in holes)
            assert await position_at(log, at) == left, (holes, at)


async def recorded_builds(store: Any, workers: Any, after: int, up_to: int) -> set[str]:
    return {run.build for run in await recorded_runs(store, workers, after, up_to)}


async def test_builds_are_those_that_ran_in_the_stretch_asked_for(two_days: Any) -> None:
    workers = ("trader", "signals")
    assert await recorded_builds(two_days, workers, 0, 8) == {"old", "new"}
    assert await recorded_builds(two_days, workers, 0, 4) == {"old"}
    assert await recorded_builds(two_days, workers, 4, 8) == {"old", "new"}
    assert await recorded_builds(two_days, workers, 7, 8) == {"new"}


async def test_an_empty_log_has_no_position(store: Any) -> None:
    assert await position_at(store, OPENS) == 0


@pytest.mark.parametrize("text", ["", "10:5", "25:00", "yesterday", "10:00 Paris"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(CannotAnswer, match="time must look like"):
        parse_time(text, MONDAY)
