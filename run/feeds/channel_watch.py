"""Watches the channels of the socket: who is silent, what is missing, since when and why.

Told by the reader of the socket at the moment things happen, and looked at once a second. It
writes FeedStale and FeedFresh, and opens and closes gaps; it touches no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from domain.events.feed_health import FeedFresh, FeedStale
from domain.phase import Phase
from run.feeds.gaps import Gaps
from run.feeds.staleness import Limit, Staleness

AWAY = "the feeds were not running"


class ChannelWatch:
    """`phase` is the one of now, None while nothing can be said of silence."""

    def __init__(
        self,
        feed: str,
        channels: Sequence[str],
        gaps: Gaps,
        limit: Limit,
        phase: Callable[[], Phase | None],
        write: Callable[[FeedStale | FeedFresh], None],
    ) -> None:
        self._feed = feed
        self._channels = channels
        self._gaps = gaps
        self._limit = limit
        self._phase = phase
        self._write = write
        self._staleness = Staleness(feed, limit)
        self._last: dict[str, datetime] = {}
        """When each channel last brought a datum, on any connection and in any run."""
        self._joined: set[str] = set()
        self._expected: dict[str, None] = {}
        """Channels whose next datum ends a gap or a silence."""
        self._newest: datetime | None = None
        """When the socket last brought anything."""

    @property
    def stale(self) -> frozenset[str]:
        return self._staleness.stale

    @property
    def phase_began(self) -> datetime | None:
        """Since when the phase of now lasts, in real time; None before the first look."""
        return self._staleness.phase_began

    def is_known(self, channel: str) -> bool:
        """Whether the channel has ever brought a datum."""
        return channel in self._last

    def remember(self, last: Mapping[str, datetime]) -> None:
        """What the log has of each channel: since then the process was away.

        Gaps that it left open stay open; those of channels that are no longer joined end.
        """
        self._last = dict(last)
        self._newest = max(last.values(), default=None)
        for channel in self._gaps.channels(self._feed):
            if channel in self._channels:
                self._expected[channel] = None
        if self._newest is not None:
            for channel in self._channels:
                self._open(channel, self._newest, AWAY)

    def forget_others(self, now: datetime) -> None:
        """End gaps of an earlier run in what is not joined any more."""
        for channel in self._gaps.channels(self._feed):
            if channel not in self._channels:
                self._gaps.close(self._feed, channel, now)

    def lose(self, at: datetime, cause: str) -> None:
        """The connection is gone."""
        self._joined.clear()
        self._staleness.leave()
        for channel in self._channels:
            self._open(channel, at, cause)

    def join(self, channel: str, at: datetime) -> None:
        """The vendor accepted the join of a channel."""
        self._joined.add(channel)
        self._staleness.join(channel, at)

    def refuse(self, channel: str, at: datetime, reason: str) -> None:
        """The vendor refused it, or did not answer."""
        self._joined.discard(channel)
        self._open(channel, at, f"join refused: {reason}")

    def hear(self, channel: str, at: datetime) -> None:
        """A datum came."""
        self._last[channel] = self._newest = at
        fresh = self._staleness.hear(channel, at)
        if fresh is not None:
            self._write(fresh)
        if channel in self._expected:
            del self._expected[channel]
            self._gaps.close(self._feed, channel, at)

    def look(self, now: datetime) -> list[FeedStale]:
        """Channels that have just become stale."""
        phase = self._phase()
        for channel in list(self._expected):
            # Its next datum may be long in coming: the join is all the proof there will be.
            if channel in self._joined and not self._is_due(channel, phase):
                del self._expected[channel]
                self._gaps.close(self._feed, channel, now)
        changes = self._staleness.look(now, phase)
        for change in changes:
            self._write(change)
        stale = [change for change in changes if isinstance(change, FeedStale)]
        for change in stale:
            if change.channel in self._last:
                silent = f"silent for more than {change.limit_seconds:g} s"
                self._open(change.channel, now, silent)
        return stale

    def _is_due(self, channel: str, phase: Phase | None) -> bool:
        """Whether a datum is to be expected from a joined channel."""
        if channel not in self._last:
            return False
        return phase is None or self._limit(channel, phase) is not None

    def _open(self, channel: str, at: datetime, cause: str) -> None:
        """Open a gap since the channel's own last datum where it should have spoken, else since
        the last of any: what came on one connection came in order."""
        phase = self._phase()
        speaks = phase is not None and self._limit(channel, phase) is not None
        since = self._last.get(channel) if speaks else self._newest
        self._gaps.open(self._feed, channel, since or self._newest or at, cause)
        self._expected[channel] = None
