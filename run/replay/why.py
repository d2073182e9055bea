"""`why ID`: the chain of an order, signal, decision, position, delivery or event."""

from __future__ import annotations

import argparse
from uuid import UUID

from domain.event import Recorded
from run.replay.names import find
from run.replay.printing import as_row, event_line, print_json
from store.contract import EventStore, Selection

CHAIN_EVENTS_MAX = 2_000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="its id, an event id, or a log position")


async def causes(store: EventStore, event: Recorded) -> list[Recorded]:
    """The event's causes up to the root, root first, the event itself not included."""
    chain: list[Recorded] = []
    while event.causation_id is not None and len(chain) < CHAIN_EVENTS_MAX:
        cause = await store.event(event.causation_id)
        if cause is None:
            break
        chain.append(cause)
        event = cause
    return chain[::-1]


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Print the story of a name: causes of its first event, then all that belongs to it."""
    named = await find(store, asked.id)
    first = named[0]
    story = await store.read(0, Selection(correlation_id=first.correlation_id), CHAIN_EVENTS_MAX)
    known = {event.event_id for event in story}
    roots = [
        e for e in await causes(store, story[0] if story else first) if e.event_id not in known
    ]
    chain = [*roots, *story]
    if asked.json:
        print_json({"id": asked.id, "events": [as_row(event) for event in chain]})
        return 0
    ids = {event.event_id for event in named}
    depth: dict[UUID, int] = {}
    for event in chain:
        level = depth.get(event.causation_id, -1) + 1 if event.causation_id else 0
        depth[event.event_id] = level
        print(f"{'>' if event.event_id in ids else ' '} {event_line(event, min(level, 12))}")
    return 0
