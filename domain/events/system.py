"""Clock, workers, parameters and sessions: what every other part rests on."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from domain.event import DeskEvent, MarketEvent
from domain.instruments import Value

CLOCK_STREAM = "clock"
PARAMETERS_STREAM = "parameters"
SESSION_STREAM = "session"
POSITION_MAX = 2**63 - 1


class ClockStarted(DeskEvent):
    """From here on market_time = base + elapsed real time x speed.

    Written at each start and each change of speed. `entries_open` false and `thinned` true mark a
    stretch run faster than trading can follow: feeds thin quotes and trades, analytics evaluate
    once a minute instead of every 5 seconds, and no entry is made.
    """

    base_market_time: datetime
    speed: float
    session_date: date
    thinned: bool = False
    entries_open: bool = True
    reason: str = "start"


class ClockTicked(MarketEvent, frozen=True):
    """Time passes for one worker: every second of market time, at most ten a real second.

    Stream `clock/<worker>`; a worker consumes only its own.
    """

    worker: str


class WorkerStarted(DeskEvent):
    """A run of a worker begins. Stream `worker/<name>`; consumed by that worker alone.

    `run_id` names the run: an intent of an earlier run without outcome is unknown. What was
    emitted for inputs up to `resumed_after` is an earlier run's; the inputs between it and this
    event are consumed by this run, before it consumes this event.
    """

    schema_version = 2

    worker: str
    run_id: str
    resumed_after: int
    build: str
    stages: tuple[str, ...]
    types: tuple[str, ...]
    configuration_sha256: str
    python: str
    platform: str

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """A run that did not say where it resumed took all before it for an earlier run's."""
        return {**state, "resumed_after": POSITION_MAX}


class ProcessStarted(DeskEvent):
    """A process came up, with its settings (secrets left out)."""

    process: str
    build: str
    settings: dict[str, str]


class ProcessFault(DeskEvent):
    """A process met a defect and stops; its supervisor starts it again."""

    process: str
    error: str
    detail: str


class ProcessHeartbeat(MarketEvent, frozen=True):
    """A process is alive and says how it is: every 2 real seconds. Stream `heartbeat/<process>`."""

    process: str
    run_id: str
    state: str
    position: int
    """Consumed position of its worker; 0 for a process that consumes nothing."""
    figures: dict[str, float]
    """Named figures, such as queue_depth, lag_seconds, messages_per_second."""


class WorkerStopped(DeskEvent):
    """A worker, or a projection, cannot take an input and stands before it until the operator
    decides.

    Stream `worker/<name>`. All inputs before it are consumed and committed. Each run that meets
    the input and fails writes one.
    """

    worker: str
    run_id: str
    position: int
    """Position of the input that fails."""
    input_type: str
    input_id: str
    error: str
    detail: str
    in_recovery: bool
    """The input was consumed by an earlier run and cannot be folded by this one: it can be tried
    again by another build, and never be passed over, because decisions rest on it."""


class WorkerRetryRequested(DeskEvent):
    """The operator wants a stopped worker or projection to try its input again. Stream
    `stops/<name>`."""

    worker: str
    position: int
    who: str
    why: str


class InputSkipped(DeskEvent):
    """The operator lets a worker or a projection pass over one poison input. Stream
    `stops/<name>`.

    Written together with the worker's checkpoint, moved from right before the input to it: a
    worker that took the input after all cannot be told to have passed over it. The checkpoint of a
    projection on the log is its last settled stop.
    """

    worker: str
    position: int
    who: str
    why: str


class ParametersChanged(DeskEvent):
    """Parameters take these values. The first start writes all from the shipped defaults.

    With `until` they hold for a while: from then on a further one brings back what held before.
    """

    schema_version = 2

    values: dict[str, float | str | bool]
    version: int
    who: str
    why: str
    until: datetime | None = None

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """In the first version every change was for good."""
        return state


class PlannedDay(Value):
    """One session of the exchange calendar, times in UTC."""

    session_date: date
    open_at: datetime
    close_at: datetime
    options_close_at: datetime
    is_half_day: bool


class SessionPlanned(DeskEvent):
    """The day's hours, with the sessions around it, read from the calendar library."""

    day: PlannedDay
    earlier: tuple[PlannedDay, ...]
    """The last 30 sessions before `day`, oldest first."""
    later: tuple[PlannedDay, ...]
    """The next 60 sessions after `day`, oldest first."""
    library: str
    calendar: str = "XNYS"


class ClockAccepted(DeskEvent):
    """A step of the database clock is accepted, by the operator or by agreement with the broker."""

    who: str
    why: str
    step_seconds: float


class JobStarted(DeskEvent):
    """A job of the keeper begins. Stream `jobs/<name>`.

    Natural key: name and due_at, so that a second copy of the keeper starts nothing. A job
    without end is run again: jobs may be repeated.
    """

    name: str
    due_at: datetime
    """When the schedule wanted it; a job that was missed is run late, once."""
    session_date: date


class JobFinished(DeskEvent):
    """A job of the keeper ended. Stream `jobs/<name>`; natural key: name and due_at."""

    name: str
    due_at: datetime
    session_date: date
    outcome: str
    """done, failed, skipped."""
    detail: str
    seconds: float
