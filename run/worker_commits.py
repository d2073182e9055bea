"""How a worker commits: what its stages emitted and its checkpoint, in one transaction.

Used by run/worker.py alone. The checkpoint moves by compare and set, which fences off a second
copy of the worker. One transaction is under way at a time; what is decided meanwhile waits and
leaves together in the next one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import groupby

from msgspec.structs import replace

from domain.event import Proposed, Recorded
from run import metrics
from run.stopped import PoisonInput
from store.contract import Appended, Checkpoint, EventStore
from store.errors import (
    CheckpointConflict,
    IdConflict,
    InvalidEvent,
    StoreError,
    VersionConflict,
)

_REFUSED = (VersionConflict, IdConflict, InvalidEvent)
"""The log refuses what was decided, and will refuse it again: a fault of the deciding input."""

Committed = Callable[[Sequence[Recorded]], None]


class Commits:
    """Commits of one worker in their order. `position` is its checkpoint as this copy knows it,
    `at` the real time of the last commit in seconds of the monotonic clock."""

    def __init__(
        self, worker: str, build: str, store: EventStore, on_committed: Committed | None
    ) -> None:
        self.position = 0
        self.at = 0.0
        self.versions: dict[str, int] = {}
        self._worker = worker
        self._build = build
        self._store = store
        self._on_committed = on_committed
        self._waiting: list[tuple[Recorded, Sequence[Recorded]]] = []
        self._consumed = 0
        self._one_at_a_time = asyncio.Lock()
        self._urged = asyncio.Event()
        self._is_broken = False

    def begin(self, position: int) -> None:
        """The checkpoint of the log, from which a worker begins, or begins anew."""
        self.position = self._consumed = position
        self.versions.clear()
        self._waiting.clear()
        self._is_broken = False

    def add(self, source: Recorded, emitted: Sequence[Recorded]) -> None:
        """One more input was consumed; what it led to waits for the next commit."""
        if emitted:
            self._waiting.append((source, emitted))
        self._consumed = source.position

    def consumed(self, position: int) -> None:
        """Up to here there are no more inputs."""
        self._consumed = max(self._consumed, position)

    @property
    def waiting(self) -> int:
        """Inputs that led to something which no commit took yet."""
        return len(self._waiting)

    @property
    def is_under_way(self) -> bool:
        return self._urged.is_set() or self._one_at_a_time.locked()

    def urge(self) -> None:
        """What waits shall leave as soon as nothing is under way; for `run`."""
        self._urged.set()

    async def run(self) -> None:
        """Commit what waits whenever it is urged. Raises what `flush` raises."""
        while True:
            await self._urged.wait()
            await self.flush()

    async def flush(self) -> list[Recorded]:
        """Commit all that waits, after what is under way; returns it with its places.

        After a failure nothing more is committed, because it would pass over what failed.

        Raises:
            StoreError: as commit_inputs, and when an earlier commit failed.
            PoisonInput: as commit_inputs.
        """
        async with self._one_at_a_time:
            self._urged.clear()
            if self._is_broken:
                raise StoreError(f"{self._worker} must begin anew after a commit that failed")
            waiting, self._waiting = self._waiting, []
            emitted = [event for _, own in waiting for event in own]
            self._is_broken = True
            done = await self.commit_inputs([i for i, _ in waiting], emitted, self._consumed)
            self._is_broken = False
            return done

    async def commit_inputs(
        self, inputs: Sequence[Recorded], emitted: Sequence[Recorded], position: int
    ) -> list[Recorded]:
        """Commit all that these inputs led to; the checkpoint goes to `position`.

        Raises:
            PoisonInput: the log refuses what one input led to; all before it is committed.
            CheckpointConflict: this worker runs twice.
        """
        try:
            return await self.commit(emitted, position)
        except _REFUSED as error:
            if await self._store.checkpoint(self._worker) != self.position:
                raise self._not_alone(error) from error
        done: list[Recorded] = []
        by_position = {event.position: event for event in inputs}
        for input_position, own in groupby(emitted, lambda event: event.input_position):
            assert input_position is not None
            await self.commit([], input_position - 1)
            try:
                done.extend(await self.commit(list(own), input_position))
            except _REFUSED as error:
                raise PoisonInput(by_position[input_position], error) from error
        done.extend(await self.commit([], position))
        return done

    async def commit(self, emitted: Sequence[Recorded], position: int) -> list[Recorded]:
        """Append emissions and move the checkpoint; returns them with their places."""
        if not emitted and position == self.position:
            return []
        proposed = self._proposals(emitted)
        try:
            appended = await self._store.append(
                proposed, Checkpoint(self._worker, self.position, position)
            )
        except CheckpointConflict as error:
            raise self._not_alone(error) from error
        for event, version in zip(emitted, appended.versions, strict=True):
            self.versions[event.stream] = version
        self.position = position
        self.at = time.monotonic()
        metrics.EMISSIONS.labels(self._worker).inc(len(emitted))
        done = [_placed(event, appended, k) for k, event in enumerate(emitted)]
        if done and self._on_committed is not None:
            self._on_committed(done)
        return done

    def _not_alone(self, error: Exception) -> CheckpointConflict:
        return CheckpointConflict(
            f"{self._worker} must run once, but another copy of it, or the operator's skip, moved "
            f"its checkpoint from {self.position}; this copy ends: {error}"
        )

    def _proposals(self, emitted: Sequence[Recorded]) -> list[Proposed]:
        """The events with their expected versions.

        What this copy first writes to a stream goes without: to ask the log for the version would
        cost a decision a round trip for each new stream, and would only expect what was found.
        The checkpoint in the same transaction keeps a second writer out.
        """
        versions: dict[str, int] = {}
        proposed = []
        for event in emitted:
            known = versions.get(event.stream, self.versions.get(event.stream))
            if known is not None:
                versions[event.stream] = known + 1
            proposed.append(self._proposal(event, versions.get(event.stream)))
        return proposed

    def _proposal(self, event: Recorded, version: int | None) -> Proposed:
        return Proposed(
            stream=event.stream,
            event_id=event.event_id,
            occurred_at=event.occurred_at,
            correlation_id=event.correlation_id,
            worker=self._worker,
            build=self._build,
            body=event.body,
            causation_id=event.causation_id,
            expected_version=version,
            input_position=event.input_position,
            ordinal=event.ordinal,
        )


def _placed(event: Recorded, appended: Appended, index: int) -> Recorded:
    """An emission at the place that the log gave it."""
    return replace(
        event,
        position=appended.positions[index],
        version=appended.versions[index],
        recorded_at=appended.recorded_at,
        market_time=appended.market_times[index],
    )
