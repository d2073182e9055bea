"""How long the appender waits out a log that cannot be written.

A flush that takes long on a busy disk, a queue of writers before us, a server that starts again:
nothing was written and nothing is wrong with us, so a short wait is kinder than the end of the
process. Pauses grow, and the whole stall has one limit, after which everybody is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from store.errors import StoreUnavailable

STALL_SECONDS_MAX = 5.0
"""Longer than the time-outs that end whoever holds the log (store/postgres.py)."""
CLOSING_SECONDS_MAX = 2.0
PAUSE_SECONDS_MIN = 0.05
PAUSE_SECONDS_MAX = 0.4

OnWait = Callable[[float], None]
"""Called before each further attempt, with the real seconds of the stall so far."""


class Stalled(Exception):
    """Nothing was written, for a reason that may pass: no connection, a lock, a full server."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Patience:
    """One stall of an appender at a time: `wait` between attempts until `over` or the limit."""

    def __init__(self, monotonic: Callable[[], float], on_wait: OnWait | None = None) -> None:
        self._monotonic = monotonic
        self._on_wait = on_wait
        self._since: float | None = None
        self._pause = PAUSE_SECONDS_MIN
        self._closing_at: float | None = None

    def over(self) -> None:
        """Something was written, or nobody waits any more: the next stall is another one."""
        self._since = None
        self._pause = PAUSE_SECONDS_MIN

    def closing(self) -> None:
        """From now on only what a moment allows."""
        self._closing_at = self._monotonic()

    @property
    def is_exhausted(self) -> bool:
        """The stall under way, if any, has reached its limit."""
        return self._since is not None and self._left(self._monotonic()) <= 0

    def _left(self, now: float) -> float:
        assert self._since is not None
        left = STALL_SECONDS_MAX - (now - self._since)
        if self._closing_at is not None:
            left = min(left, CLOSING_SECONDS_MAX - (now - self._closing_at))
        return left

    async def wait(self, began: float, error: BaseException) -> None:
        """Pause before the next attempt; the one that failed began at `began`.

        Raises:
            StoreUnavailable: the stall is at its limit.
        """
        if self._since is None:
            self._since = began
        now = self._monotonic()
        left = self._left(now)
        if left <= 0:
            raise StoreUnavailable(
                f"nothing was written in {now - self._since:.1f} s: {error}"
            ) from error
        if self._on_wait is not None:
            self._on_wait(now - self._since)
        await asyncio.sleep(min(self._pause, left))
        self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)
