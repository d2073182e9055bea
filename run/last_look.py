"""The last look before a committed effect leaves: how late is it by now?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from domain.event import Recorded
from store.contract import EventStore


async def leaving_time(
    store: EventStore,
    event: Recorded,
    now: Callable[[], datetime],
    known: Callable[[int], Recorded | None] = lambda _: None,
) -> datetime | None:
    """Market time at which an emission leaves: that of its deciding input, plus the real seconds
    since the input was recorded, so that a worker that was down and a commit that had to wait
    count too. None when the input is not on the log.

    The log is asked only for an input that is not `known` by its position.

    Raises:
        StoreUnavailable: the log cannot be read.
    """
    assert event.input_position is not None, "only emissions leave"
    position = event.input_position
    source = known(position)
    if source is None:
        found = await store.read(position - 1, limit=1, up_to=position)
        if not found:
            return None
        (source,) = found
    # The read may have waited for the log: what counts is the time after it.
    return source.market_time + (now() - source.recorded_at)
