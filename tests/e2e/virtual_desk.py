"""The market side of the desk in one process under virtual time, on a real log.

Market model, both market sandboxes on loopback, the feeds daemon with the real client libraries,
and the workers `signals` and `trader` with the real order effect. Nothing but `Day.step` moves
the market time; every append carries it, and a step ends when all that it brought is on the log,
every worker has consumed it, and the broker has answered what was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from adapters.interactive_brokers.orders import IbOrders
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.clock import SandboxClock
from adapters.market_model.contract import BarClosed, MarketUpdate
from adapters.market_model.market import SimulatedMarket
from adapters.unusual_whales.sandbox import UwSandbox, UwSandboxSettings
from adapters.unusual_whales.sandbox.settings import DEFAULT_TOKEN
from domain.events.orders import BrokerReady
from domain.events.system import (
    PARAMETERS_STREAM,
    ClockStarted,
    ClockTicked,
    ParametersChanged,
)
from domain.payloads.unusual_whales.channel_table import joined
from run.build import build_id
from run.config import Settings
from run.embedded import free_port
from run.feeds.__main__ import Feeds
from run.order_effect import OrderEffect
from run.service import Process
from run.worker import Recorder, Worker
from run.workers import WORKERS
from store.contract import Selection
from tests.e2e.virtual_time import (
    SANDBOX_SPEED,
    VirtualMarketClock,
    VirtualStore,
    VirtualTime,
)

HOST = "127.0.0.1"
ACCOUNT = "DU1234567"
PAGE = 5_000
STEP_SECONDS_MAX = 60.0
"""Real seconds that one step may take before the run is given up."""
BROKER_ANSWER_SECONDS_MAX = 0.5
THINNED_LINES_MINUTES = 5
"""How often option lines speak in a thinned stretch."""
BEFORE_OPEN = timedelta(minutes=5)
"""When the desk comes up."""
EVENING = timedelta(minutes=20)
"""After the close, when a simulated day's work of the keeper is due."""
NIGHT_STEP = timedelta(hours=1)
"""How often the workers' clocks tick between two sessions."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the day: thinned, or with every quote and trade and entries open."""

    until: datetime
    step: timedelta
    thinned: bool


class Sandboxes:
    """Model, Unusual Whales and TWS, moved together."""

    def __init__(self, market: SimulatedMarket, time: VirtualTime, folder: Path) -> None:
        self.market = market
        self._time = time
        self.clock = SandboxClock(time.start, time.sandbox_seconds)
        self.set_thinned(thinned=True)
        self.tws = TwsSandbox(market, self.clock, folder / "tws", ACCOUNT)
        self.uw = UwSandbox(
            market, self.clock, folder, UwSandboxSettings(DEFAULT_TOKEN), time.sandbox_seconds
        )

    async def start(self, tws_port: int, uw_port: int) -> None:
        await self.tws.start(HOST, tws_port, poll=False)
        await self.uw.start(HOST, uw_port)

    async def stop(self) -> None:
        await self.uw.stop()
        await self.tws.stop()

    def set_thinned(self, *, thinned: bool) -> None:
        self.clock.set(self._time.start, 0.0, SANDBOX_SPEED, thinned)

    def advance(self, to: datetime) -> Sequence[MarketUpdate]:
        """Move the market; Unusual Whales tells of it, the broker later."""
        updates = self.market.advance(to, self.clock.thinned)
        self.uw.on_updates(updates)
        return updates

    def tell_broker(self, updates: Sequence[MarketUpdate], to: datetime) -> None:
        """Bars go out last: when they are on the log, the rest of the broker's step is."""
        self.tws.on_updates([u for u in updates if not isinstance(u, BarClosed)])
        if not self.clock.thinned or to.minute % THINNED_LINES_MINUTES == 0:
            self.tws.poll_once()
        self.tws.on_updates([u for u in updates if isinstance(u, BarClosed)])

    def frames_sent(self) -> int:
        return sum(self.uw.ledger.sent.values())


