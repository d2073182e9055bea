"""Our events in the words of the eventsourcing library: StoredEvent, Mapper, recorder.

`StreamMapper` makes the stored form of every event that is appended. `StreamRecorder` is the
asynchronous twin of the library's ApplicationRecorder for reading, for tools and notebooks that
speak its contract: originator = stream, notification id = position. The library itself has no
asynchronous recorder, and its own Postgres recorder locks a whole table for each append.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventsourcing.persistence import JSONTranscoder, Mapper, Notification, StoredEvent

from domain.event import Body, decode_body, encode_body, event_type
from store.contract import PAGE_EVENTS_MAX, Selection

if TYPE_CHECKING:
    from domain.event import Recorded
    from store.postgres import PostgresStore


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A body at its place in a stream: what the library calls a domain event."""

    originator_id: str
    originator_version: int
    body: Body


class StreamMapper(Mapper[str]):
    """Maps bodies to stored events and back, upcasting old schemas (domain/event.py).

    The topic is the type with its schema version, such as OrderIntended:1, and never the path of
    a module: code can move without a change of the log.
    """

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: StreamEvent) -> StoredEvent:  # type: ignore[override]
        body = domain_event.body
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=f"{event_type(body)}:{type(body).schema_version}",
            state=encode_body(body),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> StreamEvent:
        name, _, schema = stored_event.topic.partition(":")
        return StreamEvent(
            originator_id=str(stored_event.originator_id),
            originator_version=stored_event.originator_version,
            body=decode_body(name, int(schema), stored_event.state),
        )


MAPPER = StreamMapper()


class StreamRecorder:
    """Reads the log by the names of the library's ApplicationRecorder, awaited."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def select_events(
        self,
        originator_id: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Events of one stream with gt < version <= lte."""
        events = await self._store.read_stream(originator_id, gt or 0)
        kept = [event for event in events if lte is None or event.version <= lte]
        ordered = kept[::-1] if desc else kept
        return [_stored(event) for event in ordered[:limit]]

    async def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events of the log from position `start` to `stop`; topics with or without schema."""
        after = (start or 0) - (1 if inclusive_of_start and start else 0)
        types = frozenset(topic.partition(":")[0] for topic in topics)
        page = min(limit, PAGE_EVENTS_MAX)
        events = await self._store.read(after, Selection(types=types), page, stop)
        return [_notification(event) for event in events]

    async def max_notification_id(self) -> int | None:
        return await self._store.head() or None

    async def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> AsyncIterator[Notification]:
        """Notifications above `gt`, for ever."""
        types = frozenset(topic.partition(":")[0] for topic in topics)
        async for events, _ in self._store.subscribe(gt or 0, Selection(types=types)):
            for event in events:
                yield _notification(event)


def _stored(event: Recorded) -> StoredEvent:
    return MAPPER.to_stored_event(StreamEvent(event.stream, event.version, event.body))


def _notification(event: Recorded) -> Notification:
    stored = _stored(event)
    return Notification(
        originator_id=stored.originator_id,
        originator_version=stored.originator_version,
        topic=stored.topic,
        state=stored.state,
        id=event.position,
    )
