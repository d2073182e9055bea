"""Answers for a cache that was flushed: CacheFlushed, caused by its request.

Used by run/projector, which drops and builds the cache. A projector that dies between the two
leaves the request without answer, and the cache as new as ever.
"""

from __future__ import annotations

from collections.abc import Callable

from domain.event import derived_id
from domain.events.controls import CacheFlushed
from projections.hot import asks_for_rebuild
from projections.projector import OnAsked
from run.worker import Recorder
from store.contract import Selection

CACHE = "hot"


def flush_answers(recorder: Recorder, dropped: Callable[[], int]) -> OnAsked:
    """Tells each request among some positions that it is done. `dropped`: how many keys went."""

    async def answer(after: int, up_to: int) -> None:
        wanted = Selection(types=frozenset({"CacheFlushRequested"}))
        for request in filter(
            asks_for_rebuild, await recorder.store.read(after, wanted, up_to=up_to)
        ):
            await recorder.record(
                f"cache/{CACHE}",
                CacheFlushed(cache=CACHE, entries=dropped()),
                event_id=derived_id("cache.flushed", request.event_id),
                causation_id=request.event_id,
                correlation_id=request.correlation_id,
            )

    return answer
