"""`make demo`: the whole desk on a simulated day, on this machine alone.

    python -m run.demo                                until Ctrl-C; the page is live
    python -m run.demo --duration 120                 a whole day in two minutes, then a summary
    python -m run.demo --duration 30                  the first half minute of it
    python -m run.demo --recording folder --day 2013-10-08
    python -m run.demo --review                       the last run's page and log, without a day
    python -m run.demo --reset                        forget log and ledgers

The same through make: DURATION, SEED, SPEED, RECORDING and DAY. Settings of the environment win:
DATABASE_URL and REDIS_URL name servers of your own. Exit code 0 when the day ran and log and
ledgers agree, 1 when not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime
from pathlib import Path

import aiohttp
import orjson
from argon2 import PasswordHasher

from adapters.calendar import NoSession, plan_session
from adapters.market_model.scenario import SCENARIOS
from domain.events.system import ClockStarted, PlannedDay
from run.build import build_id
from run.config import FILE_VARIABLE, PREFIX
from run.demo import plan, review, state
from run.demo.director import Director
from run.demo.operator import Operator
from run.demo.options import arguments
from run.demo.recording import OtherSession, next_session
from run.demo.report import append_p99_seconds, log_sizes, read_log, report
from run.demo.state import DemoState
from run.embedded import EmbeddedPostgres, EmbeddedValkey
from run.embedded_binaries import EmbeddedError
from run.services import SERVICES
from run.supervisor import Service, ServiceFailed, Supervisor
from run.worker import Recorder
from store.contract import Selection
from store.errors import StoreError
from store.migrate import MigrationError, migrate
from store.postgres import PostgresStore

DEMO_LIMITS: Mapping[str, float] = {"risk.limit.positions_bucket": 2.0}
"""The trend day offers three trades at once: the third shows what a refused decision looks like."""
READY_SECONDS_MAX = 120.0
DRAIN_SECONDS_MAX = 30.0
WHOLE_DAY_SECONDS = 100.0
"""A shorter duration ends the run where it is; the next start goes on from there."""
POLL_SECONDS = 0.1


class DemoFailed(Exception):
    """The demo cannot go on; the text says why and what to do."""


def say(text: str) -> None:
    print(f"demo: {text}", flush=True)


class Demo:
    """One run: servers, sandboxes, services, director, operator, summary."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder.absolute()
        self.state: DemoState = state.load(
            self.folder, options.seed, options.day, options.recording, options.scenario or ""
        )
        self.password = secrets.token_urlsafe(12)
        self.failed = ""
        self.offsets = log_sizes(self.folder)
        self.since = 0
        self.stop = asyncio.Event()
        self.running = False

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.state.ports[name]}"

    async def run(self) -> int:
        """The whole run; the exit code."""
        with ExitStack() as servers:
            database_url, redis_url = review.servers(servers, self.folder, self.state.ports)
            await migrate(database_url)
            async with AsyncExitStack() as parts:
                return await self._run(parts, database_url, redis_url)

    async def _run(self, parts: AsyncExitStack, database_url: str, redis_url: str) -> int:
        store = await PostgresStore.open(
            database_url, application_name="demo", archive_folder=self.folder / "archive"
        )
        parts.push_async_callback(store.close)
        http = await parts.enter_async_context(aiohttp.ClientSession())
        self.since = await store.head()
        if self.state.is_new and self.since:
            remedy = (
                "point DATABASE_URL at an empty database"
                if os.environ.get("DATABASE_URL")
                else "make demo-reset"
            )
            raise DemoFailed(
                f"the log holds {self.since} events whose ledgers are not in {self.folder}: "
                f"{remedy}, then start again"
            )
        self._next_session_if_over()
        day = plan_session(self.state.day).day
        environment = state.environment(self.state, database_url, redis_url, self.folder / "run")
        environment["STRIKETAPE_OPERATOR_PASSWORD_HASH"] = PasswordHasher().hash(self.password)
        # Nothing of a real desk's settings may reach a service of the demo.
        file = state.write_environment_file(self.folder, environment)
        environment[FILE_VARIABLE] = os.environ[FILE_VARIABLE] = str(file)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        supervisor = Supervisor(self.folder / "log", environment, inherited)
        parts.push_async_callback(supervisor.stop)
        self._start_sandboxes(supervisor)
        controls = [self.url("market_control"), self.url("people_control")]
        await self._await_sandboxes(http, controls, supervisor)
        recorder = Recorder(store, "director", build_id(), secrets.token_hex(16))
        director = Director(store, recorder, http, controls, day, say)
        await director.set_clock(0.0, None, at=await self._resume_at(store, day))
        await director.tighten_limits(DEMO_LIMITS)
        await director.enter_rates(SCENARIOS[self.state.scenario].rate)
        self._start_services(supervisor)
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(supervisor.watch(), name="supervisor")
                scene = tasks.create_task(director.watch(), name="scene")
                await self._await_desk(store)
                self.running = True
                self._announce()
                await self._day(tasks, store, http, director, day)
                watching.cancel()
                scene.cancel()
        except* ServiceFailed as failure:
            self.failed = str(failure.exceptions[0])
            say(self.failed)
        append_p99 = append_p99_seconds(self._metrics_ports())
        await supervisor.stop()
        return await self._summary(store, supervisor, append_p99)

    def _next_session_if_over(self) -> None:
        marker = self.folder / state.SESSION_OVER
        if marker.exists():
            later = next_session(self.state.day, self.state.recording)
            marker.unlink()
            self.state.session_date = later.isoformat()
            self.state.seed += 1
            state.save(self.folder, self.state)
            say(f"the session before is over; this one is {later}")

    def _start_sandboxes(self, supervisor: Supervisor) -> None:
        port = self.state.ports
        market = [
            "--seed", str(self.state.seed),
            "--session-date", self.state.session_date,
            "--scenario", self.state.scenario,
            "--uw-port", str(port["uw"]),
            "--tws-port", str(port["tws"]),
            "--control-port", str(port["market_control"]),
            "--uw-token", state.UW_TOKEN,
            "--state-dir", str(self.folder / "market"),
        ]  # fmt: skip
        if self.state.recording:
            market += ["--recording", self.state.recording, "--day", self.state.session_date]
        supervisor.start(Service("sandbox-market", "run.sandbox_market", market, stops_last=True))
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
        supervisor.start(Service("sandbox-people", "run.sandbox_people", people, stops_last=True))

    def _start_services(self, supervisor: Supervisor) -> None:
        for offset, (name, module) in enumerate(SERVICES):
            port = {"STRIKETAPE_METRICS_PORT": str(self.state.ports["metrics"] + 2 * offset)}
            supervisor.start(Service(name, module, environment=port))

    async def _await_sandboxes(
        self, http: aiohttp.ClientSession, controls: Sequence[str], supervisor: Supervisor
    ) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        for control in controls:
            while True:
                try:
                    async with http.get(f"{control}/_sim/state") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                self._check(deadline, supervisor, f"the sandbox at {control} does not answer")
                await asyncio.sleep(POLL_SECONDS)

    def _check(self, deadline: float, supervisor: Supervisor, text: str) -> None:
        for service in supervisor.services.values():
            if not service.is_running and service.name.startswith("sandbox"):
                raise DemoFailed(f"{service.name} ended:\n{supervisor.tail(service.name)}")
        if time.monotonic() > deadline:
            raise DemoFailed(f"{text}; logs are in {self.folder / 'log'}")

    async def _resume_at(self, store: PostgresStore, day: PlannedDay) -> datetime:
        """Where the day goes on: its start, or the last market time on the log."""
        clocks = Selection(types=frozenset({"ClockStarted"}))
        newest = await store.read(0, clocks)
        head = await store.head()
        start = plan.starts_at(day)
        if not newest or head == 0:
            return start
        body = newest[-1].body
        assert isinstance(body, ClockStarted)
        last = (await store.read(head - 1, Selection(), 1))[0].market_time
        return max(last, start) if body.session_date == day.session_date else start

    async def _await_desk(self, store: PostgresStore) -> None:
        """Wait until history is in and the broker connection is ready."""
        wanted = {"HistoryReady", "BrokerReady"}
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            events = await store.read(self.since, Selection(types=frozenset(wanted)))
            if {event.type for event in events} >= wanted:
                return
            await asyncio.sleep(POLL_SECONDS)
        raise ServiceFailed(
            f"history or broker not ready within {READY_SECONDS_MAX:.0f} s; "
            f"logs are in {self.folder / 'log'}"
        )

    def _announce(self) -> None:
        say(f"the page: {self.url('api')}   user: operator   password: {self.password}")
        say(f"logs: {self.folder / 'log'}")

    async def _day(
        self,
        tasks: asyncio.TaskGroup,
        store: PostgresStore,
        http: aiohttp.ClientSession,
        director: Director,
        day: PlannedDay,
    ) -> None:
        timed = self.options.duration > 0
        phases = (plan.scripted if timed else plan.watched)(day, self.options.speed)
        operator = Operator(
            store, http, self.url("people_control"), self.url("api"), self.password, say
        )
        pressing = None
        switch = None
        if timed:
            pressing = tasks.create_task(operator.approve_all(), name="operator")
            switch = tasks.create_task(self._show_switch(director, operator), name="switch")
        directing = tasks.create_task(director.direct(phases), name="director")
        stopping = tasks.create_task(self.stop.wait(), name="stop")
        cut = self.options.duration if 0 < self.options.duration < WHOLE_DAY_SECONDS else None
        await asyncio.wait((directing, stopping), timeout=cut, return_when=asyncio.FIRST_COMPLETED)
        if directing.done():
            await self._drain(store, director)
            (self.folder / state.SESSION_OVER).touch()
        else:
            directing.cancel()
            await director.settle()
        for task in (pressing, switch, directing, stopping):
            if task is not None:
                task.cancel()

    async def _show_switch(self, director: Director, operator: Operator) -> None:
        while director.phase != "auction":
            await asyncio.sleep(POLL_SECONDS)
        if not await operator.halt_and_release():
            self.failed = "halt and release through the API did not take effect"

    async def _drain(self, store: PostgresStore, director: Director) -> None:
        """Let workers and deliveries finish: the clock runs on slowly."""
        deadline = time.monotonic() + DRAIN_SECONDS_MAX
        while time.monotonic() < deadline:
            tally = await read_log(store)
            if not tally.scheduled.keys() - tally.confirmed.keys() - tally.ended:
                break
            await asyncio.sleep(1.0)
        await director.settle()

    def _metrics_ports(self) -> range:
        """Two for each service: the trader's is the one above its watchdog's."""
        first = self.state.ports["metrics"]
        return range(first, first + state.METRICS_PORTS)

    async def _summary(
        self, store: PostgresStore, supervisor: Supervisor, append_p99: float | None
    ) -> int:
        say("holding the log against the ledgers and running every decision again")
        result = await report(
            store,
            self.folder,
            self.state,
            supervisor,
            append_p99,
            self.failed,
            self.offsets,
            self.since,
        )
        print(orjson.dumps(result).decode(), flush=True)
        zeros = ("duplicate_orders", "early_posts", "ledger_differences", "verify_differences")
        bad = self.failed or result["errors"] or any(result[name] for name in zeros)
        return 1 if bad else 0


