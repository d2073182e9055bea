"""Market time as the feeds daemon needs it: for schedules, never for decisions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from domain.event import Recorded
from domain.events.system import ClockStarted

NAP_SECONDS_MAX = 1.0
THINNED_REAL_SECONDS_MIN = 1.5


class MarketClock:
    """Follows ClockStarted events; `now` is computed like the log computes it."""

    def __init__(self) -> None:
        self.started: ClockStarted | None = None
        self._real = datetime.now(UTC)
        self._changed = asyncio.Event()

    def apply(self, event: Recorded) -> None:
        if isinstance(event.body, ClockStarted):
            self.started, self._real = event.body, event.recorded_at
            self._changed.set()

    @property
    def speed(self) -> float:
        return self.started.speed if self.started is not None else 0.0

    def now(self) -> datetime:
        """Market time; the real time before the first ClockStarted."""
        real = datetime.now(UTC)
        if self.started is None:
            return real
        return self.started.base_market_time + (real - self._real) * self.started.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for market seconds; in a thinned stretch at least a moment of real time."""
        until = self.now() + timedelta(seconds=seconds)
        began = asyncio.get_running_loop().time()
        while self.now() < until:
            left = (until - self.now()).total_seconds() / max(self.speed, 1e-9)
            self._changed.clear()
            try:
                async with asyncio.timeout(min(max(left, 0.0), NAP_SECONDS_MAX)):
                    await self._changed.wait()
            except TimeoutError:
                continue
        if self.started is not None and self.started.thinned:
            rest = THINNED_REAL_SECONDS_MIN - (asyncio.get_running_loop().time() - began)
            await asyncio.sleep(max(rest, 0.0))
