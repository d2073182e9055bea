"""A day of ticks that lies in the past, so that it can be sealed, verified and archived.

Appended as ever and then moved back ten days, which only a superuser can do and only a benchmark
may: the log gives today's time alone.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from benchmarks.floor import Connection
from benchmarks.ticks import Ticks
from domain.event import Proposed, Retention
from domain.events.log import LogArchived, LogSealed
from store.archived_days import Moved
from store.archiver import Archiver
from store.heads import Heads, Marks
from store.integrity import open_log
from store.postgres import PostgresStore
from store.seal import SealKey
from store.sealer import Sealer
from store.verification import Verification

DAYS_BACK = timedelta(days=10)
PAGE = 5_000
_KEY = SealKey(bytes(32))


@dataclass
class ArchivedDay:
    """The log, its owner, and the folder of seals and archive."""

    dsn: str
    store: PostgresStore
    owner: Connection
    folder: Path
    day: date
    events: int

    @classmethod
    @asynccontextmanager
    async def made(cls, dsn: str, folder: Path, events: int) -> AsyncIterator[ArchivedDay]:
        async with await PostgresStore.open(dsn, application_name="benchmark") as store:
            ticks = Ticks("day")
            for _ in range(events // 1_000):
                await store.append(ticks.take(1_000))
        owner = await asyncpg.connect(dsn)
        day = await _moved_back(owner)
        async with await PostgresStore.open(
            dsn, application_name="benchmark", archive_folder=folder / "archive"
        ) as store:
            yield cls(dsn, store, owner, folder, day, events // 1_000 * 1_000)
        await owner.close()

    async def seal(self) -> int:
        """Seal all; the number of events."""
        source = self.store.canonical
        await Sealer(self.store, source, self.folder, _KEY, self._proposed).beat()
        return self.events

    async def verify(self) -> float:
        """Events a second of a verification that finds nothing."""
        began = time.perf_counter()
        async with open_log(self.dsn, self.folder / "archive") as log:
            found = await Verification(log, Heads(self.folder), Marks(self.folder), _KEY).run()
        assert found.finding is None and found.events == self.events
        return found.events / (time.perf_counter() - began)

    async def read(self) -> float:
        """Events a second of reading the day, payloads decoded."""
        began = time.perf_counter()
        after = 0
        while after < self.events:
            page = await self.store.read(after, limit=PAGE, up_to=self.events)
            assert page[0].body is not None and len(page) <= PAGE
            after = page[-1].position
        return self.events / (time.perf_counter() - began)

    async def archive(self) -> Moved:
        """Move the day, and let the store see that it is over."""

        async def record(body: LogArchived) -> object:
            return await self.store.append([self._proposed("archive/market", body, UUID(int=1))])

        heads = Heads(self.folder)
        folder = self.folder / "archive"
        archiver = Archiver(self.owner, self.store.canonical, folder, heads, _KEY, record)
        (moved,) = await archiver.run({Retention.MARKET: self.day + timedelta(days=1)})
        await self.store.read(0, limit=1)
        return moved

    async def bytes_of_ids(self) -> float:
        """Bytes an event of the key table, heap and index."""
        size = await self.owner.fetchval("SELECT pg_total_relation_size('event_ids')")
        return float(size / self.events)

    @staticmethod
    def _proposed(stream: str, body: LogSealed | LogArchived, event_id: UUID) -> Proposed:
        now = datetime.now(UTC)
        return Proposed(stream, event_id, now, event_id, "keeper", "benchmark", body)


async def _moved_back(owner: Connection) -> date:
    """Everything on the log ten days earlier, in a partition written anew; the day."""
    await owner.execute("SET session_replication_role = replica")
    day: date = await owner.fetchval("SELECT day FROM log_days") - DAYS_BACK
    await owner.execute("SELECT make_partitions($1, 1)", day)
    for table in ("events", "commits"):
        await owner.execute(
            f"UPDATE {table} SET recorded_at = recorded_at - $1::interval",  # noqa: S608
            DAYS_BACK,
        )
    await owner.execute("UPDATE log_days SET day = $1", day)
    await owner.execute("SET session_replication_role = origin")
    await owner.execute("VACUUM ANALYZE")
    return day
