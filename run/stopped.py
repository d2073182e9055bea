"""A worker that cannot take an input stands before it, says so, and waits for the operator.

Called by run/worker.py, and in parts by run/projection_stops.py. A restart would meet the same
input again, so the process stays up and beats as "stopped"; `python -m run.worker_control` ends the
wait, and the process of a worker with it, so that its supervisor starts it anew on a log that says
what was decided.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from domain.event import Recorded, derived_id
from domain.events.controls import AlertRaised
from domain.events.system import (
    InputSkipped,
    WorkerRetryRequested,
    WorkerStopped,
)
from store.contract import EventStore, Selection
from store.errors import UnreadableEvent

if TYPE_CHECKING:
    from run.worker import Recorder

DETAIL_LENGTH_MAX = 2_000
_COMMANDS = frozenset({"WorkerRetryRequested", "InputSkipped"})


class PoisonInput(Exception):
    """A worker cannot take an input. `position`, `type` and `event_id` say which."""

    def __init__(
        self, source: Recorded | UnreadableEvent, error: Exception, *, in_recovery: bool = False
    ) -> None:
        super().__init__(f"input {source.position} {source.type}: {type(error).__name__}: {error}")
        self.position = source.position
        self.type = source.type
        self.event_id = source.event_id
        self.error = error
        self.in_recovery = in_recovery


class StartAgain(Exception):
    """The operator decided about a stopped worker: its process ends and is started anew."""


def control_stream(worker: str) -> str:
    """Where the operator's decisions about a worker go."""
    return f"stops/{worker}"


async def stand(
    recorder: Recorder,
    poison: PoisonInput,
    beats: Coroutine[None, None, None],
    on_stopped: Callable[[PoisonInput], None] | None,
) -> None:
    """Record the stop and its alert, then wait until the operator decides; `beats` says meanwhile
    that the worker is stopped.

    Raises:
        StartAgain: retry or skip was commanded.
        ExceptionGroup: the log was lost.
    """
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beats, name=f"{recorder.worker}.stopped")
        said_at = await say(recorder, poison)
        if on_stopped is not None:
            on_stopped(poison)
        decided = await decision(recorder, poison, said_at)
        beating.cancel()
    raise StartAgain(f"{recorder.worker}: {decided} of input {poison.position}")


async def say(recorder: Recorder, poison: PoisonInput) -> int:
    """Put the stop and its alert on the log together; the position of the stop."""
    stopped = recorder.propose(
        f"worker/{recorder.worker}",
        WorkerStopped(
            worker=recorder.worker,
            run_id=recorder.run_id,
            position=poison.position,
            input_type=poison.type,
            input_id=str(poison.event_id),
            error=type(poison.error).__name__,
            detail=str(poison.error)[:DETAIL_LENGTH_MAX],
            in_recovery=poison.in_recovery,
        ),
        causation_id=poison.event_id,
    )
    identity = derived_id("alert", stopped.event_id)
    alert = recorder.propose(
        f"alerts/{recorder.worker}",
        AlertRaised(
            alert_id=str(identity),
            severity="critical",
            code="WORKER_STOPPED",
            text=f"{recorder.worker} stands before {poison}"[:DETAIL_LENGTH_MAX],
        ),
        event_id=identity,
        causation_id=stopped.event_id,
        correlation_id=stopped.correlation_id,
    )
    appended = await recorder.append([stopped, alert])
    return appended.positions[0]


async def decision(recorder: Recorder, poison: PoisonInput, after: int) -> str:
    """What the operator decided about this stop: retry or skip."""
    async for events, _ in recorder.store.subscribe(after, Selection(types=_COMMANDS)):
        for event in events:
            match event.body:
                case WorkerRetryRequested() | InputSkipped() as body if (
                    body.worker == recorder.worker and body.position == poison.position
                ):
                    return "retry" if isinstance(body, WorkerRetryRequested) else "skip"
    raise AssertionError("a subscription must not end")


def innermost(error: BaseException) -> BaseException:
    """The first cause inside groups of errors: what a person wants to read."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def load_skips(store: EventStore, worker: str) -> frozenset[int]:
    """Positions that the operator lets this worker pass over."""
    skipped: set[int] = set()
    after = 0
    while page := await store.read(after, Selection(types=frozenset({"InputSkipped"}))):
        bodies = (event.body for event in page if isinstance(event.body, InputSkipped))
        skipped.update(body.position for body in bodies if body.worker == worker)
        after = page[-1].position
    return frozenset(skipped)
