"""The feeds and the projector as real processes under a load of both vendors' messages.

Used by benchmarks/feeds.py and benchmarks/projected.py. The sandboxes run in the benchmark's own
process, the services as run/supervisor starts them, on a durable Postgres and a Valkey.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
import psutil

from adapters.calendar import plan_session
from benchmarks.feeds_vendors import LoadedVendors
from domain.event import Recorded
from domain.events.system import ProcessHeartbeat
from run.build import build_id
from run.demo import state
from run.demo.director import Director
from run.demo.plan import Phase
from run.embedded import EmbeddedValkey
from run.supervisor import Service, Supervisor
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore

READY_SECONDS_MAX = 120.0
POLL_SECONDS = 0.2
FROM_OPEN = timedelta(minutes=40)
"""The load falls into the regular session."""
MEGABYTE = 1e6


@dataclass(slots=True)
class Watched:
    """What was seen of the feeds' process, once a second."""

    at: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)


class FeedsDesk:
    """Everything that runs; `services` are started in this order, `feeds` must be among them."""

    def __init__(self, folder: Path, dsn: str, services: Sequence[tuple[str, str]]) -> None:
        self.dsn = dsn
        known = state.load(folder, 1, None, "")
        self._ports = known.ports
        self._day = plan_session(known.day).day
        self._services = services
        self._valkey = EmbeddedValkey(folder / "valkey", known.ports["valkey"])
        self.vendors = LoadedVendors(known, folder / "market")
        environment = state.environment(known, dsn, self._valkey.url(), folder / "run")
        environment["ENV_FILE"] = str(state.write_environment_file(folder, environment))
        self.supervisor = Supervisor(folder / "log", environment)
        self.beats: list[Recorded] = []
        """Heartbeats of the services, as they come."""
        self.watched = Watched()
        self.store: PostgresStore

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """A desk in the middle of the session, on which no load is yet."""
        async with AsyncExitStack() as parts:
            parts.enter_context(self._valkey)
            ports = self._ports
            await self.vendors.start(ports["uw"], ports["tws"], ports["market_control"])
            parts.push_async_callback(self.vendors.stop)
            self.store = await PostgresStore.open(self.dsn, application_name="benchmark")
            parts.push_async_callback(self.store.close)
            http = await parts.enter_async_context(aiohttp.ClientSession())
            recorder = Recorder(self.store, "director", build_id(), os.urandom(16).hex())
            control = f"http://127.0.0.1:{ports['market_control']}"
            director = Director(self.store, recorder, http, [control], self._day, say)
            phase = Phase("session", self._day.close_at, 1.0, thinned=False, entries_open=False)
            await director.set_clock(1.0, phase, at=self._day.open_at + FROM_OPEN)
            tasks = await parts.enter_async_context(asyncio.TaskGroup())
            parts.push_async_callback(self.supervisor.stop)
            running = [
                tasks.create_task(self.vendors.run(), name="vendors"),
                tasks.create_task(self._follow(), name="heartbeats"),
            ]
            for name, module in self._services:
                self.supervisor.start(Service(name, module))
            try:
                await self._until_ready()
                running.append(tasks.create_task(self._watch(), name="memory"))
                yield
            finally:
                for task in running:
                    task.cancel()

    async def _until_ready(self) -> None:
        """Until history is in, and the socket's channels and the broker's lines are open."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            found = await self.store.read(0, Selection(types=frozenset({"HistoryReady"})))
            if found and self.vendors.hub.readers and self.vendors.lines():
                return
            if time.monotonic() > deadline:
                tails = [f"{name}: {self.supervisor.tail(name)}" for name, _ in self._services]
                raise TimeoutError(f"the feeds must be ready, were not: {tails}")
            await asyncio.sleep(POLL_SECONDS)

    async def _follow(self) -> None:
        selection = Selection(types=frozenset({"ProcessHeartbeat"}))
        async for events, _ in self.store.subscribe(0, selection):
            self.beats += events

    async def _watch(self) -> None:
        process = self._feeds()
        while True:
            self.watched.at.append(time.time())
            self.watched.megabytes.append(process.memory_info().rss / MEGABYTE)
            await asyncio.sleep(1.0)

    def _feeds(self) -> psutil.Process:
        service = self.supervisor.services["feeds"].process
        assert service is not None
        return psutil.Process(service.pid)

    def cpu_seconds(self) -> float:
        """Spent so far by the process of the feeds."""
        spent = self._feeds().cpu_times()
        return float(spent.user + spent.system)

    def check(self) -> None:
        """A process that had to be started again measures another desk."""
        services = self.supervisor.services
        ended = [name for name, _ in self._services if not services[name].is_running]
        assert not ended, f"all services must live, ended: {ended}"

    def newest(self, process: str, seconds: float) -> list[dict[str, float]]:
        """Figures of a process's heartbeats of the last seconds."""
        return self.figures(process, time.time() - seconds, time.time())

    def figures(self, process: str, since: float, until: float) -> list[dict[str, float]]:
        """Of a process's heartbeats, those wholly between two moments."""
        return [
            beat.body.figures
            for beat in self.beats
            if isinstance(beat.body, ProcessHeartbeat)
            and beat.body.process == process
            and since + 2.0 <= beat.recorded_at.timestamp() <= until + 1.0
        ]


def say(text: str) -> None:
    """Beside the line of figures, which alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)
