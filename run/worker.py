"""The shell around the stages of one worker: consumption, commit, recovery, clock, heartbeat.

It takes inputs by position, lets the stages decide, and commits what they emit together with the
checkpoint. Any failure drops the memory and folds the log again. It decides nothing itself.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import structlog

from domain.event import Body, Proposed, Recorded, Retention, derived_id
from domain.events.system import (
    ClockStarted,
    ClockTicked,
    ProcessFault,
    ProcessHeartbeat,
    WorkerStarted,
)
from domain.stage import Consumer, Stage
from run import later_parameters, metrics
from run.snapshots import StateCache
from run.stopped import PoisonInput, innermost, load_skips, stand
from run.worker_commits import Commits, Committed
from run.worker_snapshots import WorkerSnapshots
from store.contract import Appended, EventStore, Selection
from store.errors import UnreadableEvent

INPUTS_PER_PAGE_MAX = 1_000
INPUTS_PER_COMMIT_MAX = 500
CHECKPOINT_LAG_SECONDS_MAX = 0.25
HEARTBEAT_SECONDS = 2.0
TICKS_PER_REAL_SECOND_MAX = 10.0
RECOVERY_PAGE = 5_000
DECIDING_INPUTS_KEPT = 256
TURNS_TO_LEAVE = 4
"""Turns of the loop until a commit is in the hands of the socket: the task of the commits, that of
the store, its connection. Fewer would let a decision wait for the next input's step."""


class Recorder:
    """Writes what a process saw or did: facts without a deciding stage.

    An id that the caller does not give is derived from the run and a counter, so that a repeat
    of the same append is a no-op and two facts never share one.
    """

    def __init__(self, store: EventStore, worker: str, build: str, run_id: str) -> None:
        self.store = store
        self.worker = worker
        self.build = build
        self.run_id = run_id
        self._count = 0

    def propose(
        self,
        stream: str,
        body: Body,
        *,
        occurred_at: datetime | None = None,
        event_id: UUID | None = None,
        causation_id: UUID | None = None,
        correlation_id: UUID | None = None,
        market_time: datetime | None = None,
    ) -> Proposed:
        """An event of this process; the correlation of a root is its own id."""
        self._count += 1
        identity = event_id or derived_id(self.worker, self.run_id, self._count)
        return Proposed(
            stream=stream,
            event_id=identity,
            occurred_at=occurred_at or datetime.now(UTC),
            correlation_id=correlation_id or identity,
            worker=self.worker,
            build=self.build,
            body=body,
            causation_id=causation_id,
            market_time=market_time,
        )

    async def record(self, stream: str, body: Body, **given: Any) -> Appended:
        """Append one fact."""
        return await self.append([self.propose(stream, body, **given)])

    async def append(self, events: Sequence[Proposed]) -> Appended:
        """Append facts in one transaction."""
        return await self.store.append(events)


