"""The real desk as processes, for the crash runs: servers, sandboxes, services, and their deaths.

Like run/demo, but in a folder of its own, without page and keeper, and with `kill`. The
supervisor starts again what was killed. The sandboxes' ledgers stay on disk and are the oracle.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp

from adapters.calendar import plan_session
from domain.events.system import PlannedDay
from run.build import build_id
from run.demo import state
from run.demo.director import Director
from run.demo.operator import Operator
from run.demo.plan import FAST, Phase, starts_at
from run.demo.state import DemoState
from run.embedded import EmbeddedPostgres, EmbeddedValkey
from run.supervisor import Service, Supervisor
from run.worker import Recorder
from store.contract import Selection
from store.migrate import migrate
from store.postgres import PostgresStore

SERVICES = (
    ("projector", "run.projector"),
    ("feeds", "run.feeds"),
    ("signals", "run.signals"),
    ("watchdog", "run.watchdog"),
    ("outbox", "run.outbox"),
    ("telegram", "run.telegram"),
)
# What was confirmed survives the death of the server, not that of the machine.
POSTGRES_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_wal_senders": "0"}
READY_SECONDS_MAX = 120.0
POLL_SECONDS = 0.02


class DeskProcesses:
    """The whole desk. Use `running`; then `director` sets the pace and `kill` kills."""

    def __init__(self, folder: Path, market_seed: int) -> None:
        self.folder = folder
        self.state: DemoState = state.load(folder, market_seed, None, "")
        self.day: PlannedDay = plan_session(self.state.day).day
        self.postgres = EmbeddedPostgres(
            folder / "postgres", self.state.ports["postgres"], POSTGRES_SETTINGS
        )
        self.valkey = EmbeddedValkey(folder / "valkey", self.state.ports["valkey"])
        self.environment = state.environment(
            self.state, self.postgres.dsn(), self.valkey.url(), folder / "run"
        )
        file = state.write_environment_file(folder, self.environment)
        # A real .env beside the code stays out of it.
        self.environment["ENV_FILE"] = str(file)
        self.supervisor = Supervisor(folder / "log", self.environment)
        self.store: PostgresStore
        self.director: Director
        self.operator: Operator
        self.failure: BaseException | None = None
        self.killed: list[str] = []
        self._told: list[str] = []
        self._began = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.state.ports[name]}"

    @property
    def controls(self) -> list[str]:
        return [self.url("market_control"), self.url("people_control")]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start everything, wait until the desk is ready; end everything in the end."""
        async with AsyncExitStack() as parts:
            parts.enter_context(self.postgres)
            parts.enter_context(self.valkey)
            await migrate(self.postgres.dsn())
            self.store = await PostgresStore.open(self.postgres.dsn(), application_name="crash")
            parts.push_async_callback(self.store.close)
            http = await parts.enter_async_context(aiohttp.ClientSession())
            parts.push_async_callback(self.stop)
            self._http = http
            self._start_sandboxes()
            await self.sandboxes_answer()
            recorder = Recorder(self.store, "director", build_id(), os.urandom(16).hex())
            self.director = Director(self.store, recorder, http, self.controls, self.day, self.say)
            self.operator = Operator(self.store, http, self.url("people_control"), "", "", self.say)
            await self.director.set_clock(0.0, None, at=starts_at(self.day))
            for name, module in SERVICES:
                self.supervisor.start(Service(name, module))
            self._tasks = [
                asyncio.create_task(self._watched(self.supervisor.watch()), name="supervisor"),
                asyncio.create_task(self._watched(self.director.watch()), name="scene"),
                asyncio.create_task(self._watched(self.operator.approve_all()), name="operator"),
            ]
            await self._await_desk()
            yield

    async def stop(self) -> None:
        """End the services in good order; the servers go on until `running` ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.supervisor.stop()

    def forget(self) -> None:
        """The servers' data; they may lie outside the folder."""
        for server in (self.postgres, self.valkey):
            server.stop_leftover()
            shutil.rmtree(server.data, ignore_errors=True)

    def say(self, text: str) -> None:
        """A line for whoever looks at the run; CRASH_SHOW prints it at once."""
        line = f"{time.monotonic() - self._began:.1f} s: {text}"
        self._told.append(line)
        if os.environ.get("CRASH_SHOW"):
            print(line, flush=True)

    def told(self) -> str:
        """What happened, a line each, and what processes complained of last."""
        tails = [f"{name}: {self.supervisor.tail(name, 3)}" for name in self.supervisor.services]
        return "\n".join(["", *self._told, *tails])

    async def _watched(self, work: object) -> None:
        try:
            await work  # type: ignore[misc]
        except Exception as error:
            self.failure = error
            raise

    def _start_sandboxes(self) -> None:
        port = self.state.ports
        market = [
            "--seed", str(self.state.seed),
            "--session-date", self.state.session_date,
            "--uw-port", str(port["uw"]),
            "--tws-port", str(port["tws"]),
            "--control-port", str(port["market_control"]),
            "--uw-token", state.UW_TOKEN,
            "--state-dir", str(self.folder / "market"),
        ]  # fmt: skip
        self.supervisor.start(
            Service("sandbox-market", "run.sandbox_market", market, stops_last=True)
        )
        people = [
            *(
                part
                for name in ("discord", "telegram", "x", "reddit", "claude")
                for part in (f"--{name}-port", str(port[name]))
            ),
            "--control-port", str(port["people_control"]),
            "--state-dir", str(self.folder / "people"),
            "--seed", str(self.state.seed),
        ]  # fmt: skip
        self.supervisor.start(
            Service("sandbox-people", "run.sandbox_people", people, stops_last=True)
        )

    async def sandboxes_answer(self) -> None:
        """Wait until both can be told the time: one that died is there before it listens."""

        async def answers(control: str) -> bool:
            with suppress(aiohttp.ClientError):
                async with self._http.get(f"{control}/_sim/state") as answer:
                    return answer.status == 200
            return False

        async with asyncio.timeout(READY_SECONDS_MAX):
            for control in self.controls:
                while not await answers(control):
                    await asyncio.sleep(POLL_SECONDS)

    async def _await_desk(self) -> None:
        wanted = {"HistoryReady", "BrokerReady"}
        await self.until(
            lambda types: types >= wanted, wanted, READY_SECONDS_MAX, "history and broker"
        )

    async def until(
        self, done: Callable[[set[str]], bool], types: set[str], seconds: float, what: str
    ) -> None:
        """Poll the log until the types that are on it satisfy."""
        deadline = time.monotonic() + seconds
        while True:
            events = await self.store.read(0, Selection(types=frozenset(types)))
            if done({event.type for event in events}):
                return
            self.check()
            assert time.monotonic() < deadline, f"{what} must be there in {seconds:.0f} s"
            await asyncio.sleep(POLL_SECONDS)

    def check(self) -> None:
        """A part of the run itself that failed ends the run."""
        if self.failure is not None:
            raise self.failure

    # Deaths.

    def pid(self, victim: str) -> int:
        """Process of a service; 0 while it is not running."""
        if victim == "trader":
            return child_of(self.pid("watchdog"))
        if victim in ("postgres", "valkey"):
            server = self.postgres if victim == "postgres" else self.valkey
            return server.process.pid if server.process is not None else 0
        service = self.supervisor.services[victim]
        return service.process.pid if service.is_running and service.process else 0

    async def kill(self, victim: str) -> None:
        """SIGKILL; the supervisor, or the watchdog, starts it again. Servers have no supervisor."""
        self.killed.append(victim)
        if victim == "postgres":
            # An immediate shutdown is a crash of the whole server: it recovers from its log.
            await asyncio.to_thread(start_again, self.postgres, signal.SIGQUIT)
            return
        if victim == "valkey":
            await asyncio.to_thread(start_again, self.valkey, signal.SIGKILL)
            return
        pid = self.pid(victim)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def start_again(server: EmbeddedPostgres | EmbeddedValkey, number: signal.Signals) -> None:
    """End a server with a signal and start it on the data that are left."""
    assert server.process is not None
    server.process.send_signal(number)
    server.process.wait()
    server.stop()
    server.start()


def child_of(pid: int) -> int:
    """The only child of a process; 0 when there is none."""
    if not pid:
        return 0
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    children = [int(child) for child, parent in rows if int(parent) == pid]
    return children[0] if children else 0


def morning(day: PlannedDay) -> Phase:
    slow_from = day.open_at + timedelta(minutes=30)
    return Phase("morning", slow_from, FAST, thinned=True, entries_open=False)


def trading(until: datetime, speed: float) -> Phase:
    return Phase("trading", until, speed, thinned=False, entries_open=True)


def afterwards(until: datetime) -> Phase:
    """Fast enough for the free tier's five minutes, and nothing new."""
    return Phase("afterwards", until, 60.0, thinned=True, entries_open=False)
