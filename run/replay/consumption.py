"""The log as its workers consumed it: every position once, with what each worker emitted for it.

One reading feeds all workers, so that the first difference is the first of the whole desk. Used
by verify-decisions and what-if; live work and recovery read only what one worker wants
(run/worker.py), and hand it to the same functions of domain/stage.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from domain.event import Recorded
from run import later_parameters
from run.build import build_id
from run.config import Settings
from run.stopped import load_skips
from run.worker import Worker
from run.workers import WORKERS
from store.contract import PAGE_EVENTS_MAX, EventStore, Selection
from store.errors import UnreadableEvent


@dataclass(frozen=True, slots=True)
class Place:
    """One position of the log. `event` is None where nothing is recorded, which is evidence:
    positions are dense. `emitted` holds each worker's emissions for it, in ordinal order. `others`
    are further events recorded at the same position, which no append can give."""

    position: int
    event: Recorded | None
    emitted: Mapping[str, Sequence[Recorded]]
    others: Sequence[Recorded] = ()


async def places(
    store: EventStore, workers: Sequence[str], up_to: int, page: int = PAGE_EVENTS_MAX
) -> AsyncIterator[Place]:
    """Every position from 1 to `up_to`, read about `page` events at a time; an event that cannot be
    read is left out when the operator let a worker pass over it.

    Raises:
        UnreadableEvent: nobody passed over it.
    """
    after = 0
    page = min(page, PAGE_EVENTS_MAX - 1)
    skipped = frozenset[int]().union(*[await load_skips(store, name) for name in workers])
    unreadable: set[int] = set()
    while after < up_to:
        selection = Selection(without=frozenset(unreadable))
        try:
            # One more than the page, for a position that is there twice must not be cut in two.
            events = await store.read(after, selection, page + 1, up_to)
        except UnreadableEvent as error:
            if error.position not in skipped:
                raise
            unreadable.add(error.position)
            continue
        last = up_to
        if len(events) > page:
            last = max(after + 1, events[-1].position - 1)
            events = [event for event in events if event.position <= last]
        emitted: dict[int, dict[str, list[Recorded]]] = {}
        for name in workers:
            for own in await store.emissions(name, after, last):
                assert own.input_position is not None
                emitted.setdefault(own.input_position, {}).setdefault(name, []).append(own)
        found: dict[int, list[Recorded]] = {}
        for event in events:
            found.setdefault(event.position, []).append(event)
        for position in range(after + 1, last + 1):
            if position in unreadable:
                continue
            here = found.get(position, [])
            first = here[0] if here else None
            yield Place(position, first, emitted.get(position, {}), here[1:])
        after = last


class Replayed:
    """A worker whose stages are run again: what it consumed, up to its checkpoint."""

    def __init__(self, worker: Worker, checkpoint: int) -> None:
        self.name = worker.name
        self.consumer = worker.consumer
        self.checkpoint = checkpoint
        self._worker = worker
        self._types = worker.selection.types
        self._own = (f"clock/{worker.name}", f"worker/{worker.name}")

    @classmethod
    async def of(cls, store: EventStore, name: str, settings: Settings) -> Replayed:
        """A worker of run/workers.py before its first input, with what it passes over."""
        worker = Worker(name, WORKERS[name](settings), store, build_id())
        # In this order, as a worker recovers: a skip between the two is known.
        checkpoint = await store.checkpoint(name)
        worker.skipped = await load_skips(store, name)
        await later_parameters.begin(worker.consumer, store)
        return cls(worker, checkpoint)

    def takes(self, event: Recorded) -> bool:
        """Whether the event was an input of this worker."""
        return event.position <= self.checkpoint and self.wants(event)

    def passes_over(self, position: int) -> bool:
        """Whether the operator let the worker pass over this input. Its recovery then folds nothing
        of it, also where it was decided on before."""
        return position in self._worker.skipped

    def wants(self, event: Recorded) -> bool:
        """Whether the event is an input of this worker, or will be; says of one event what the
        worker's Selection says to the store."""
        if event.type in ("ClockTicked", "WorkerStarted"):
            wanted = event.stream in self._own
        else:
            wanted = event.type in self._types
        return wanted and self._worker.is_input(event)
