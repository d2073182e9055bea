"""The desk's services as real processes, side by side, with everything they said on their way.

Started once for tests/run/test_services.py: a database of their own, the sandboxes, each service
with its metrics, then SIGTERM to all of them. Everything is waited for by polling with a deadline.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from adapters.calendar import plan_session
from domain.events.system import ClockStarted, ProcessHeartbeat
from run.build import ROOT
from run.demo import state
from run.demo.plan import starts_at
from run.services import SERVICES
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore

READY_SECONDS_MAX = 180.0
END_SECONDS_MAX = 30.0
POLL_SECONDS = 0.05


@dataclass
class Life:
    """One process from start to end."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    metrics: dict[str, str] = field(default_factory=dict)
    """Scraped text by process name; the watchdog's service has two."""
    end_seconds: float = 0.0

    @property
    def lines(self) -> list[str]:
        return self.out.read_text().splitlines()

    @property
    def complaints(self) -> str:
        return self.err.read_text()


def begin(
    folder: Path, name: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> Life:
    """Start `python -m arguments` with these settings and none of this machine."""
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("STRIKETAPE_") and key not in ("DATABASE_URL", "REDIS_URL")
    }
    empty = folder / "empty.env"
    empty.touch()
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            # A real .env beside the code stays out of it.
            env={**inherited, "ENV_FILE": str(empty), **environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    return Life(process, out, err)


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Poll, for at most READY_SECONDS_MAX."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(POLL_SECONDS)


def fetched(address: str) -> str:
    answer = httpx.get(address, timeout=10)
    answer.raise_for_status()
    return answer.text


class RunningDesk:
    """All services and both sandboxes."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.known = state.load(folder, 1, None, "")
        self.environment = state.environment(self.known, database_url, redis_url, folder / "run")
        self.lives: dict[str, Life] = {}
        self.sandboxes: dict[str, Life] = {}

    def start(self) -> None:
        ports = self.known.ports
        market = ("--uw-port", "uw"), ("--tws-port", "tws"), ("--control-port", "market_control")
        given = [part for option, name in market for part in (option, str(ports[name]))]
        given += ["--uw-token", state.UW_TOKEN, "--state-dir", str(self.folder / "market")]
        self.sandboxes["market"] = begin(self.folder, "market", ["run.sandbox_market", *given], {})
        sites = ("discord", "telegram", "x", "reddit", "claude")
        given = [part for site in sites for part in (f"--{site}-port", str(ports[site]))]
        given += ["--control-port", str(ports["people_control"])]
        self.sandboxes["people"] = begin(self.folder, "people", ["run.sandbox_people", *given], {})
        for name, module in SERVICES:
            port = {"STRIKETAPE_METRICS_PORT": str(self.metrics_port(name))}
            self.lives[name] = begin(self.folder, name, [module], {**self.environment, **port})

    def metrics_port(self, name: str) -> int:
        """Of a service; the trader's is the one above its watchdog's."""
        return self.known.ports["metrics"] + 2 * [known for known, _ in SERVICES].index(name)

    def await_ready(self) -> None:
        """Until every process serves its figures and beats on the log; then they are scraped."""
        sandboxes = self.sandboxes.values()
        until(lambda: all("ready" in life.out.read_text() for life in sandboxes), self.told)
        asyncio.run(self._set_clock())
        asyncio.run(self._await_beats(set(dict(SERVICES))))
        for name, life in self.lives.items():
            port = self.metrics_port(name)
            parts = {"watchdog": port, "trader": port + 1} if name == "trader" else {name: port}
            life.metrics = {
                part: fetched(f"http://127.0.0.1:{at}/metrics") for part, at in parts.items()
            }

    async def _set_clock(self) -> None:
        """The market opens and stands still: feeds wait for the clock."""
        day = plan_session(self.known.day).day
        at = starts_at(day)
        body = ClockStarted(base_market_time=at, speed=0.0, session_date=day.session_date)
        store = await PostgresStore.open(self.database_url, application_name="test")
        recorder = Recorder(store, "director", "test", os.urandom(16).hex())
        await recorder.record("clock", body, occurred_at=at)
        await store.close()
        clock = {
            "base_market_time": at.isoformat(),
            "base_real_epoch": time.time(),
            "speed": 0.0,
            "thinned": False,
        }
        control = f"http://127.0.0.1:{self.known.ports['market_control']}/_sim/clock"
        httpx.post(control, json=clock).raise_for_status()

    async def _await_beats(self, wanted: set[str]) -> None:
        store = await PostgresStore.open(self.database_url, application_name="test")
        deadline = time.monotonic() + READY_SECONDS_MAX
        selection = Selection(types=frozenset({"ProcessHeartbeat"}))
        heard: set[str] = set()
        while not wanted <= heard:
            for event in await store.read(0, selection):
                assert isinstance(event.body, ProcessHeartbeat)
                heard.add(event.body.process)
            assert time.monotonic() < deadline, f"{wanted - heard} must beat\n{self.told()}"
            await asyncio.sleep(POLL_SECONDS)
        await store.close()

    def told(self) -> str:
        """The last words of everybody."""
        all_lives = {**self.sandboxes, **self.lives}
        return "\n".join(
            f"{name} ({life.process.poll()}): {life.lines[-2:]} {life.complaints[-500:]}"
            for name, life in all_lives.items()
        )

    def end(self) -> None:
        """SIGTERM to every service, and the time that each takes; then the sandboxes."""
        for lives in (self.lives, self.sandboxes):
            began = time.monotonic()
            waiting = dict(lives)
            for life in waiting.values():
                if life.process.poll() is None:
                    life.process.send_signal(signal.SIGTERM)
            while waiting and time.monotonic() - began < END_SECONDS_MAX:
                for name, life in list(waiting.items()):
                    if life.process.poll() is not None:
                        life.end_seconds = time.monotonic() - began
                        del waiting[name]
                time.sleep(POLL_SECONDS)
            for life in waiting.values():
                life.process.kill()
                life.process.wait()
                life.end_seconds = END_SECONDS_MAX