class Day:
    """A running desk; `run` takes it through stretches of the session."""

    def __init__(self, store: Any, sandboxes: Sandboxes, time: VirtualTime, settings: Settings):
        self.store = VirtualStore(store, time)
        self.sandboxes = sandboxes
        self.time = time
        self.settings = settings
        self.clock = VirtualMarketClock(time)
        self.feeds = self._new_feeds()
        self.director = Recorder(self.store, "director", build_id(), "director")
        self.workers = [
            Worker(name, WORKERS[name](settings), self.store, build_id(), on_committed=heard)
            for name, heard in (("signals", None), ("trader", self._decided), ("outbox", None))
        ]
        trader = self.workers[1]
        self.broker = IbOrders(
            HOST,
            settings.ib_port,
            settings.ib_trader_client_id,
            trader.run_id,
            lambda: datetime.now(UTC),
            sends_a_second_max=1_000,  # a day of the market passes in minutes here
        )
        self.effect = OrderEffect(
            self.broker, trader.recorder, self.store, trader.run_id, self.store.real_now
        )
        self._feeding: asyncio.Task[None] | None = None

    def _new_feeds(self) -> Feeds:
        """Feeds of the session that comes, which begin anew with each one."""
        name, run_id = "feeds", f"feeds {self.sandboxes.market.session_date}"
        recorder = Recorder(self.store, name, build_id(), run_id)
        log = structlog.get_logger(name)
        process = Process(name, build_id(), run_id, self.settings, self.store, recorder, log)
        return Feeds(process, self.clock)

    def _decided(self, events: Sequence[Any]) -> None:
        self.effect.on_committed(events)

    async def set_limits(self, limits: Mapping[str, float]) -> None:
        """Parameters that the shipped defaults, written by the feeds, then leave alone."""
        await self._set_clock(thinned=True)
        if limits:
            change = ParametersChanged(values=dict(limits), version=1, who="test", why="limits")
            await self.director.record(PARAMETERS_STREAM, change)

    async def start(self) -> None:
        """Feeds with their history and joins, workers, broker: what a session must find at its
        open."""
        before = await self.store.head()
        self._feeding = asyncio.create_task(self.feeds.run(), name="feeds")
        await self._seen("HistoryReady", before)
        await self._until(self._feeds_are_open)
        for worker in self.workers:
            if not worker.ready.is_set():
                await worker.start()
        await self.effect.connect_once()
        ready = Selection(types=frozenset({BrokerReady.__name__}))
        while not await self.store.read(before, ready):
            await self.turn()
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        await self.broker.close()
        await self._stop_feeds()
        await self.sandboxes.stop()

    async def _stop_feeds(self) -> None:
        feeding, self._feeding = self._feeding, None
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def evening(self) -> None:
        """The session is over, and its feeds have ended with it."""
        await self._stop_feeds()
        self.store.step_recorded_at = None
        self.time.move(max(self.time.now, self.sandboxes.market.close_at + EVENING))
        await self._set_clock(thinned=True)
        await self._tick()

    async def night(self, market: SimulatedMarket) -> None:
        """Close the session that is over and open that of `market`, on the same log.

        The feeds end with the evening and begin anew in the morning; the workers run on, their
        clocks tick by the hour; the broker restarts before the open and keeps what it holds.
        """
        assert market.plan.day.session_date == self.sandboxes.market.plan.later[0].session_date
        await self._stop_feeds()
        morning = market.open_at - BEFORE_OPEN
        while self.time.now < morning:
            self.store.step_recorded_at = None
            self.time.move(min(self.time.now + NIGHT_STEP, morning))
            await self._tick()
        await self.broker.close("the broker restarts")
        await self.turn()
        await self.sandboxes.stop()
        market.advance(morning, thin=True)
        self.sandboxes = Sandboxes(market, self.time, self.settings.var_dir)
        uw_port = urlsplit(self.settings.uw_rest_url).port
        assert uw_port is not None
        await self.sandboxes.start(self.settings.ib_port, uw_port)
        self.store.begin_session()
        self.clock = VirtualMarketClock(self.time)
        self.feeds = self._new_feeds()
        await self._set_clock(thinned=True)
        await self.start()

    def _feeds_are_open(self) -> bool:
        found = [set(one) for one in self.sandboxes.uw.hub.joined()]
        return found == [set(joined())] and self._polls_rest()

    def _polls_rest(self) -> bool:
        return self.feeds.polling is not None and self.feeds.polling.is_idle

    async def _set_clock(self, *, thinned: bool) -> None:
        self.sandboxes.set_thinned(thinned=thinned)
        started = ClockStarted(
            base_market_time=self.time.now,
            speed=0.0,
            session_date=self.sandboxes.market.session_date,
            thinned=thinned,
            entries_open=not thinned,
            reason="virtual time",
        )
        await self.director.record("clock", started, occurred_at=self.time.now)

    async def run(self, stretches: Sequence[Stretch]) -> None:
        for stretch in stretches:
            await self._set_clock(thinned=stretch.thinned)
            while self.time.now < stretch.until:
                await self.step(min(self.time.now + stretch.step, stretch.until))
        await self._settle()

    async def step(self, to: datetime) -> None:
        """Move the market to `to`; back when all of it is on the log and consumed.

        Frames, then answers to polls, then what the broker says: the same order each time, so that
        two runs of a day decide the same.
        """
        self.time.now = to
        self.store.step_recorded_at = None
        updates = self.sandboxes.advance(to)
        await self._until(self._frames_arrived)
        self.time.move(to)
        await self._until(self._polls_rest)
        self.sandboxes.tell_broker(updates, to)
        await self._until(self._bars_arrived)
        await self._tick()

    async def _tick(self) -> None:
        ticks = [
            worker.recorder.propose(f"clock/{worker.name}", ClockTicked(worker=worker.name))
            for worker in self.workers
        ]
        await self.store.append(ticks)
        await self.turn()

    def _frames_arrived(self) -> bool:
        return self.store.frames >= self.sandboxes.frames_sent()

    def _bars_arrived(self) -> bool:
        market = self.sandboxes.market
        elapsed = int((self.time.now - market.open_at).total_seconds() // 5) * 5
        last = market.open_at + timedelta(seconds=elapsed - 5)
        closed = last + timedelta(seconds=5)
        bars = all(
            self.store.bars.get(s, last) >= last or market.is_out("ib", s, closed)
            for s in market.symbols
        )
        return bars and self._frames_arrived() and self._polls_rest()

    async def turn(self) -> None:
        """Consume and carry out until nothing is left to do."""
        while True:
            head = await self.store.head()
            for worker in self.workers:
                while worker.position < head:
                    events = await self.store.read(worker.position, worker.selection, PAGE, head)
                    whole = len(events) < PAGE
                    await worker.take(events, head if whole else events[-1].position)
            await self._carry_out()
            if await self.store.head() == head:
                return

    async def _carry_out(self) -> None:
        """Send what was decided, and give the broker the time to say what became of it."""
        sends = not self.effect.is_idle
        await self.effect.drain()
        if sends:
            with suppress(TimeoutError):
                async with asyncio.timeout(BROKER_ANSWER_SECONDS_MAX):
                    await self.effect.record_waiting(await self.broker.events.get())
        while not self.broker.events.empty():
            await self.effect.record_waiting(self.broker.events.get_nowait())

    async def _settle(self) -> None:
        """Let silent inputs reach the checkpoints too."""
        head = await self.store.head()
        async with asyncio.timeout(STEP_SECONDS_MAX):
            while any([await self.store.checkpoint(w.name) < head for w in self.workers]):
                await asyncio.sleep(0.02)
                await self.turn()

    async def _seen(self, kind: str, after: int) -> None:
        async with asyncio.timeout(STEP_SECONDS_MAX):
            while not await self.store.read(after, Selection(types=frozenset({kind}))):
                self._check()
                await asyncio.sleep(0.02)

    async def _until(self, holds: Any) -> None:
        async with asyncio.timeout(STEP_SECONDS_MAX):
            while not holds():
                self._check()
                appended = self.store.appended
                if not holds():
                    try:
                        async with asyncio.timeout(0.05):
                            await appended.wait()
                    except TimeoutError:
                        continue

    def _check(self) -> None:
        if self._feeding is not None and self._feeding.done():
            self._feeding.result()
            raise AssertionError("the feeds must run to the end, ended")


@asynccontextmanager
async def opened(
    store: Any,
    market: SimulatedMarket,
    folder: Path,
    database_url: str,
    redis_url: str,
    limits: Mapping[str, float] | None = None,
) -> AsyncIterator[Day]:
    """Sandboxes, feeds and workers, ready before the open; `limits` are set beforehand."""
    time = VirtualTime(market.open_at - BEFORE_OPEN)
    market.advance(time.now, thin=True)
    sandboxes = Sandboxes(market, time, folder)
    uw_port = free_port()
    await sandboxes.start(0, uw_port)
    settings = Settings(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        var_dir=folder,
        ib_port=sandboxes.tws.port,
        ib_account=ACCOUNT,
        uw_rest_url=f"http://{HOST}:{uw_port}",
        uw_socket_url=f"ws://{HOST}:{uw_port}/socket",
        uw_token=DEFAULT_TOKEN,
        uw_limit_factor=1_000.0,
    )
    day = Day(store, sandboxes, time, settings)
    await day.set_limits(limits or {})
    try:
        await day.start()
        yield day
    finally:
        await day.stop()
