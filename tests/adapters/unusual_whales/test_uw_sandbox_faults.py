"""Each fault of the sandbox is one that the client sees, and that it gets over."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales import (
    UwItem,
    UwMessage,
    UwQuotaSpent,
    UwRest,
    UwSocket,
    UwSocketTiming,
)
from adapters.unusual_whales.sandbox import UwSandbox, UwSandboxSettings
from adapters.unusual_whales.sandbox.control import FaultRequest
from domain.payloads import unusual_whales as uw
from tests.adapters.unusual_whales.conftest import StandingClock, Wire
from tests.adapters.unusual_whales.test_uw_socket_wire import QUICK, Listener
from tests.waiting import Until

PAYLOADS = [f'{{"close":"60{number}"}}'.encode() for number in range(3)]


class ClockAt(StandingClock):
    """Market time is what the test says."""

    def __init__(self, market: SimulatedMarket, at: datetime) -> None:
        super().__init__(market)
        self.at = at

    def now(self) -> datetime:
        return self.at


async def fault(wire: Wire, kind: str, name: str = "", count: int = 1) -> None:
    await wire.fault(FaultRequest(kind, fault=name, count=count))


async def push(wire: Wire, channel: str, *payloads: bytes) -> None:
    for payload in payloads:
        request = FaultRequest("frame", channel=channel, payload=msgspec.Raw(payload))
        await wire.fault(request)


@asynccontextmanager
async def reading(
    wire: Wire, until: Until, channel: str, timing: UwSocketTiming | None = None
) -> AsyncIterator[tuple[UwSocket, Listener]]:
    """A client that has joined one channel."""
    listener = Listener()
    async with UwSocket(
        wire.socket_url, wire.token, (channel,), listener, backoff=QUICK, timing=timing
    ) as socket:
        await until(lambda: listener.count("ready"))
        yield socket, listener


def payloads(items: list[UwItem]) -> list[bytes]:
    assert all(isinstance(item, UwMessage) for item in items)
    return [item.payload for item in items if isinstance(item, UwMessage)]


async def test_a_connection_that_ends_inside_a_frame_leaves_no_part_of_it(
    wire: Wire, until: Until
) -> None:
    async with reading(wire, until, "price:SPY") as (socket, listener):
        await push(wire, "price:SPY", PAYLOADS[0])
        await until(lambda: socket.queue_depth == 1)
        await fault(wire, "cut")
        await push(wire, "price:SPY", PAYLOADS[1])
        await until(lambda: listener.count("ready") == 2)
        await push(wire, "price:SPY", PAYLOADS[2])
        await until(lambda: socket.queue_depth == 2)
        assert payloads(await socket.take(10)) == [PAYLOADS[0], PAYLOADS[2]]


async def test_a_half_open_connection_is_found_and_replaced(wire: Wire, until: Until) -> None:
    """Nothing is said and no ping is answered, and the connection stands."""
    timing = UwSocketTiming(ping_seconds=0.1)
    async with reading(wire, until, "price:SPY", timing) as (socket, listener):
        await fault(wire, "half_open")
        await push(wire, "price:SPY", PAYLOADS[0])
        await until(lambda: listener.count("down") and listener.count("ready") == 2)
        await push(wire, "price:SPY", PAYLOADS[1])
        await until(lambda: socket.queue_depth == 1)
        assert payloads(await socket.take(10)) == [PAYLOADS[1]]


@pytest.mark.parametrize("characters", [3, 300, 70_000])
async def test_a_frame_that_drips_is_whole(wire: Wire, until: Until, characters: int) -> None:
    """Of each of the three lengths of head that a frame can have."""
    payload = msgspec.json.encode({"close": "6" * characters})
    async with reading(wire, until, "price:SPY") as (socket, listener):
        await fault(wire, "drip")
        await push(wire, "price:SPY", payload, PAYLOADS[0])
        await until(lambda: socket.queue_depth == 2)
        assert payloads(await socket.take(10)) == [payload, PAYLOADS[0]]
        assert listener.count("down") == 0


async def test_reordered_frames_come_in_another_order(wire: Wire, until: Until) -> None:
    async with reading(wire, until, "price:SPY") as (socket, _):
        await fault(wire, "reorder")
        await push(wire, "price:SPY", *PAYLOADS)
        await until(lambda: socket.queue_depth == 3)
        came = payloads(await socket.take(10))
    assert sorted(came) == PAYLOADS and came != PAYLOADS


async def test_yesterdays_frames_have_yesterdays_times_and_keys_of_their_own(
    wire: Wire, until: Until
) -> None:
    async with reading(wire, until, "option_trades:SPY") as (socket, _):
        wire.move(5)
        await until(lambda: socket.queue_depth)
        today = payloads(await socket.take(1_000))[0]
        await fault(wire, "rewrite", "yesterday")
        await push(wire, "option_trades:SPY", today)
        await until(lambda: socket.queue_depth)
        old = payloads(await socket.take(1_000))[-1]
    new, stale = uw.read_option_trade(today), uw.read_option_trade(old)
    assert new.executed_at - stale.executed_at == timedelta(days=1)
    assert (new.option_symbol, new.expiry) == (stale.option_symbol, stale.expiry)
    keys = {uw.natural_key("option_trades:SPY", payload) for payload in (today, old)}
    assert len(keys) == 2


async def test_yesterdays_times_in_text_are_moved_too(wire: Wire, until: Until) -> None:
    """With and without a fraction, and a date alone."""
    async with reading(wire, until, "off_lit_trades:SPY") as (socket, _):
        await fault(wire, "rewrite", "yesterday")
        written = {"executed_at": "2026-10-06T14:02:16.250000Z", "date": "2026-10-01", "size": 5}
        await push(wire, "off_lit_trades:SPY", msgspec.json.encode(written))
        await until(lambda: socket.queue_depth)
        (came,) = payloads(await socket.take(1))
    assert json.loads(came) == {
        "executed_at": "2026-10-05T14:02:16.250000Z", "date": "2026-09-30", "size": 5,
    }  # fmt: skip


async def test_headlines_with_entities_and_hidden_signs_are_kept_as_they_came(
    wire: Wire, until: Until
) -> None:
    headline = {
        "headline": "Bank names a head", "timestamp": "2026-10-06T14:02:16Z", "source": "NYT",
        "tickers": [], "is_trump_ts": False,
    }  # fmt: skip
    async with reading(wire, until, "news") as (socket, _):
        await fault(wire, "rewrite", "odd_headline")
        await push(wire, "news", msgspec.json.encode(headline))
        await until(lambda: socket.queue_depth)
        (came,) = payloads(await socket.take(1))
    text = uw.read_news(came).headline
    assert {"\u202e", "\u200b", "\u2066", "\ufeff"} <= set(text) and "&quot;" in text
    assert uw.drift("news", came) == []


async def test_trades_of_an_index_have_no_underlying_price(wire: Wire, until: Until) -> None:
    async with reading(wire, until, "option_trades:SPY") as (socket, _):
        await fault(wire, "rewrite", "no_underlying")
        wire.move(5)
        await until(lambda: socket.queue_depth > 1)
        first, second = payloads(await socket.take(1_000))[:2]
    assert b'"underlying_price":""' in first
    assert uw.read_option_trade(first).underlying_price is None
    assert uw.read_option_trade(second).underlying_price is not None


async def test_restated_open_interest_has_other_numbers_for_the_same_days(
    wire: Wire, rest: UwRest
) -> None:
    path = "/api/stock/SPY/oi-change"
    before = json.loads((await rest.get(path, path)).body_bytes)["data"]
    await fault(wire, "restate")
    after = json.loads((await rest.get(path, path)).body_bytes)["data"]
    for old, new in zip(before, after, strict=True):
        assert new["curr_oi"] == old["curr_oi"] + 100
        assert new["oi_diff_plain"] == new["curr_oi"] - new["last_oi"]
        assert (new["option_symbol"], new["curr_date"]) == (old["option_symbol"], old["curr_date"])


async def test_the_quota_of_a_day_turns_over_at_20_00_new_york(
    market: SimulatedMarket, settings: UwSandboxSettings, tmp_path: Path
) -> None:
    """On both sides of the wire; a quota that was spent by a fault is whole again too."""
    clock = ClockAt(market, datetime(2026, 10, 6, 23, 59, tzinfo=UTC))
    sandbox = UwSandbox(market, clock, tmp_path, replace(settings, calls_a_day=1))
    wire = Wire(market, clock, sandbox)
    await wire.start()
    path = "/api/stock/SPY/gex-levels"
    try:
        async with UwRest(wire.rest_url, wire.token, now=clock.now) as client:
            assert (await client.get("x", path)).status == 200
            with pytest.raises(UwQuotaSpent):
                await client.get("x", path)
            await fault(wire, "quota")
            clock.at += timedelta(minutes=1)
            answer = await client.get("x", path)
            assert (answer.status, answer.headers["x-uw-daily-req-count"]) == (200, "1")
    finally:
        await sandbox.stop()
