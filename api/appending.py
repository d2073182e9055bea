"""What the API writes: facts about people, and nothing that decides."""

from __future__ import annotations

from uuid import UUID

from api.dispatch import Call
from domain.event import DeskEvent, Proposed
from store.contract import Appended

WORKER = "api"


async def append_fact(
    call: Call, stream: str, body: DeskEvent, event_id: UUID | None = None
) -> Appended:
    """Append one event. Without an id it is new each time: a fresh random one."""
    settings = call.desk.settings
    identity = event_id or UUID(bytes=settings.random_bytes(16), version=4)
    proposed = Proposed(
        stream=stream,
        event_id=identity,
        occurred_at=settings.now(),
        correlation_id=identity,
        worker=WORKER,
        build=settings.build,
        body=body,
    )
    return await call.desk.store.append([proposed])
