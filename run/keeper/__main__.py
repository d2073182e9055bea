"""The keeper daemon: seals, nightly jobs, and alerts when a process falls silent.

Jobs go by the clock of New York and the sessions of the exchange: partitions made ahead, the
archive, the broker's restart, the memory of Redis, log files, the report of the day's ingestion.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from run.keeper.jobs import JOBS, jobs_for
from run.keeper.rounds import NAME, Keeper
from run.keeper.runner import Job, Jobs
from run.service import Process, command

READS = ("var_dir", "archive_", "seal_", "owner_database_url")


async def main(process: Process, jobs: Sequence[Job] = JOBS) -> None:
    """Run all duties until the process is asked to stop."""
    keeper = Keeper(process)
    duties = Jobs(process, keeper.alert, jobs_for(process.settings.mode, jobs))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keeper.follow(), name="keeper.follow")
        tasks.create_task(keeper.rounds(), name="keeper.rounds")
        tasks.create_task(keeper.seals.beats(), name="keeper.seals")
        tasks.create_task(duties.run(), name="keeper.jobs")


if __name__ == "__main__":
    sys.exit(command(NAME, main, __doc__, reads=READS))
