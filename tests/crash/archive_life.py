"""The archive under faults: the archiver is killed at every step, or its connections break.

What a life leaves on the disk and in the database is what the next one begins with. When all days
are moved they are looked at and put back.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from random import Random

import asyncpg

from domain.event import Recorded, Retention
from store.archived_days import CannotArchive
from store.contract import Selection
from store.sealer import Point, no_point
from tests.crash.append_life import APPEND
from tests.crash.log_life import (
    LOST,
    AtPoint,
    Ground,
    Killed,
    die,
    end_backends,
    until,
)
from tests.crash.relay import Loss
from tests.store.archived_log import LAST, Desk, archivable
from tests.store.sealed_log import verify

STEPS = (
    "file written",
    "file renamed",
    "file compared",
    "day recorded",
    "day archived",
    "partition detached",
    "partition dropped",
)
WHILE_DETACHING = "while the partition is detached"
REQUESTS = {
    "lock of the archiver": "pg_try_advisory_lock",
    "canonical bytes": "COPY",
    "event of the day": APPEND,
    "row of the day": "INSERT INTO archived_days",
    "detaching": "DETACH PARTITION",
    "dropping": "DROP TABLE",
    "ids to forget": "prune_market_ids",
}
"""What the archiver asks of the server, and what its SQL says."""
POINTS = (*STEPS, WHILE_DETACHING, *REQUESTS)
ARCHIVER = "archiver"
FILES = 6
VISITS_MAX = 2
_DETACHING = """
    SELECT pid FROM pg_stat_activity WHERE application_name = $1
    AND query LIKE 'ALTER TABLE%DETACH%' AND wait_event_type = 'Lock'
    AND datname = current_database()
