"""From the vendors' readers to the log: one bounded queue, appended in groups.

Callbacks never wait for the database (`put`); readers with a queue of their own wait for room
before they take from it, so that theirs is the one that fills. What is lost is a gap with a cause
and a count from its first message on, and an alarm; never a silent loss.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

import msgspec
import structlog

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
from domain.events.feed_health import FeedGapClosed, FeedGapOpened, FeedMessageRestated
from domain.events.feeds import FeedMessageRejected
from run import metrics
from run.worker import Recorder
from store.contract import Appended
from store.errors import IdConflict, InvalidEvent, StoreError
from store.rows import TRANSPORT_FIELDS

QUEUE_MESSAGES_MAX = 250_000
GROUP_MESSAGES_MAX = 400
PUMP_MESSAGES_MAX = 2_000
"""Queued messages above which readers with a queue of their own take no more from it."""
REJECTED_BYTES_MAX = 64_000
FAREWELL_SECONDS_MAX = 1.0
ALERT_CODE = "FEED_MESSAGES_LOST"


@dataclass(slots=True)
class _Loss:
    """Messages of a feed that are being lost; `messages` is None where nobody can count."""

    since: datetime
    cause: str
    messages: int | None = 0


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
        """What tells of losses goes first, and is never lost itself: four events a loss."""
        self._under_way: list[tuple[str, Proposed]] = []
        self._losses: dict[str, _Loss] = {}
        self._abandoned: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._is_closing = False
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")
        self.on_message: Callable[[str, Proposed], None] | None = None
        """Told of every message that is queued, with its feed; must be quick."""
        self.appended = 0
        self.rejected = 0
        self.restated = 0

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
        cause: Recorded | None = None,
    ) -> None:
        """Queue one fact, which `cause` led to. When the queue is full the fact is lost and a gap
        opens."""
        event = self._recorder.propose(
            stream,
            body,
            occurred_at=occurred_at,
            event_id=event_id,
            causation_id=None if cause is None else cause.event_id,
            correlation_id=None if cause is None else cause.correlation_id,
        )
        self._put(feed, event)

    def _put(self, feed: str, event: Proposed) -> None:
        if len(self._queue) >= self._queue_max:
            self._lose(feed)
            return
        self._queue.append((feed, event))
        metrics.FEED_MESSAGES.labels(feed).inc()
        if type(event.body).retention is Retention.MARKET:
            metrics.FEED_LAST_MESSAGE.labels(feed).set_to_current_time()
        self._wake.set()
        if self.on_message is not None:
            self.on_message(feed, event)

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

    async def room(self) -> None:
        """Wait until few enough messages are queued for a reader to bring more."""
        while len(self._queue) >= self._pump_max:
            self._taken.clear()
            await self._taken.wait()

    # Losses.

    def _lose(self, feed: str) -> None:
        metrics.FEED_LOST.labels(feed).inc()
        if feed not in self._losses:
            cause = f"queue of {self._queue_max} messages was full"
            self._losses[feed] = loss = _Loss(datetime.now(UTC), cause)
            self._announce(feed, loss)
        loss = self._losses[feed]
        if loss.messages is not None:
            loss.messages += 1

    def overran(self, feed: str, cause: str) -> None:
        """A reader gave its connection up because its own queue was full: what the vendor sends
        until `flows_again` is lost, and nobody can count it."""
        if feed not in self._losses:
            self._losses[feed] = loss = _Loss(datetime.now(UTC), cause, None)
            self._announce(feed, loss)

    def flows_again(self, feed: str) -> None:
        """The end of what `overran` told."""
        loss = self._losses.get(feed)
        if loss is not None and loss.messages is None:
            self._end(feed)

    def _announce(self, feed: str, loss: _Loss) -> None:
        self._log.error("messages are lost", feed=feed, cause=loss.cause)
        gap = FeedGapOpened(feed=feed, since=loss.since, cause=loss.cause)
        alert = AlertRaised(
            alert_id=str(derived_id("feed.loss", feed, loss.since.isoformat())),
            severity="critical",
            code=ALERT_CODE,
            text=f"{feed} loses messages: {loss.cause}",
        )
        self._notices.append(self._recorder.propose(f"feed/{feed}", gap))
        self._notices.append(self._recorder.propose("alerts/feeds", alert))
        self._wake.set()

    def _end(self, feed: str) -> None:
        loss = self._losses.pop(feed)
        closed = FeedGapClosed(
            feed=feed,
            since=loss.since,
            until=datetime.now(UTC),
            cause=loss.cause,
            messages_lost=loss.messages,
        )
        self._notices.append(self._recorder.propose(f"feed/{feed}", closed))
        self._wake.set()

    # Appending.

    async def run(self) -> None:
        """Append what is queued, in order, until cancelled or, after `finish`, all of it."""
        while not self._is_closing or self._queue or self._notices:
            await self._wake.wait()
            self._wake.clear()
            while self._queue or self._notices:
                await self._append_next()
            for feed in [f for f, loss in self._losses.items() if loss.messages is not None]:
                self._end(feed)
            if self._is_closing:
                self._wake.set()

    async def _append_next(self) -> None:
        notices = [("", event) for event in self._notices]
        self._notices.clear()
        size = min(len(self._queue), GROUP_MESSAGES_MAX)
        self._under_way = notices + [self._queue.popleft() for _ in range(size)]
        await self._append(self._under_way)
        self._under_way = []
        self._taken.set()

    async def _append(self, group: Sequence[tuple[str, Proposed]]) -> None:
        """Append a group; no message that the log does not take costs another."""
        try:
            await self._recorder.append([event for _, event in group])
            self.appended += len(group)
        except IdConflict:
            await self._append_weighed(group)
        except InvalidEvent as error:
            if len(group) == 1:
                self._keep(*group[0], error)
                return
            middle = len(group) // 2
            await self._append(group[:middle])
            await self._append(group[middle:])

    async def _append_weighed(self, group: Sequence[tuple[str, Proposed]]) -> None:
        """Each in a call of its own, which the store commits together and answers singly."""
        calls = (self._recorder.append([event]) for _, event in group)
        for (feed, event), outcome in zip(
            group, await asyncio.gather(*calls, return_exceptions=True), strict=True
        ):
            match outcome:
                case Appended():
                    self.appended += 1
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
        self._wake.set()
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
        for feed, messages in counts.items():
            metrics.FEED_LOST.labels(feed).inc(messages)
            if feed not in self._losses:
                now = datetime.now(UTC)
                first = min((e.occurred_at for name, e in left if name == feed), default=now)
                cause = "the process ended before they were appended"
                self._losses[feed] = loss = _Loss(first, cause)
                self._announce(feed, loss)
            loss = self._losses[feed]
            if loss.messages is not None:
                loss.messages += messages
            self._end(feed)
        notices = [event for name, event in left if not name] + list(self._notices)
        self._notices.clear()
        try:
            async with asyncio.timeout(FAREWELL_SECONDS_MAX):
                await self._recorder.append(notices)
        except (StoreError, TimeoutError) as error:
            self._log.error("a loss is not on the log", messages=dict(counts), error=repr(error))
