"""Following the log: catch-up by pages, then woken by NOTIFY, with a poll behind it.

Used by store/postgres.py. One connection of each store listens; a ring says which types were
committed (sql/0016_bell.sql). When the connection is lost it is opened again, and until then the
poll carries on. Memory is bounded by two pages whatever the lag.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date
from math import inf
from typing import Any

import asyncpg

from domain.event import Recorded
from store.appender import Writer, close_quietly
from store.cancellation import raise_if_cancelled
from store.contract import Selection
from store.patience import LOST, OnWait, Patience
from store.reading import OWN_CLOCK_TYPES, Head, Reader

POLL_SECONDS = 0.25
_RECONNECT_SECONDS_MIN = 0.05
_RECONNECT_SECONDS_MAX = 2.0
_CHANNEL = "striketape"
_ANY = "*"
"""What rang while nobody listened, of whatever type."""


class Doorbell:
    """Listens, and wakes who waits for what rang. Works without anybody listening too: then every
    wait ends with the poll."""

    def __init__(self, connect: Callable[[], Awaitable[Writer]], reader: Reader) -> None:
        self._connect = connect
        self._reader = reader
        self._rung: dict[str, int] = {}
        """Last position by type, as far as it rang."""
        self._newest = Head(0, date.min)
        self._waiting: dict[asyncio.Event, frozenset[str]] = {}
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to listen; does nothing when it listens already."""
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name="store.doorbell")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def beyond(self, position: int, types: frozenset[str]) -> Head:
        """A head of the log above `position`: at once when one of the types rang above it (empty:
        any type), else with the next poll that finds one, which no other ring puts off."""
        woken = asyncio.Event()
        self._waiting[woken] = types
        try:
            while True:
                of_interest = types | {_ANY} if types else self._rung
                if any(self._rung.get(name, 0) > position for name in of_interest):
                    return self._newest
                woken.clear()
                try:
                    async with asyncio.timeout(POLL_SECONDS):
                        await woken.wait()
                except TimeoutError:
                    head = await self._reader.head()
                    if head.position > position:
                        return head
        finally:
            del self._waiting[woken]

    async def _listen(self) -> None:
        delay = _RECONNECT_SECONDS_MIN
        while True:
            try:
                connection = await self._connect()
            except (*LOST, asyncpg.PostgresError):
                await asyncio.sleep(delay)
                delay = min(2 * delay, _RECONNECT_SECONDS_MAX)
                continue
            delay = _RECONNECT_SECONDS_MIN
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _, ended=ended: ended.set())
            try:
                await connection.add_listener(_CHANNEL, self._ring)
                self._note(await self._reader.head(), (_ANY,))
                await ended.wait()
            except (*LOST, asyncpg.PostgresError):
                await asyncio.sleep(delay)
            finally:
                await close_quietly(connection)

    def _ring(self, _: Any, __: int, ___: str, payload: object) -> None:
        position, day, types = str(payload).split(" ")
        head = Head(int(position), date.fromisoformat(day))
        self._reader.notice(head)
        self._note(head, types.split(","))

    def _note(self, head: Head, types: Sequence[str]) -> None:
        """Events of these types were committed up to `head`: wake who waits for them."""
        if head.position > self._newest.position:
            self._newest = head
        for name in types:
            self._rung[name] = max(head.position, self._rung.get(name, 0))
        for woken, wanted in self._waiting.items():
            if not wanted or _ANY in types or not wanted.isdisjoint(types):
                woken.set()


async def follow(
    reader: Reader,
    doorbell: Doorbell,
    after: int,
    selection: Selection,
    page: int,
    on_wait: OnWait | None = None,
) -> AsyncIterator[tuple[list[Recorded], int]]:
    """Pages of selected events for ever, each with the position scanned so far.

    In catch-up the server makes the next page while the consumer is at this one: there are never
    more than these two.

    A lost database is waited for, as long as it takes: nothing is skipped, because the position
    is ours, and to be behind is what a subscription is always ready for. A process that must not
    go on without the log learns it from its own heartbeat, which is an append.
    """
    types = selection.types
    if types and selection.own_clock:
        types |= OWN_CLOCK_TYPES
    doorbell.open()
    patience = Patience(time.monotonic, on_wait, deed="read", seconds_max=inf)
    scanned = after
    up_to = -1

    async def next_page() -> list[Recorded]:
        nonlocal up_to
        if up_to < 0:  # the bell tells what comes, not what is there
            up_to = (await reader.head()).position
        if up_to <= scanned:
            up_to = (await doorbell.beyond(scanned, types)).position
        return await reader.page(scanned, selection, page, up_to)

    upcoming: asyncio.Task[list[Recorded]] | None = None
    try:
        while True:
            raise_if_cancelled()
            events = await (upcoming or patience.through(next_page))
            scanned = events[-1].position if len(events) == page else up_to
            upcoming = None
            if scanned < up_to:
                upcoming = asyncio.create_task(patience.through(next_page), name="store.next_page")
                await asyncio.sleep(0)  # the query leaves before the consumer takes the loop
            yield events, scanned
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
