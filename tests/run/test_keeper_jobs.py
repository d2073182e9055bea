"""A job is done once: late when it was missed, never twice, whoever else is there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import asyncpg
import pytest

from domain.events.controls import AlertRaised
from domain.events.system import JobFinished, JobStarted, ProcessStarted
from domain.session import NEW_YORK
from run.keeper import runner
from run.keeper.jobs import JOBS, OF_THE_MARKET, jobs_for
from run.keeper.log_files import rotate
from run.keeper.redis_memory import look_at_memory, verdict
from run.keeper.rounds import Keeper
from run.keeper.runner import Job, Jobs, Outcome, Work
from run.keeper.schedule import LOOKBACK, Daily, Due
from run.service import Process
from store.contract import Selection
from store.errors import StoreUnavailable
from store.postgres import PostgresStore
from tests.on_the_log import bodies
from tests.run.conftest import a_process

NIGHT = Daily((time(3, 30),))
BEFORE = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOON = datetime(2026, 11, 28, 12, tzinfo=NEW_YORK).astimezone(UTC)
DUE_AT = datetime(2026, 11, 28, 3, 30, tzinfo=NEW_YORK).astimezone(UTC)
DUE = Due(DUE_AT, DUE_AT.astimezone(NEW_YORK).date())


def jobs_of(process: Process, job: Job, now: datetime = NOON) -> Jobs:
    return Jobs(process, Keeper(process).alert, [job], lambda: now)


async def at_noon(process: Process, job: Job, now: datetime = NOON) -> set[datetime]:
    """What a keeper that comes to this log anew finds over and does."""
    jobs = jobs_of(process, job, now)
    return await jobs.catch_up(job, await jobs.finished(job), BEFORE)


class Deeds:
    """A job's work that counts and, when it is told to, waits."""

    def __init__(self, *, waits: bool = False) -> None:
        self.count = 0
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        if not waits:
            self.may_end.set()

    async def __call__(self, work: Work) -> Outcome:
        self.count += 1
        self.begun.set()
        await self.may_end.wait()
        return Outcome(f"for {work.due.session_date}")


async def test_a_missed_job_is_done_late_once_and_not_again_after_a_restart(
    store: PostgresStore, process: Process
) -> None:
    deeds = Deeds()
    job = Job("night", NIGHT, deeds)
    assert await at_noon(process, job) == {DUE_AT}
    assert await at_noon(process, job) == set()
    assert deeds.count == 1
    (ended,) = await bodies(store, JobFinished)
    assert (ended.due_at, ended.outcome, ended.detail) == (DUE_AT, "done", "for 2026-11-28")
    tomorrow = NOON + timedelta(days=1)
    assert await at_noon(process, job, tomorrow) == {DUE_AT + timedelta(days=1)}


async def test_the_next_time_of_a_job_is_on_the_log_once(
    store: PostgresStore, process: Process
) -> None:
    job = Job("night", NIGHT, Deeds())
    for _ in range(2):  # also by a keeper that comes anew
        jobs = jobs_of(process, job)
        await jobs.announce(job)
        await jobs.announce(job)
    await jobs_of(process, job, NOON + timedelta(days=1)).announce(job)
    found = await store.read(0, Selection(types=frozenset({"JobScheduled"})))
    days = [DUE_AT + timedelta(days=1), DUE_AT + timedelta(days=2)]
    assert [getattr(event.body, "due_at", None) for event in found] == days


async def test_of_two_keepers_one_works_and_the_other_finds_it_done(
    store: PostgresStore, process: Process, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    deeds = Deeds(waits=True)
    job = Job("night", NIGHT, deeds)
    async with await PostgresStore.open(database_url, application_name="other") as other_store:
        other = a_process("keeper", other_store, database_url, redis_url, tmp_path)
        one = asyncio.create_task(at_noon(process, job))
        await deeds.begun.wait()
        assert await at_noon(other, job) == set(), "it must leave it to the one that is at it"
        deeds.may_end.set()
        assert await one == {DUE_AT}
        assert await jobs_of(other, job).catch_up(job, set(), BEFORE) == {DUE_AT}
    assert deeds.count == 1
    assert len(await bodies(store, JobFinished)) == 1


async def test_a_job_that_a_restart_cut_off_is_done_to_its_end_once(
    store: PostgresStore, process: Process
) -> None:
    deeds = Deeds(waits=True)
    job = Job("night", NIGHT, deeds)
    cut_off = asyncio.create_task(at_noon(process, job))
    await deeds.begun.wait()
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)
    assert await bodies(store, JobFinished) == []
    deeds.may_end.set()
    assert await at_noon(process, job) == {DUE_AT}
    assert await at_noon(process, job) == set()
    assert deeds.count == 2
    assert len(await bodies(store, JobFinished)) == 1
    started = await store.read(0, Selection(types=frozenset({"JobStarted"})))
    assert [event.body for event in started] == [
        JobStarted(name="night", due_at=DUE_AT, session_date=DUE.session_date)
    ]


