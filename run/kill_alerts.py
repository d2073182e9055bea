"""Says on the log that the watchdog killed the trader: an alert, which is paged.

The kill itself must not wait for the log; the alert does, for as long as it takes.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from domain.event import derived_id
from domain.events.controls import AlertRaised
from run.worker import Recorder
from store.errors import StoreError

STREAM = "alerts/watchdog"
CODE = "TRADER_KILLED"
WAITING_MAX = 50
"""Kills that wait for the log; of more the oldest is forgotten: each says the same."""
RETRY_SECONDS = 1.0
REMEDY = (
    "it is started again by itself and asks the broker for its orders first; when it is killed"
    " again, read the trader's log lines before this time and `python -m run.worker_control status`"
)


class KillAlerts:
    """Kills on their way to the log."""

    def __init__(self, recorder: Recorder, retry_seconds: float = RETRY_SECONDS) -> None:
        self._recorder = recorder
        self._retry_seconds = retry_seconds
        self._waiting: deque[tuple[int, str]] = deque(maxlen=WAITING_MAX)
        self._count = 0
        self._some = asyncio.Event()

    def add(self, why: str) -> None:
        """Note a kill; never waits."""
        self._count += 1
        self._waiting.append((self._count, why))
        self._some.set()

    async def run(self) -> None:
        """Put every kill on the log, the oldest first, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                number, why = self._waiting[0]
                try:
                    await self._record(number, why)
                except StoreError as error:
                    structlog.get_logger("watchdog").error("kill not told yet", error=str(error))
                    await asyncio.sleep(self._retry_seconds)
                    continue
                if self._waiting and self._waiting[0][0] == number:
                    self._waiting.popleft()

    async def _record(self, number: int, why: str) -> None:
        """With an id of its own, so that trying again after an unknown outcome adds nothing."""
        identity = derived_id("alert", CODE, self._recorder.run_id, number)
        alert = AlertRaised(
            alert_id=str(identity),
            severity="critical",
            code=CODE,
            text=f"the watchdog killed the trader: {why}; {REMEDY}",
        )
        await self._recorder.record(STREAM, alert, event_id=identity)
