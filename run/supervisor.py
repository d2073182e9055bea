"""Start, watch and end the service processes of one machine.

Used by run/all and by the demo. A service that ends by itself is started again after a growing
pause; one that keeps ending within seconds is given up and named. Only processes started here
are ended, by their ids.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from run.build import ROOT

PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 15.0
QUICK_END_SECONDS = 5.0
QUICK_ENDS_MAX = 5
STOP_SECONDS = 8.0
POLL_SECONDS = 0.1


class ServiceFailed(Exception):
    """A service keeps ending: the text names it, its exit code and its log."""


@dataclass(slots=True)
class Service:
    """One process: `python -m module arguments`, its output in a log file."""

    name: str
    module: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: bool = True
    stops_last: bool = False
    """Ends only when the services that talk to it have ended."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    quick_ends: int = 0
    started_at: float = 0.0
    due_at: float | None = None
    """When it is started again; none while it runs."""

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Owns a list of services; `start`, then `watch` until something fails, then `stop`."""

    def __init__(
        self,
        log_dir: Path,
        environment: Mapping[str, str],
        inherited: Mapping[str, str] = os.environ,
    ) -> None:
        self.services: dict[str, Service] = {}
        self._log_dir = log_dir
        self._environment = {**inherited, **environment}
        log_dir.mkdir(parents=True, exist_ok=True)

    def log_path(self, name: str) -> Path:
        return self._log_dir / f"{name}.log"

    def start(self, service: Service) -> None:
        """Start a service, or start it again."""
        self.services[service.name] = service
        environment = {**self._environment, **service.environment}
        with self.log_path(service.name).open("ab") as log:
            service.process = subprocess.Popen(
                [sys.executable, "-m", service.module, *service.arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        service.starts += 1
        service.started_at = time.monotonic()
        service.due_at = None

    @property
    def restarts(self) -> int:
        """How often services ended by themselves and were started again."""
        return sum(service.starts - 1 for service in self.services.values())

    async def watch(self) -> None:
        """Start again what ends; returns never.

        Raises:
            ServiceFailed: a service ended QUICK_ENDS_MAX times within seconds, or must not end.
        """
        while True:
            for service in list(self.services.values()):
                if not service.is_running:
                    self._ended(service)
            await asyncio.sleep(POLL_SECONDS)

    def _ended(self, service: Service) -> None:
        """Each has a pause of its own: services that ended together come back together."""
        if service.due_at is not None:
            if time.monotonic() >= service.due_at:
                self.start(service)
            return
        assert service.process is not None
        code = service.process.returncode
        quick = time.monotonic() - service.started_at < QUICK_END_SECONDS
        service.quick_ends = service.quick_ends + 1 if quick else 0
        if not service.restarts or service.quick_ends >= QUICK_ENDS_MAX:
            raise ServiceFailed(
                f"{service.name} ended with code {code}; its log: {self.log_path(service.name)}\n"
                + self.tail(service.name)
            )
        pause = min(PAUSE_SECONDS_MIN * 2**service.quick_ends, PAUSE_SECONDS_MAX)
        service.due_at = time.monotonic() + pause

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines of a service's log."""
        try:
            text = self.log_path(name).read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(line[:500] for line in text.splitlines()[-lines:])

    async def stop(self) -> None:
        """End all services, last started first: asked politely, then killed."""
        for last in (False, True):
            chosen = [s for s in reversed(self.services.values()) if s.stops_last is last]
            for service in chosen:
                if service.process is not None and service.is_running:
                    service.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            for service in chosen:
                await self._await_end(service, deadline)

    async def _await_end(self, service: Service, deadline: float) -> None:
        while service.is_running and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        if service.process is not None and service.is_running:
            service.process.kill()
            service.process.wait()
