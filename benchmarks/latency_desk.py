"""The desk as real processes beside sandboxes that note when bytes pass their sockets.

Used by benchmarks/latency.py. Feeds, signals, watchdog with trader, and projector run as
run/supervisor starts them, on a durable Postgres and a Valkey; the market sandboxes and their
clock run in this process. The desk knows nothing of it: it sees the vendors' wire formats.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec

from adapters.calendar import plan_session
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.contract import (
    MarketUpdate,
    OptionTraded,
    SimGreeks,
    SimQuote,
)
from adapters.market_model.scenario import TREND_DAY
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from adapters.unusual_whales.sandbox import UwSandbox, UwSandboxSettings
from adapters.unusual_whales.sandbox.feed import option_trade_row
from run.build import build_id
from run.demo import state
from run.demo.director import Director
from run.demo.plan import FAST, Phase, starts_at
from run.embedded import EmbeddedValkey
from run.sandbox_market import MarketSandbox
from run.supervisor import Service, Supervisor
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore

SERVICES = (
    ("projector", "run.projector"),
    ("feeds", "run.feeds"),
    ("signals", "run.signals"),
    ("watchdog", "run.watchdog"),
)
READY_SECONDS_MAX = 120.0
STEP_SECONDS = 0.01
POLL_SECONDS = 0.1
BURST_MAX = 200
_BAR = re.compile(rb"50\x003\x00\d+\x00(\d{10})\x00")
_REFERENCE = re.compile(rb"\x00(P[0-9a-f]{16}-[ESX][0-9.]+)\x00")


def bars_in(data: bytes) -> list[int]:
    """Starts, in epoch seconds, of the bars in what is written."""
    return [int(start) for start in _BAR.findall(data)]


def references_in(data: bytes) -> list[str]:
    """References of the orders in what arrived."""
    return [reference.decode() for reference in _REFERENCE.findall(data)]


class SteeredMarket(SeededMarket):
    """A seeded day in which single options can be held at a quote; they then neither trade nor
    change their greeks, so that what the line says is what was put there."""

    def __init__(self, *given: Any) -> None:
        self.held: dict[int, SimQuote] = {}
        self._greeks: dict[int, SimGreeks | None] = {}
        self._volumes: dict[int, tuple[int, int, int, int]] = {}
        super().__init__(*given)

    def hold(self, con_id: int, quote: SimQuote) -> None:
        self._greeks.setdefault(con_id, super().greeks(con_id))
        self._volumes.setdefault(con_id, super().option_volume(con_id))
        self.held[con_id] = quote

    def release(self, con_id: int) -> None:
        self.held.pop(con_id, None)
        self._greeks.pop(con_id, None)
        self._volumes.pop(con_id, None)

    def quote(self, con_id: int) -> SimQuote | None:
        return self.held.get(con_id) or super().quote(con_id)

    def greeks(self, con_id: int) -> SimGreeks | None:
        return self._greeks[con_id] if con_id in self._greeks else super().greeks(con_id)

    def option_volume(self, con_id: int) -> tuple[int, int, int, int]:
        return self._volumes.get(con_id) or super().option_volume(con_id)

    def advance(self, until: Any, thin: bool = False) -> list[MarketUpdate]:
        return [
            update
            for update in super().advance(until, thin)
            if not (isinstance(update, OptionTraded) and update.contract.con_id in self.held)
        ]


class StampedTws(TwsSandbox):
    """Notes the real time at which bytes are handed to a socket, and come out of one."""

    def __init__(self, *given: Any, **more: Any) -> None:
        self.bars: dict[int, float] = {}
        """Start of a bar: when its bytes were written."""
        self.placed: dict[str, float] = {}
        """Order reference: when the bytes that placed it arrived."""
        self._awaited: dict[bytes, Callable[[float], None]] = {}
        super().__init__(*given, **more)

    def await_bid(self, con_id: int, bid: float, then: Callable[[float], None]) -> None:
        """Call `then` with the time at which this bid is written to a socket."""
        for session in self._sessions.values():
            for request, line in session.feed._lines.items():
                if line.contract.con_id == con_id:
                    self._awaited[f"1\x006\x00{request}\x001\x00{bid}\x00".encode()] = then

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        feed, write = reader.feed_data, writer.write

        def arrived(data: bytes) -> None:
            now = time.time()
            for reference in references_in(data):
                self.placed.setdefault(reference, now)
            feed(data)

        def written(data: Any) -> None:
            now = time.time()
            write(data)
            for start in bars_in(data):
                self.bars.setdefault(start, now)
            for token in [token for token in self._awaited if token in data]:
                self._awaited.pop(token)(now)

        reader.feed_data = arrived  # type: ignore[method-assign]
        writer.write = written  # type: ignore[method-assign]
        await super()._connected(reader, writer)


class LoadedSandboxes(MarketSandbox):
    """The market sandboxes, with as many more option trades as the wanted rate lacks."""

    def __init__(self, market: SteeredMarket, folder: Path, rate: int) -> None:
        settings = UwSandboxSettings(token=state.UW_TOKEN, trade_messages_a_second_max=10_000)
        super().__init__(market, folder, settings)
        self.unusual_whales = UwSandbox(market, self.clock, folder / "prints", settings)
        self.steered = market
        self.stamped = StampedTws(market, self.clock, folder / "stamped")
        self.tws = self.stamped
        self.rate = rate
        self.more_a_second = 0.0
        """Prints beyond those of the day itself."""
        self._due = 0.0
        self._paid_at = time.monotonic()
        self._rows: dict[str, dict[str, Any]] = {}

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            await self.step()
            self._more_trades()
            took = time.monotonic() - began
            await asyncio.sleep(max(0.001, STEP_SECONDS - took))

    async def step(self) -> None:
        target = self.clock.now()
        if (target - self.market.now()).total_seconds() > 5:
            await super().step()
            return
        updates = self.market.advance(target, self.clock.thinned)
        self.unusual_whales.on_updates(updates)
        self.tws.on_updates(updates)
        for update in updates[-3:]:
            if isinstance(update, OptionTraded):
                self._rows[update.contract.symbol] = option_trade_row(self.market, update)

    def _more_trades(self) -> None:
        """Prints of the newest trades again, each with an id of its own: a burst of the tape."""
        now = time.monotonic()
        self._due = min(BURST_MAX, self._due + (now - self._paid_at) * self.more_a_second)
        self._paid_at = now
        rows = list(self._rows.items())
        for _ in range(int(self._due) if rows else 0):
            self._due -= 1
            symbol, row = rows[int(self._due) % len(rows)]
            row["id"] = str(uuid4())
            self.unusual_whales.hub.push(f"option_trades:{symbol}", msgspec.json.encode(row))


def _say(text: str) -> None:
    """Beside the line of figures, which alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)


