"""The real store on real Postgres, driven from virtual time.

A call takes virtual time before and after its work; the work itself runs to its end on the
store's own loop while the virtual one stands, so that its order is the seed's. What a process asked
before it died may still happen. The log keeps growing over all lives: a life sees the part that is
its own, with recorded_at and market_time of its virtual clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from random import Random
from typing import Any

from msgspec.structs import replace

from domain.event import Proposed, Recorded
from store.contract import Appended, Checkpoint, Selection
from store.postgres import PostgresStore
from store.reading import Head
from tests.sim.loop import run_beside

ASKED_SECONDS = (0.0002, 0.003)
SLOW_SECONDS = 1.5
SLOW_CHANCE = 0.004
LINGER_SECONDS = (0.001, 0.05, 0.25)
PAGE = 5_000


class SimStore:
    """The event store as the processes of one life see it."""

    def __init__(
        self,
        store: PostgresStore,
        store_loop: asyncio.AbstractEventLoop,
        now: Callable[[], datetime],
        random: Random,
        base: int,
    ) -> None:
        self.base = self.last = base
        """Positions at which this life begins and at which its newest event is."""
        self.on_appended: Callable[[Sequence[Proposed]], None] = lambda _: None
        self.calls = 0
        self._store = store
        self._loop = store_loop
        self._now = now
        self._random = random
        self._recorded: dict[int, datetime] = {}
        self._bell: asyncio.Future[None] | None = None

    # Calls of processes.

    async def append(
        self, events: Sequence[Proposed], checkpoint: Checkpoint | None = None
    ) -> Appended:
        done: Appended = await self._asked(lambda: self.append_now(events, checkpoint))
        return done

    async def read(
        self,
        after: int,
        selection: Selection = Selection(),  # noqa: B008
        limit: int = PAGE,
        up_to: int | None = None,
    ) -> list[Recorded]:
        found: list[Recorded] = await self._asked(
            lambda: self._page(after, selection, limit, up_to)
        )
        return found

    def subscribe(
        self,
        after: int,
        selection: Selection = Selection(),  # noqa: B008
        page: int = 1_000,
    ) -> AsyncIterator[tuple[list[Recorded], int]]:
        return _Following(self, max(after, self.base), selection, page)

    async def read_stream(
        self, stream: str, after_version: int = 0, up_to_version: int | None = None
    ) -> list[Recorded]:
        return await self._asked(
            lambda: self._seen(
                self._do(self._store.read_stream(stream, after_version, up_to_version))
            )
        )

    async def event(self, event_id: Any) -> Recorded | None:
        return await self._asked(lambda: self._do(self._store.event(event_id)))

    async def emissions(self, worker: str, after: int, up_to: int) -> list[Recorded]:
        return await self._asked(
            lambda: self._seen(
                self._do(self._store.emissions(worker, max(after, self.base), up_to))
            )
        )

    async def checkpoint(self, consumer: str) -> int:
        return await self._asked(lambda: self._do(self._store.checkpoint(consumer)))

    async def stream_version(self, stream: str) -> int:
        return await self._asked(lambda: self._do(self._store.stream_version(stream)))

    async def head(self) -> int:
        return await self._asked(lambda: self.last)

    # What happens at once; also for the world itself.

    def append_now(
        self, events: Sequence[Proposed], checkpoint: Checkpoint | None = None
    ) -> Appended:
        now = self._now()
        stamped = [e if e.market_time else replace(e, market_time=now) for e in events]
        done = self._do(self._store.append(stamped, checkpoint))
        for position in done.positions:
            self._recorded.setdefault(position, now)
            self.last = max(self.last, position)
        if events:
            # The doorbell of a subscription brings the head along in the same way.
            self._store._reader.notice(Head(self.last, done.recorded_at.date()))
            self.on_appended(events)
        # A worker's own emissions are read over with the next fact: nobody waits for them.
        if checkpoint is None and self._bell is not None and not self._bell.done():
            self._bell.set_result(None)
        return replace(done, recorded_at=now)

    def log(self, selection: Selection) -> list[Recorded]:
        """What this life has on the log."""
        found: list[Recorded] = []
        while page := self._page(found[-1].position if found else 0, selection, PAGE, None):
            found += page
        return found

    async def rung(self) -> None:
        """Returns when a fact was appended."""
        if self._bell is None or self._bell.done():
            self._bell = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._bell)

    def linger(self) -> float:
        """How long the ring of the bell takes: what comes meanwhile is in the same page."""
        return self._random.choice(LINGER_SECONDS)

    def _page(
        self, after: int, selection: Selection, limit: int, up_to: int | None
    ) -> list[Recorded]:
        after = max(after, self.base)
        if after >= self.last:
            return []
        return self._seen(self._do(self._store.read(after, selection, limit, up_to)))

    def _seen(self, events: Sequence[Recorded]) -> list[Recorded]:
        return [replace(event, recorded_at=self._recorded[event.position]) for event in events]

    def _do(self, work: Any) -> Any:
        self.calls += 1
        return run_beside(self._loop, work)

    async def _asked(self, work: Callable[[], Any]) -> Any:
        """The request travels, is done whoever still lives then, and its answer travels back."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        slow = SLOW_SECONDS if self._random.random() < SLOW_CHANCE else 0.0

        def do() -> None:
            try:
                result = work()
            except Exception as error:
                if not answer.done():
                    answer.set_exception(error)
                return
            if not answer.done():
                answer.set_result(result)

        loop.call_later(self._random.uniform(*ASKED_SECONDS) + slow, do)
        result = await answer
        await asyncio.sleep(self._random.uniform(*ASKED_SECONDS))
        return result


class _Following:
    """A subscription: a page as soon as there is something, then a wait for the next append."""

    def __init__(self, store: SimStore, after: int, selection: Selection, page: int) -> None:
        self._store = store
        self._after = after
        self._selection = selection
        self._page = page

    def __aiter__(self) -> _Following:
        return self

    async def __anext__(self) -> tuple[list[Recorded], int]:
        while self._store.last <= self._after:
            await self._store.rung()
            await asyncio.sleep(self._store.linger())
        head = self._store.last
        events = await self._store.read(self._after, self._selection, self._page, head)
        self._after = events[-1].position if len(events) == self._page else head
        return events, self._after
