"""Looks at the broker's lists: the snapshots that reconciliation rests on, taken beside the sends.

The order effect runs one at a time. Lists that were asked before an order left do not have it and
would call it lost, so such a look is void and begun anew; what is given up is never forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from adapters.interactive_brokers.link import LinkError, RequestFailed
from adapters.interactive_brokers.orders import NotSent
from domain.events.orders import BROKER_STREAM, BrokerSnapshotReceived
from run.send_queue import Look, SendQueue
from run.worker import Recorder

LOOKS_MAX = 3
"""Times that one look is begun anew because an order left during it."""
VOID_ROUNDS_PAGED = 3
"""Looks given up in a row after which a human is told."""
Page = Callable[[str, str], Awaitable[None]]


class Lists(Protocol):
    """What a look needs of the broker."""

    async def snapshot(self) -> BrokerSnapshotReceived: ...
    async def close(self, reason: str = ...) -> None: ...


class BrokerLooks:
    """Takes the looks of a SendQueue. `order_left` is called for each order that leaves."""

    def __init__(self, broker: Lists, recorder: Recorder, queue: SendQueue, page: Page) -> None:
        self._broker = broker
        self._recorder = recorder
        self._queue = queue
        self._page = page
        self._left = 0
        self._void_rounds = 0
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("broker_looks")

    def order_left(self) -> None:
        self._left += 1

    async def take(self, look: Look, connection: Callable[[], str]) -> None:
        """Record what the broker lists; without an answer the connection is given up, and paged.

        `connection` names the present one, which may be another when the answer comes.
        """
        if look.connection != connection():
            return
        try:
            snapshot = await self._settled()
        except (NotSent, LinkError, RequestFailed) as error:
            if look.connection != connection():
                return  # that connection is gone already, and this one is not to blame
            await self._broker.close(f"no snapshot: {error}")
            text = f"the broker's lists must be answered, was {error}"
            await self._page("BROKER_SNAPSHOT", text)
            return
        if snapshot is None:
            await self._again(look)
            return
        self._void_rounds = 0
        await self._recorder.record(BROKER_STREAM, snapshot)

    async def _settled(self) -> BrokerSnapshotReceived | None:
        """The lists of a time in which no order left; None when there was none."""
        for _ in range(LOOKS_MAX):
            before = self._left
            snapshot = await self._broker.snapshot()
            if before == self._left:
                return snapshot
        return None

    async def _again(self, look: Look) -> None:
        """Looked anew as a doubt: entries wait from here on, and void no further look. Exits do
        not wait; when they leave in every look for long, a human must know that nothing is
        compared meanwhile."""
        self._void_rounds += 1
        self._log.warning("no snapshot: orders left during each", rounds=self._void_rounds)
        self._queue.put_look(Look(look.connection, in_doubt=True))
        if self._void_rounds == VOID_ROUNDS_PAGED:
            looks = LOOKS_MAX * VOID_ROUNDS_PAGED
            text = f"nothing is reconciled: an order left during each of {looks} looks in a row"
            await self._page("BROKER_LOOKS_VOID", text)
