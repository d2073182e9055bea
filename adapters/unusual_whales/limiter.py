"""Keeps REST calls inside the vendor's limits by our own count: calls a minute, calls in flight.

The vendor's window is fixed: 60 seconds from the first call after the last window ended. Headers
align our window with it and can only tighten our cap, never raise it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

CALLS_A_MINUTE = 120
CALLS_IN_FLIGHT_MAX = 3
WINDOW_SECONDS = 60.0


def _whole(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isdecimal() else None


class CallWindow:
    """Counts the calls of the running window. `clock` gives monotonic seconds."""

    def __init__(self, calls_max: int, clock: Callable[[], float]) -> None:
        self.calls_max = calls_max
        self._clock = clock
        self._ends = 0.0
        self._used = 0

    @property
    def used(self) -> int:
        return self._used if self._clock() < self._ends else 0

    def seconds_to_wait(self) -> float:
        """0 when a call may go now, else the time until the window ends."""
        return 0.0 if self.used < self.calls_max else max(0.0, self._ends - self._clock())

    def take(self) -> None:
        """Count one call; opens a window when none is running."""
        now = self._clock()
        if now >= self._ends:
            self._ends, self._used = now + WINDOW_SECONDS, 0
        self._used += 1

    def observe(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer: others' calls with our token, the end of the window, an empty
        allowance."""
        reset = _whole(headers, "x-uw-req-per-minute-reset")
        if reset is not None and reset <= WINDOW_SECONDS * 1000:
            self._ends = self._clock() + reset / 1000
        counter = _whole(headers, "x-uw-minute-req-counter")
        if counter is not None:
            self._used = max(self._used, counter)
        if _whole(headers, "x-uw-req-per-minute-remaining") == 0:
            self._used = max(self._used, self.calls_max)

    def exhaust(self, seconds: float) -> None:
        """Allow nothing for `seconds`: the vendor said so."""
        self._ends = self._clock() + seconds
        self._used = max(self._used, self.calls_max)


class CallLimiter:
    """Three calls in flight, and the window's calls. Waiting calls go in order of arrival."""

    def __init__(self, factor: float, clock: Callable[[], float]) -> None:
        self.window = CallWindow(round(CALLS_A_MINUTE * factor), clock)
        self._flight = asyncio.Semaphore(CALLS_IN_FLIGHT_MAX)
        self._turn = asyncio.Lock()

    def set_factor(self, factor: float) -> None:
        """Sandboxes advertise 120 x SPEED calls; the real vendor's factor is 1.

        Raises:
            ValueError: the factor is not positive.
        """
        if factor <= 0:
            raise ValueError(f"limit factor must be positive, was {factor}")
        self.window.calls_max = round(CALLS_A_MINUTE * factor)

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Held around one call."""
        async with self._flight:
            async with self._turn:
                while (wait := self.window.seconds_to_wait()) > 0:
                    await asyncio.sleep(wait)
                self.window.take()
            yield
