"""Our store behind the eventsourcing library's synchronous recorder interface: test code.

Writes go through PostgresStore.append, reads through store.eventsourcing.StreamRecorder, both on
an event loop in a thread of its own. What the adapter adds is what the library leaves open:

- every stored event becomes an event of a type named by its topic, its state and its originator
  version inside the payload, with a random id (the library's events have none);
- a stream of ours counts from 1 without holes, so an originator's versions are shifted by its
  first one, which is read from the log.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID, uuid4

import msgspec
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    Notification,
    StoredEvent,
    Subscription,
)

from domain.event import MarketEvent, Proposed, _registry
from store.contract import Appended
from store.eventsourcing import MAPPER, StreamRecorder
from store.postgres import PostgresStore

Result = TypeVar("Result")
WAIT_SECONDS_MAX = 60.0


class LibraryEvent(MarketEvent, frozen=True):
    """A stored event of the library as a body; one subclass for each topic."""

    originator_id: UUID
    originator_version: int
    state: bytes


@cache
def body_of_topic(topic: str) -> type[LibraryEvent]:
    """The body class named like the topic, known to this process from now on."""
    made = msgspec.defstruct(topic, [], bases=(LibraryEvent,), frozen=True, module=__name__)
    _registry.cache_clear()
    return made


class Bridge:
    """A store opened on an event loop in a thread, called from other threads."""

    def __init__(self, dsn: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="store", daemon=True)
        self._thread.start()
        self.store = self.call(PostgresStore.open(dsn, application_name="conformance"))
        self.reader = StreamRecorder(self.store)

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_SECONDS_MAX)

    def close(self) -> None:
        self.call(self.store.close())
        self.call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def insert(
    store: PostgresStore, reader: StreamRecorder, stored_events: Sequence[StoredEvent]
) -> Appended:
    """All or nothing, each event at the version it names."""
    shifts: dict[object, int] = {}
    proposed: list[Proposed] = []
    for event in stored_events:
        originator_id = event.originator_id
        if originator_id not in shifts:
            found = await reader.select_events(str(originator_id), limit=1)
            first = library_event(found[0]).originator_version if found else None
            shifts[originator_id] = 1 - (event.originator_version if first is None else first)
        event_id = uuid4()
        proposed.append(
            Proposed(
                stream=str(originator_id),
                event_id=event_id,
                occurred_at=datetime.now(UTC),
                correlation_id=event_id,
                worker="conformance",
                build="test",
                body=body_of_topic(event.topic)(
                    UUID(str(originator_id)), event.originator_version, event.state
                ),
                expected_version=event.originator_version + shifts[originator_id],
            )
        )
    return await store.append(proposed)


def library_event(stored: StoredEvent) -> StoredEvent:
    """What the library stored, out of what our log holds of it."""
    body = MAPPER.to_domain_event(stored).body
    assert isinstance(body, LibraryEvent)
    topic = stored.topic.partition(":")[0]
    return StoredEvent(body.originator_id, body.originator_version, topic, body.state)


def library_notification(stored: Notification) -> Notification:
    event = library_event(stored)
    return Notification(
        event.originator_id, event.originator_version, event.topic, event.state, id=stored.id
    )


class OurAggregateRecorder(AggregateRecorder):
    """Inserts and reads the events of one originator."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        self.bridge.call(insert(self.bridge.store, self.bridge.reader, stored_events))
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        select, stream = self.bridge.reader.select_events, str(originator_id)
        first = self.bridge.call(select(stream, limit=1))
        if not first:
            return []
        shift = 1 - library_event(first[0]).originator_version
        found = self.bridge.call(
            select(
                stream,
                gt=None if gt is None else gt + shift,
                lte=None if lte is None else lte + shift,
                desc=desc,
                limit=limit,
            )
        )
        return [library_event(event) for event in found]


class OurApplicationRecorder(OurAggregateRecorder, ApplicationRecorder):
    """The same, with notifications: a notification id is a position of the log."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        done = self.bridge.call(insert(self.bridge.store, self.bridge.reader, stored_events))
        return list(done.positions)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        for topic in topics:
            body_of_topic(topic)
        found = self.bridge.call(
            self.bridge.reader.select_notifications(
                start, limit, stop, topics, inclusive_of_start=inclusive_of_start
            )
        )
        return [library_notification(notification) for notification in found]

    def max_notification_id(self) -> int | None:
        return self.bridge.call(self.bridge.reader.max_notification_id())

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> OurSubscription:
        return OurSubscription(self, gt, topics)


class OurSubscription(Subscription[OurApplicationRecorder]):
    """The store's endless subscription as the library's iterator."""

    def __init__(
        self, recorder: OurApplicationRecorder, gt: int | None, topics: Sequence[str]
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._notifications = recorder.bridge.reader.subscribe(gt, topics)

    def stop(self) -> None:
        if not self._has_been_stopped:
            super().stop()
            self._recorder.bridge.call(self._notifications.aclose())

    def __next__(self) -> Notification:
        if self._has_been_stopped:
            raise StopIteration
        notification: Notification = self._recorder.bridge.call(anext(self._notifications))
        return library_notification(notification)