class LatencyDesk:
    """Everything that runs. `running` starts it in the morning and ends it."""

    def __init__(self, folder: Path, dsn: str, rate: int, parameters: dict[str, float]) -> None:
        self.folder = folder
        self.dsn = dsn
        self.known = state.load(folder, 1, None, "")
        self.day = plan_session(self.known.day).day
        self.valkey = EmbeddedValkey(folder / "valkey", self.known.ports["valkey"])
        market = SteeredMarket(1, self.known.day, xnys_plan(self.known.day), TREND_DAY)
        self.sandboxes = LoadedSandboxes(market, folder / "market", rate)
        environment = state.environment(self.known, dsn, self.valkey.url(), folder / "run")
        environment["ENV_FILE"] = str(state.write_environment_file(folder, environment))
        self.supervisor = Supervisor(folder / "log", environment)
        self.store: PostgresStore
        self.director: Director
        self._moving: asyncio.Task[None]
        self._parameters = parameters

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as parts:
            parts.enter_context(self.valkey)
            ports = self.known.ports
            await self.sandboxes.start(ports["uw"], ports["tws"], ports["market_control"])
            parts.push_async_callback(self.sandboxes.stop)
            self._moving = asyncio.create_task(self.sandboxes.run(), name="market")
            parts.callback(self._moving.cancel)
            self.store = await PostgresStore.open(self.dsn, application_name="benchmark")
            parts.push_async_callback(self.store.close)
            http = await parts.enter_async_context(aiohttp.ClientSession())
            recorder = Recorder(self.store, "director", build_id(), os.urandom(16).hex())
            control = f"http://127.0.0.1:{ports['market_control']}"
            self.director = Director(self.store, recorder, http, [control], self.day, _say)
            await self.director.set_clock(0.0, None, at=starts_at(self.day))
            await self.director.tighten_limits(self._parameters)
            parts.push_async_callback(self.supervisor.stop)
            for name, module in SERVICES:
                self.supervisor.start(Service(name, module))
            await self._until({"HistoryReady", "BrokerReady"})
            slow_from = self.day.open_at + timedelta(minutes=36)
            morning = Phase("morning", slow_from, FAST, thinned=True, entries_open=False)
            await self.director.direct([morning])
            await self.director.settle()
            yield

    async def trade(self, speed: float) -> None:
        """Let the market go on, open to entries."""
        phase = Phase("trading", self.day.close_at, speed, thinned=False, entries_open=True)
        await self.director.set_clock(speed, phase)

    def check(self) -> None:
        """A process that had to be started again measures another desk."""
        if self._moving.done():
            self._moving.result()
        ended = [name for name, _ in SERVICES if not self.supervisor.services[name].is_running]
        assert not ended, f"all services must live, ended: {ended}"

    async def _until(self, wanted: set[str]) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            events = await self.store.read(0, Selection(types=frozenset(wanted)))
            if {event.type for event in events} >= wanted:
                return
            if time.monotonic() > deadline:
                tails = [f"{name}: {self.supervisor.tail(name, 3)}" for name, _ in SERVICES]
                raise TimeoutError(f"{wanted} must be on the log, was not: {tails}")
            await asyncio.sleep(POLL_SECONDS)
