"""A sealed log of three past days and today, for the tests of the archive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import asyncpg

from domain.event import Recorded, Retention, derived_id
from domain.events.log import LogArchived
from store.archiver import Archiver
from store.contract import Appended
from store.heads import Heads
from store.postgres import PostgresStore
from store.sealer import Point
from tests.store.propose import propose
from tests.store.sealed_log import KEY, Connection, Days, mixed, sealer

LAST = 120
BOUNDS = (50, 70, 100)


@dataclass
class Desk:
    """A log of three past days and today, sealed, with the folders of seals and archive."""

    store: PostgresStore
    owner: Connection
    seals: Path
    folder: Path
    days: list[date]

    def archiver(self, point: Point = lambda _: None) -> Archiver:
        async def record(body: LogArchived) -> Appended:
            key = derived_id("archive", body.retention_class, body.day, body.sha256)
            stream = f"archive/{body.retention_class}"
            return await self.store.append([propose(body, stream, event_id=key)])

        heads = Heads(self.seals)
        return Archiver(self.owner, self.store.canonical, self.folder, heads, KEY, record, point)

    def all_days(self) -> dict[Retention, date]:
        return dict.fromkeys(Retention, self.days[-1] + timedelta(days=1))

    async def everything(self) -> list[Recorded]:
        return await self.store.read(0)


@asynccontextmanager
async def archivable(database_url: str, folder: Path) -> AsyncIterator[Desk]:
    """Positions 1 to 120; seals below `folder`, archive below `folder`/archive."""
    owner = await asyncpg.connect(database_url)
    archive = folder / "archive"
    async with await PostgresStore.open(
        database_url, application_name="test", archive_folder=archive
    ) as store:
        await store.append(mixed(1, LAST))
        days = await Days(owner).spread(BOUNDS)
        await sealer(store, folder).beat()
    # Opened again, because the first one knows the days as they were before.
    async with await PostgresStore.open(
        database_url, application_name="test", archive_folder=archive
    ) as store:
        yield Desk(store, owner, folder, archive, days)
    await owner.close()
