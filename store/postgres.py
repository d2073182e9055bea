"""The event store on Postgres: keeps the promises of store/contract.py.

Opened by every process of run/ and by the tests. It puts together the grouping appender (one
writing connection), the reader (a small pool) and the doorbell (one listening connection).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self, TypeVar
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from domain.event import Proposed, Recorded
from store.appender import EVENTS_PER_CALL_MAX, Appender, OnAppend, Writer
from store.archived_reading import ArchivedReader
from store.contract import PAGE_EVENTS_MAX, Appended, Checkpoint, Selection
from store.envelope import PostgresSource
from store.errors import IdConflict, NotDurable, StoreUnavailable, UnreadableEvent
from store.partitions import make_ahead
from store.patience import LOST, READ_STALL_SECONDS_MAX, OnWait, Patience, each_wait
from store.read_only import READ_ONLY, take_reader_role
from store.reading import Pool, Reader
from store.rows import Prepared, prepare, without_repeats
from store.subscription import Doorbell, follow
from store.unreadable import recorded_or_unreadable

READER_CONNECTIONS_MAX = 4
CONNECT_SECONDS_MAX = 10.0
COMMAND_SECONDS_MAX = 30.0
EVERYTHING = Selection()
Result = TypeVar("Result")
_DIGESTS = "SELECT event_id, digest FROM event_ids WHERE event_id = ANY ($1::uuid[])"
_CLOCK = "SELECT clock_timestamp(), (SELECT step_seconds FROM clock_steps)"
ARCHIVE_FOLDER = Path("var/archive")
"""Where archived days are looked for when the settings do not say (run/config.py)."""

# Whoever holds the log and does not go on is ended within two seconds, instead of stalling
# everybody. Whoever waits tries again every half second and outlasts that (store/patience.py).
_WRITER_SETTINGS = {
    "role": "striketape_writer",
    "lock_timeout": "500ms",
    "statement_timeout": "2s",
    "idle_in_transaction_session_timeout": "2s",
    # One plan for the life of the connection, by index: left to itself the planner scans whole
    # tables, because it knows neither how long a group is nor that a repeat is rare.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
# Pages name their days as parameters: only a plan for these very values leaves the other days out.
_READER_SETTINGS = {
    "plan_cache_mode": "force_custom_plan",
    "statement_timeout": "20s",
    "idle_in_transaction_session_timeout": "5s",
}
# The tail is asked of the tables of one day: their plan holds for any page.
_TAIL_SETTINGS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
_READER_ROLE = {"role": "striketape_reader"}


async def _keep_session(_: object) -> None:
    """Connections of the pool hold no state that would have to be reset on release."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The database's clock."""

    now: datetime
    step_seconds: float | None
    """None when nothing of it is refused."""


