"""Bytes of archived ticks against Postgres, and reading them back against reading them hot.

Bytes of Postgres are those that go with the day: its partition with heap and indexes, and the ids
of its market events; those of the archive are all its files, with the index of ids. Both reads are
pages of 5,000 over the same events, payloads decoded.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.archived_day import ArchivedDay
from benchmarks.ground import Desk, Figure, Rounds, main

FLAGS = {
    "events": (100_000, "ticks on the log"),
    "rounds": (5, "rounds of each read"),
}
FULL = {"events": 500_000}


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    rounds = Rounds()
    with tempfile.TemporaryDirectory() as folder:
        async with ArchivedDay.made(await desk.database(), Path(folder), given.events) as day:
            await day.seal()
            ids = await day.bytes_of_ids()
            for _ in range(given.rounds):
                rounds.note("hot", await day.read())
            moved = await day.archive()
            files = [path for path in (Path(folder) / "archive").rglob("*") if path.is_file()]
            archived_bytes = sum(path.stat().st_size for path in files)
            for _ in range(given.rounds):
                rounds.note("archived", await day.read())
    postgres = moved.postgres_bytes / moved.events
    archive = archived_bytes / moved.events
    return [
        Figure("archive.postgres", postgres + ids, "bytes", note=f"of it event ids {ids:.0f}"),
        Figure("archive.parquet", moved.archive_bytes / moved.events, "bytes"),
        Figure("archive.files", archive, "bytes", note="with the index of ids"),
        Figure("archive.bytes_of_log", archive / (postgres + ids), "x", "<= 0.1"),
        Figure("archive.read_hot", rounds.median("hot"), "events/s"),
        Figure("archive.read_archived", rounds.median("archived"), "events/s"),
        Figure("archive.replay_of_log", rounds.ratio("archived", "hot"), "x", ">= 1"),
    ]


if __name__ == "__main__":
    main("archive", __doc__, FLAGS, measure, FULL)
