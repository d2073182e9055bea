"""A small sealed log for the tests of seals, verification and archive, and ways to touch it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import asyncpg

from domain.event import Proposed, derived_id
from domain.events.log import LogSealed
from store.heads import Heads, Marks
from store.integrity import open_log
from store.postgres import PostgresStore
from store.seal import SealKey
from store.sealer import Point, Sealer
from store.verification import Verification, Verified
from tests.store.propose import halt, price, propose

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
KEY = SealKey(bytes(range(32)))


def mixed(first: int, count: int) -> list[Proposed]:
    """Events of both classes, every third an emission with a cause; keys from `first` on."""
    events: list[Proposed] = []
    for key in range(first, first + count):
        if key % 3 == 0:
            body = halt(key).body
            cause = derived_id("uw/price:SPY", key - 1)
            given = {"causation_id": cause, "correlation_id": cause}
            events.append(propose(body, f"halt/{key}", key, input_position=key, ordinal=1, **given))
        else:
            events.append(price(key, payload=b'{"close":"6%d.25"}' % key))
    return events


def proposal(stream: str, body: LogSealed, event_id: UUID) -> Proposed:
    return propose(body, stream, event_id=event_id)


def sealer(store: PostgresStore, folder: Path, point: Point = lambda _: None) -> Sealer:
    return Sealer(store, store.canonical, folder, KEY, proposal, point)


async def seal_three_stretches(store: PostgresStore, folder: Path) -> None:
    """Positions 1 to 12, 13 to 26 and 27 to 36 sealed (the seals of each in the next one), then
    two seals and three events that are not."""
    one = sealer(store, folder)
    for number in range(3):
        await store.append(mixed(12 * number + 1, 12 if number < 2 else 8))
        await one.beat()
    await store.append(mixed(101, 3))


async def verify(
    dsn: str,
    folder: Path,
    since: date = date.min,
    until: date = date.max,
    archive: Path = Path("nowhere"),
) -> Verified:
    async with open_log(dsn, archive) as log:
        return await Verification(log, Heads(folder), Marks(folder), KEY).run(since, until)


@dataclass
class Days:
    """Rows moved into the past: the log as if it had been written on several days."""

    owner: Connection
    first: date = field(default_factory=lambda: datetime.now(UTC).date() - timedelta(days=20))

    async def spread(self, bounds: Sequence[int]) -> list[date]:
        """Day k gets the positions up to bounds[k]; what follows stays today."""
        days = [self.first + timedelta(days=number) for number in range(len(bounds))]
        await self.owner.execute("SET session_replication_role = replica")
        await self.owner.execute("SELECT make_partitions($1, $2)", days[0], len(days))
        before = 0
        for day, last in zip(days, bounds, strict=True):
            at = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)
            await self.owner.execute(
                "UPDATE events SET recorded_at = $1::timestamptz + position * interval '1 ms'"
                " WHERE position > $2 AND position <= $3",
                at,
                before,
                last,
            )
            await self.owner.execute("INSERT INTO log_days VALUES ($1, $2)", -before - 1, day)
            before = last
        await self.owner.execute(
            "UPDATE log_days SET first_position = $1 WHERE first_position > 0", before + 1
        )
        await self.owner.execute(
            "UPDATE log_days SET first_position = -first_position WHERE first_position < 0"
        )
        await self.owner.execute("SET session_replication_role = origin")
        return days
