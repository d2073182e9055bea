"""The trader, its watchdog and the trading floor as real processes around one log, and their clock.

The watchdog starts the trader, as in service. Between desk and broker runs a line that keeps what
the desk sent.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from adapters.interactive_brokers.sandbox.account import SimAccount
from adapters.interactive_brokers.sandbox.book import OrderBook
from adapters.interactive_brokers.sandbox.contracts import ContractDirectory
from adapters.interactive_brokers.sandbox.state import LedgerView
from domain.events.system import ClockStarted
from run.build import build_id
from run.embedded import free_port
from run.supervisor import Service, Supervisor
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.still_market import SESSION, StillMarket
from tests.crash.broker_line import BrokerLine
from tests.crash.desk_process import child_of
from tests.crash.trading_floor import story_of
from tests.domain.risk.build import changed
from tests.sim.broker import ACCOUNT
from tests.sim.clock import START
from tests.sim.market import planned

POLL_SECONDS = 0.2
CHANGED = {
    "risk__loss__cooldown_stop_min": 0,
    "risk__loss__cooldown_target_min": 0,
    "execution__look_every_s": 5.0,
    "execution__look_again_s": 1.0,
}
"""Each life may trade, and the looks at the broker's lists, in real seconds, come as much faster as
the day does."""


class TraderProcesses:
    """Use `running`; then `set_clock` sets the pace, `pid` and `send` strike."""

    def __init__(self, seed: int, dsn: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.store: PostgresStore
        self.recorder: Recorder
        self._seed = seed
        self._dsn = dsn
        self._folder = folder
        self._broker_port = free_port()
        self.line = BrokerLine(self._broker_port)
        self._supervisor = Supervisor(folder / "log", self._environment(), _inherited())
        self._watching: asyncio.Task[None]
        self._stopped: set[int] = set()
        self._base, self._set_at, self._speed = START, time.time(), 0.0
        self._began = time.monotonic()
        self._told: list[str] = []

    @asynccontextmanager
    async def running(self, speed: float) -> AsyncIterator[None]:
        """Start everything and wait until orders can leave; end everything in the end."""
        async with AsyncExitStack() as parts:
            self.store = await PostgresStore.open(self._dsn, application_name="life")
            parts.push_async_callback(self.store.close)
            self.recorder = Recorder(self.store, "director", build_id(), f"director-{self._seed}")
            await self.set_clock(speed)
            for body in (changed(**CHANGED), planned(story_of(self._seed))):
                await self.recorder.record("market", body)
            await self.line.start()
            parts.push_async_callback(self.line.stop)
            parts.push_async_callback(self._stop)
            self._supervisor.start(
                Service("floor", "tests.crash.trading_floor", self._floor_arguments())
            )
            self._supervisor.start(Service("watchdog", "run.watchdog"))
            self._watching = asyncio.create_task(self._supervisor.watch(), name="supervisor")
            yield

    async def _stop(self) -> None:
        """End everything in good order, also what stands still."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        for pid in self._stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await self._supervisor.stop()

    def _floor_arguments(self) -> list[str]:
        return [
            "--dsn", self._dsn,
            "--folder", str(self._folder / "tws"),
            "--port", str(self._broker_port),
            "--seed", str(self._seed),
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        empty = self._folder / "empty.env"
        empty.touch()
        return {
            "ENV_FILE": str(empty),
            "DATABASE_URL": self._dsn,
            "REDIS_URL": "redis://127.0.0.1:1/0",  # the trader needs none
            "STRIKETAPE_VAR_DIR": str(self._folder / "var"),
            "STRIKETAPE_IB_PORT": str(self.line.port),
        }

    def pid(self, victim: str) -> int:
        """Process of a victim; 0 while there is none."""
        if victim == "trader":
            return child_of(self.pid("watchdog"))
        service = self._supervisor.services[victim]
        return service.process.pid if service.is_running and service.process else 0

    def send(self, pid: int, number: signal.Signals) -> None:
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                (self._stopped.add if number is signal.SIGSTOP else self._stopped.discard)(pid)

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
        """Poll.

        Raises:
            TimeoutError: it did not come.
        """
        deadline = time.monotonic() + seconds
        while not await holds():
            if self._watching.done():
                self._watching.result()  # a process that keeps ending
            if time.monotonic() > deadline:
                self.say(f"{what} did not come in {seconds:.0f} s")
                raise TimeoutError(self.told())
            await asyncio.sleep(POLL_SECONDS)

    async def set_clock(self, speed: float) -> None:
        body = ClockStarted(base_market_time=self.now(), speed=speed, session_date=SESSION)
        appended = await self.recorder.record("clock", body)
        self._base, self._speed = appended.market_times[0], speed
        self._set_at = appended.recorded_at.timestamp()

    def now(self) -> datetime:
        """Market time, as the log computes it."""
        return self._base + timedelta(seconds=(time.time() - self._set_at) * self._speed)

    def ledger(self) -> LedgerView:
        """The broker's own, from a copy of its disk: its process goes on."""
        copied = self._folder / "copied"
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(self._folder / "tws", copied)
        market = StillMarket()
        book = OrderBook(copied, SimAccount(market, ContractDirectory(market), ACCOUNT))
        book.close()
        return book.view()

    def say(self, text: str) -> None:
        self._told.append(f"{time.monotonic() - self._began:.1f} s: {text}")

    def told(self) -> str:
        """What happened, a line each, and what processes complained of last."""
        tails = [f"{name}: {self._supervisor.tail(name, 5)}" for name in ("floor", "watchdog")]
        return "\n".join(["", *self._told, *tails])


def _inherited() -> dict[str, str]:
    """This machine's environment without settings of a desk."""
    own = ("DATABASE_URL", "REDIS_URL")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STRIKETAPE_") and name not in own
    }
