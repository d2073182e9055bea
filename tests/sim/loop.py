"""An event loop in virtual time: it never waits, and its seed orders what is ready.

Tasks, timers, timeouts and streams of the product run on it unchanged. When nothing is ready the
time jumps to the next timer. Tasks that are ready at once take turns in an order drawn from the
seed; callbacks keep theirs, because asyncio promises it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar

from tests.sim.network import Network, VirtualServer, VirtualTransport

T = TypeVar("T")


class Stalled(AssertionError):
    """Nothing is ready and no timer is set: the run would wait for ever."""


class _Selector:
    """Where an ordinary loop waits for sockets, this one lets the time jump."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise Stalled("a virtual loop must have a timer or work, had none")
        self._loop.now += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """One for each life."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.now = 0.0
        self.network = Network(self, Random(f"network {seed}"))
        self._order = Random(f"order {seed}")
        self._selector = _Selector(self)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now

    def _process_events(self, event_list: list[object]) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There is no other thread to wake it."""

    def _run_once(self) -> None:
        self._mix()
        super()._run_once()  # type: ignore[misc]

    def _mix(self) -> None:
        """Give the tasks that are ready each other's turns."""
        ready = self._ready  # type: ignore[attr-defined]
        if len(ready) < 2:
            return
        places = [
            place
            for place, handle in enumerate(ready)
            if isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)
        ]
        if len(places) < 2:
            return
        handles = [ready[place] for place in places]
        self._order.shuffle(handles)
        for place, handle in zip(places, handles, strict=True):
            ready[place] = handle

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: Any
    ) -> tuple[VirtualTransport, asyncio.Protocol]:
        return await self.network.connect(protocol_factory, port)

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: Any
    ) -> VirtualServer:
        return self.network.listen(protocol_factory, port)


def run_beside(loop: asyncio.AbstractEventLoop, work: Awaitable[T]) -> T:
    """Finish `work` on another loop while the running one stands: its time does not move, and no
    other task sees the work half done."""
    running = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return loop.run_until_complete(work)
    finally:
        asyncio._set_running_loop(running)