class Worker:
    """One worker: its stages, its checkpoint, its clock.

    `on_committed` is called with every batch of committed emissions, in order, right after the
    commit; it must not block (effects have queues of their own). `on_stopped` is called when
    an input cannot be taken and that is on the log, before the wait for the operator.
    """

    def __init__(
        self,
        name: str,
        stages: Sequence[Stage[Any]],
        store: EventStore,
        build: str,
        *,
        configuration_sha256: str = "",
        on_committed: Committed | None = None,
        on_stopped: Callable[[PoisonInput], None] | None = None,
        figures: Callable[[], dict[str, float]] | None = None,
        cache: StateCache | None = None,
    ) -> None:
        self.name = name
        self.store = store
        self.build = build
        self.run_id = uuid4().hex
        self.consumer: Consumer[Any] = Consumer(name, build, stages)
        self.recorder = Recorder(store, name, build, self.run_id)
        self.position = 0
        self.skipped: frozenset[int] = frozenset()
        """Positions of inputs that the operator lets it pass over."""
        self.ready = asyncio.Event()
        self._stages = tuple(stages)
        self._configuration_sha256 = configuration_sha256
        self._on_stopped = on_stopped
        self._figures = figures or dict
        self._deciding: deque[Recorded] = deque(maxlen=DECIDING_INPUTS_KEPT)
        self._snapshots = WorkerSnapshots(cache, name)
        self._commits = Commits(name, build, store, on_committed)
        self._speed = 1.0
        self._speed_changed = asyncio.Event()
        self._lag_seconds = 0.0
        self._step_seconds = metrics.STEP_SECONDS.labels(name)
        """Found once: to look for it costs more than to observe."""
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger(f"striketape.{name}")

    @property
    def selection(self) -> Selection:
        """What this worker reads: its stages' types, the clock's base, and its own ticks."""
        types = self.consumer.types - {"ClockTicked", "WorkerStarted"}
        return Selection(types=types | {"ClockStarted"}, own_clock=self.name, without=self.skipped)

    def deciding_input(self, position: int) -> Recorded | None:
        """An input that something was lately decided on, for who carries the decision out."""
        return next((event for event in self._deciding if event.position == position), None)

    def is_input(self, event: Recorded) -> bool:
        """Own emissions read back are no inputs, nor is what the operator let it pass over."""
        own = event.worker == self.name and event.is_emission
        return not own and event.position not in self.skipped

    async def run(self) -> None:
        """Recover, then consume until cancelled. Raises what made it stop.

        Raises:
            StartAgain: it stood before an input that it cannot take, and the operator decided.
        """
        try:
            await self._run()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._log.error("worker stops", error=repr(error), exc_info=error)
            first = innermost(error)
            if isinstance(first, PoisonInput):
                metrics.STOPPED_AT.labels(self.name).set(first.position)
                stopped = self._beat("stopped", stopped_at=float(first.position))
                # In a task of its own: Python 3.11 leaves this one marked as cancelled when a
                # child of its TaskGroup fails, and a subscription heeds that mark.
                await asyncio.create_task(stand(self.recorder, first, stopped, self._on_stopped))
            fault = ProcessFault(
                process=self.name, error=type(first).__name__, detail=str(first)[:2_000]
            )
            await self.recorder.record(f"process/{self.name}", fault)
            raise

    async def _run(self) -> None:
        await self.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._consume(), name=f"{self.name}.consume")
            tasks.create_task(self._commits.run(), name=f"{self.name}.commits")
            tasks.create_task(self._snapshots.run(), name=f"{self.name}.snapshots")
            tasks.create_task(self._tick(), name=f"{self.name}.tick")
            tasks.create_task(self._beat(), name=f"{self.name}.heartbeat")

    async def start(self) -> None:
        """Recover, and say so on the log. A virtual-time run then calls `take` itself."""
        await self.recover()
        await self.recorder.record(
            f"worker/{self.name}",
            WorkerStarted(
                worker=self.name,
                run_id=self.run_id,
                resumed_after=self.position,
                build=self.build,
                stages=tuple(stage.name for stage in self._stages),
                types=tuple(sorted(self.consumer.types)),
                configuration_sha256=self._configuration_sha256,
                python=platform.python_version(),
                platform=platform.platform(),
            ),
        )
        self.ready.set()

    async def recover(self) -> None:
        """Fold inputs and recorded emissions, in the order of consumption, up to the checkpoint:
        from the newest snapshot, or all of them.
        """
        started = time.perf_counter()
        self.consumer = Consumer(self.name, self.build, self._stages)
        # In this order: a skip between the two is known, and the checkpoint that it moves is not.
        checkpoint = await self.store.checkpoint(self.name)
        self.skipped = await load_skips(self.store, self.name)
        self.position = checkpoint
        self._commits.begin(checkpoint)
        folded = after = 0
        snapshot = await self._snapshots.newest(checkpoint)
        if snapshot is not None:
            after = snapshot.position
            self.consumer.states, self._speed = snapshot.states, snapshot.speed
        else:
            await later_parameters.begin(self.consumer, self.store)
        try:
            async for source, own in inputs_with_emissions(self, after, checkpoint):
                self._fold(source, own)
                folded += 1
                if folded % 1_000 == 0:
                    await asyncio.sleep(0)
        except UnreadableEvent as error:
            raise PoisonInput(error, error, in_recovery=True) from error
        self._snapshots.count(folded)
        self._log.info(
            "recovered",
            position=checkpoint,
            from_snapshot=after,
            inputs=folded,
            seconds=round(time.perf_counter() - started, 3),
        )

    def _fold(self, source: Recorded, own: Sequence[Recorded]) -> None:
        self._notice(source)
        try:
            self.consumer.fold(source, own)
        except Exception as error:
            raise PoisonInput(source, error, in_recovery=True) from error

    async def _consume(self) -> None:
        try:
            pages = self.store.subscribe(self.position, self.selection, INPUTS_PER_PAGE_MAX)
            async for events, scanned in pages:
                is_current = len(events) < INPUTS_PER_PAGE_MAX
                await self._take(events, scanned, self._leave, at_once=is_current)
                if is_current and self._snapshots.is_due:
                    await self._commits.flush()
                    self._snapshots.offer(self.position, self.consumer.states, self._speed)
        except UnreadableEvent as error:
            await self._take_up_to(error.position - 1)
            raise PoisonInput(error, error) from error

    async def _take_up_to(self, last: int) -> None:
        """Consume what is before an event that cannot be read, and commit right before it."""
        while self.position < last:
            page = await self.store.read(self.position, self.selection, RECOVERY_PAGE, last)
            await self.take(page, page[-1].position if len(page) == RECOVERY_PAGE else last)
        self._commits.consumed(last)
        await self._commits.flush()

    async def take(self, events: Sequence[Recorded], scanned: int) -> list[Recorded]:
        """Consume a page, each decision in a commit of its own; returns the committed emissions.

        Raises:
            PoisonInput: an input cannot be taken; all before it are committed.
        """
        return await self._take(events, scanned, self._commits.flush)

    async def _take(
        self,
        events: Sequence[Recorded],
        scanned: int,
        leave: Callable[[], Awaitable[list[Recorded]]],
        *,
        at_once: bool = False,
    ) -> list[Recorded]:
        """Consume a page; `leave` sees to it that a decision leaves, and numbers too when they
        shall be on the log `at_once`. Returns what it committed."""
        committed: list[Recorded] = []
        for event in events:
            if not self.is_input(event):
                self.position = event.position
                continue
            self._notice(event)
            began = time.perf_counter()
            try:
                emitted = self.consumer.step(event)
            except Exception as error:
                # Stages are pure: what one raises over this input it will raise again.
                self.position = event.position - 1
                await self._take_up_to(self.position)
                raise PoisonInput(event, error) from error
            self._step_seconds.observe(time.perf_counter() - began)
            self.position = event.position
            self._snapshots.count(1)
            self._commits.add(event, emitted)
            if emitted:
                self._deciding.append(event)
            # A decision leaves at once, numbers when nothing else is leaving; silence may wait.
            if any(_is_desk(e) for e in emitted):
                committed += await leave()
            elif self._commits.is_under_way:
                await asyncio.sleep(0)  # its answer shall not wait for the end of the page
            elif emitted and at_once:
                committed += await leave()
            if self._commits.waiting >= INPUTS_PER_COMMIT_MAX:
                committed += await self._commits.flush()
        self.position = max(self.position, scanned)
        self._commits.consumed(self.position)
        is_late = time.monotonic() - self._commits.at > CHECKPOINT_LAG_SECONDS_MAX
        if self._commits.waiting or is_late:
            committed += await leave()
        if events:
            self._lag_seconds = (datetime.now(UTC) - events[-1].recorded_at).total_seconds()
            metrics.LAG_SECONDS.labels(self.name).set(self._lag_seconds)
            metrics.INPUTS.labels(self.name).inc(len(events))
            metrics.POSITION.labels(self.name).set(self.position)
        return committed

    async def _leave(self) -> list[Recorded]:
        """Let what waits leave beside the consumption of what comes next, with what comes while
        another commit is under way."""
        self._commits.urge()
        for _ in range(TURNS_TO_LEAVE):
            await asyncio.sleep(0)
        return []

    def _notice(self, event: Recorded) -> None:
        if isinstance(event.body, ClockStarted) and event.body.speed != self._speed:
            self._speed = event.body.speed
            self._speed_changed.set()

    async def _tick(self) -> None:
        stream = f"clock/{self.name}"
        body = ClockTicked(worker=self.name)
        while True:
            await self.recorder.record(stream, body)
            wait = max(1.0 / TICKS_PER_REAL_SECOND_MAX, 1.0 / max(self._speed, 1e-9))
            self._speed_changed.clear()
            try:
                async with asyncio.timeout(min(wait, 1.0)):
                    await self._speed_changed.wait()
            except TimeoutError:
                continue

    async def _beat(self, state: str = "running", **more: float) -> None:
        while True:
            figures = {"lag_seconds": self._lag_seconds, **self._figures(), **more}
            await self.recorder.record(
                f"heartbeat/{self.name}",
                ProcessHeartbeat(
                    process=self.name,
                    run_id=self.run_id,
                    state=state,
                    position=self.position,
                    figures=figures,
                ),
            )
            await asyncio.sleep(HEARTBEAT_SECONDS)


async def inputs_with_emissions(
    worker: Worker, after: int, up_to: int
) -> AsyncIterator[tuple[Recorded, list[Recorded]]]:
    """Each input in (after, up_to] with what the worker's stages emitted for it, by position."""
    while after < up_to:
        page = await worker.store.read(after, worker.selection, RECOVERY_PAGE, up_to)
        last = page[-1].position if len(page) == RECOVERY_PAGE else up_to
        emitted: dict[int, list[Recorded]] = {}
        for event in await worker.store.emissions(worker.name, after, last):
            assert event.input_position is not None
            emitted.setdefault(event.input_position, []).append(event)
        for event in page:
            if worker.is_input(event):
                yield event, emitted.get(event.position, [])
        after = last


def _is_desk(event: Recorded) -> bool:
    return type(event.body).retention is Retention.DESK
