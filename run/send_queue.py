"""What waits to leave for the broker: cancels, exits, their changes, looks at its lists, entries.

Nothing that lowers risk ever waits behind a look or an entry, and no exit behind the next price of
another one: while there is room for few messages, each position has its order first. A look that a
doubt asked for holds entries back until it is on the log; the regular one of each minute holds
nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from domain.event import Recorded


@dataclass(frozen=True, slots=True)
class Look:
    """A snapshot that is wanted. Equal ones that wait are one."""

    connection: str
    in_doubt: bool


class SendQueue:
    """Sends in four ranks, each in the order of its commits, and the looks beside them."""

    def __init__(self) -> None:
        self._cancels: deque[tuple[Recorded, ...]] = deque()
        self._exits: deque[tuple[Recorded, ...]] = deque()
        self._changes: deque[tuple[Recorded, ...]] = deque()
        self._entries: deque[tuple[Recorded, ...]] = deque()
        self._looks: dict[Look, None] = {}
        self._running: Look | None = None
        self._wakes: dict[asyncio.Event, None] = {}
        """Who waits, in the order in which they came: a set would wake them by their addresses."""

    def __len__(self) -> int:
        waiting = (self._cancels, self._exits, self._changes, self._entries, self._looks)
        return sum(len(rank) for rank in waiting) + (self._running is not None)

    def put_cancel(self, event: Recorded) -> None:
        self._cancels.append((event,))
        self._wake()

    def put_exit(self, *events: Recorded) -> None:
        """Exits, resting stops, and a block of ids that they may need."""
        self._exits.append(events)
        self._wake()

    def put_change(self, event: Recorded) -> None:
        """Changes of exits and resting stops."""
        self._changes.append((event,))
        self._wake()

    def put_entry(self, *events: Recorded) -> None:
        """Entries with their children, and their changes."""
        self._entries.append(events)
        self._wake()

    def put_look(self, look: Look) -> None:
        self._looks[look] = None
        self._wake()

    @property
    def holds_entries(self) -> bool:
        """A doubt is not settled yet: no entry leaves."""
        doubts = [*self._looks, *([self._running] if self._running else [])]
        return any(look.in_doubt for look in doubts)

    def next_send(self) -> tuple[Recorded, ...] | None:
        """What leaves next; None while nothing may."""
        for waiting in (self._cancels, self._exits, self._changes):
            if waiting:
                return waiting.popleft()
        if self._entries and not self.holds_entries:
            return self._entries.popleft()
        return None

    def next_look(self) -> Look | None:
        """The look that begins now, doubts first; a regular one waits until no entry does.

        The caller says `looked` when it is on the log.
        """
        if self._running is not None or not self._looks:
            return None
        look = max(self._looks, key=lambda each: each.in_doubt)
        if not look.in_doubt and self._entries:
            return None
        del self._looks[look]
        self._running = look
        return look

    def looked(self) -> None:
        self._running = None
        self._wake()

    async def wait_send(self) -> tuple[Recorded, ...]:
        while (found := self.next_send()) is None:
            await self._wait()
        if not self._entries:
            self._wake()  # a regular look may have waited for it
        return found

    async def wait_look(self) -> Look:
        while (found := self.next_look()) is None:
            await self._wait()
        return found

    async def _wait(self) -> None:
        woken = asyncio.Event()
        self._wakes[woken] = None
        try:
            await woken.wait()
        finally:
            self._wakes.pop(woken, None)

    def _wake(self) -> None:
        for woken in self._wakes:
            woken.set()
