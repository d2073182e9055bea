"""From a name to its events: what an incident reviewer copies from the page or from a message."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from domain.event import Recorded
from run.replay.printing import Progress
from run.replay.question import CannotAnswer
from run.replay.reading import of, selected
from store.contract import EventStore, Selection

NAMED_STREAMS = ("order", "signal", "decision", "position", "delivery", "approval", "report")
_VENDORS_IDS: Mapping[str, tuple[str, ...]] = {
    "DeliveryConfirmed": ("remote_id",),
    "ApprovalPrompted": ("message_id",),
    "FillRecorded": ("exec_id", "fill_id"),
}
"""Fields in which a vendor's own id of a message or an execution stands."""


async def find(store: EventStore, name: str, limit: int) -> list[Recorded]:
    """What a name means, at most `limit` events of a stream: a log position, an event id, the id
    of an order, signal, decision, position, delivery, approval or report, or a vendor's id of a
    message or an execution. A prefix tells them apart: log/12, event/UUID, message/ID, order/REF
    and so on.

    Raises:
        CannotAnswer: nothing on the log has that name.
    """
    kind, _, bare = name.partition("/")
    found: list[Recorded] = []
    if kind == "log" and bare.isdigit():
        found = await _at(store, int(bare))
    elif kind == "event" and bare:
        found = await _event(store, bare)
    elif kind == "message" and bare:
        found = await _message(store, bare)
    elif bare:
        found = await store.read_stream(name, up_to_version=limit)
    else:
        found = await _guess(store, name, limit)
    if not found:
        raise CannotAnswer(
            "no event, order, signal, decision, position, delivery, approval, report or message "
            f"{name!r}; `replay timeline` lists what there is"
        )
    return found


async def _guess(store: EventStore, name: str, limit: int) -> list[Recorded]:
    """A bare name; a number up to the log's end is a position before it is a message."""
    if name.isdigit() and (found := await _at(store, int(name))):
        return found
    if found := await _event(store, name):
        return found
    for kind in NAMED_STREAMS:
        if found := await store.read_stream(f"{kind}/{name}", up_to_version=limit):
            return found
    return await _message(store, name)


async def _at(store: EventStore, position: int) -> list[Recorded]:
    if not 1 <= position <= await store.head():
        return []
    return await store.read(position - 1, Selection(), 1, position)


async def _event(store: EventStore, text: str) -> list[Recorded]:
    try:
        event = await store.event(UUID(text))
    except ValueError:
        return []
    return [] if event is None else [event]


async def _message(store: EventStore, vendors_id: str) -> list[Recorded]:
    head = await store.head()
    progress = Progress("search", 0, head)
    return [
        event
        async for event in selected(store, of(*_VENDORS_IDS), 0, head, progress)
        if any(
            str(getattr(event.body, name, None)) == vendors_id for name in _VENDORS_IDS[event.type]
        )
    ]
