"""When a worker makes a snapshot of its states, and what it takes from one.

Used by run/worker.py alone. The states are pickled between two inputs, when all is committed and
nothing waits; compressing and writing is done beside the consumption. What pickling costs is at
most a hundredth of the worker's time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import structlog

from run.snapshots import StateCache, pickled
from store.errors import StoreError

INPUTS_BETWEEN = 20_000
SECONDS_BETWEEN_MIN = 60.0
COST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """All states of a worker after the input at or before `position`, and its clock's speed."""

    position: int
    states: list[Any]
    speed: float


class WorkerSnapshots:
    """Snapshots of one worker; without a cache it does nothing."""

    def __init__(self, cache: StateCache | None, worker: str) -> None:
        self._cache = cache
        self._worker = worker
        self._inputs = 0
        self._not_before = time.monotonic() + SECONDS_BETWEEN_MIN
        self._made: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(maxsize=1)
        self._log = structlog.get_logger(f"striketape.{worker}")

    async def newest(self, checkpoint: int) -> WorkerSnapshot | None:
        """Where recovery begins; None at the beginning."""
        if self._cache is None:
            return None
        found = await self._cache.newest(self._worker, checkpoint)
        return None if found is None else WorkerSnapshot(found.position, *found.state)

    def count(self, inputs: int) -> None:
        """So many more inputs were folded since the last snapshot."""
        self._inputs += inputs

    @property
    def is_due(self) -> bool:
        """The next moment between inputs with all committed should be offered."""
        is_wanted = self._cache is not None and self._inputs >= INPUTS_BETWEEN
        return is_wanted and not self._made.full() and time.monotonic() >= self._not_before

    def offer(self, position: int, states: list[Any], speed: float) -> bool:
        """A moment between inputs with all committed: make a snapshot if one is due.

        True when it was made. It costs the time to pickle the states, real seconds.
        """
        if not self.is_due:
            return False
        began = time.monotonic()
        try:
            self._made.put_nowait((position, pickled((states, speed))))
        except Exception as error:  # a state that cannot be pickled is no reason to stop
            self._log.error("no snapshot: states not picklable", error=repr(error))
            self._cache = None
            return False
        took = time.monotonic() - began
        self._inputs = 0
        self._not_before = began + max(SECONDS_BETWEEN_MIN, took / COST_SHARE)
        return True

    async def run(self) -> None:
        """Write what was made, until cancelled."""
        while True:
            await self.write(*await self._made.get())

    async def write(self, position: int, state: bytes) -> None:
        """Write one snapshot; a failure costs nothing but that snapshot."""
        assert self._cache is not None
        try:
            size = await self._cache.save(self._worker, position, state)
        except StoreError as error:
            self._log.warning("snapshot not kept", position=position, error=str(error))
            return
        self._log.info("snapshot", position=position, bytes=size)
