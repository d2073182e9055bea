"""The grouping appender: one task that commits what is queued, without lingering.

One for each open store. A group holds at most EVENTS_PER_GROUP_MAX events, so that an order never
waits long behind ticks, and each call in it gets its own result or error. A log that cannot be
written for a moment is waited for (store/patience.py). When the connection is lost while a group
is under way, the outcome is settled by looking for the group on the log.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg

from store.call import Call, Place, appended, fail
from store.contract import Appended, Checkpoint
from store.errors import (
    ClockStepped,
    InvalidEvent,
    OutcomeUnknown,
    StoreError,
    StoreUnavailable,
)
from store.group import Anchor, Form, PlainGroup, Rows, WeighedGroup
from store.partitions import make_ahead
from store.patience import LOST, OnWait, Patience, Stalled
from store.rows import Prepared
from store.single import SingleEvent, is_single

EVENTS_PER_GROUP_MAX = 500
EVENTS_PER_CALL_MAX = 10_000
QUEUED_EVENTS_MAX = 20_000
ATTEMPTS_MAX = 3
CLOSE_SECONDS_MAX = 2.0
SETTLE_SECONDS_MAX = 10.0
_SETTLE_POLL_SECONDS = 0.02

Writer: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
OnAppend = Callable[[float, int], None]
"""Called with real seconds of a committed group and its number of events."""


class Appender:
    """Owns the writing connection. `connect` opens one in the role of the writer."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Writer]],
        places: Callable[[Sequence[int]], Awaitable[dict[int, Place]]],
        on_append: OnAppend | None = None,
        on_wait: OnWait | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._places = places
        self._on_append = on_append
        self._monotonic = monotonic
        self._patience = Patience(time.monotonic, on_wait)
        self._anchor: Anchor | None = None
        self._connection: Writer | None = None
        self._backend_started: datetime | None = None
        self._queue: deque[Call] = deque()
        self._queued_events = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect once, so that a wrong address shows at start, and begin to work.

        Raises:
            StoreUnavailable: no connection, however long it was waited for.
        """
        while True:
            began = time.monotonic()
            try:
                await self._connected()
            except Stalled as stalled:
                await self._patience.wait(began, stalled.reason)
            else:
                break
        self._patience.over()
        self._task = asyncio.create_task(self._run(), name="store.appender")

    async def close(self) -> None:
        """Commit what is queued, then stop; a log that stands still is not waited for long."""
        self._closing = True
        self._patience.closing()
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await close_quietly(self._connection)

    async def append(
        self, events: Sequence[Prepared], index: Sequence[int], checkpoint: Checkpoint | None
    ) -> Appended:
        """Queue one call and wait for its outcome; waits for room when the queue is full."""
        while self._queue and self._queued_events >= QUEUED_EVENTS_MAX:
            self._room.clear()
            await self._room.wait()
        if self._closing or self._task is None or self._task.done():
            raise StoreUnavailable("the store must be open to append, was closed")
        call = Call(events, index, checkpoint, asyncio.get_running_loop().create_future())
        self._queue.append(call)
        self._queued_events += len(events)
        self._wake.set()
        return await call.result

    @property
    def queued_events(self) -> int:
        return self._queued_events

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                group = self._take()
                try:
                    await self._commit(group)
                except StoreError as error:
                    fail(group, error)
                    if self._closing and self._patience.is_exhausted:
                        fail(self._queue, error)
                        self._queue.clear()
                        self._queued_events = 0
                except BaseException as error:
                    fail([*group, *self._queue], StoreError(f"appender stopped: {error!r}"))
                    raise
                finally:
                    self._room.set()
            self._patience.over()
            if self._closing:
                return

    def _take(self) -> list[Call]:
        """The next calls in order. Ids and consumers differ within a group, and calls that start
        or accept the clock stand alone."""
        group: list[Call] = []
        ids: set[UUID] = set()
        consumers: set[str] = set()
        while self._queue:
            call = self._queue[0]
            if group and (
                len(ids) + len(call.events) > EVENTS_PER_GROUP_MAX
                or call.is_clock
                or group[0].is_clock
                or any(event.proposed.event_id in ids for event in call.events)
                or (call.checkpoint is not None and call.checkpoint.consumer in consumers)
            ):
                break
            self._queue.popleft()
            self._queued_events -= len(call.events)
            if call.result.done():
                continue  # cancelled while it waited
            group.append(call)
            ids.update(event.proposed.event_id for event in call.events)
            if call.checkpoint is not None:
                consumers.add(call.checkpoint.consumer)
        return group

    async def _commit(self, group: Sequence[Call]) -> None:
        """Append a group and give each call its outcome.

        Raises:
            StoreError: for every call of the group that has no outcome yet.
        """
        attempts = 0
        while attempts < ATTEMPTS_MAX:
            # Between two attempts nothing was written: who gave up meanwhile is left out.
            group = [call for call in group if not call.result.done()]
            if not group:
                return
            began = time.monotonic()
            try:
                if await self._attempt(group, is_first=attempts == 0):
                    return
                attempts += 1
            except Stalled as stalled:
                await self._patience.wait(began, stalled.reason)
        raise StoreUnavailable(f"nothing was written: {ATTEMPTS_MAX} attempts did not get through")

    async def _attempt(self, group: Sequence[Call], *, is_first: bool) -> bool:
        """One try; False when another one may get through at once.

        Raises:
            Stalled: nothing was written, and a moment later it may be.
            StoreError: as _commit.
        """
        connection = await self._connected()
        assert self._anchor is not None
        group_id = uuid4()
        began = self._monotonic()
        form = _form(group, is_first=is_first)
        arguments = form.arguments(group_id, self._anchor, began)
        try:
            row = await connection.fetchrow(form.statement, *arguments)
        except asyncpg.DataError as error:
            await self._commit_singly(group, InvalidEvent(f"event cannot be stored: {error}"))
            return True
        except (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError):
            return False  # another process wrote one of the ids first: now it is there to be seen
        except asyncpg.CheckViolationError:
            await self._make_todays_partitions(connection)  # the log slept past the last day
            return False
        except LOST as error:
            return await self._settle(group, group_id, connection, error)
        except asyncpg.PostgresError as error:
            return await self._refused(group, error, connection, group_id)
        assert row is not None
        self._patience.over()
        try:
            repeats = form.repeats(row)
            known = await self._places(repeats) if repeats else {}
        except (*LOST, asyncpg.PostgresError) as error:
            # It is written, but places of repeats could not be read: the log tells it all again.
            return await self._settle(group, group_id, connection, error)
        last = max(form.finish(row, known), self._anchor.position)
        self._anchor = Anchor(row["clock_now"], last, self._monotonic())
        if self._on_append is not None:
            count = sum(len(call.events) for call in group)
            self._on_append(self._monotonic() - began, count)
        return True

    async def _make_todays_partitions(self, connection: Writer) -> None:
        try:
            await make_ahead(connection)
        except (*LOST, asyncpg.PostgresError) as error:
            raise Stalled(error) from error

    async def _refused(
        self,
        group: Sequence[Call],
        error: asyncpg.PostgresError,
        connection: Writer,
        group_id: UUID,
    ) -> bool:
        """An error that the server reported: the transaction was rolled back."""
        state = error.sqlstate or ""
        if state == "ST002":
            return False  # not the plain case: the next attempt learns what is wrong
        if state == "ST001":
            await self._note_step(connection)
            raise ClockStepped(f"{error}: decide with python -m run.accept_clock --why")
        if state.startswith("57P") or connection.is_closed():
            return await self._settle(group, group_id, connection, error)
        if state in ("55P03", "57014") or state.startswith("53"):
            raise Stalled(error) from error
        await self._commit_singly(group, StoreError(f"the log refused the event: {error}"))
        return True

    async def _note_step(self, connection: Writer) -> None:
        """So that whoever starts anew, with an anchor of the new time, is refused as well."""
        assert self._anchor is not None
        anchor = self._anchor
        elapsed = self._monotonic() - anchor.monotonic_seconds
        try:
            await connection.execute(_NOTE_STEP, anchor.database_time, anchor.position, elapsed)
        except (*LOST, asyncpg.PostgresError) as error:
            raise Stalled(error) from error

    async def _commit_singly(self, group: Sequence[Call], error: StoreError) -> None:
        """One bad item must not fail its neighbours: each call gets a group of its own."""
        if len(group) == 1:
            raise error
        for call in group:
            try:
                await self._commit([call])
            except StoreError as alone:
                call.finish(alone)

    async def _settle(
        self, group: Sequence[Call], group_id: UUID, lost: Writer, cause: Exception
    ) -> bool:
        """Find out whether a group was committed whose answer was lost; give outcomes if it was.

        The group can still commit as long as its backend lives, so that one must have ended.

        Raises:
            OutcomeUnknown: the database could not be asked in time.
        """
        backend = (lost.get_server_pid(), self._backend_started)
        lost.terminate()
        self._connection = None
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                connection = await self._connected()
                if await connection.fetchval(_GROUP_IS_THERE, group_id):
                    await self._read_back(group, group_id, connection)
                    return True
                if not await connection.fetchval(_END_BACKEND, *backend):
                    # It may have committed between the two looks.
                    if not await connection.fetchval(_GROUP_IS_THERE, group_id):
                        return False
                    continue
            except (*LOST, asyncpg.PostgresError, Stalled):
                self._disconnect()
            await asyncio.sleep(_SETTLE_POLL_SECONDS)
        raise OutcomeUnknown(
            f"outcome of a group of {len(group)} calls must be settled in "
            f"{SETTLE_SECONDS_MAX:.0f} s, was not: {cause!r}"
        )

    async def _read_back(self, group: Sequence[Call], group_id: UUID, connection: Writer) -> None:
        """Outcomes of a committed group, from the log. A call that is not there had been refused;
        it is asked again on its own to learn why."""
        first = await connection.fetchval(_GROUP_FIRST, group_id) or 0
        moved = {row["consumer"] for row in await connection.fetch(_MOVED, group_id)}
        now = await connection.fetchval("SELECT clock_timestamp()")
        for call in group:
            ids = [event.proposed.event_id for event in call.events]
            rows = {row["event_id"]: row for row in await connection.fetch(_BY_ID, ids)}
            there = all(
                event.proposed.event_id in rows
                and rows[event.proposed.event_id]["digest"] == event.digest
                for event in call.events
            ) and (call.checkpoint is None or call.checkpoint.consumer in moved)
            if not there:
                await self._commit_singly_after_loss(call)
                continue
            positions = [rows[event_id]["position"] for event_id in ids]
            places = await self._places(positions)
            new = {position for position in positions if first and position >= first}
            call.finish(appended(call, [places[p] for p in positions], new, now))

    async def _commit_singly_after_loss(self, call: Call) -> None:
        try:
            await self._commit([call])
        except StoreError as error:
            call.finish(error)

    async def _connected(self) -> Writer:
        if self._connection is None or self._connection.is_closed():
            try:
                connection = await self._connect()
                try:
                    row = await connection.fetchrow(_ANCHOR)
                except BaseException:
                    connection.terminate()
                    raise
            except (*LOST, asyncpg.PostgresError) as error:
                raise Stalled(error) from error
            assert row is not None
            self._connection, self._backend_started = connection, row["backend_started"]
            if self._anchor is None:
                self._anchor = Anchor(row["now"], row["head"], self._monotonic())
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            connection.terminate()


def _form(group: Sequence[Call], *, is_first: bool) -> Form:
    """The quickest way that takes this group. A second attempt may be one because the group is not
    as plain as it looks, and learns what is wrong."""
    if is_first and is_single(group):
        return SingleEvent(group[0])
    rows = Rows(group)
    return PlainGroup(rows) if is_first and rows.is_plain else WeighedGroup(rows)


async def close_quietly(connection: Writer) -> None:
    """Close a connection that may be broken already."""
    try:
        await connection.close(timeout=CLOSE_SECONDS_MAX)
    except (*LOST, asyncpg.PostgresError):
        connection.terminate()


_ANCHOR = """
    SELECT backend_started(), clock_timestamp() AS now,
        coalesce((SELECT max(last_position) FROM commits), 0) AS head
"""
# The newest rows are enough: a group is settled seconds after it was sent.
_GROUP_IS_THERE = """
    SELECT EXISTS (
        SELECT FROM (SELECT group_id FROM commits ORDER BY last_position DESC LIMIT 10000) AS newest
        WHERE group_id = $1)
    OR EXISTS (SELECT FROM checkpoints WHERE moved_by = $1)
"""
_GROUP_FIRST = """
    SELECT first_position FROM (
        SELECT * FROM commits ORDER BY last_position DESC LIMIT 10000) AS newest
    WHERE group_id = $1
"""
_MOVED = "SELECT consumer FROM checkpoints WHERE moved_by = $1"
_BY_ID = "SELECT event_id, position, digest FROM event_ids WHERE event_id = ANY ($1::uuid[])"
_END_BACKEND = "SELECT end_backend($1, $2)"
_NOTE_STEP = "SELECT note_clock_step($1, $2, $3)"
