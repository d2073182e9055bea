"""The last look before a committed effect leaves: how late is it by now?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from domain.event import Recorded
from store.contract import EventStore


async def leaving_time(
    store: EventStore, event: Recorded, now: Callable[[], datetime]
) -> datetime | None:
    """Market time at which an emission leaves: that of its deciding input, plus the real seconds
    since the input was recorded, so that a worker that was down and a commit that had to wait
    count too. None when the input is not on the log.

    Raises:
        StoreUnavailable: the log cannot be read.
    """
    assert event.input_position is not None, "only emissions leave"
    position = event.input_position
    found = await store.read(position - 1, limit=1, up_to=position)
    if not found:
        return None
    # The read may have waited for the log: what counts is the time after it.
    return found[0].market_time + (now() - found[0].recorded_at)
