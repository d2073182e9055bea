"""From a name to its events: what an incident reviewer copies from the page or from a message."""

from __future__ import annotations

from uuid import UUID

from domain.event import Recorded
from run.replay.question import CannotAnswer
from store.contract import EventStore, Selection

NAMED_STREAMS = ("order", "signal", "decision", "position", "delivery", "approval", "report")


async def find(store: EventStore, name: str) -> list[Recorded]:
    """Events that a name means: a position number, an event id, or the id of an order, signal,
    decision, position, delivery, approval or report.

    Raises:
        CannotAnswer: nothing on the log has that name.
    """
    if name.isdigit():
        return await store.read(int(name) - 1, Selection(), 1, int(name))
    try:
        event = await store.event(UUID(name))
        if event is not None:
            return [event]
    except ValueError:
        for kind in NAMED_STREAMS:
            events = await store.read_stream(f"{kind}/{name}")
            if events:
                return events
    raise CannotAnswer(
        f"no event, order, signal, decision, position, delivery, approval or report {name!r}; "
        "`replay timeline` lists what there is"
    )
