"""Archiving as the keeper's nightly job and as a tool: settings in, days moved out.

The window of each class is a setting; docs/log-integrity.md says what becomes of a day.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeAlias

import asyncpg

from domain.event import Retention, derived_id
from domain.events.log import LogArchived
from run.config import Settings
from run.service import Process
from run.upkeep import note_links, prune
from run.worker import Recorder
from store.archived_days import CannotArchive, Moved
from store.errors import StoreError
from store.heads import ForeignKey, Heads, HeadsDamaged
from store.postgres import PostgresStore
from store.seal import KeyUnusable, load_key

CONNECT_SECONDS_MAX = 10.0
PASSING = (StoreError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
REFUSED = (CannotArchive, HeadsDamaged, ForeignKey, KeyUnusable)

Alert: TypeAlias = Callable[[str, str, str, str], Awaitable[None]]
"""Severity, code, text, evidence; the same four twice are one alert."""


def windows(settings: Settings, today: date) -> dict[Retention, date]:
    """The first day that stays in Postgres, of each class."""
    return {
        Retention.MARKET: today - timedelta(days=settings.archive_market_after_days),
        Retention.DESK: today - timedelta(days=settings.archive_desk_after_days),
    }


async def archive(
    settings: Settings,
    store: PostgresStore,
    recorder: Recorder,
    before: dict[Retention, date],
    on_moved: Callable[[Moved], None] = lambda _: None,
) -> list[Moved]:
    """Move all days before the given ones. Raises one of REFUSED or PASSING."""

    from store.archiver import Archiver  # see store/archived_days.py

    async def record(body: LogArchived) -> object:
        identity = derived_id("archive", body.retention_class, body.day, body.sha256)
        stream = f"archive/{body.retention_class}"
        return await recorder.record(stream, body, event_id=identity)

    key = load_key(settings.seal_key)
    address = settings.owner_database_url.get_secret_value() or settings.database_url
    owner = await asyncpg.connect(address, timeout=CONNECT_SECONDS_MAX)
    try:
        heads = Heads(settings.seals)
        archiver = Archiver(owner, store.canonical, settings.archive, heads, key, record)
        return await archiver.run(before, on_moved)
    finally:
        await owner.close()


@dataclass(slots=True)
class Night:
    """What a night did, and what it left to the next one."""

    done: list[str] = field(default_factory=list)
    delayed: list[str] = field(default_factory=list)


async def one_night(process: Process, alert: Alert, today: date) -> Night:
    """Note what the log names, archive what is past its window on a UTC day, then delete what
    serves nobody any more. What cannot be done is told, and the next night tries again."""
    before, night = windows(process.settings, today), Night()
    try:
        positions = await note_links(process.store)
        process.log.info("noted links", positions=positions)
        night.done.append(f"{positions} positions noted")
    except PASSING as error:
        night.delayed.append("links")
        text = f"what later events name could not be noted, the next night tries again: {error}"
        await alert("warning", "UPKEEP_DELAYED", text, today.isoformat())
    try:
        moved = await archive(process.settings, process.store, process.recorder, before)
        process.log.info("archived", days=len(moved), events=sum(one.events for one in moved))
        night.done.append(f"{len(moved)} days archived")
    except (*REFUSED, *PASSING) as error:
        night.delayed.append("archive")
        text = f"not all days could be archived, they stay in Postgres: {error}"
        await alert("warning", "ARCHIVE_DELAYED", text, today.isoformat())
    try:
        commits, tables = await prune(process.store, before[Retention.MARKET])
        process.log.info("pruned", commits=commits, feed_tables=tables)
        night.done.append(f"{commits} commits and {tables} feed tables deleted")
    except PASSING as error:
        night.delayed.append("deletion")
        text = f"rows that serve nobody could not be deleted, the next night tries again: {error}"
        await alert("warning", "UPKEEP_DELAYED", text, today.isoformat())
    return night
