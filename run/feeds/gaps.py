"""Open gaps of all feeds: one at most for each feed and channel, each with start, end and cause.

Who notices that data are missing opens a gap, who sees them flow closes it. What fills gaps reads
closed ones from the log; what an earlier process left open is folded from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime

from domain.event import Body, Recorded
from domain.events.feed_health import FeedGapClosed, FeedGapOpened
from run import metrics
from store.contract import EventStore
from store.errors import UnreadableEvent

GAP_TYPES = frozenset({"FeedGapOpened", "FeedGapClosed"})


class Gaps:
    """`write` puts an event in the queue to the log and never loses it."""

    def __init__(self, write: Callable[[str, Body], None]) -> None:
        self._write = write
        self._open: dict[tuple[str, str], FeedGapOpened] = {}
        self._ended: dict[tuple[str, str], datetime] = {}

    def find(self, feed: str, channel: str) -> FeedGapOpened | None:
        """The open gap of a channel, empty for the whole feed."""
        return self._open.get((feed, channel))

    def channels(self, feed: str) -> list[str]:
        """Channels of a feed with an open gap."""
        return [channel for known, channel in self._open if known == feed]

    def fold(self, event: Recorded) -> None:
        """Take over what the log says of gaps; those of a pause are kept by run/feeds/states."""
        body = event.body
        if isinstance(body, FeedGapOpened) and event.causation_id is None:
            self._open[body.feed, body.channel] = body
            self._show(body.feed)
        elif isinstance(body, FeedGapClosed):
            key = (body.feed, body.channel)
            known = self._open.get(key)
            if known is not None and known.gap_id == body.gap_id:
                del self._open[key]
            self._ended[key] = body.until
            self._show(body.feed)

    def open(self, feed: str, channel: str, since: datetime, cause: str) -> None:
        """Data are missing from `since` on; nothing new where that is known already."""
        if (feed, channel) in self._open:
            return
        # No gap begins before the last one ended: its start is its name.
        since = max(since, self._ended.get((feed, channel), since))
        body = FeedGapOpened(feed=feed, since=since, cause=cause, channel=channel)
        self._open[feed, channel] = body
        self._show(feed)
        self._write(f"feed/{feed}", body)

    def close(
        self,
        feed: str,
        channel: str,
        until: datetime,
        *,
        messages_lost: int | None = None,
        complete: bool = False,
    ) -> None:
        """Data flow again from `until` on; nothing where no gap is open."""
        opened = self._open.pop((feed, channel), None)
        if opened is None:
            return
        closed = FeedGapClosed(
            feed=feed,
            since=opened.since,
            until=max(until, opened.since),
            cause=opened.cause,
            channel=channel,
            messages_lost=messages_lost,
            complete=complete,
        )
        self._ended[feed, channel] = closed.until
        self._show(feed)
        self._write(f"feed/{feed}", closed)

    def _show(self, feed: str) -> None:
        metrics.FEED_GAPS_OPEN.labels(feed).set(len(self.channels(feed)))


async def last_heard(store: EventStore, streams: Collection[str]) -> dict[str, datetime]:
    """When what stands last in each stream of a vendor was received; without empty streams."""
    found = await asyncio.gather(*(_last_heard(store, stream) for stream in streams))
    return {name: at for name, at in zip(streams, found, strict=True) if at is not None}


async def _last_heard(store: EventStore, stream: str) -> datetime | None:
    version = await store.stream_version(stream)
    if version == 0:
        return None
    try:
        events = await store.read_stream(stream, version - 1, version)
    except UnreadableEvent:
        return None
    return getattr(events[-1].body, "received_at", None) if events else None
