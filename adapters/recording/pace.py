"""Where a tape is: one clock for both vendors; the first subscription to either starts it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

JOINS_SECONDS = 0.2
"""From the first subscription to the start of the tape: the client's others come in it."""


class Pace:
    """`speed` 2 plays twice as fast. Before its start the tape stands at its beginning."""

    def __init__(self, began: datetime, speed: float = 1.0) -> None:
        """
        Raises:
            ValueError: the speed is not positive.
        """
        if not speed > 0:
            raise ValueError(f"a tape must be played at a positive speed, was {speed:g}")
        self._began, self._speed = began, speed
        self._started_at = 0.0
        self._started = asyncio.Event()

    def start(self) -> None:
        if not self._started.is_set():
            self._started_at = asyncio.get_running_loop().time() + JOINS_SECONDS
            self._started.set()

    def moment(self) -> datetime:
        """The time on the tape."""
        seconds = 0.0
        if self._started.is_set():
            seconds = max(0.0, asyncio.get_running_loop().time() - self._started_at)
        return self._began + timedelta(seconds=seconds * self._speed)

    async def reach(self, at: datetime) -> None:
        """Wait until the tape is there."""
        await self._started.wait()
        seconds = (at - self._began).total_seconds() / self._speed
        wait = self._started_at + seconds - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