"""


class ArchiveRow:
    """Lives of an archiver on a log of three past days."""

    def __init__(self, ground: Ground, desk: Desk, before: list[Recorded]) -> None:
        self._ground = ground
        self._desk = desk
        self._before = before
        self._opened = AsyncExitStack()

    @classmethod
    async def open(cls, ground: Ground) -> ArchiveRow:
        async with AsyncExitStack() as stack:
            desk = await stack.enter_async_context(archivable(ground.relayed, ground.folder))
            await ground.owner.execute("CREATE TABLE kept AS TABLE events")
            before = await desk.store.read(0, Selection(), 5_000, LAST)
            row = cls(ground, desk, before)
            row._opened = stack.pop_all()
        return row

    async def close(self) -> None:
        await self._opened.aclose()

    async def live(self, seed: int) -> str:
        random = Random(seed)
        point = POINTS[seed % len(POINTS)]
        how = await self._strike(point, random, random.randint(1, VISITS_MAX))
        if not how:
            await self._check_moved()
            await self._put_back()
            how = await self._strike(point, random, 1)
        assert how, f"an archiver with all days before it must come to {point}"
        return f"{point}: {how}"

    async def _strike(self, point: str, random: Random, visit: int) -> str:
        """A run that a fault strikes at a visit of a point; empty when it came through before."""
        classes = random.sample(tuple(Retention), k=2)
        async with self._archiving() as desk:
            if point in REQUESTS:
                how = await self._cut(desk, classes, point, random.choice(list(Loss)), visit)
            elif point == WHILE_DETACHING:
                how = await self._ended_while_detaching(desk, classes)
            elif random.random() < 0.6:
                how = await self._killed(desk, classes, point, random, visit)
            else:
                how = await self._ended(desk, classes, point, visit)
        await self._nobody_archives()
        assert await self._desk.store.read(0, Selection(), 5_000, LAST) == self._before
        return how

    async def end(self) -> None:
        """The next archiver moves what is left."""
        async with self._archiving() as desk:
            await desk.archiver().run(desk.all_days())
        await self._check_moved()

    @asynccontextmanager
    async def _archiving(self) -> AsyncIterator[Desk]:
        """The desk with a connection of the archiver's own, as each run has (run/archiving.py)."""
        owner = await asyncpg.connect(
            self._ground.relayed, server_settings={"application_name": ARCHIVER}
        )
        try:
            yield replace(self._desk, owner=owner)
        finally:
            owner.terminate()

    async def _run(self, desk: Desk, classes: list[Retention], point: Point = no_point) -> None:
        """One night of a keeper: what passes leaves the rest to the next one."""
        days = desk.all_days()
        try:
            await desk.archiver(point).run({retention: days[retention] for retention in classes})
        except (*LOST, CannotArchive):
            return

    async def _killed(
        self, desk: Desk, classes: list[Retention], point: str, random: Random, visit: int
    ) -> str:
        kill = AtPoint(point, visit, die)
        with suppress(Killed):
            await self._run(desk, classes, kill)
        if kill.struck and point == "file written" and random.random() < 0.5:
            for half in desk.folder.glob("*/*/*.new"):
                half.write_bytes(half.read_bytes()[: random.randint(0, 500)])
        return "killed" if kill.struck else ""

    async def _ended(self, desk: Desk, classes: list[Retention], point: str, visit: int) -> str:
        end = AtPoint(point, visit, partial(end_backends, self._ground.dsn, ARCHIVER))
        await self._run(desk, classes, end)
        return "backends ended" if end.struck else ""

    async def _cut(
        self, desk: Desk, classes: list[Retention], point: str, loss: Loss, visit: int
    ) -> str:
        relay = self._ground.relay
        relay.strike(loss, visit, REQUESTS[point])
        await self._run(desk, classes)
        relay.stand_down()
        relay.let_go()
        return f"{loss.value} lost" if relay.struck.is_set() else ""

    async def _ended_while_detaching(self, desk: Desk, classes: list[Retention]) -> str:
        """A reader's open transaction keeps the detaching waiting, and its backend is ended."""
        owner = self._ground.owner
        ended = []

        async def end_backend() -> bool:
            pid = await owner.fetchval(_DETACHING, ARCHIVER)
            if pid is not None:
                await owner.execute("SELECT pg_terminate_backend($1)", pid)
                ended.append(pid)
            return pid is not None or running.done()

        async with self._reader():
            running = asyncio.create_task(self._run(desk, classes))
            await until(end_backend, "the detaching, or the end of the run")
            await running
        return "backends ended" if ended else ""

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[None]:
        connection = await asyncpg.connect(self._ground.dsn)
        try:
            async with connection.transaction():
                await connection.execute("SELECT FROM events LIMIT 1")
                yield
        finally:
            await connection.close()

    async def _nobody_archives(self) -> None:
        """What a lost client left under way has ended, as before the next night."""

        async def ended() -> bool:
            return not await self._ground.owner.fetchval(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1"
                " AND datname = current_database())",
                ARCHIVER,
            )

        await until(ended, "the end of the archiver's connection")

    async def _check_moved(self) -> None:
        """Every day is in its file, and all of it is what was sealed."""
        assert await self._ground.owner.fetchval("SELECT count(*) FROM archived_days") == FILES
        assert await self._ground.owner.fetchval("SELECT count(*) FROM events") == len(
            await self._desk.store.read(LAST - 20)
        )
        kinds = Counter(file.suffix for file in self._desk.folder.glob("*/*/*"))
        assert kinds == {".parquet": FILES, ".index": FILES}, "no file is left over"
        found = await verify(self._ground.dsn, self._ground.folder, archive=self._desk.folder)
        assert (found.finding, found.events) == (None, LAST)

    async def _put_back(self) -> None:
        """All days as they were before they were archived."""
        owner = self._ground.owner
        await owner.execute("DELETE FROM archived_days")
        await owner.execute(
            "SELECT make_partitions($1, $2)", self._desk.days[0], len(self._desk.days)
        )
        await owner.execute("SET session_replication_role = replica")
        await owner.execute(
            "INSERT INTO events SELECT * FROM kept k WHERE NOT EXISTS"
            " (SELECT FROM events e WHERE e.position = k.position)"
        )
        await owner.execute("SET session_replication_role = origin")
        shutil.rmtree(self._desk.folder)
