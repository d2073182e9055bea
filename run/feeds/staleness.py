"""When silence of a channel is wrong: pure, by session phase. Connected is not alive.

Silence is counted in real seconds from the last datum, or from what made data due: the join of the
channel, or the beginning of the phase. Times come from the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from domain.events.feed_health import FeedFresh, FeedStale
from domain.phase import Phase

Limit = Callable[[str, Phase], float | None]
"""Seconds of silence that a channel may keep in a phase; None where silence is normal."""


class Staleness:
    """The channels of one feed."""

    def __init__(self, feed: str, limit: Limit) -> None:
        self._feed = feed
        self._limit = limit
        self._joined: dict[str, datetime] = {}
        self._last: dict[str, datetime] = {}
        self._stale: dict[str, datetime] = {}
        """Since when each stale channel is silent."""
        self._phase: Phase | None = None
        self.phase_began: datetime | None = None

    @property
    def stale(self) -> frozenset[str]:
        return frozenset(self._stale)

    def join(self, channel: str, at: datetime) -> None:
        """The channel is joined: from now on it should speak."""
        self._joined[channel] = at

    def leave(self) -> None:
        """The connection is gone, and with it what was said of its silence: until channels are
        joined again nothing is due."""
        self._joined.clear()
        self._stale.clear()

    def hear(self, channel: str, at: datetime) -> FeedFresh | None:
        """A datum came."""
        self._last[channel] = at
        since = self._stale.pop(channel, None) if self._stale else None
        return None if since is None else self._fresh(channel, since, at)

    def look(self, now: datetime, phase: Phase | None) -> list[FeedStale | FeedFresh]:
        """What changed; in no phase nothing is due, and the next one begins anew."""
        if phase is not self._phase or self.phase_began is None:
            self._phase, self.phase_began = phase, now
        if phase is None:
            return []
        found: list[FeedStale | FeedFresh] = []
        for channel in [c for c in self._stale if self._limit(c, phase) is None]:
            found.append(self._fresh(channel, self._stale.pop(channel), now))
        for channel, joined_at in self._joined.items():
            limit = self._limit(channel, phase)
            if limit is None or channel in self._stale:
                continue
            last = self._last.get(channel)
            since = max(joined_at, self.phase_began, last or joined_at)
            if (now - since).total_seconds() <= limit:
                continue
            self._stale[channel] = last or since
            found.append(
                FeedStale(
                    feed=self._feed,
                    channel=channel,
                    phase=phase.value,
                    last_at=last,
                    limit_seconds=limit,
                )
            )
        return found

    def _fresh(self, channel: str, since: datetime, at: datetime) -> FeedFresh:
        silent = max(0.0, (at - since).total_seconds())
        return FeedFresh(feed=self._feed, channel=channel, silent_seconds=silent)
