"""Calls of the minute by rank, and calls of the day by the vendor's own headers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from adapters.unusual_whales.limiter import (
    CALLS_A_MINUTE,
    CALLS_IN_FLIGHT_MAX,
    RESERVED_CALLS_A_MINUTE,
    CallLimiter,
    Rank,
)
from adapters.unusual_whales.quota import DayQuota, next_quota_day
from tests.waiting import Until

MORNING = datetime(2026, 10, 6, 12, 0, tzinfo=UTC)


class Caller:
    """Makes calls that stay in flight until they are let go."""

    def __init__(self, limiter: CallLimiter) -> None:
        self.limiter = limiter
        self.went: list[str] = []
        self.let_go = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, rank: Rank, *, is_retry: bool = False) -> asyncio.Task[None]:
        async def call() -> None:
            async with self.limiter.call(rank, is_retry=is_retry):
                self.went.append(name)
                await self.let_go.wait()

        task = asyncio.create_task(call(), name=name)
        self.tasks.append(task)
        return task

    async def end(self) -> None:
        self.let_go.set()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def take(limiter: CallLimiter, calls: int, rank: Rank = Rank.NEEDED) -> None:
    for _ in range(calls):
        async with limiter.call(rank):
            pass


async def test_waiting_calls_go_by_rank_and_then_by_arrival(until: Until) -> None:
    caller = Caller(CallLimiter(1.0, lambda: 0.0))
    for number in range(CALLS_IN_FLIGHT_MAX):
        caller.start(f"first {number}", Rank.OPERATOR)
    await until(lambda: len(caller.went) == CALLS_IN_FLIGHT_MAX)
    for rank in (Rank.OPERATOR, Rank.USEFUL, Rank.NEEDED, Rank.GAP_FILL):
        for name in ("a", "b"):
            caller.start(f"{rank.name} {name}", rank)
    await asyncio.sleep(0)
    caller.let_go.set()
    await until(lambda: len(caller.went) == CALLS_IN_FLIGHT_MAX + 8)
    assert caller.went[CALLS_IN_FLIGHT_MAX:] == [
        f"{rank.name} {name}" for rank in Rank for name in ("a", "b")
    ]
    await caller.end()


async def test_twenty_calls_a_minute_are_kept_from_the_schedule(until: Until) -> None:
    """Gap fills, second tries and the operator go on when the schedule has to wait."""
    limiter = CallLimiter(1.0, lambda: 0.0)
    await take(limiter, CALLS_A_MINUTE - RESERVED_CALLS_A_MINUTE)
    caller = Caller(limiter)
    caller.let_go.set()
    caller.start("needed", Rank.NEEDED)
    caller.start("useful", Rank.USEFUL)
    caller.start("operator", Rank.OPERATOR)
    caller.start("retry", Rank.NEEDED, is_retry=True)
    caller.start("gap", Rank.GAP_FILL)
    await until(lambda: len(caller.went) == 3)
    assert set(caller.went) == {"operator", "retry", "gap"}
    await take(limiter, RESERVED_CALLS_A_MINUTE - 3, Rank.GAP_FILL)
    assert limiter.window.seconds_to_wait() > 0
    await caller.end()


async def test_calls_of_others_with_our_token_take_from_the_schedule() -> None:
    limiter = CallLimiter(1.0, lambda: 0.0)
    await take(limiter, 1)
    limiter.window.observe({"x-uw-minute-req-counter": "100"})
    caller = Caller(limiter)
    waiting = caller.start("needed", Rank.NEEDED)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert caller.went == []
    await caller.end()


async def test_a_waiting_call_goes_when_the_window_ends(until: Until) -> None:
    now = [0.0]
    limiter = CallLimiter(1.0, lambda: now[0])
    await take(limiter, 1)
    limiter.window.exhaust(0.02)
    caller = Caller(limiter)
    caller.let_go.set()
    caller.start("late", Rank.NEEDED)
    now[0] = 0.02
    await until(lambda: caller.went == ["late"])
    await caller.end()


async def test_a_cancelled_call_gives_its_turn_back(until: Until) -> None:
    caller = Caller(CallLimiter(1.0, lambda: 0.0))
    for number in range(CALLS_IN_FLIGHT_MAX):
        caller.start(str(number), Rank.NEEDED)
    await until(lambda: len(caller.went) == CALLS_IN_FLIGHT_MAX)
    gives_up = caller.start("gives up", Rank.NEEDED)
    waits = caller.start("waits", Rank.NEEDED)
    await asyncio.sleep(0)
    gives_up.cancel()
    caller.let_go.set()
    await waits
    assert "gives up" not in caller.went
    await caller.end()


async def test_a_refusal_for_crowding_leaves_one_call_less_in_flight_for_a_minute() -> None:
    now = [0.0]
    limiter = CallLimiter(1.0, lambda: now[0])
    for expected in (2, 1, 1):
        limiter.crowded()
        assert limiter.in_flight_max == expected
    now[0] = 61.0
    assert limiter.in_flight_max == CALLS_IN_FLIGHT_MAX


def test_the_quota_is_what_the_headers_say() -> None:
    quota = DayQuota()
    assert quota.left(MORNING) is None
    assert quota.allows(Rank.USEFUL, MORNING)
    quota.observe({"x-uw-token-req-limit": "15000", "x-uw-daily-req-count": "600"}, MORNING)
    quota.count(MORNING)
    assert quota.left(MORNING) == 15_000 - 601


@pytest.mark.parametrize(
    ("used", "allowed"),
    [
        (8_999, {Rank.GAP_FILL, Rank.NEEDED, Rank.USEFUL, Rank.OPERATOR}),
        (9_000, {Rank.GAP_FILL, Rank.NEEDED, Rank.OPERATOR}),
        (9_700, {Rank.GAP_FILL}),
        (10_000, {Rank.GAP_FILL}),
    ],
)
def test_at_90_percent_priority_2_stops_and_at_97_all_but_gap_fills(
    used: int, allowed: set[Rank]
) -> None:
    quota = DayQuota()
    quota.observe({"x-uw-token-req-limit": "10000", "x-uw-daily-req-count": str(used)}, MORNING)
    assert {rank for rank in Rank if quota.allows(rank, MORNING)} == allowed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (datetime(2026, 10, 6, 23, 59, 59, tzinfo=UTC), datetime(2026, 10, 7, 0, 0, tzinfo=UTC)),
        (datetime(2026, 11, 3, 0, 59, 59, tzinfo=UTC), datetime(2026, 11, 3, 1, 0, tzinfo=UTC)),
    ],
    ids=["summer time", "winter time"],
)
def test_a_spent_quota_turns_over_at_20_00_new_york(before: datetime, after: datetime) -> None:
    quota = DayQuota()
    quota.observe({"x-uw-token-req-limit": "10000"}, before)
    quota.spend(before)
    assert next_quota_day(before) == after
    assert not any(quota.allows(rank, before) for rank in Rank)
    assert all(quota.allows(rank, after) for rank in Rank)
    assert quota.left(after) == 10_000
