"""What the desk made of a request: the event that it caused, or a refusal that names it."""

from __future__ import annotations

import asyncio
from uuid import UUID

from domain.event import Recorded
from domain.events.controls import ControlRefused
from store.contract import EventStore, Selection

REFUSED = ControlRefused.__name__

# Types whose event, caused by the request, means that it was accepted.
HALT = frozenset({"TradingHalted"})
RELEASE = frozenset({"TradingReleased"})
FLATTEN = frozenset({"FlattenStarted"})
FEED = frozenset({"FeedStateChanged"})
FLUSH = frozenset({"CacheFlushed"})
CANCEL = frozenset({"OrderCancelIntended", "ExitDecided", "SignalInvalidated"})
PLAN = frozenset({"ExitPlanChanged"})
ADJUSTED = frozenset({"PositionAdjusted"})
CASH = frozenset({"CashFlowRecorded"})


async def decision(
    store: EventStore, event_id: UUID, position: int, deciders: frozenset[str], wait_seconds: float
) -> Recorded | None:
    """The event that decides a request; None when there was none in time."""
    wanted = Selection(types=deciders | {REFUSED})
    try:
        async with asyncio.timeout(wait_seconds):
            async for events, _ in store.subscribe(position, wanted):
                for event in events:
                    if _answers(event, event_id):
                        return event
    except TimeoutError:
        pass
    return None


def _answers(event: Recorded, event_id: UUID) -> bool:
    if isinstance(event.body, ControlRefused):
        return event.causation_id == event_id or event.body.request_id == str(event_id)
    return event.causation_id == event_id
