"""One call of append on its way through the appender, and what becomes of it.

Used by the appender, by group.py that turns calls into arguments, and by the reader that knows
places. Nothing is sent here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.contract import Appended, Checkpoint
from store.errors import StoreError
from store.rows import Prepared


class Call:
    """One append call: distinct events, and the index of the one each given event is."""

    __slots__ = ("checkpoint", "events", "index", "is_clock", "result")

    def __init__(
        self,
        events: Sequence[Prepared],
        index: Sequence[int],
        checkpoint: Checkpoint | None,
        result: asyncio.Future[Appended],
    ) -> None:
        self.events = events
        self.index = index
        self.checkpoint = checkpoint
        self.result = result
        self.is_clock = any(event.is_clock for event in events)

    def finish(self, outcome: Appended | StoreError) -> None:
        if self.result.done():
            return  # the caller was cancelled
        if isinstance(outcome, Appended):
            self.result.set_result(outcome)
        else:
            self.result.set_exception(outcome)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event is on the log."""

    position: int
    version: int
    recorded_at: datetime
    market_time: datetime


def all_new(
    positions: Sequence[int],
    versions: Sequence[int],
    recorded_at: datetime,
    market_times: Sequence[datetime],
) -> Appended:
    """The result of a call without repeats: the usual one, and the quick one."""
    return Appended(
        positions=tuple(positions),
        versions=tuple(versions),
        recorded_at=recorded_at,
        market_times=tuple(market_times),
        repeated=(False,) * len(positions),
    )


def appended(call: Call, places: Sequence[Place], new: set[int], now: datetime) -> Appended:
    """The result of a call, in the order its events were given."""
    given = [places[at] for at in call.index]
    first_use = {at: i for i, at in reversed(list(enumerate(call.index)))}
    return Appended(
        positions=tuple(place.position for place in given),
        versions=tuple(place.version for place in given),
        recorded_at=max((place.recorded_at for place in given), default=now),
        market_times=tuple(place.market_time for place in given),
        repeated=tuple(
            places[at].position not in new or first_use[at] != i for i, at in enumerate(call.index)
        ),
    )


def fail(calls: Sequence[Call], error: StoreError) -> None:
    """Tell everybody who still waits."""
    for call in calls:
        call.finish(error)
