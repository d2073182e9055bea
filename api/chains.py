"""From any event up to its root and down to all it led to: the causation tree of the log.

Called by api/timeline.py. A cause that is named and not there is flagged, never left out; trees
are cut at fixed sizes and say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.event_rows import from_recorded
from api.log_pages import LogPages
from api.subjects import envelopes
from domain.event import Recorded
from store.contract import EventStore

CAUSES_MAX = 500
EFFECTS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Chain:
    """`causes` from the root down to the cause of the event itself; `effects` in tree order
    (each right after its cause or an earlier effect of it), with their depth from 1."""

    event: Recorded
    causes: list[Recorded]
    effects: list[tuple[Recorded, int]]
    missing_cause: UUID | None
    is_cut: bool

    async def as_json(self, pages: LogPages) -> dict[str, Any]:
        events = [self.event, *self.causes, *(effect for effect, _ in self.effects)]
        shown = await envelopes(pages, [from_recorded(event) for event in events])
        effects = shown[1 + len(self.causes) :]
        return {
            "event": shown[0],
            "causes": shown[1 : 1 + len(self.causes)],
            "effects": [
                effect | {"depth": depth}
                for effect, (_, depth) in zip(effects, self.effects, strict=True)
            ],
            "missing_cause": None if self.missing_cause is None else str(self.missing_cause),
            "is_cut": self.is_cut,
        }


async def chain_of(store: EventStore, event_id: UUID) -> Chain | None:
    """The chain of an event; None when it is not on the log."""
    event = await store.event(event_id)
    if event is None:
        return None
    causes, missing = await _causes(store, event)
    effects, is_cut = await _effects(store, event)
    return Chain(event, causes, effects, missing, is_cut or len(causes) == CAUSES_MAX)


async def _causes(store: EventStore, event: Recorded) -> tuple[list[Recorded], UUID | None]:
    found: list[Recorded] = []
    wanted = event.causation_id
    while wanted is not None and len(found) < CAUSES_MAX:
        cause = await store.event(wanted)
        if cause is None:
            found.reverse()
            return found, wanted
        found.append(cause)
        wanted = cause.causation_id
    found.reverse()
    return found, None


async def _effects(store: EventStore, event: Recorded) -> tuple[list[tuple[Recorded, int]], bool]:
    """All that was caused by the event, level by level, then put into tree order."""
    children: dict[UUID | None, list[Recorded]] = {}
    level = [event]
    count = 0
    is_cut = False
    while level and not is_cut:
        caused = await store.caused_by(level)
        room = EFFECTS_MAX - count
        is_cut = len(caused) > room
        level = caused[:room]
        count += len(level)
        for effect in level:
            children.setdefault(effect.causation_id, []).append(effect)
    ordered: list[tuple[Recorded, int]] = []
    stack = [(child, 1) for child in reversed(children.get(event.event_id, []))]
    while stack:
        effect, depth = stack.pop()
        ordered.append((effect, depth))
        stack.extend((child, depth + 1) for child in reversed(children.get(effect.event_id, [])))
    return ordered, is_cut