class PostgresStore:
    """The log. Use `open`; all methods are safe to call from many tasks at once."""

    def __init__(
        self,
        pool: Pool,
        appender: Appender | None,
        reader: Reader,
        doorbell: Doorbell,
        connect_writer: Callable[[], Awaitable[Writer]],
        connect_reader: Callable[[], Awaitable[Writer]],
        read_stall_seconds_max: float,
        on_read_wait: OnWait | None,
    ) -> None:
        self.connect_writer = connect_writer
        """Opens one more connection in the role of the writer; the caller closes it."""
        self.connect_reader = connect_reader
        """The same as a reader."""
        self._pool = pool
        self._appender = appender
        self._reader = reader
        self._doorbell = doorbell
        self._read_stall_seconds_max = read_stall_seconds_max
        self._on_read_wait = on_read_wait

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        application_name: str,
        on_append: OnAppend | None = None,
        on_wait: OnWait | None = None,
        on_read_wait: OnWait | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        read_stall_seconds_max: float = READ_STALL_SECONDS_MAX,
        archive_folder: Path = ARCHIVE_FOLDER,
        read_only: bool = False,
    ) -> Self:
        """Connect, and make the partitions of today and the next days when they are missing.

        `read_only` makes and appends nothing, and needs no more than SELECT: for a read replica.

        `on_append` gets the real seconds of each committed group and its number of events;
        `on_wait` the seconds of a stall before each further attempt; `on_read_wait` the seconds
        that each further attempt at a read adds to its stall. A server that is away is
        waited for, here and by each read, at most `read_stall_seconds_max`.

        Raises:
            StoreUnavailable: no connection, or the database was not migrated.
        """

        async def connect_writer() -> Writer:
            return await _connect(dsn, application_name, _WRITER_SETTINGS)

        reader_settings = _READER_SETTINGS | (READ_ONLY if read_only else _READER_ROLE)

        async def connect_reader(name: str = application_name) -> Writer:
            connection = await _connect(dsn, name, reader_settings)
            if read_only:
                await take_reader_role(connection)
            return connection

        async def connect_listener() -> Writer:
            return await connect_reader(f"{application_name} listener")

        async def prepare_partitions() -> None:
            first = await connect_writer()
            try:
                await make_ahead(first)
            finally:
                await first.close()

        async def open_pool(settings: Mapping[str, str]) -> Pool:
            return await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=READER_CONNECTIONS_MAX,
                timeout=CONNECT_SECONDS_MAX,
                command_timeout=COMMAND_SECONDS_MAX,
                server_settings={
                    **reader_settings,
                    **settings,
                    "application_name": application_name,
                },
                init=take_reader_role if read_only else None,
                reset=_keep_session,
            )

        patience = Patience(time.monotonic, deed="read", seconds_max=read_stall_seconds_max)
        try:
            if not read_only:
                await patience.through(prepare_partitions)
            pool = await patience.through(partial(open_pool, {}))
            tail_pool = await patience.through(partial(open_pool, _TAIL_SETTINGS))
        except (StoreUnavailable, asyncpg.PostgresError, *LOST) as error:
            raise StoreUnavailable(
                f"the database must be up and migrated (python -m run.migrate), was: {error}"
            ) from error
        reader = ArchivedReader(pool, tail_pool, archive_folder)
        appender = None
        if not read_only:
            appender = Appender(connect_writer, reader.places, on_append, on_wait, monotonic)
            await appender.start()
        doorbell = Doorbell(connect_listener, reader)
        return cls(
            pool,
            appender,
            reader,
            doorbell,
            connect_writer,
            connect_reader,
            read_stall_seconds_max,
            on_read_wait,
        )

    def at_once(self) -> Self:
        """The same open log for whoever answers a person: a read that fails is not repeated."""
        view = copy(self)
        view._read_stall_seconds_max = 0.0
        return view

    def showing_unreadable(self) -> Self:
        """The same open log for whoever shows it to a person: an event that this build cannot read
        comes with an Unreadable for its body instead of raising UnreadableEvent."""
        view = copy(self)
        view._reader = self._reader.decoding(recorded_or_unreadable)
        return view

    async def close(self) -> None:
        """Commit what is queued, then close all connections."""
        if self._appender is not None:
            await self._appender.close()
        await self._doorbell.close()
        await self._reader.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def canonical(self) -> PostgresSource:
        """The log as canonical bytes, for seals and archives."""
        return PostgresSource(self._pool)

    @property
    def queued_events(self) -> int:
        """Events that wait for their commit."""
        return 0 if self._appender is None else self._appender.queued_events

    async def append(
        self, events: Sequence[Proposed], checkpoint: Checkpoint | None = None
    ) -> Appended:
        """Append all or nothing; see the contract for errors.

        Raises:
            ValueError: more than EVENTS_PER_CALL_MAX events.
            StoreUnavailable: also when it was opened to read only.
        """
        if self._appender is None:
            raise StoreUnavailable("the store must be open to append, was opened to read only")
        if len(events) > EVENTS_PER_CALL_MAX:
            raise ValueError(
                f"events in one append must be at most {EVENTS_PER_CALL_MAX}, was {len(events)}"
            )
        distinct, index = without_repeats([prepare(event) for event in events])
        try:
            return await self._appender.append(distinct, index, checkpoint)
        except IdConflict:
            known = await self._patiently(lambda: self._as_stored(distinct))
            if known == distinct:
                raise
        return await self._appender.append(known, index, checkpoint)

    async def _as_stored(self, events: Sequence[Prepared]) -> list[Prepared]:
        """The events; those that an older build wrote in its own form, as it wrote them.

        A body that gained a field since is encoded otherwise, and still the same fact when the
        stored one, decoded and upcast, is encoded alike.
        """
        rows = await self._pool.fetch(_DIGESTS, [event.proposed.event_id for event in events])
        digests = {row["event_id"]: row["digest"] for row in rows}
        found: list[Prepared] = []
        for event in events:
            given, digest = event.proposed, digests.get(event.proposed.event_id)
            if digest is not None and digest != event.digest:
                stored = await self._readable(given.event_id)
                if stored is not None and stored.stream == given.stream:
                    alike = prepare(replace(given, body=stored.body))
                    if alike.digest == event.digest:
                        event = replace(event, digest=digest)
            found.append(event)
        return found

    async def _readable(self, event_id: UUID) -> Recorded | None:
        try:
            return await self._reader.event(event_id)
        except UnreadableEvent:
            return None

    async def read(
        self,
        after: int,
        selection: Selection = EVERYTHING,
        limit: int = PAGE_EVENTS_MAX,
        up_to: int | None = None,
    ) -> list[Recorded]:
        return await self._patiently(lambda: self._reader.page(after, selection, limit, up_to))

    def subscribe(
        self, after: int, selection: Selection = EVERYTHING, page: int = 1_000
    ) -> AsyncIterator[tuple[list[Recorded], int]]:
        on_wait = self._noting_waits()
        return follow(self._reader, self._doorbell, after, selection, page, on_wait)

    async def read_stream(
        self, stream: str, after_version: int = 0, up_to_version: int | None = None
    ) -> list[Recorded]:
        return await self._patiently(
            lambda: self._reader.stream(stream, after_version, up_to_version)
        )

    async def event(self, event_id: UUID) -> Recorded | None:
        return await self._patiently(lambda: self._reader.event(event_id))

    async def caused_by(self, causes: Sequence[Recorded]) -> list[Recorded]:
        return await self._patiently(lambda: self._reader.caused_by(causes))

    async def emissions(self, worker: str, after: int, up_to: int) -> list[Recorded]:
        return await self._patiently(lambda: self._reader.emissions(worker, after, up_to))

    async def checkpoint(self, consumer: str) -> int:
        return await self._patiently(lambda: self._reader.checkpoint(consumer))

    async def head(self) -> int:
        return (await self._patiently(self._reader.head)).position

    async def stream_version(self, stream: str) -> int:
        return await self._patiently(lambda: self._reader.stream_version(stream))

    async def clock(self) -> ClockReading:
        """The database's time, and the step of it that nobody has accepted yet."""

        async def read() -> ClockReading:
            row = await self._pool.fetchrow(_CLOCK)
            assert row is not None
            return ClockReading(*row.values())

        return await self._patiently(read)

    async def assert_durable(self) -> None:
        """Refuse a database that may lose what it confirmed; called when a broker is configured.

        Raises:
            NotDurable: naming the settings that are off.
        """
        names = ("fsync", "synchronous_commit", "full_page_writes")

        async def those_off() -> list[str]:
            return [n for n in names if await self._pool.fetchval(f"SHOW {n}") == "off"]

        if off := await self._patiently(those_off):
            raise NotDurable(f"{', '.join(off)} must be on when orders are sent, was off")

    async def _patiently(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """A read, repeated while the server is away: it does no harm twice.

        Raises:
            StoreUnavailable: it stayed away, or this store was closed.
        """

        async def attempt() -> Result:
            if self._pool.is_closing():
                raise StoreUnavailable("the store must be open to read, was closed")
            return await read()

        limit, on_wait = self._read_stall_seconds_max, self._noting_waits()
        patience = Patience(time.monotonic, on_wait, deed="read", seconds_max=limit)
        return await patience.through(attempt)

    def _noting_waits(self) -> OnWait | None:
        return None if self._on_read_wait is None else each_wait(self._on_read_wait)


async def _connect(dsn: str, application_name: str, settings: dict[str, str]) -> Writer:
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_SECONDS_MAX,
        command_timeout=COMMAND_SECONDS_MAX,
        server_settings={**settings, "application_name": application_name},
    )