async def test_what_passes_is_tried_again_and_a_defect_ends_the_job_alone(
    store: PostgresStore, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.0)
    tries = 0

    async def passing(_: Work) -> Outcome:
        nonlocal tries
        tries += 1
        if tries < runner.TRIES_MAX:
            raise StoreUnavailable("away")
        return Outcome("back")

    async def broken(_: Work) -> Outcome:
        raise ZeroDivisionError("no messages")

    async def stuck(_: Work) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError

    await at_noon(process, Job("passing", NIGHT, passing))
    await at_noon(process, Job("broken", NIGHT, broken))
    await at_noon(process, Job("stuck", NIGHT, stuck, seconds_max=0.01))
    assert [(end.name, end.outcome) for end in await bodies(store, JobFinished)] == [
        ("passing", "done"),
        ("broken", "failed"),
        ("stuck", "failed"),
    ]
    told = await bodies(store, AlertRaised)
    assert [alert.code for alert in told] == ["JOB_FAILED", "JOB_FAILED"]
    assert told[0].text == "broken of 2026-11-28 03:30 New York: ZeroDivisionError: no messages"
    assert "not done within 0 s" in told[1].text


async def test_nothing_was_missed_before_the_first_keeper(
    store: PostgresStore, process: Process
) -> None:
    job = Job("night", NIGHT, Deeds())
    assert await jobs_of(process, job).since() == NOON
    started = ProcessStarted(process="keeper", build="b", settings={})
    appended = await process.recorder.record("process/keeper", started)
    await process.recorder.record("process/keeper", started)
    assert await jobs_of(process, job).since() == appended.recorded_at


async def test_a_log_whose_first_days_cannot_be_read_has_a_keeper_all_the_same(
    store: PostgresStore, process: Process, database_url: str
) -> None:
    """The file of an archived day may be away for a while; seals and alerts must go on."""
    started = ProcessStarted(process="keeper", build="b", settings={})
    await process.recorder.record("process/keeper", started)
    owner = await asyncpg.connect(database_url)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE events SET data = '{}'")
    await owner.close()
    assert await jobs_of(process, Job("night", NIGHT, Deeds())).since() == NOON - LOOKBACK


async def test_the_jobs_of_the_sandbox_do_their_work(
    store: PostgresStore, process: Process, database_url: str
) -> None:
    """All but the archive and those of the market, which have tests of their own."""
    (process.settings.var_dir / "log").mkdir()
    kept = {job.name for job in JOBS} - {"archive", *OF_THE_MARKET}
    jobs = [job for job in jobs_for("sandbox") if job.name in kept]
    for job in jobs:
        await at_noon(process, Job(job.name, NIGHT, job.work))
    ends = await bodies(store, JobFinished)
    assert {end.name: end.outcome for end in ends} == {job.name: "done" for job in jobs}
    assert "of the feed tables made" in ends[0].detail
    assert await bodies(store, AlertRaised) == []
    assert jobs_for("live") == JOBS


async def test_redis_without_room_is_told_in_time(process: Process, store: PostgresStore) -> None:
    assert verdict(70, 100)[0] == ""
    assert verdict(80, 100)[0] == "warning"
    assert verdict(95_000_000, 100_000_000) == ("critical", "Redis uses 95 MB of 100 MB (95%)")
    away = process.settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"})
    gone = Process("keeper", "b", "r", away, store, process.recorder, process.log)
    outcome = await look_at_memory(Work(gone, Keeper(process).alert, DUE, NOON))
    assert outcome.outcome == "failed"
    assert [alert.code for alert in await bodies(store, AlertRaised)] == ["REDIS_MEMORY"]


def test_a_large_log_file_is_rotated_under_the_service_that_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "feeds.log"
    with path.open("ab", buffering=0) as service:
        for turn in range(4):
            service.write(b"%d" % turn * 10)
            assert rotate(path, bytes_max=9, files_max=2)
            assert not rotate(path, bytes_max=9, files_max=2)
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert kept == {
        "feeds.log": b"",
        "feeds.log.1": b"3333333333",
        "feeds.log.2": b"2222222222",
    }


def test_a_log_file_that_cannot_be_copied_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "feeds.log"
    path.write_bytes(b"x" * 10)
    (tmp_path / "feeds.log.1").mkdir()
    (tmp_path / "feeds.log.2").write_text("in the way of the folder")
    with pytest.raises(OSError, match=r"feeds\.log\.1"):
        rotate(path, bytes_max=9, files_max=2)
    assert path.read_bytes() == b"x" * 10
