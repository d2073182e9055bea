"""The keeper's rounds: who falls silent, breaks or stands is an alert; and its own heartbeat.

Lags of our own machinery are real seconds at any speed of the market.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from domain.event import derived_id
from domain.events.controls import AlertRaised
from domain.events.system import ProcessFault, ProcessHeartbeat
from run.sealing import Seals
from run.service import Process
from run.workers import WORKERS
from store.contract import Selection

NAME = "keeper"
PROJECTOR = "projector"
ROUND_SECONDS = 5.0
SILENT_AFTER = timedelta(seconds=15)
REMIND_EVERY = timedelta(minutes=5)
"""A worker that stands before an input is named again this often until somebody decides."""
ALERT_STREAM = f"alerts/{NAME}"


class Keeper:
    """Watches heartbeats and faults; each silence raises one alert until the process is back."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._seen: dict[str, datetime] = {}
        self._silent: set[str] = set()
        self._stopped: dict[str, datetime] = {}
        self._position = 0
        self.seals = Seals(process, self.alert)

    @property
    def watched(self) -> frozenset[str]:
        """Processes it has heard since it started."""
        return frozenset(self._seen)

    async def follow(self) -> None:
        """Follow heartbeats and faults from now on; never returns."""
        types = frozenset({"ProcessHeartbeat", "ProcessFault"})
        head = await self._process.store.head()
        async for events, position in self._process.store.subscribe(head, Selection(types=types)):
            self._position = position
            for event in events:
                if isinstance(event.body, ProcessHeartbeat):
                    self._seen[event.body.process] = event.recorded_at
                    if event.body.state == "stopped":
                        await self._remind(event.body, event.recorded_at)
                    else:
                        self._stopped.pop(event.body.process, None)
                elif isinstance(event.body, ProcessFault):
                    text = f"{event.body.process} stopped: {event.body.error}"
                    await self.alert("critical", "PROCESS_FAULT", text, str(event.event_id))

    async def rounds(self) -> None:
        """Do what is due, every few seconds; never returns."""
        while True:
            now = datetime.now(UTC)
            for name, seen in sorted(self._seen.items()):
                silent = now - seen > SILENT_AFTER
                if silent and name not in self._silent:
                    self._silent.add(name)
                    text = f"{name} has been silent for {SILENT_AFTER.total_seconds():.0f} s"
                    await self.alert("warning", "PROCESS_SILENT", text, seen.isoformat())
                elif not silent:
                    self._silent.discard(name)
            await self._beat()
            await asyncio.sleep(ROUND_SECONDS)

    async def _remind(self, beat: ProcessHeartbeat, now: datetime) -> None:
        """The worker itself raises the first alert, when it stops."""
        said_at = self._stopped.setdefault(beat.process, now)
        if now - said_at < REMIND_EVERY:
            return
        self._stopped[beat.process] = now
        place = int(beat.figures.get("stopped_at", 0))
        text = f"{beat.process} still stands before input {place}"
        if beat.process in WORKERS or beat.process == PROJECTOR:
            text += ": decide with python -m run.worker_control"
        await self.alert("critical", "WORKER_STOPPED", text, now.isoformat())

    async def _beat(self) -> None:
        beat = ProcessHeartbeat(
            process=NAME,
            run_id=self._process.run_id,
            state="running",
            position=self._position,
            figures={
                "watched": float(len(self.watched)),
                "silent": float(len(self._silent)),
                "sealed_position": float(self.seals.position),
            },
        )
        await self._process.recorder.record(f"heartbeat/{NAME}", beat)

    async def alert(self, severity: str, code: str, text: str, evidence: str) -> None:
        identity = derived_id("alert", code, text, evidence)
        alert = AlertRaised(alert_id=str(identity), severity=severity, code=code, text=text)
        await self._process.recorder.record(ALERT_STREAM, alert, event_id=identity)
        self._process.log.warning("alert", code=code, text=text)
