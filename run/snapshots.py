"""Snapshots of states: a cache that makes recovery and questions about the past short.

A state is a fold of the log, so every snapshot may be missing, foreign or damaged: it is then
passed over with a line in the log file, and the fold begins earlier. What is read back was written
by the same code, with the same settings, under the same key, or it is not even unpickled
(docs/decisions/2026-11-28-snapshots.md). verify-decisions never uses this.
"""

from __future__ import annotations

import asyncio
import hmac
import pickle
import platform
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from domain.event import Recorded
from run.build import code_sha256
from run.config import Settings
from store.contract import PAGE_EVENTS_MAX, EventStore, Selection
from store.errors import StoreError
from store.postgres import PostgresStore
from store.snapshots import POSITIONS_BETWEEN_KEPT, Maker, SnapshotRow, SnapshotTable

PICKLE_PROTOCOL = 5
COMPRESSION_LEVEL = 1
"""A third of the size in a hundredth of a second; higher levels gain little."""
TRIES_MAX = 3
"""Snapshots that are looked at before the fold begins at the beginning."""
EVENTS_BETWEEN_VIEWS = 5_000
"""About a third of a second of folding desk events."""

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state after the event at `position` and before the next."""

    position: int
    state: Any


class StateCache:
    """Snapshots that this very code made, by the name of their owner."""

    def __init__(self, table: SnapshotTable, secret: bytes, build: str, code: str) -> None:
        if not secret:
            raise ValueError("snapshots must be signed with a secret, was none")
        self._table = table
        self._key = hmac.digest(secret, b"striketape snapshots", "sha256")
        self._build = build
        self._code = code
        self._log = structlog.get_logger("striketape.snapshots")

    async def save(self, owner: str, position: int, pickled: bytes) -> int:
        """Keep a pickled state; returns its compressed size in bytes. Compression has a thread.

        Raises:
            StoreUnavailable: it is not kept.
        """
        packed = await asyncio.to_thread(zlib.compress, pickled, COMPRESSION_LEVEL)
        maker = self._maker(owner)
        row = SnapshotRow(position, self._mac(maker, position, packed), packed)
        await self._table.save(maker, row)
        return len(packed)

    async def newest(self, owner: str, up_to: int) -> Snapshot | None:
        """The newest snapshot with position <= up_to that can be trusted; None without one."""
        maker = self._maker(owner)
        try:
            for _ in range(TRIES_MAX):
                row = await self._table.newest(maker, up_to)
                if row is None:
                    await self._note_foreign(maker)
                    return None
                found = self._opened(maker, row)
                if found is not None:
                    return found
                up_to = row.position - 1
        except StoreError as error:
            self._log.warning("snapshots not read", owner=owner, error=str(error))
        return None

    def _opened(self, maker: Maker, row: SnapshotRow) -> Snapshot | None:
        about = {"owner": maker.owner, "position": row.position}
        if not hmac.compare_digest(row.mac, self._mac(maker, row.position, row.state)):
            self._log.warning("snapshot ignored: not signed by us", **about)
            return None
        try:
            # Signed with our key by this same code: nothing else reaches the unpickler.
            return Snapshot(row.position, pickle.loads(zlib.decompress(row.state)))  # noqa: S301
        except Exception as error:
            self._log.warning("snapshot ignored: not readable", **about, error=repr(error))
            return None

    async def _note_foreign(self, maker: Maker) -> None:
        if count := await self._table.foreign(maker):
            self._log.info("snapshots of other code ignored", owner=maker.owner, count=count)

    def _maker(self, owner: str) -> Maker:
        return Maker(owner, self._build, self._code)

    def _mac(self, maker: Maker, position: int, packed: bytes) -> bytes:
        """Over all that a row says, each part with its length: no two rows sign alike."""
        parts = (maker.owner, maker.build, maker.code, str(position))
        head = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
        return hmac.digest(self._key, head + packed, "sha256")


def pickled(state: object) -> bytes:
    """The bytes of a state. Exact: floats, decimals, sets and shared references come back."""
    return pickle.dumps(state, PICKLE_PROTOCOL)


def state_cache(
    store: PostgresStore, settings: Settings, build: str, configuration_sha256: str = ""
) -> StateCache | None:
    """The cache of this code over a log; None when there is no secret to sign with.

    A worker gives the hash of its settings, which its stages depend on; a view gives none, so that
    every process can go on from another's.
    """
    secret = settings.publication_secret.get_secret_value().encode()
    if not secret:
        structlog.get_logger("striketape.snapshots").info(
            "no snapshots: STRIKETAPE_PUBLICATION_SECRET must be set to sign them"
        )
        return None
    code = f"{code_sha256()} {platform.python_version()} {configuration_sha256}".rstrip()
    table = SnapshotTable(store.connect_reader, store.connect_writer)
    return StateCache(table, secret, build, code)


async def folded(
    store: EventStore,
    cache: StateCache | None,
    owner: str,
    selection: Selection,
    initial: Callable[[], S],
    apply: Callable[[S, Recorded], object],
    up_to: int,
    on_progress: Callable[[int], None] = lambda _: None,
) -> S:
    """The state of a fold over the selected events up to a position; `apply` folds in place.

    Begins at the newest snapshot of `owner`, and leaves for the next question those that the table
    keeps: one at the end and one in each stretch of positions, never two for less than
    EVENTS_BETWEEN_VIEWS events. A state grows with the log, so that more would cost more than they
    save. `on_progress` gets the position that the fold has come to.
    """
    state, after, since = initial(), 0, 0
    snapshot = await cache.newest(owner, up_to) if cache is not None else None
    if snapshot is not None:
        state, after = snapshot.state, snapshot.position
    kept = after // POSITIONS_BETWEEN_KEPT
    while after < up_to:
        page = await store.read(after, selection, PAGE_EVENTS_MAX, up_to)
        for event in page:
            apply(state, event)
        after = page[-1].position if len(page) == PAGE_EVENTS_MAX else up_to
        since += len(page)
        on_progress(after)
        is_bound = after == up_to or after // POSITIONS_BETWEEN_KEPT != kept
        if cache is not None and since >= EVENTS_BETWEEN_VIEWS and is_bound:
            since, kept = 0, after // POSITIONS_BETWEEN_KEPT
            try:
                await cache.save(owner, after, pickled(state))
            except StoreError as error:
                structlog.get_logger("striketape.snapshots").warning(
                    "snapshot not kept", owner=owner, error=str(error)
                )
                cache = None  # such as of a read replica: the next one would not be kept either
    return state
