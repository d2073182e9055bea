"""A peer and our log under the same loads, in rounds: what the peer_* benchmarks have in common.

A peer is called as its users call it: blocking, one thread a producer. Ours is one store and one
task a producer. What an event costs to make and to bring into the peer's own form is not timed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.ground import Contender, Figure, Rounds, in_turn, seconds
from benchmarks.ticks import STREAMS, Ticks
from domain.event import Proposed
from store.postgres import PostgresStore


@dataclass(frozen=True, slots=True)
class Load:
    """`producers` that each append `calls` times `size` events, one call after the other."""

    name: str
    producers: int
    calls: int
    size: int
    limit: str = ""
    """What ours must be, in multiples of the peer."""

    @property
    def events(self) -> int:
        return self.producers * self.calls * self.size


class Peer(Protocol):
    """An event store under measurement."""

    name: str

    def prepared(self, events: Sequence[Proposed]) -> Any:
        """The events of one call in the peer's own form."""
        ...

    def insert(self, producer: int, calls: Sequence[Any]) -> None:
        """Append call after call, durably; runs in a thread of its own."""
        ...


class Contest:
    """Both under each load, and the figures that come of it."""

    def __init__(self, peer: Peer, store: PostgresStore, loads: Sequence[Load]) -> None:
        self._peer = peer
        self._store = store
        self._loads = loads
        self._rounds = Rounds()
        self._ticks: dict[str, Ticks] = {}

    async def figures(self, rounds: int) -> list[Figure]:
        with ThreadPoolExecutor(max(load.producers for load in self._loads)) as threads:
            groups = [[self._ours(load), self._theirs(load, threads)] for load in self._loads]
            await in_turn(1, *groups)
            self._rounds = Rounds()
            await in_turn(rounds, *groups)
        return [figure for load in self._loads for figure in self._figures(load)]

    def _figures(self, load: Load) -> list[Figure]:
        prefix, rounds = f"{self._peer.name}.{load.name}", self._rounds
        theirs, ours = f"theirs {load.name}", f"ours {load.name}"
        return [
            Figure(f"{prefix}_theirs", rounds.median(theirs), "events/s"),
            Figure(f"{prefix}_ours", rounds.median(ours), "events/s"),
            Figure(f"{prefix}_ratio", rounds.ratio(ours, theirs), "x", load.limit),
        ]

    def _queues(self, load: Load) -> list[list[list[Proposed]]]:
        """Each producer has streams of its own: a peer may refuse an overtaken version."""
        queues = []
        for producer in range(load.producers):
            name = f"{load.name}{producer}"
            ticks = self._ticks.setdefault(name, Ticks(name, STREAMS if load.size > 1 else 1))
            queues.append([ticks.take(load.size) for _ in range(load.calls)])
        return queues

    def _ours(self, load: Load) -> Contender:
        async def one(calls: Sequence[Sequence[Proposed]]) -> None:
            for call in calls:
                await self._store.append(call)

        async def work() -> None:
            queues = self._queues(load)
            took = await seconds(asyncio.gather(*(one(queue) for queue in queues)))
            self._rounds.note(f"ours {load.name}", load.events / took)

        return work

    def _theirs(self, load: Load, threads: ThreadPoolExecutor) -> Contender:
        async def work() -> None:
            queues = [[self._peer.prepared(call) for call in queue] for queue in self._queues(load)]
            loop = asyncio.get_running_loop()
            began = time.perf_counter()
            await asyncio.gather(
                *(
                    loop.run_in_executor(threads, self._peer.insert, producer, queue)
                    for producer, queue in enumerate(queues)
                )
            )
            took = time.perf_counter() - began
            self._rounds.note(f"theirs {load.name}", load.events / took)

        return work
