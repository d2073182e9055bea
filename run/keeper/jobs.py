"""The jobs of the keeper, each with its schedule.

Those that look at the market (`OF_THE_MARKET`) go by its own clock in the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, time, timedelta

from run.archiving import one_night
from run.keeper.handshake import verify_restart
from run.keeper.ingestion import REPORTS, report_ingestion
from run.keeper.log_files import rotate_all
from run.keeper.redis_memory import look_at_memory
from run.keeper.runner import Job, Outcome, Work
from run.keeper.schedule import EVERY_DAY, FRIDAY, AfterClose, Daily, Schedule
from run.upkeep import make_feed_days_ahead
from store.partitions import make_partitions_ahead

ARCHIVE_SECONDS_MAX = 3 * 3_600.0
EVERY_SIX_HOURS = (0, 6, 12, 18)
RESTARTS = EVERY_DAY - {FRIDAY}
"""Nights on which TWS should be back within minutes: on Fridays the broker is away until three."""


def at(hours: Sequence[int], minute: int) -> tuple[time, ...]:
    return tuple(time(hour, minute) for hour in hours)


async def make_partitions(work: Work) -> Outcome:
    """Room for the coming days, in the log and in the feed tables."""
    process = work.process
    made = await make_partitions_ahead(process.store)
    days = await make_feed_days_ahead(
        process.settings.database_url, work.now.astimezone(UTC).date()
    )
    return Outcome(f"{len(made)} partitions of the log and {days} of the feed tables made")


async def archive_and_prune(work: Work) -> Outcome:
    night = await one_night(work.process, work.alert, work.now.astimezone(UTC).date())
    if night.delayed:
        return Outcome(f"left to the next night: {', '.join(night.delayed)}", "failed")
    return Outcome("; ".join(night.done))


JOBS: tuple[Job, ...] = (
    Job("partitions", Daily(at(EVERY_SIX_HOURS, 5)), make_partitions),
    Job("archive", Daily(at((3,), 30)), archive_and_prune, seconds_max=ARCHIVE_SECONDS_MAX),
    Job(
        "restart",
        Daily((time(23, 55),), RESTARTS),
        verify_restart,
        makes_up_for_each=True,
    ),
    Job("ingestion", REPORTS, report_ingestion, makes_up_for_each=True),
    Job("redis_memory", Daily(at(range(24), 20)), look_at_memory),
    Job("log_files", Daily(at(EVERY_SIX_HOURS, 45)), rotate_all),
)
OF_THE_MARKET: Mapping[str, Schedule] = {
    "restart": AfterClose(timedelta(minutes=2)),
    "ingestion": AfterClose(timedelta(minutes=3)),
}
"""In the sandbox, soon after the close of the simulated market, where its day ends."""


def jobs_for(mode: str, jobs: Sequence[Job] = JOBS) -> tuple[Job, ...]:
    """The jobs of a desk in this mode."""
    return tuple(
        replace(job, schedule=OF_THE_MARKET[job.name], by_market_time=True)
        if mode == "sandbox" and job.name in OF_THE_MARKET
        else job
        for job in jobs
    )
