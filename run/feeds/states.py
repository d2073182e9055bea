"""States of the feeds as events, and which of them the operator has paused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from domain.event import DeskEvent, Recorded, derived_id
from domain.events.controls import ControlRefused, FeedPauseRequested, FeedResumeRequested
from domain.events.feed_health import FeedGapClosed, FeedGapOpened, FeedStateChanged
from domain.phase import Phase
from run import metrics
from run.feeds.intake import Intake

FEEDS = ("uw.socket", "uw.rest", "ib.data")
UP = ("connected", "ready", "slow")
BROKER = "ib.data"
"""Its gaps are those of the whole feed; the socket's are of its channels."""
UNKNOWN = ("down", "not heard of yet", "")


class FeedStates:
    """Writes FeedStateChanged when a state is new; a pause is a state, and a gap with a cause.

    Requests of the past are folded in silence; `go_live` says that those from now on are of the
    present. What it then writes about a pause that stands has an id and times of the request:
    on a log that has it already it is a no-op.
    """

    def __init__(
        self, intake: Intake, phase: Callable[[], Phase | None] = lambda: Phase.REGULAR
    ) -> None:
        self._intake = intake
        self._phase = phase
        self._states: dict[str, tuple[str, str, str]] = {}
        self._paused: dict[str, Recorded] = {}
        self._ended: dict[str, tuple[Recorded, Recorded]] = {}
        """The last pause of each feed that is over, with what ended it."""
        self._is_live = False

    def is_paused(self, feed: str) -> bool:
        return feed in self._paused

    def is_up(self, feed: str) -> bool:
        """Whether it is connected or ready and not paused."""
        return self._states.get(feed, UNKNOWN)[0] in UP and feed not in self._paused

    def changed(self, feed: str, state: str, reason: str, connection: str) -> None:
        """Note a state; the same one again writes nothing, nor does any while the feed is
        paused."""
        known, _, known_connection = self._states.get(feed, UNKNOWN)
        is_new = feed not in self._states or (known, known_connection) != (state, connection)
        self._states[feed] = (state, reason, connection)
        self._show(feed)
        if feed == BROKER:
            self._mind_gap(state, reason)
        if is_new and feed not in self._paused:
            self._tell(feed, state, reason, connection)

    def _mind_gap(self, state: str, reason: str) -> None:
        """The broker's data are missing from their last message on until it is ready again;
        outside the session, when little is to be expected, until it is connected."""
        now = datetime.now(UTC)
        gaps = self._intake.gaps
        if state not in UP:
            why = f"{state}: {reason}" if reason else state
            gaps.open(BROKER, "", self._intake.last_at.get(BROKER, now), why)
        elif state != "connected" or self._phase() not in (None, Phase.REGULAR):
            gaps.close(BROKER, "", now)

    def obey(self, event: Recorded) -> None:
        """Pause or resume as the operator asked."""
        match event.body:
            case FeedPauseRequested() as body:
                self._pause(event, body)
            case FeedResumeRequested() as body:
                self._resume(event, body)
            case _:
                pass

    def go_live(self) -> None:
        """The past is folded: see to it that what came of it is on the log."""
        if self._is_live:
            return
        self._is_live = True
        for pause, resume in self._ended.values():
            self._write_pause(pause)
            self._write_end(pause, resume)
        for pause in self._paused.values():
            self._write_pause(pause)

    def _pause(self, event: Recorded, body: FeedPauseRequested) -> None:
        if body.feed not in FEEDS:
            self._refuse(event, body, f"feed must be one of {', '.join(FEEDS)}")
        elif body.feed in self._paused:
            self._refuse(event, body, "the feed is paused already")
        else:
            self._paused[body.feed] = event
            self._show(body.feed)
            if self._is_live:
                self._write_pause(event)

    def _resume(self, event: Recorded, body: FeedResumeRequested) -> None:
        pause = self._paused.pop(body.feed, None)
        if pause is None:
            self._refuse(event, body, "the feed is not paused")
            return
        self._ended[body.feed] = (pause, event)
        self._show(body.feed)
        if self._is_live:
            self._write_end(pause, event)
            state, reason, connection = self._states.get(body.feed, UNKNOWN)
            resumed = f"resumed by {body.who}: {body.reason}" + (f"; {reason}" if reason else "")
            self._tell(body.feed, state, resumed, connection, event)

    def _write_pause(self, event: Recorded) -> None:
        body = event.body
        assert isinstance(body, FeedPauseRequested)
        state = FeedStateChanged(
            feed=body.feed, state="paused", reason=f"{body.who}: {body.reason}", connection=""
        )
        self._put(body.feed, state, event, derived_id("feed.paused", event.event_id))
        gap = FeedGapOpened(feed=body.feed, since=event.recorded_at, cause=f"paused by {body.who}")
        self._put(body.feed, gap, event, derived_id("feed.pause.gap", event.event_id))

    def _write_end(self, pause: Recorded, resume: Recorded) -> None:
        body = resume.body
        assert isinstance(body, FeedResumeRequested)
        closed = FeedGapClosed(
            feed=body.feed,
            since=pause.recorded_at,
            until=resume.recorded_at,
            cause=f"resumed by {body.who}",
        )
        self._put(body.feed, closed, resume, derived_id("feed.resumed.gap", resume.event_id))

    def _refuse(
        self, event: Recorded, body: FeedPauseRequested | FeedResumeRequested, reason: str
    ) -> None:
        if self._is_live:
            refused = ControlRefused(request_id=str(event.event_id), who=body.who, reason=reason)
            self._put(body.feed, refused, event, derived_id("feed.refused", event.event_id))

    def _show(self, feed: str) -> None:
        metrics.FEED_UP.labels(feed).set(self.is_up(feed))

    def _tell(
        self, feed: str, state: str, reason: str, connection: str, cause: Recorded | None = None
    ) -> None:
        body = FeedStateChanged(feed=feed, state=state, reason=reason, connection=connection)
        self._put(feed, body, cause)

    def _put(
        self, feed: str, body: DeskEvent, cause: Recorded | None, event_id: UUID | None = None
    ) -> None:
        known = feed if feed in FEEDS else "unknown"  # a person may have named any
        self._intake.put(f"feed/{known}", body, feed=known, event_id=event_id, cause=cause)
