"""Keeps REST calls inside the vendor's limits by our own count: calls a minute, calls in flight.

The vendor's window is fixed: 60 seconds from the first call after the last window ended. Headers
align our window with it and can only tighten our cap, never raise it. Calls of others with our
token show in the header's counter and take from our allowance.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import IntEnum

CALLS_A_MINUTE = 120
RESERVED_CALLS_A_MINUTE = 20
"""Kept from the schedule for gap fills, the operator, second tries and errors of the clock."""
CALLS_IN_FLIGHT_MAX = 3
WINDOW_SECONDS = 60.0
WAITING_MAX = 100
"""Callers are a handful of workers with a call each; more waiting calls are a defect."""


class Rank(IntEnum):
    """Whose call goes first."""

    GAP_FILL = 0
    NEEDED = 1
    USEFUL = 2
    OPERATOR = 3


SCHEDULED = (Rank.NEEDED, Rank.USEFUL)


def whole(headers: Mapping[str, str], name: str) -> int | None:
    """The number of a header, None when there is none."""
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

    def seconds_to_wait(self, reserved: int = 0) -> float:
        """0 when a call may go now and leave `reserved` others, else the time until the window
        ends."""
        if self.used < self.calls_max - reserved:
            return 0.0
        return max(0.0, self._ends - self._clock())

    def take(self) -> None:
        """Count one call; opens a window when none is running."""
        now = self._clock()
        if now >= self._ends:
            self._ends, self._used = now + WINDOW_SECONDS, 0
        self._used += 1

    def observe(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer: others' calls with our token, the end of the window, an empty
        allowance."""
        reset = whole(headers, "x-uw-req-per-minute-reset")
        if reset is not None and reset <= WINDOW_SECONDS * 1000:
            self._ends = self._clock() + reset / 1000
        counter = whole(headers, "x-uw-minute-req-counter")
        if counter is not None:
            self._used = max(self._used, counter)
        if whole(headers, "x-uw-req-per-minute-remaining") == 0:
            self._used = max(self._used, self.calls_max)

    def exhaust(self, seconds: float) -> None:
        """Allow nothing for `seconds`: the vendor said so."""
        self._ends = self._clock() + seconds
        self._used = max(self._used, self.calls_max)


class CallLimiter:
    """Three calls in flight, and the window's calls. Waiting calls go by rank, then in order of
    arrival. One that may use the reserve does not wait behind one that may not."""

    def __init__(self, factor: float, clock: Callable[[], float]) -> None:
        """Sandboxes advertise 120 x SPEED calls; the real vendor's factor is 1.

        Raises:
            ValueError: the factor is not positive.
        """
        if factor <= 0:
            raise ValueError(f"limit factor must be positive, was {factor}")
        self.window = CallWindow(round(CALLS_A_MINUTE * factor), clock)
        self._reserved = round(RESERVED_CALLS_A_MINUTE * factor)
        self._clock = clock
        self._in_flight = 0
        self._in_flight_max = CALLS_IN_FLIGHT_MAX
        self._crowded_until = 0.0
        self._waiting: dict[tuple[Rank, bool], deque[asyncio.Future[None]]] = {
            (rank, is_retry): deque() for rank in Rank for is_retry in (True, False)
        }
        self._timer: asyncio.TimerHandle | None = None

    @property
    def scheduled_a_minute(self) -> int:
        """Calls that a schedule may plan with."""
        return self.window.calls_max - self._reserved

    @property
    def in_flight_max(self) -> int:
        return self._in_flight_max if self._clock() < self._crowded_until else CALLS_IN_FLIGHT_MAX

    def crowded(self) -> None:
        """The vendor refused a call because too many were in flight: have one less for a
        minute."""
        self._in_flight_max = max(1, self.in_flight_max - 1)
        self._crowded_until = self._clock() + WINDOW_SECONDS

    @asynccontextmanager
    async def call(
        self, rank: Rank = Rank.NEEDED, *, is_retry: bool = False
    ) -> AsyncIterator[None]:
        """Held around one call."""
        await self._admitted(rank, is_retry)
        try:
            yield
        finally:
            self._in_flight -= 1
            self._release()

    async def _admitted(self, rank: Rank, is_retry: bool) -> None:
        assert sum(map(len, self._waiting.values())) < WAITING_MAX, "too many calls wait"
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[rank, is_retry].append(turn)
        self._release()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its turn had come already
                self._in_flight -= 1
                self._release()
            raise

    def _release(self) -> None:
        """Let go what may go now, and look again when the window ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait = 0.0
        for (rank, is_retry), waiting in self._waiting.items():
            reserved = self._reserved if rank in SCHEDULED and not is_retry else 0
            while waiting:
                if waiting[0].cancelled():
                    waiting.popleft()
                    continue
                if self._in_flight >= self.in_flight_max:
                    return
                if seconds := self.window.seconds_to_wait(reserved):
                    wait = seconds
                    break
                self.window.take()
                self._in_flight += 1
                waiting.popleft().set_result(None)
        if wait:
            self._timer = asyncio.get_running_loop().call_later(wait, self._release)
