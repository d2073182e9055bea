"""Calls that the vendor takes in a minute, in flight and in a day, and what the client keeps."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales import UwQuotaSpent, UwRest
from adapters.unusual_whales.limiter import CALLS_IN_FLIGHT_MAX, CallLimiter, CallWindow
from adapters.unusual_whales.sandbox import UwSandbox, UwSandboxSettings
from adapters.unusual_whales.sandbox.control import FaultRequest
from tests.adapters.unusual_whales.conftest import StandingClock, Wire
from tests.waiting import Until


async def test_headers_count_calls_and_add_up_to_the_cap(rest: UwRest) -> None:
    first = await rest.get("x", "/api/stock/SPY/gex-levels")
    second = await rest.get("x", "/api/stock/SPY/gex-levels")
    counts = [int(a.headers["x-uw-minute-req-counter"]) for a in (first, second)]
    assert counts == [1, 2]
    assert counts[1] + int(second.headers["x-uw-req-per-minute-remaining"]) == 120
    assert 0 < int(second.headers["x-uw-req-per-minute-reset"]) <= 60_000


async def test_the_hundred_and_twenty_first_call_of_a_minute_is_429(wire: Wire) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {wire.token}"}) as http:
        statuses = []
        for _ in range(121):
            async with http.get(f"{wire.rest_url}/api/stock/SPY/nothing") as answer:
                statuses.append(answer.status)
        async with http.get(f"{wire.rest_url}/api/stock/SPY/nothing") as answer:
            text = await answer.text()
    assert statuses == [404] * 120 + [429]
    assert "rate limit of 120" in text


async def test_the_cap_follows_the_speed_of_the_clock(wire: Wire, rest: UwRest) -> None:
    wire.clock.speed = 10.0
    answer = await rest.get("x", "/api/stock/SPY/gex-levels")
    assert int(answer.headers["x-uw-req-per-minute-remaining"]) == 1199


async def test_the_fourth_call_in_flight_is_429(wire: Wire, until: Until) -> None:
    await wire.fault(FaultRequest("delay", seconds=0.3))
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {wire.token}"}) as http:

        async def status() -> int:
            async with http.get(f"{wire.rest_url}/api/stock/SPY/gex-levels") as answer:
                return answer.status

        waiting = [asyncio.create_task(status()) for _ in range(3)]
        await until(lambda: wire.sandbox.rest.limits.in_flight == 3)
        assert await status() == 429
        assert await asyncio.gather(*waiting) == [200, 200, 200]


async def test_the_client_keeps_three_calls_in_flight_by_itself(wire: Wire, rest: UwRest) -> None:
    await wire.fault(FaultRequest("delay", seconds=0.02))
    answers = await asyncio.gather(*(rest.get("x", "/api/stock/SPY/gex-levels") for _ in range(9)))
    assert [answer.status for answer in answers] == [200] * 9
    assert [answer.tries for answer in answers] == [1] * 9


async def test_a_refusal_for_crowding_lowers_the_calls_in_flight(wire: Wire) -> None:
    """`Retry-After` is waited for; the second try is the last one here."""
    await wire.fault(FaultRequest("rest", fault="crowded"))
    async with UwRest(wire.rest_url, wire.token) as client:
        answer = await client.get("x", "/api/stock/SPY/gex-levels", tries_max=1)
        assert (answer.status, client.limiter.in_flight_max) == (429, 2)


async def test_a_spent_day_quota_stops_all_calls_until_it_turns_over(wire: Wire) -> None:
    times = [datetime(2026, 10, 6, 14, 0, tzinfo=UTC)]
    await wire.fault(FaultRequest("quota"))
    async with UwRest(wire.rest_url, wire.token, now=lambda: times[0]) as client:
        answer = await client.get("x", "/api/stock/SPY/gex-levels")
        assert (answer.status, answer.tries) == (429, 1)
        with pytest.raises(UwQuotaSpent):
            await client.get("x", "/api/stock/SPY/gex-levels")
        await wire.fault(FaultRequest("clear"))
        times[0] = datetime(2026, 10, 7, 0, 0, tzinfo=UTC)  # 20:00 in New York
        assert (await client.get("x", "/api/stock/SPY/gex-levels")).status == 200


async def test_a_minute_refusal_waits_for_the_announced_end(
    market: SimulatedMarket, settings: UwSandboxSettings, tmp_path: Path
) -> None:
    ticks = [0.0]
    clock = StandingClock(market)
    sandbox = UwSandbox(
        market, clock, tmp_path, replace(settings, calls_a_minute=2), lambda: ticks[0]
    )
    wire = Wire(market, clock, sandbox)
    await wire.start()
    try:
        async with UwRest(wire.rest_url, wire.token) as client:
            await client.get("x", "/api/stock/SPY/gex-levels")
            # 59.95 s into the window: the third call is refused for 50 ms, then goes through.
            ticks[0] = 59.95
            await client.get("x", "/api/stock/SPY/gex-levels")
            pending = asyncio.create_task(client.get("x", "/api/stock/SPY/gex-levels"))
            assert client.limiter.window.seconds_to_wait() == pytest.approx(0.05, abs=0.05)
            ticks[0] = 60.0
            assert (await pending).status == 200
    finally:
        await sandbox.stop()


def test_a_window_counts_from_its_first_call_and_opens_again() -> None:
    now = [100.0]
    window = CallWindow(2, lambda: now[0])
    window.take()
    now[0] = 130.0
    window.take()
    assert window.seconds_to_wait() == 30.0
    now[0] = 160.0
    assert window.seconds_to_wait() == 0.0
    assert window.used == 0


def test_headers_tighten_the_window_and_never_widen_it() -> None:
    now = [0.0]
    window = CallWindow(120, lambda: now[0])
    window.take()
    window.observe(
        {
            "x-uw-minute-req-counter": "119",
            "x-uw-req-per-minute-remaining": "1000000",
            "x-uw-req-per-minute-reset": "5000",
        }
    )
    assert window.used == 119
    window.take()
    assert window.seconds_to_wait() == 5.0


async def test_a_limiter_holds_back_the_fourth_call(until: Until) -> None:
    limiter = CallLimiter(1.0, lambda: 0.0)
    release, inside = asyncio.Event(), [0]

    async def call() -> None:
        async with limiter.call():
            inside[0] += 1
            await release.wait()

    calls = [asyncio.create_task(call()) for _ in range(CALLS_IN_FLIGHT_MAX + 1)]
    await until(lambda: inside[0] == CALLS_IN_FLIGHT_MAX)
    assert not calls[-1].done()
    release.set()
    await asyncio.gather(*calls)
    assert inside[0] == CALLS_IN_FLIGHT_MAX + 1
