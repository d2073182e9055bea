"""Following the log: catch-up by pages, then woken by NOTIFY, with a poll behind it.

Used by store/postgres.py. One connection of each store listens, one channel for each retention
class; when it is lost it is opened again, and until then the poll carries on. Memory is bounded
by one page whatever the lag.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from typing import Any

import asyncpg

from domain.event import Recorded, Retention
from store.appender import Writer, close_quietly
from store.cancellation import raise_if_cancelled
from store.contract import Selection
from store.reading import Head, Reader, retentions

POLL_SECONDS = 0.25
_RECONNECT_SECONDS_MIN = 0.05
_RECONNECT_SECONDS_MAX = 2.0
_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
    TimeoutError,
)


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
        self._waiting: set[asyncio.Event] = set()
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
        next poll that finds one."""
        woken = asyncio.Event()
        self._waiting.add(woken)
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
            self._waiting.discard(woken)

    async def _listen(self) -> None:
        delay = _RECONNECT_SECONDS_MIN
        while True:
            try:
                connection = await self._connect()
            except _LOST:
                await asyncio.sleep(delay)
                delay = min(2 * delay, _RECONNECT_SECONDS_MAX)
                continue
            delay = _RECONNECT_SECONDS_MIN
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _, ended=ended: ended.set())
            try:
                for retention in Retention:
                    await connection.add_listener(channel(retention), self._ring)
                self._wake_all()  # what rang while nobody listened is found by the poll at once
                await ended.wait()
            except _LOST:
                await asyncio.sleep(delay)
            finally:
                await close_quietly(connection)

    def _ring(self, _: Any, __: int, name: str, payload: object) -> None:
        position, _, day = str(payload).partition(" ")
        head = Head(int(position), date.fromisoformat(day))
        self._reader.notice(head)
        self._rung[Retention(name.removeprefix("striketape_"))] = head
        self._wake_all()

    def _wake_all(self) -> None:
        for woken in self._waiting:
            woken.set()


async def follow(
    reader: Reader, doorbell: Doorbell, after: int, selection: Selection, page: int
) -> AsyncIterator[tuple[list[Recorded], int]]:
    """Pages of selected events for ever, each with the position scanned so far.

    A lost database is waited for: nothing is skipped, because the position is ours.
    """
    classes = retentions(selection)
    doorbell.open()
    scanned = after
    delay = _RECONNECT_SECONDS_MIN
    up_to = 0
    while True:
        raise_if_cancelled()
        try:
            if up_to <= scanned:
                up_to = (await reader.head()).position
            if up_to <= scanned:
                up_to = (await doorbell.beyond(scanned, classes)).position
            events = await reader.page(scanned, selection, page, up_to)
        except _LOST as error:
            if isinstance(error, asyncpg.PostgresError) and not _is_passing(error):
                raise
            await asyncio.sleep(delay)
            delay = min(2 * delay, _RECONNECT_SECONDS_MAX)
            continue
        delay = _RECONNECT_SECONDS_MIN
        scanned = events[-1].position if len(events) == page else up_to
        yield events, scanned


def _is_passing(error: asyncpg.PostgresError) -> bool:
    """A connection lost, a server that shuts down or starts, a time-out: not a defect."""
    return (error.sqlstate or "")[:2] in ("08", "53", "55", "57")
