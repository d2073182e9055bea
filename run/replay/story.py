"""The story of a name: its causes up to the root, its effects down to the last message.

Used by why and export. Three threads are followed: the correlation id that a whole trade shares,
the chain of causes upwards, and the tree of effects downwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

from domain.event import Recorded, Retention, body_types
from run.replay.names import find
from store.contract import EventStore, Selection

EVENTS_MAX = 2_000
"""Events of one story; more are left out, and it is said."""


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
    return frozenset(name for name, cls in types if cls.retention is Retention.DESK)


async def story_of(store: EventStore, name: str) -> Story:
    """Everything that belongs to a name.

    Raises:
        CannotAnswer: nothing on the log has that name.
    """
    named = await find(store, name)
    story = Story(frozenset(event.event_id for event in named))
    story.add(named)
    for event in named:
        await _add_causes(store, story, event)
    await _add_effects(store, story, named)
    # What the rest was decided on, such as the broker's message behind a fill.
    for event in story.events:
        if event.causation_id is not None:
            cause = await store.event(event.causation_id)
            story.add([] if cause is None else [cause])
    return story


async def _add_causes(store: EventStore, story: Story, event: Recorded) -> None:
    while event.causation_id is not None:
        cause = await store.event(event.causation_id)
        if cause is None or not story.add([cause]):
            return
        event = cause


async def _add_effects(store: EventStore, story: Story, named: Sequence[Recorded]) -> None:
    """Effects by causation, and for each desk event the rest of its story, whose first event has
    causes of its own."""
    told: set[UUID] = set()
    queue = deque(named)
    while queue and not story.truncated:
        event = queue.popleft()
        queue.extend(story.add(await store.caused_by(event.event_id)))
        if event.correlation_id in told or type(event.body).retention is not Retention.DESK:
            continue
        told.add(event.correlation_id)
        # Numbers share the story too, such as a mark a second: those that led to something come in
        # as causes.
        selection = Selection(types=_desk_types(), correlation_id=event.correlation_id)
        rest = story.add(await store.read(0, selection, EVENTS_MAX))
        queue.extend(rest)
        if rest:
            await _add_causes(store, story, rest[0])
