"""Following the log: catch-up by pages, then woken by NOTIFY, with a poll behind it.

Used by store/postgres.py. One connection of each store listens, one channel for each retention
class; when it is lost it is opened again, and until then the poll carries on. Memory is bounded
by two pages whatever the lag.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from math import inf
from typing import Any

import asyncpg

from domain.event import Recorded, Retention
from store.appender import Writer, close_quietly
from store.cancellation import raise_if_cancelled
from store.contract import Selection
from store.patience import LOST, OnWait, Patience
from store.reading import Head, Reader, retentions

POLL_SECONDS = 0.25
_RECONNECT_SECONDS_MIN = 0.05
_RECONNECT_SECONDS_MAX = 2.0


def channel(retention: Retention) -> str:
    """Channel that rings when events of a class were committed."""
    return f"striketape_{retention.value}"


class Doorbell:
    """Listens on both channels and wakes whoever waits. Works without anybody listening too:
    then every wait ends with the poll."""

    def __init__(self, connect: Callable[[], Awaitable[Writer]], reader: Reader) -> None:
        self._connect = connect
        self._reader = reader
        self._rung: dict[Retention, Head] = {}
        self._waiting: dict[asyncio.Event, frozenset[Retention]] = {}
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

    async def beyond(self, position: int, classes: frozenset[Retention]) -> Head:
        """A head of the log above `position`: at once when one of the classes rang, else with the
        next poll that finds one, which no ring of another class puts off."""
        woken = asyncio.Event()
        self._waiting[woken] = classes
        try:
            while True:
                rung = max(
                    (self._rung[c] for c in classes if c in self._rung),
                    key=lambda head: head.position,
                    default=None,
                )
                if rung is not None and rung.position > position:
                    return rung
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
                for retention in Retention:
                    await connection.add_listener(channel(retention), self._ring)
                # What rang while nobody listened, of whatever class.
                head = await self._reader.head()
                for retention in Retention:
                    self._note(retention, head)
                await ended.wait()
            except (*LOST, asyncpg.PostgresError):
                await asyncio.sleep(delay)
            finally:
                await close_quietly(connection)

    def _ring(self, _: Any, __: int, name: str, payload: object) -> None:
        position, _, day = str(payload).partition(" ")
        head = Head(int(position), date.fromisoformat(day))
        self._reader.notice(head)
        self._note(Retention(name.removeprefix("striketape_")), head)

    def _note(self, retention: Retention, head: Head) -> None:
        """A class may have events up to `head`: wake who waits for it, and nobody else."""
        known = self._rung.get(retention)
        if known is None or known.position < head.position:
            self._rung[retention] = head
        for woken, classes in self._waiting.items():
            if retention in classes:
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
    classes = retentions(selection)
    doorbell.open()
    patience = Patience(time.monotonic, on_wait, deed="read", seconds_max=inf)
    scanned = after
    up_to = -1

    async def next_page() -> list[Recorded]:
        nonlocal up_to
        if up_to < 0:  # the bell tells what comes, not what is there
            up_to = (await reader.head()).position
        if up_to <= scanned:
            up_to = (await doorbell.beyond(scanned, classes)).position
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
