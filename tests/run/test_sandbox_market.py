"""The market sandbox process: its clock, its two vendors, its control plane."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from ib_async import IB

from adapters.recording import Tape
from adapters.unusual_whales import (
    UwMessage,
    UwRest,
    UwSocket,
    UwSocketListener,
    UwSocketState,
)
from adapters.unusual_whales.sandbox import UwSandboxSettings
from adapters.unusual_whales.sandbox.settings import DEFAULT_TOKEN
from run.embedded import free_port
from run.sandbox_market import (
    ClockFile,
    ClockRequest,
    MarketSandbox,
    _arguments,
    _replay,
    make_market,
)

DAY = date(2026, 10, 6)


class Running:
    """A started sandbox with its addresses."""

    def __init__(self, sandbox: MarketSandbox, ports: tuple[int, int, int]) -> None:
        self.sandbox = sandbox
        self.uw_port, self.tws_port, self.control_port = ports

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.control_port}/_sim"

    def clock(
        self, minutes: float, speed: float = 0.0, *, thinned: bool = False
    ) -> dict[str, object]:
        at = self.sandbox.market.open_at + timedelta(minutes=minutes)
        return {
            "base_market_time": at.isoformat(),
            "base_real_epoch": time.time(),
            "speed": speed,
            "thinned": thinned,
        }


async def started(folder: Path) -> Running:
    market = make_market(_arguments([]))
    sandbox = MarketSandbox(market, folder, UwSandboxSettings())
    ports = (free_port(), free_port(), free_port())
    await sandbox.start(*ports)
    return Running(sandbox, ports)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    made = await started(tmp_path)
    yield made
    await made.sandbox.stop()


async def test_the_market_stands_until_the_clock_is_set_and_says_where_it_is(
    running: Running,
) -> None:
    market = running.sandbox.market
    async with aiohttp.ClientSession() as http:
        await running.sandbox.step()
        assert running.sandbox.progress.steps == 0
        body = running.clock(2)
        async with http.post(f"{running.control}/clock", json=body) as answer:
            assert answer.status == 200
        await running.sandbox.step()
        assert market.now() == market.open_at + timedelta(minutes=2)
        async with http.get(f"{running.control}/state") as answer:
            state = await answer.json()
    assert state["session_date"] == "2026-10-06"
    assert state["market_time"] == "2026-10-06T13:32:00Z"
    assert state["speed"] == 0.0
    assert market.net_premium("SPY")[1].totals[0] > 0


@pytest.mark.parametrize("body", ["", "{}", '{"base_market_time":"x"}', "[1]"])
async def test_a_body_that_is_no_clock_is_refused(running: Running, body: str) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{running.control}/clock", data=body) as answer,
    ):
        assert answer.status == 400
        assert "clock" in (await answer.json())["error"]


async def test_both_vendors_tell_the_same_story(running: Running) -> None:
    sandbox, market = running.sandbox, running.sandbox.market
    ready = asyncio.Event()

    class Listener(UwSocketListener):
        def on_state(self, state: UwSocketState) -> None:
            if state.state == "ready":
                ready.set()

    url = f"ws://127.0.0.1:{running.uw_port}/socket"
    broker = IB()
    async with (
        UwSocket(url, DEFAULT_TOKEN, ["price:SPY"], Listener()) as socket,
        UwRest(f"http://127.0.0.1:{running.uw_port}", DEFAULT_TOKEN) as rest,
        aiohttp.ClientSession() as http,
    ):
        await ready.wait()
        await broker.connectAsync("127.0.0.1", running.tws_port, clientId=1, timeout=30)
        try:
            async with http.post(f"{running.control}/clock", json=running.clock(1)) as answer:
                assert answer.status == 200
            await sandbox.step()
            (message,) = await socket.take(1)
            assert isinstance(message, UwMessage)
            state = await rest.get("x", "/api/stock/SPY/stock-state")
            last = market.last("SPY")[0]
            assert f'"close":"{last:g}"'.encode() in state.body_bytes
            accounts = broker.managedAccounts()
            assert len(accounts) == 1
        finally:
            broker.disconnect()


async def test_faults_of_both_vendors_can_be_injected(running: Running) -> None:
    async with aiohttp.ClientSession() as http:
        for path, body, status in (
            ("uw/faults", {"kind": "quota"}, 200),
            ("uw/faults", {"kind": "explode"}, 400),
            ("tws/faults", {"name": "reject_next_orders", "value": 1}, 200),
            ("tws/faults", {"name": "explode"}, 400),
            ("tws/faults", {}, 200),
        ):
            async with http.post(f"{running.control}/{path}", json=body) as answer:
                assert answer.status == status, path
        async with http.get(f"{running.control}/tws/ledger") as answer:
            assert (await answer.json())["orders"] == []
        async with http.get(f"{running.control}/uw/state") as answer:
            assert (await answer.json())["clients"] == 0
    assert running.sandbox.unusual_whales.faults.quota_spent


async def test_a_restarted_process_goes_on_where_the_day_is(tmp_path: Path) -> None:
    first = await started(tmp_path)
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{first.control}/clock", json=first.clock(20)) as answer,
    ):
        assert answer.status == 200
    await first.sandbox.step()
    expected = first.sandbox.market.net_premium("SPY")
    await first.sandbox.stop()
    second = await started(tmp_path)
    await second.sandbox.step()
    assert second.sandbox.market.now() == first.sandbox.market.now()
    assert second.sandbox.market.net_premium("SPY") == expected
    await second.sandbox.stop()


def test_a_clock_of_long_ago_or_of_another_day_is_not_taken_up(tmp_path: Path) -> None:
    file = ClockFile(tmp_path, DAY)
    assert file.read(time.time()) is None
    market = make_market(_arguments(["--scenario", "quiet_day"]))
    file.write(ClockRequest(market.open_at, 0.0, 10.0))
    assert file.read(time.time()) == ClockRequest(market.open_at, 0.0, 10.0)
    assert file.read(time.time() + 3_600) is None
    assert ClockFile(tmp_path, DAY + timedelta(days=1)).read(time.time()) is None


async def test_a_recording_is_played_on_both_ports_until_a_signal(tmp_path: Path) -> None:
    frame = b'["news",{"headline":"one"}]'
    tape = Tape(tmp_path, [], lambda: datetime(2026, 10, 6, 14, 0, tzinfo=UTC))
    tape.socket(frame)
    tape.close()
    ports = [free_port(), free_port()]
    arguments = ["--uw-port", str(ports[0]), "--tws-port", str(ports[1])]
    playing = asyncio.create_task(
        _replay(_arguments(["--replay", str(tmp_path / "2026-10-06"), *arguments]))
    )
    broker = IB()
    async with aiohttp.ClientSession() as http, asyncio.timeout(10):
        while not broker.client.isConnected():
            try:
                await broker.client.connectAsync("127.0.0.1", ports[1], 3, 2.0)
            except OSError:
                await asyncio.sleep(0.01)
        assert broker.client.getAccounts() == ["DU0000000"]
        broker.disconnect()
        url = f"http://127.0.0.1:{ports[0]}/socket?token={DEFAULT_TOKEN}"
        async with http.ws_connect(url) as socket:
            await socket.send_str('{"channel":"news","msg_type":"join"}')
            assert json.loads((await socket.receive()).data)[1]["status"] == "ok"
            assert (await socket.receive()).data.encode() == frame
    signal.raise_signal(signal.SIGTERM)
    await playing
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)
