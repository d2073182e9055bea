"""How long writers and readers wait out a log that cannot be used.

A flush that takes long on a busy disk, a queue of writers before us, a server that starts again:
nothing was done and nothing is wrong with us, so a short wait is kinder than the end of the
process. Pauses grow, and the whole stall has one limit, after which everybody is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from store.cancellation import raise_if_cancelled
from store.errors import StoreUnavailable

STALL_SECONDS_MAX = 5.0
"""Of writers. Longer than the time-outs that end whoever holds the log (store/postgres.py)."""
READ_STALL_SECONDS_MAX = 15.0
"""Of readers: a restart of the server with its recovery, on a busy machine too. Who reads holds
nothing and decides nothing meanwhile, and to fold the log again would take longer."""
CLOSING_SECONDS_MAX = 2.0
PAUSE_SECONDS_MIN = 0.05
PAUSE_SECONDS_MAX = 0.4

OnWait = Callable[[float], None]
"""Called before each further attempt, with the real seconds of the stall so far."""

# InternalClientError is what asyncpg says of a connection that broke between its own steps.
LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    TimeoutError,
)
"""What a client says when its connection is gone."""
# Connection, rollback that asks for another attempt, resources, lock, operator's intervention.
_PASSING_CLASSES = ("08", "40", "53", "55", "57")
Result = TypeVar("Result")


def each_wait(report: OnWait) -> OnWait:
    """Tells `report` the seconds that each further attempt of a stall adds."""
    told = 0.0

    def note(stall_seconds: float) -> None:
        nonlocal told
        added = stall_seconds - told if stall_seconds >= told else stall_seconds
        told = stall_seconds
        report(added)

    return note


class Stalled(Exception):
    """Nothing was written, for a reason that may pass: no connection, a lock, a full server."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


def may_pass(error: BaseException) -> bool:
    """A connection lost, a server that ends, starts or is full: not a defect of what was asked."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _PASSING_CLASSES
    # An InterfaceError that is a ValueError complains of our own arguments.
    return isinstance(error, LOST) and not isinstance(error, ValueError)


class Patience:
    """One stall at a time: `wait` between attempts until `over` or the limit.

    The limit is `seconds_max`, that of writers when not given; `deed` is what could not be done.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        on_wait: OnWait | None = None,
        *,
        deed: str = "written",
        seconds_max: float | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._on_wait = on_wait
        self._deed = deed
        self._seconds_max = seconds_max
        self._since: float | None = None
        self._pause = PAUSE_SECONDS_MIN
        self._closing_at: float | None = None

    def over(self) -> None:
        """Something was done, or nobody waits any more: the next stall is another one."""
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
        seconds_max = STALL_SECONDS_MAX if self._seconds_max is None else self._seconds_max
        left = seconds_max - (now - self._since)
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
                f"nothing was {self._deed} in {now - self._since:.1f} s: {error}"
            ) from error
        if self._on_wait is not None:
            self._on_wait(now - self._since)
        await asyncio.sleep(min(self._pause, left))
        self._pause = min(2 * self._pause, PAUSE_SECONDS_MAX)

    async def through(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """The result of an attempt that does no harm when it is repeated, such as a read.

        Raises:
            StoreUnavailable: the stall is at its limit.
            Exception: what the attempt raised, when waiting would not heal it.
        """
        while True:
            began = self._monotonic()
            try:
                result = await attempt()
            except (*LOST, asyncpg.PostgresError) as error:
                if not may_pass(error):
                    raise
                raise_if_cancelled()
                await self.wait(began, error)
            else:
                self.over()
                return result
