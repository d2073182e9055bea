"""Market time that stands until it is moved, and what reads it: the store, the feeds' schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from domain.event import Proposed
from domain.events.feed_health import FeedMessageRestated
from domain.events.feeds import FeedMessageRejected, IbBarReceived, UwFrame
from run.feeds.market_clock import MarketClock
from store.contract import Appended, Checkpoint

SANDBOX_SPEED = 10.0
"""Market seconds for each second that the sandboxes' own limits count."""
THINNED_POLL_SECONDS = 900.0
POLLS_A_MINUTE_MAX = 25.0
LOOK_SECONDS = 0.05
"""How soon the schedule of REST calls sees that its clock was set."""


class VirtualTime:
    """Market time that stands until it is moved."""

    def __init__(self, start: datetime) -> None:
        self.start = self.now = start
        self.moved = asyncio.Event()

    def move(self, to: datetime) -> None:
        assert to >= self.now, (self.now, to)
        self.now = to
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()

    def sandbox_seconds(self) -> float:
        """What a real clock is to the sandboxes."""
        return (self.now - self.start).total_seconds() / SANDBOX_SPEED


class VirtualStore:
    """The store, with the market time passed in; counts what the feeds have got on the log."""

    def __init__(self, store: Any, time: VirtualTime) -> None:
        self.frames = 0
        self.step_recorded_at: datetime | None = None
        self.bars: dict[str, datetime] = {}
        self.appended = asyncio.Event()
        self._store = store
        self._time = time

    async def append(
        self, events: Sequence[Proposed], checkpoint: Checkpoint | None = None
    ) -> Appended:
        now = self._time.now
        stamped = [e if e.market_time else replace(e, market_time=now) for e in events]
        done: Appended = await self._store.append(stamped, checkpoint)
        self.step_recorded_at = self.step_recorded_at or done.recorded_at
        for event in events:
            match event.body:
                case UwFrame() | FeedMessageRejected() | FeedMessageRestated():
                    self.frames += 1
                case IbBarReceived() as bar:
                    self.bars[bar.symbol] = bar.start
        appended, self.appended = self.appended, asyncio.Event()
        appended.set()
        return done

    def begin_session(self) -> None:
        """Count anew what the feeds of the next session bring."""
        self.frames = 0
        self.bars.clear()

    def real_now(self) -> datetime:
        """The database's clock at the step's first append: no real second passes in a step."""
        return self.step_recorded_at or datetime.now(UTC)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class VirtualMarketClock(MarketClock):
    """The schedule of the feeds' REST calls, which a step lets go on when its frames are there."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time

    def now(self) -> datetime:
        return self._time.now

    @property
    def seconds_min(self) -> float:
        thinned = self.started is not None and self.started.thinned
        return THINNED_POLL_SECONDS if thinned else 0.0

    def calls_a_minute(self, in_a_real_minute: float) -> float:
        return POLLS_A_MINUTE_MAX

    async def wait(self, until: datetime, woken: asyncio.Event) -> None:
        if self.now() >= until:
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (self._time.moved, woken)]
        try:
            # The clock may be told anew without being moved.
            await asyncio.wait(waits, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
