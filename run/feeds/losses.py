"""Messages of a feed that the desk loses: a gap with a cause from the first one on, and an alarm.

The gap is closed with the count of what it cost. Called by the intake, whose `notify` puts what is
told here ahead of all messages and never loses it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from domain.event import Body, derived_id
from domain.events.controls import AlertRaised
from domain.events.feed_health import FeedGapClosed, FeedGapOpened
from run import metrics

ALERT_CODE = "FEED_MESSAGES_LOST"


@dataclass(slots=True)
class _Loss:
    since: datetime
    cause: str
    messages: int = 0


class Losses:
    """Feeds that are losing messages."""

    def __init__(self, notify: Callable[[str, Body], None]) -> None:
        self._notify = notify
        self._of_feed: dict[str, _Loss] = {}
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("feeds")

    def add(self, feed: str, messages: int, since: datetime, cause: str) -> None:
        """Messages are lost; `since` and `cause` are told when they are the first ones."""
        metrics.FEED_LOST.labels(feed).inc(messages)
        if feed not in self._of_feed:
            self._of_feed[feed] = loss = _Loss(since, cause)
            self._announce(feed, loss)
        self._of_feed[feed].messages += messages

    def _announce(self, feed: str, loss: _Loss) -> None:
        self._log.error("messages are lost", feed=feed, cause=loss.cause)
        gap = FeedGapOpened(feed=feed, since=loss.since, cause=loss.cause)
        alert = AlertRaised(
            alert_id=str(derived_id("feed.loss", feed, loss.since.isoformat())),
            severity="critical",
            code=ALERT_CODE,
            text=f"{feed} loses messages: {loss.cause}",
        )
        self._notify(f"feed/{feed}", gap)
        self._notify("alerts/feeds", alert)

    def end(self, feed: str) -> None:
        """Close the gap of a feed with what it cost."""
        loss = self._of_feed.pop(feed)
        closed = FeedGapClosed(
            feed=feed,
            since=loss.since,
            until=datetime.now(UTC),
            cause=loss.cause,
            messages_lost=loss.messages,
        )
        self._notify(f"feed/{feed}", closed)

    def end_all(self) -> None:
        """Nothing is lost any more."""
        for feed in list(self._of_feed):
            self.end(feed)
