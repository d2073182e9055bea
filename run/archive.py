"""Archive: days past their hot window go from Postgres to Parquet files, now.

    python -m run.archive                        what the keeper would do at night
    python -m run.archive --before 2026-11-20    market events of all days before that one

Each day is written, read back and compared with its seals before its partition is dropped; a run
that was killed is taken up again by the next. Exit codes: 0 done, 1 a day had to stay (why is
named; those before it were moved), 2 the log or its key cannot be used, 70 the tool is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from uuid import uuid4

from domain.event import Retention
from run.archiving import REFUSED, archive, windows
from run.build import build_id
from run.config import Settings, load_settings
from run.endings import ending
from run.replay.printing import Progress
from run.worker import Recorder
from store.archived_days import Moved
from store.partitions import leaf_name
from store.postgres import PostgresStore
from store.seal import KeyUnusable


async def _archive(settings: Settings, before: date | None, moved: list[Moved]) -> None:
    limits = windows(settings, datetime.now(UTC).date())
    if before is not None:
        limits[Retention.MARKET] = before

    async with await PostgresStore.open(
        settings.database_url,
        application_name="archive",
        archive_folder=settings.archive,
        read_stall_seconds_max=0.0,
    ) as store:
        recorder = Recorder(store, "archive", build_id(), uuid4().hex)
        progress = Progress("archive", 0, await _days_with_tables(store, limits))

        def note(one: Moved) -> None:
            moved.append(one)
            progress.at(len(moved))

        progress.at(0)
        try:
            await archive(settings, store, recorder, limits, note)
        finally:
            progress.end()


async def _days_with_tables(store: PostgresStore, limits: Mapping[Retention, date]) -> int:
    """How many days there are to move."""
    reader = await store.connect_reader()
    try:
        before = [leaf_name(retention.value, day) for retention, day in limits.items()]
        return int(await reader.fetchval(_DAYS, before))
    finally:
        await reader.close()


_DAYS = """
    SELECT count(*) FROM pg_class, unnest($1::text[]) AS before
    WHERE relname ~ '^events_(market|desk)_[0-9]{8}$' AND relkind = 'r'
      AND left(relname, -8) = left(before, -8) AND relname < before
"""


def _shown(one: Moved) -> str:
    if not one.events:
        return f"{one.retention.value} {one.day}: no events, partition dropped"
    share = one.archive_bytes / one.postgres_bytes if one.postgres_bytes else 0.0
    return (
        f"{one.retention.value} {one.day}: {one.events} events, {one.postgres_bytes} bytes in "
        f"Postgres, {one.archive_bytes} in the archive ({share:.1%}, "
        f"{one.archive_bytes / one.events:.1f} an event)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m run.archive",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--before", type=date.fromisoformat, metavar="DAY")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    moved: list[Moved] = []
    code, error = 0, ""
    try:
        asyncio.run(_archive(load_settings(), given.before, moved))
    except KeyUnusable as failure:
        code, error = ending(failure)
    except REFUSED as failure:
        code, error = 1, str(failure)
    except Exception as failure:
        # Code 1 says that a day had to stay: nothing but that may end with it.
        code, error = ending(failure)
    if given.json:
        days = [{**asdict(one), "day": one.day.isoformat()} for one in moved]
        print(json.dumps({"ok": not error, "moved": days, "error": error}))
    else:
        print("\n".join(map(_shown, moved)) or "nothing to archive")
        if error:
            print(f"archive: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
