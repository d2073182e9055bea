"""Market time as the feeds daemon needs it: for schedules, never for decisions."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from domain.event import Recorded
from domain.events.system import ClockStarted

NAP_SECONDS_MAX = 1.0
THINNED_REAL_SECONDS_MIN = 1.5


class MarketClock:
    """Follows ClockStarted events; `now` is computed like the log computes it."""

    def __init__(self) -> None:
        self.started: ClockStarted | None = None
        self._real = datetime.now(UTC)

    def apply(self, event: Recorded) -> None:
        if isinstance(event.body, ClockStarted):
            self.started, self._real = event.body, event.recorded_at

    @property
    def speed(self) -> float:
        return self.started.speed if self.started is not None else 0.0

    def now(self) -> datetime:
        """Market time; the real time before the first ClockStarted."""
        return self.at(datetime.now(UTC))

    def at(self, real: datetime) -> datetime:
        """Market time of a real one, as the clock runs now."""
        if self.started is None:
            return real
        return self.started.base_market_time + (real - self._real) * self.started.speed

    @property
    def thinned(self) -> bool:
        """Whether the simulated day leaves out what would be due."""
        return self.started is not None and self.started.thinned

    def seconds_since(self, market_time: datetime, real: datetime) -> float | None:
        """Real seconds from a moment of the market to a real one; None while the clock stands or
        the day is thinned."""
        if self.started is None:
            return (real - market_time).total_seconds()
        if self.speed <= 0 or self.thinned:
            return None
        return (self.at(real) - market_time).total_seconds() / self.speed

    @property
    def seconds_min(self) -> float:
        """Market seconds between two calls of one kind: a thinned stretch is run through fast."""
        is_thinned = self.started is not None and self.started.thinned
        return THINNED_REAL_SECONDS_MIN * self.speed if is_thinned else 0.0

    def calls_a_minute(self, in_a_real_minute: float) -> float:
        """Calls in a minute of market time, when there may be so many in a real one."""
        return in_a_real_minute / max(self.speed, 1.0)

    async def wait(self, until: datetime, woken: asyncio.Event) -> None:
        """Wait for a market time or for `woken`, and for a moment at most: the clock may change."""
        left = (until - self.now()).total_seconds() / max(self.speed, 1e-9)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(left, 0.0), NAP_SECONDS_MAX)):
                await woken.wait()
