"""Events a second that are sealed and verified, hot and out of the archive.

A day of ticks is sealed as the keeper does it and verified as `run.verify` does it; then it is
archived and verified once more. Verification is read beside it: pages of the same events.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.archived_day import ArchivedDay
from benchmarks.ground import Desk, Figure, Rounds, main

FLAGS = {
    "events": (100_000, "ticks on the log"),
    "rounds": (5, "rounds of verification"),
}
FULL = {"events": 500_000}


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    rounds = Rounds()
    with tempfile.TemporaryDirectory() as folder:
        async with ArchivedDay.made(await desk.database(), Path(folder), given.events) as day:
            began = time.perf_counter()
            sealed = await day.seal()
            rounds.note("seal", sealed / (time.perf_counter() - began))
            for _ in range(given.rounds):
                rounds.note("verify", await day.verify())
            await day.archive()
            for _ in range(given.rounds):
                rounds.note("archived", await day.verify())
    return [
        Figure("seal.rate", rounds.median("seal"), "events/s", ">= 200000"),
        Figure("verify.rate", rounds.median("verify"), "events/s", ">= 200000"),
        Figure("verify.archived_rate", rounds.median("archived"), "events/s", ">= 200000"),
    ]


if __name__ == "__main__":
    main("seal", __doc__, FLAGS, measure, FULL)
