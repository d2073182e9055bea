"""States of the feeds as events, and which of them the operator has paused."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.event import Recorded
from domain.events.controls import FeedPauseRequested, FeedResumeRequested
from domain.events.feed_health import FeedGapClosed, FeedGapOpened, FeedStateChanged
from run import metrics
from run.feeds.intake import Intake

FEEDS = ("uw.socket", "uw.rest", "ib.data")
UP = ("connected", "ready")


class FeedStates:
    """Writes FeedStateChanged when a state is new; a pause is a state, and a gap with a cause."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._states: dict[str, tuple[str, str]] = {}
        self._paused: dict[str, datetime] = {}

    def is_paused(self, feed: str) -> bool:
        return feed in self._paused

    def changed(self, feed: str, state: str, reason: str, connection: str) -> None:
        """Note a state; the same one again writes nothing."""
        if self._states.get(feed) == (state, connection):
            return
        self._states[feed] = (state, connection)
        metrics.FEED_UP.labels(feed).set(state in UP)
        body = FeedStateChanged(feed=feed, state=state, reason=reason, connection=connection)
        self._intake.put(f"feed/{feed}", body, feed=feed)

    def obey(self, event: Recorded) -> None:
        """Pause or resume as the operator asked."""
        match event.body:
            case FeedPauseRequested() as body if body.feed in FEEDS:
                if body.feed not in self._paused:
                    now = datetime.now(UTC)
                    self._paused[body.feed] = now
                    self.changed(body.feed, "paused", f"{body.who}: {body.reason}", "")
                    gap = FeedGapOpened(feed=body.feed, since=now, cause=f"paused by {body.who}")
                    self._intake.put(f"feed/{body.feed}", gap, feed=body.feed)
            case FeedResumeRequested() as body if body.feed in self._paused:
                since = self._paused.pop(body.feed)
                self.changed(body.feed, "ready", f"resumed by {body.who}: {body.reason}", "")
                closed = FeedGapClosed(
                    feed=body.feed,
                    since=since,
                    until=datetime.now(UTC),
                    cause=f"resumed by {body.who}",
                )
                self._intake.put(f"feed/{body.feed}", closed, feed=body.feed)
            case _:
                pass
