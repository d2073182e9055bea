"""Does the jobs of the keeper: each moment of a schedule once, what was missed late.

What is done is known from the log alone. JobStarted and JobFinished have ids derived from name and
due_at, and who does a job holds a lock of the database, so that of two keepers one works and the
other finds it done. A job that a restart cut off has no end on the log and is done again: jobs
may be repeated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeAlias

import asyncpg

from adapters.calendar import plan_session, session_on_or_before
from domain.event import derived_id
from domain.events.jobs import JobScheduled
from domain.events.system import (
    CLOCK_STREAM,
    ClockStarted,
    JobFinished,
    JobStarted,
    PlannedDay,
)
from domain.session import new_york
from run import metrics
from run.keeper.schedule import LOOKBACK, Due, Schedule, wanted
from run.service import Process
from run.tails import tail
from store.errors import IdConflict, StoreError

ROUND_SECONDS = 15.0
MARKET_ROUND_SECONDS = 1.0
"""A simulated day is over within minutes."""
TRIES_MAX = 3
RETRY_SECONDS = 20.0
CLOCK_EVENTS_MAX = 50
"""Newest events of the clock's stream among which its start is looked for."""
VERSIONS_MAX = 600
"""Of a job's stream: more than a week of the busiest schedule."""
LOCK_CLASS = 7_236_007
"""With the hash of the job's name; other locks of the desk are numbers without a second one."""
DETAIL_LENGTH_MAX = 500
PASSING = (StoreError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

Alert: TypeAlias = Callable[[str, str, str, str], Awaitable[None]]
"""Severity, code, text, evidence; the same four twice are one alert."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job, as JobFinished says it."""

    detail: str
    outcome: str = "done"
    """done, failed, skipped."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a job is given."""

    process: Process
    alert: Alert
    due: Due
    now: datetime
    sessions: Sequence[PlannedDay] = ()
    """Those around now, for a schedule that needs them."""
    by_market_time: bool = False
    """`due` is a time of a simulated market; `now` is always real."""

    @property
    def until(self) -> datetime:
        """The real time up to which events belong to this moment of the schedule."""
        return self.now if self.by_market_time else self.due.due_at


@dataclass(frozen=True, slots=True)
class Job:
    """A duty with a schedule. `work` may be repeated without harm."""

    name: str
    schedule: Schedule
    work: Callable[[Work], Awaitable[Outcome]]
    seconds_max: float = 300.0
    makes_up_for_each: bool = False
    """Each moment that was missed is made up for; otherwise one run does the work of all."""
    by_market_time: bool = False
    """Due by the clock of a simulated market, in the session that it is in."""


def _now() -> datetime:
    return datetime.now(UTC)


class Jobs:
    """The jobs of one keeper; each goes by itself, so that a long one holds up no other."""

    def __init__(
        self,
        process: Process,
        alert: Alert,
        jobs: Sequence[Job],
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._process = process
        self._alert = alert
        self._jobs = jobs
        self._now = now
        self._sessions: dict[date, tuple[PlannedDay, ...]] = {}
        self._announced: dict[str, datetime] = {}

    async def run(self) -> None:
        """Do every job when it is due, until cancelled."""
        since = await self.since()
        async with asyncio.TaskGroup() as tasks:
            for job in self._jobs:
                tasks.create_task(self._follow(job, since), name=f"keeper.job.{job.name}")

    async def since(self) -> datetime:
        """When this log got its first keeper: nothing before it was missed."""
        try:
            first = await self._process.store.read_stream(f"process/{self._process.name}", 0, 1)
        except StoreError as error:  # its day is archived long since, and the file is away
            self._process.log.warning("first start not read", error=str(error))
            return self._now() - LOOKBACK
        return first[0].recorded_at if first else self._now()

    async def _follow(self, job: Job, since: datetime) -> None:
        finished: set[datetime] | None = None
        while True:
            try:
                if finished is None:
                    finished = await self.finished(job)
                finished |= await self.catch_up(job, finished, since)
                await self.announce(job)
            except PASSING as error:
                self._process.log.warning("job delayed", job=job.name, error=str(error))
            await asyncio.sleep(MARKET_ROUND_SECONDS if job.by_market_time else ROUND_SECONDS)

    async def _time_of(self, job: Job) -> datetime | None:
        """What the job's schedule goes by; None while the simulated market has not begun."""
        return (await self._market_time())[0] if job.by_market_time else self._now()

    async def _market_time(self) -> tuple[datetime | None, date | None]:
        """The time of the market and its session."""
        # Accepted steps of the database's clock are on that stream too.
        for event in reversed(await tail(self._process.store, CLOCK_STREAM, CLOCK_EVENTS_MAX)):
            body = event.body
            if not isinstance(body, ClockStarted):
                continue
            elapsed = (self._now() - event.recorded_at) * body.speed
            return body.base_market_time + elapsed, body.session_date
        return None, None

    async def announce(self, job: Job) -> None:
        """Say on the log when the job is next due, once a moment."""
        now = await self._time_of(job)
        if now is None:
            return
        coming = job.schedule.between(now, now + LOOKBACK, await self._sessions_at(job, now))
        if not coming or self._announced.get(job.name) == coming[0].due_at:
            return
        due = coming[0]
        body = JobScheduled(name=job.name, due_at=due.due_at, session_date=due.session_date)
        await self._record(job, due, "job.scheduled", body)
        self._announced[job.name] = due.due_at

    async def finished(self, job: Job) -> set[datetime]:
        """What the log says is over, of the last weeks."""
        events = await tail(self._process.store, _stream(job), VERSIONS_MAX)
        return {event.body.due_at for event in events if isinstance(event.body, JobFinished)}

    async def catch_up(self, job: Job, finished: set[datetime], since: datetime) -> set[datetime]:
        """Do what is due and not finished; the moments that are over now."""
        now, session_date = self._now(), None
        if job.by_market_time:
            at, session_date = await self._market_time()
            if at is None:
                return set()
            now, since = at, at - LOOKBACK
        sessions = await self._sessions_at(job, now)
        over: set[datetime] = set()
        for due in wanted(
            job.schedule,
            finished=finished,
            since=since,
            now=now,
            sessions=sessions,
            makes_up_for_each=job.makes_up_for_each,
        ):
            if session_date is not None and due.session_date != session_date:
                continue  # a day that was never played
            if await self._do(job, due, sessions):
                over.add(due.due_at)
        return over

    async def _sessions_at(self, job: Job, now: datetime) -> Sequence[PlannedDay]:
        if not job.schedule.needs_sessions:
            return ()
        today = new_york(now).date()
        if today not in self._sessions:
            # The library takes a second to come, which the keeper's heartbeat should not feel.
            self._sessions = {today: await asyncio.to_thread(sessions_around, today)}
        return self._sessions[today]

    async def _do(self, job: Job, due: Due, sessions: Sequence[PlannedDay]) -> bool:
        """Whether it is over; False while another keeper is at it."""
        async with self._alone(job) as is_alone:
            if not is_alone:
                return False
            if due.due_at in await self.finished(job):
                return True
            started = JobStarted(name=job.name, due_at=due.due_at, session_date=due.session_date)
            await self._record(job, due, "job.started", started)
            began = time.monotonic()
            work = Work(self._process, self._alert, due, self._now(), sessions, job.by_market_time)
            done = await self._carried_out(job, work)
            body = JobFinished(
                name=job.name,
                due_at=due.due_at,
                session_date=due.session_date,
                outcome=done.outcome,
                detail=done.detail[:DETAIL_LENGTH_MAX],
                seconds=round(time.monotonic() - began, 3),
            )
            # When the connection with the lock was lost, another keeper may have done it too.
            with suppress(IdConflict):
                await self._record(job, due, "job.finished", body)
            metrics.JOBS.labels(job.name, done.outcome).inc()
            self._process.log.info("job", job=job.name, outcome=done.outcome, detail=done.detail)
            return True

    @asynccontextmanager
    async def _alone(self, job: Job) -> AsyncIterator[bool]:
        """Hold the job's lock, which ends with its connection."""
        connection = await self._process.store.connect_writer()
        try:
            yield await connection.fetchval(
                "SELECT pg_try_advisory_lock($1::integer, hashtext($2))", LOCK_CLASS, job.name
            )
        finally:
            await connection.close()

    async def _carried_out(self, job: Job, work: Work) -> Outcome:
        """A defect of a job is told and ends the job alone: seals and alerts must go on."""
        limit = asyncio.timeout(job.seconds_max)
        try:
            async with limit:
                return await self._tried(job, work)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if limit.expired():
            problem = f"not done within {job.seconds_max:.0f} s"
        due = work.due
        text = f"{job.name} of {new_york(due.due_at):%Y-%m-%d %H:%M} New York: {problem}"
        await self._alert("warning", "JOB_FAILED", text, due.due_at.isoformat())
        return Outcome(problem, "failed")

    async def _tried(self, job: Job, work: Work) -> Outcome:
        for attempt in range(1, TRIES_MAX + 1):
            try:
                return await job.work(work)
            except PASSING:
                if attempt == TRIES_MAX:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
        raise AssertionError("unreachable")

    async def _record(
        self, job: Job, due: Due, kind: str, body: JobScheduled | JobStarted | JobFinished
    ) -> None:
        identity = derived_id(kind, job.name, due.due_at.isoformat())
        await self._process.recorder.record(_stream(job), body, event_id=identity)


def _stream(job: Job) -> str:
    return f"jobs/{job.name}"


def sessions_around(day: date) -> tuple[PlannedDay, ...]:
    plan = plan_session(session_on_or_before(day))
    return (*plan.earlier, plan.day, *plan.later)
