"""From the vendors' readers to the log: one bounded queue, appended in groups.

Readers never wait for the database. A full queue is a gap with a cause, never a silent loss.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog

from domain.event import Body, Proposed, Retention, encode_body
from domain.events.feed_health import FeedGapClosed, FeedGapOpened
from domain.events.feeds import FeedMessageRejected
from run import metrics
from run.worker import Recorder
from store.errors import IdConflict, InvalidEvent, StoreError

QUEUE_MESSAGES_MAX = 250_000
GROUP_MESSAGES_MAX = 400
REJECTED_BYTES_MAX = 64_000


class Intake:
    """Takes facts from readers (`put`, never blocking) and appends them (`run`)."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._queue: deque[Proposed] = deque()
        self._wake = asyncio.Event()
        self._lost_since: datetime | None = None
        self._lost_from = ""
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")
        self.appended = 0
        self.rejected = 0

    @property
    def depth(self) -> int:
        return len(self._queue)

    def put(
        self,
        stream: str,
        body: Body,
        *,
        feed: str,
        occurred_at: datetime | None = None,
        event_id: UUID | None = None,
    ) -> None:
        """Queue one fact. When the queue is full the fact is lost and a gap opens."""
        if len(self._queue) >= QUEUE_MESSAGES_MAX:
            self._lose(feed)
            return
        self._queue.append(
            self._recorder.propose(stream, body, occurred_at=occurred_at, event_id=event_id)
        )
        metrics.FEED_MESSAGES.labels(feed).inc()
        if type(body).retention is Retention.MARKET:
            metrics.FEED_LAST_MESSAGE.labels(feed).set_to_current_time()
        self._wake.set()

    def reject(self, vendor: str, feed: str, reason: str, raw: bytes) -> None:
        """Keep unreadable bytes with the reason."""
        self.put_rejected(
            FeedMessageRejected(
                vendor=vendor,
                feed=feed,
                reason=reason,
                payload_base64=base64.b64encode(raw[:REJECTED_BYTES_MAX]).decode(),
                received_at=datetime.now(UTC),
            )
        )

    def put_rejected(self, body: FeedMessageRejected) -> None:
        """Queue bytes that an adapter has already found unreadable."""
        self.rejected += 1
        metrics.FEED_REJECTED.labels(body.feed).inc()
        self.put(f"rejected/{body.vendor}", body, feed=body.feed)

    def _lose(self, feed: str) -> None:
        if self._lost_since is None:
            self._lost_since, self._lost_from = datetime.now(UTC), feed
            self._log.error("queue full", feed=feed, messages=QUEUE_MESSAGES_MAX)

    async def run(self) -> None:
        """Append what is queued, in order, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                size = min(len(self._queue), GROUP_MESSAGES_MAX)
                group = [self._queue.popleft() for _ in range(size)]
                await self._append(group)
            await self._close_gap()

    async def _append(self, group: Sequence[Proposed]) -> None:
        """Append a group; what the log cannot take is found by halves, and kept as rejected."""
        try:
            await self._recorder.append(group)
            self.appended += len(group)
        except (IdConflict, InvalidEvent) as error:
            if len(group) == 1:
                self._keep(group[0], error)
                return
            middle = len(group) // 2
            await self._append(group[:middle])
            await self._append(group[middle:])

    def _keep(self, refused: Proposed, error: StoreError) -> None:
        """Keep what the log refused: no defect of one message may cost the others or the feeds."""
        if isinstance(refused.body, FeedMessageRejected):
            raise error  # nothing is left to try
        vendor = refused.stream.partition("/")[0]
        self.reject(vendor, vendor, f"not stored: {error}", encode_body(refused.body))

    async def _close_gap(self) -> None:
        if self._lost_since is None:
            return
        since, feed = self._lost_since, self._lost_from
        self._lost_since = None
        cause = f"queue of {QUEUE_MESSAGES_MAX} messages was full"
        gap = f"feed/{feed}"
        await self._recorder.record(gap, FeedGapOpened(feed=feed, since=since, cause=cause))
        closed = FeedGapClosed(feed=feed, since=since, until=datetime.now(UTC), cause=cause)
        await self._recorder.record(gap, closed)
