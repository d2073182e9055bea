"""The story of a name: its causes up to the root, its effects down to the last message.

Used by why and export. Three threads are followed: the correlation id that a whole trade shares,
the chain of causes upwards, and the tree of effects downwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

from domain.event import Recorded, Retention, body_types
from run.replay.names import find
from store.contract import EventStore, Selection
from store.unreadable import retention_of

EVENTS_MAX = 2_000
"""Events of one story; more are left out, and it is said."""
RUNNING_NUMBERS = frozenset({"PositionWatermark", "PnlExplained"})
"""Written each minute of a position's life, which would push the end of a trade of weeks out of its
story. Those that led to something, or that something of the story led to, come in all the same."""


@dataclass(slots=True)
class Story:
    """Events by position; `named` are the ids of those that the name itself means."""

    named: frozenset[UUID]
    truncated: bool = False
    _events: dict[UUID, Recorded] = field(default_factory=dict)

    @property
    def events(self) -> list[Recorded]:
        return sorted(self._events.values(), key=lambda event: event.position)

    def add(self, events: Sequence[Recorded]) -> list[Recorded]:
        """Take events in; those that are new to the story."""
        new = [event for event in events if event.event_id not in self._events]
        room = EVENTS_MAX - len(self._events)
        self.truncated = self.truncated or len(new) > room
        self._events.update((event.event_id, event) for event in new[:room])
        return new[:room]


@cache
def _desk_types() -> frozenset[str]:
    types = body_types().items()
    desk = frozenset(name for name, cls in types if cls.retention is Retention.DESK)
    return desk - RUNNING_NUMBERS


async def story_of(store: EventStore, name: str) -> Story:
    """Everything that belongs to a name.

    Raises:
        CannotAnswer: nothing on the log has that name.
    """
    named = await find(store, name, EVENTS_MAX + 1)
    threads = _Threads(store)
    story = Story(frozenset(event.event_id for event in named))
    story.add(named)
    for event in named:
        if _is_desk(event):
            await threads.of(event)
        await _add_causes(threads, story, event)
    await _add_effects(store, threads, story, named)
    # What the rest was decided on, such as the broker's message behind a fill.
    for event in story.events:
        cause = await threads.cause(event)
        story.add([] if cause is None else [cause])
    return story


class _Threads:
    """What is known of the log so far: a whole thread comes in one read, while each cause that is
    looked up costs two, on a long log from the disk."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._threads: dict[UUID, list[Recorded]] = {}
        self._known: dict[UUID, Recorded] = {}

    async def of(self, event: Recorded) -> list[Recorded]:
        """The desk events with the correlation id of an event, by position.

        Numbers share the story too, such as a mark a second: those that led to something come in
        as causes.
        """
        if event.correlation_id not in self._threads:
            # A story begins with its root, whose id it bears: what is older is not looked through.
            root = await self.known(event.correlation_id)
            begins = 0 if root is None else root.position
            selection = Selection(
                types=_desk_types(), correlation_id=event.correlation_id, story_begins=begins
            )
            found = await self._store.read(max(0, begins - 1), selection, EVENTS_MAX)
            self._threads[event.correlation_id] = self.learn(found)
        return self._threads[event.correlation_id]

    def learn(self, events: list[Recorded]) -> list[Recorded]:
        """Note events, so that nobody asks for them again; the same events."""
        self._known.update((event.event_id, event) for event in events)
        return events

    async def cause(self, event: Recorded) -> Recorded | None:
        """The event that another was decided on; None for one without, or one not on the log."""
        return None if event.causation_id is None else await self.known(event.causation_id)

    async def known(self, event_id: UUID) -> Recorded | None:
        """An event, asked for once; None for one that is not on the log."""
        event = self._known.get(event_id)
        if event is None:
            event = await self._store.event(event_id)
            if event is not None:
                self._known[event.event_id] = event
        return event


def _is_desk(event: Recorded) -> bool:
    return retention_of(event) is Retention.DESK


async def _add_causes(threads: _Threads, story: Story, event: Recorded) -> None:
    while (cause := await threads.cause(event)) is not None and story.add([cause]):
        event = cause


async def _add_effects(
    store: EventStore, threads: _Threads, story: Story, named: Sequence[Recorded]
) -> None:
    """Effects by causation, and for each desk event the rest of its story, whose first event has
    causes of its own. A level of effects at a time, because each question looks at all days."""
    told: set[UUID] = set()
    level = list(named)
    while level and not story.truncated:
        for event in tuple(level):
            if event.correlation_id in told or not _is_desk(event):
                continue
            told.add(event.correlation_id)
            rest = story.add(await threads.of(event))
            level += rest
            if rest:
                await _add_causes(threads, story, rest[0])
        level = threads.learn(story.add(await store.caused_by(level)))