def reset(folder: Path) -> int:
    """Forget log, Redis and ledgers. The data of Postgres may lie outside the folder (root)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for server in (EmbeddedPostgres(folder / "postgres", 0), EmbeddedValkey(folder / "valkey", 0)):
        server.forget()
    shutil.rmtree(folder, ignore_errors=True)
    say("log and ledgers are gone")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv, __doc__ or "")
    try:
        if options.reset:
            return reset(options.folder.absolute())
        if options.review:
            return asyncio.run(_reviewed(options.folder.absolute()))
        return asyncio.run(_interruptible(Demo(options)))
    except (
        DemoFailed,
        EmbeddedError,
        MigrationError,
        NoSession,
        OtherSession,
        ServiceFailed,
        StoreError,
        review.NoDay,
    ) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


async def _reviewed(folder: Path) -> int:
    """The last run's page and log until Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await review.review(folder, stop, say)


async def _interruptible(demo: Demo) -> int:
    """Ctrl-C ends the day and leads to the summary; a second one ends at once."""
    task = asyncio.create_task(demo.run(), name="demo")

    def interrupt() -> None:
        if demo.stop.is_set() or not demo.running:
            task.cancel()
        demo.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        say("ended; started again it goes on from its log")
        return 0


if __name__ == "__main__":
    sys.exit(main())
