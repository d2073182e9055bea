"""The trader's process as the watchdog holds it: two pipes, its beats, its confirmations.

Over one pipe it is told to halt, over the other it reports that its loop turns, what its start
waits for, and that a halt is obeyed. Called by run/watchdog.py; nothing here kills or restarts.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from run.trader import WAITS

FIRST_BEAT_SECONDS_MAX = 60.0


@dataclass
class Child:
    """The trader's process with its two pipes."""

    process: asyncio.subprocess.Process
    control: int
    reports: asyncio.StreamReader
    transport: asyncio.ReadTransport
    started: float
    last_beat: float | None = None
    waits_for: str = ""
    """What its start waits for, in its own words."""
    last_wait: float | None = None
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)

    def order_halt(self, reason: str) -> None:
        """Tell it to stop entries; a pipe that is gone is a halt that is not confirmed."""
        self.confirmed.clear()
        try:
            os.write(self.control, f"halt {reason.splitlines()[0] if reason else ''}\n".encode())
        except OSError:
            return

    async def read_reports(self) -> None:
        while line := await self.reports.readline():
            word, _, rest = line.decode(errors="replace").strip().partition(" ")
            if word == WAITS:
                self.waits_for, self.last_wait = rest, time.monotonic()
                continue
            self.last_beat = time.monotonic()
            if word == "halted":
                self.confirmed.set()

    def is_silent(self, seconds: float) -> bool:
        """No beat for so long: its loop does not turn. The first one may take a start's time, from
        when the start waits for nothing any more."""
        now = time.monotonic()
        if self.last_beat is None:
            return now - (self.last_wait or self.started) > FIRST_BEAT_SECONDS_MAX
        return now - self.last_beat > seconds

    def close(self) -> None:
        self.transport.close()
        os.close(self.control)


def own_metrics_port(environment: Mapping[str, str]) -> dict[str, str]:
    """The trader serves its metrics on the port above the watchdog's."""
    port = int(environment.get("STRIKETAPE_METRICS_PORT", "0"))
    return {"STRIKETAPE_METRICS_PORT": str(port + 1)} if port else {}


async def start_child(command: Sequence[str]) -> Child:
    """Start the trader with a pipe each way."""
    control_read, control_write = os.pipe()
    report_read, report_write = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            "--control",
            str(control_read),
            "--report",
            str(report_write),
            pass_fds=(control_read, report_write),
            env={**os.environ, **own_metrics_port(os.environ)},
        )
    finally:
        os.close(control_read)
        os.close(report_write)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(report_read, "rb", buffering=0)
    )
    return Child(process, control_write, reader, transport, time.monotonic())
