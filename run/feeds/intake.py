"""From the vendors' readers to the log: one bounded queue, appended in groups.

Callbacks never wait for the database (`put`); readers with a queue of their own wait for room
before they take from it, so that theirs is the one that fills. What is lost is a gap with a cause
and a count from its first message on, and an alarm; never a silent loss.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b, sha256
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter as Counted
from prometheus_client import Gauge

from adapters.unusual_whales import FRAME_BYTES_MAX
from domain.event import (
    Body,
    MarketEvent,
    Proposed,
    Recorded,
    Retention,
    derived_id,
    encode_body,
    event_type,
)
from domain.events.controls import AlertRaised
from domain.events.feed_health import FeedMessageRestated
from domain.events.feeds import FeedMessageRejected
from run import metrics
from run.feeds.gaps import Gaps
from run.feeds.losses import Losses
from run.feeds.minutes import MinuteCounts, channel_of, payload_bytes
from run.projection_lag import LagCounts
from run.worker import Recorder
from store.contract import Appended
from store.errors import IdConflict, InvalidEvent, StoreError
from store.rows import TRANSPORT_FIELDS

QUEUE_MESSAGES_MAX = 250_000
GROUP_MESSAGES_MAX = 400
PUMP_MESSAGES_MAX = 2_000
"""Queued messages above which readers with a queue of their own take no more from it."""
PUMP_BYTES_MAX = 64 * 1024 * 1024
LINGER_SECONDS = 0.02
"""What is not urgent waits so long for company: a commit costs every process of the desk a wake."""
NOTICES_MAX = 10_000
"""Above so many no more minute counts are queued; what tells of gaps is, always."""
REJECTED_BYTES_MAX = FRAME_BYTES_MAX
FAREWELL_SECONDS_MAX = 1.0


def _minute_of(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


@cache
def _meters(feed: str) -> tuple[Counted, Gauge]:
    """What counts a feed's messages and says when the last one came: looking the two up costs
    several times as much as telling them."""
    return metrics.FEED_MESSAGES.labels(feed), metrics.FEED_LAST_MESSAGE.labels(feed)


class Intake:
    """Takes facts from readers (`put`, never blocking) and appends them (`run`)."""

    def __init__(
        self,
        recorder: Recorder,
        queue_messages_max: int = QUEUE_MESSAGES_MAX,
        pump_messages_max: int = PUMP_MESSAGES_MAX,
    ) -> None:
        self._recorder = recorder
        self._queue_max = queue_messages_max
        self._pump_max = pump_messages_max
        self._queue: deque[tuple[str, Proposed]] = deque()
        """Feed and event."""
        self._notices: deque[Proposed] = deque()
        """What tells of losses and gaps goes first, and is never lost itself."""
        self._under_way: list[tuple[str, Proposed]] = []
        self._losses = Losses(self.notify)
        self._abandoned: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        """Something waits that is to be appended now."""
        self._taken = asyncio.Event()
        self._is_closing = False
        self._queued_bytes = 0
        self._minute = _minute_of(datetime.now(UTC))
        self.gaps = Gaps(self.notify)
        self.minutes = MinuteCounts()
        self._listeners: list[Callable[[str, Proposed], None]] = []
        self.last_at: dict[str, datetime] = {}
        """When each feed last brought a market message in this run."""
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")
        self.lags = LagCounts("intake")
        """From the receipt of a message to its being durable."""
        self.appended = 0
        self.rejected = 0
        self.restated = 0

    @property
    def depth(self) -> int:
        return len(self._queue)

    @property
    def is_empty(self) -> bool:
        """Nothing waits and nothing is being appended."""
        return not (self._queue or self._notices or self._under_way)

    def on_message(self, listener: Callable[[str, Proposed], None]) -> None:
        """Call `listener` with the feed and each market event that is queued. It must not block;
        what it puts itself must be no market event."""
        self._listeners.append(listener)

    def put(
        self,
        stream: str,
        body: Body,
        *,
        feed: str,
        occurred_at: datetime | None = None,
        event_id: UUID | None = None,
        cause: Recorded | None = None,
        is_urgent: bool = True,
    ) -> None:
        """Queue one fact, which `cause` led to. When the queue is full the fact is lost and a gap
        opens. What is not urgent leaves with the next that is, or after LINGER_SECONDS."""
        event = self._recorder.propose(
            stream,
            body,
            occurred_at=occurred_at,
            event_id=event_id,
            causation_id=None if cause is None else cause.event_id,
            correlation_id=None if cause is None else cause.correlation_id,
        )
        self._put(feed, event, is_urgent)

    def _put(self, feed: str, event: Proposed, is_urgent: bool = True) -> None:
        if len(self._queue) >= self._queue_max:
            self.minutes.lost(feed, channel_of(event.stream))
            cause = f"queue of {self._queue_max} messages was full"
            self._losses.add(feed, 1, datetime.now(UTC), cause)
            return
        self._queue.append((feed, event))
        size = payload_bytes(event.body)
        self._queued_bytes += size
        messages, last_message = _meters(feed)
        messages.inc()
        if type(event.body).retention is Retention.MARKET:
            last_message.set_to_current_time()
            self.last_at[feed] = getattr(event.body, "received_at", event.occurred_at)
            self.minutes.received(feed, channel_of(event.stream), size)
            for listener in self._listeners:
                listener(feed, event)
        self._ring(is_urgent)

    def _ring(self, is_urgent: bool = True) -> None:
        self._wake.set()
        if is_urgent or len(self._queue) >= GROUP_MESSAGES_MAX:
            self._urgent.set()

    def notify(self, stream: str, body: Body) -> None:
        """Queue what tells of the feeds themselves, ahead of all messages."""
        self._notices.append(self._recorder.propose(stream, body))
        self._ring()

    def alert(self, alert: AlertRaised, event_id: UUID) -> None:
        """Queue an alarm; the same one again is a no-op on the log."""
        self._notices.append(self._recorder.propose("alerts/feeds", alert, event_id=event_id))
        self._ring()

    def count_minute(self, now: datetime) -> None:
        """Write what each channel brought in the minute that has just ended, if one has."""
        minute = _minute_of(now)
        if minute == self._minute:
            return
        counts = self.minutes.take(self._minute)
        self._minute = minute
        if len(self._notices) + len(counts) > NOTICES_MAX:
            self._log.warning("minute counts are left out", minute=str(minute))
            return
        for body in counts:
            self.notify(f"feed-minutes/{body.feed}", body)

    def reject(self, vendor: str, feed: str, reason: str, raw: bytes) -> None:
        """Keep unreadable bytes with the reason: all of them up to the largest frame."""
        kept = raw[:REJECTED_BYTES_MAX]
        if len(raw) > len(kept):
            digest = sha256(raw).hexdigest()
            reason += f"; cut at {len(kept)} of {len(raw)} bytes, sha256 {digest}"
        self.put_rejected(
            FeedMessageRejected(
                vendor=vendor,
                feed=feed,
                reason=reason,
                payload_base64=base64.b64encode(kept).decode(),
                received_at=datetime.now(UTC),
            )
        )

    def put_rejected(self, body: FeedMessageRejected) -> None:
        """Queue bytes that an adapter has already found unreadable."""
        self.rejected += 1
        metrics.FEED_REJECTED.labels(body.feed).inc()
        self.minutes.rejected(body.feed, "")
        self.put(f"rejected/{body.vendor}", body, feed=body.feed)

    async def room(self) -> None:
        """Wait until few enough messages are queued for a reader to bring more."""
        while len(self._queue) >= self._pump_max or self._queued_bytes >= PUMP_BYTES_MAX:
            self._taken.clear()
            await self._taken.wait()

    # Appending.

    async def run(self) -> None:
        """Append what is queued, in order, until cancelled or, after `finish`, all of it."""
        while not self._is_closing or self._queue or self._notices:
            await self._wake.wait()
            if not self._urgent.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_SECONDS):
                        await self._urgent.wait()
            self._wake.clear()
            self._urgent.clear()
            while self._queue or self._notices:
                await self._append_next()
            self._losses.end_all()
            if self._is_closing:
                self._ring()

    async def _append_next(self) -> None:
        notices = [("", event) for event in self._notices]
        self._notices.clear()
        size = min(len(self._queue), GROUP_MESSAGES_MAX)
        taken = [self._queue.popleft() for _ in range(size)]
        self._queued_bytes -= sum(payload_bytes(event.body) for _, event in taken)
        self._under_way = notices + taken
        await self._append(self._under_way)
        self._under_way = []
        self._taken.set()

    async def _append(self, group: Sequence[tuple[str, Proposed]]) -> None:
        """Append a group; no message that the log does not take costs another."""
        try:
            self._count(group, await self._recorder.append([event for _, event in group]))
        except IdConflict:
            await self._append_weighed(group)
        except InvalidEvent as error:
            if len(group) == 1:
                self._keep(*group[0], error)
                return
            middle = len(group) // 2
            await self._append(group[:middle])
            await self._append(group[middle:])

    def _count(self, group: Sequence[tuple[str, Proposed]], outcome: Appended) -> None:
        self.appended += len(group)
        now = time.time()
        for _, event in group:
            received_at = getattr(event.body, "received_at", None)
            if received_at is not None:
                self.lags.add(max(0.0, now - received_at.timestamp()))
        if not any(outcome.repeated):
            return
        for (feed, event), is_repeated in zip(group, outcome.repeated, strict=True):
            if is_repeated and isinstance(event.body, MarketEvent):
                self.minutes.repeated(feed, channel_of(event.stream))

    async def _append_weighed(self, group: Sequence[tuple[str, Proposed]]) -> None:
        """Each in a call of its own, which the store commits together and answers singly."""
        calls = (self._recorder.append([event]) for _, event in group)
        for (feed, event), outcome in zip(
            group, await asyncio.gather(*calls, return_exceptions=True), strict=True
        ):
            match outcome:
                case Appended():
                    self._count([(feed, event)], outcome)
                case IdConflict():
                    self._restate(feed, event, outcome)
                case InvalidEvent():
                    self._keep(feed, event, outcome)
                case BaseException():
                    raise outcome

    def _keep(self, feed: str, refused: Proposed, error: StoreError) -> None:
        """Keep what the log refused, as bytes."""
        if isinstance(refused.body, FeedMessageRejected):
            raise error  # nothing is left to try
        vendor = refused.stream.partition("/")[0]
        self.reject(vendor, feed, f"not stored: {error}", encode_body(refused.body))

    def _restate(self, feed: str, later: Proposed, error: IdConflict) -> None:
        """Keep what a vendor said anew under an old key; the first words stand."""
        body = later.body
        if not isinstance(body, MarketEvent) or isinstance(body, FeedMessageRestated):
            raise error  # an id of our own making is wrong
        said = {n: getattr(body, n) for n in body.__struct_fields__ if n not in TRANSPORT_FIELDS}
        content = msgspec.json.encode(said)
        vendor = later.stream.partition("/")[0]
        restated = FeedMessageRestated(
            vendor=vendor,
            stream=later.stream,
            type=event_type(body),
            connection=getattr(body, "connection", ""),
            received_at=getattr(body, "received_at", later.occurred_at),
            content=msgspec.Raw(content),
        )
        self.restated += 1
        self._put(
            feed,
            self._recorder.propose(
                f"restated/{vendor}",
                restated,
                occurred_at=later.occurred_at,
                event_id=derived_id(
                    "restated", later.event_id, blake2b(content, digest_size=16).hexdigest()
                ),
                causation_id=later.event_id,
                correlation_id=later.correlation_id,
            ),
        )

    # The end.

    def abandon(self, feed: str, messages: int) -> None:
        """A reader at its end leaves messages behind that it could not hand over in time."""
        self._abandoned[feed] += messages

    async def finish(self, running: asyncio.Task[None], seconds: float) -> None:
        """Let `running`, the task of `run`, append what is queued, for at most `seconds`.

        The rest is a gap with its count; messages of an append that was cut short are counted
        too, though the log may have them.
        """
        self._is_closing = True
        for body in self.minutes.take(self._minute):
            self.notify(f"feed-minutes/{body.feed}", body)
        self._ring()
        await asyncio.wait({running}, timeout=seconds)
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
        if not running.cancelled() and (error := running.exception()) is not None:
            self._log.error("the intake ended", error=repr(error))
        left = [*self._under_way, *self._queue]
        self._queue.clear()
        counts = self._abandoned + Counter(feed for feed, _ in left if feed)
        if counts:
            await self._bid_farewell(left, counts)

    async def _bid_farewell(
        self, left: Sequence[tuple[str, Proposed]], counts: Counter[str]
    ) -> None:
        now = datetime.now(UTC)
        for feed, messages in counts.items():
            first = min((e.occurred_at for name, e in left if name == feed), default=now)
            cause = "the process ended before they were appended"
            self._losses.add(feed, messages, first, cause)
            self._losses.end(feed)
        notices = [event for name, event in left if not name] + list(self._notices)
        self._notices.clear()
        try:
            async with asyncio.timeout(FAREWELL_SECONDS_MAX):
                await self._recorder.append(notices)
        except (StoreError, TimeoutError) as error:
            self._log.error("a loss is not on the log", messages=dict(counts), error=repr(error))
