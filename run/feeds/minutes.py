"""What each channel brought in a minute of real time, and how late it was.

Counted by the intake, written by run/feeds once a minute. Memory is bounded by channels.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from domain.event import Body
from domain.events.feed_health import FeedMinuteCounted
from domain.events.feeds import FeedMessageRejected, UwFrame, UwRestReceived

SAMPLES_MAX = 512
RECENT_MAX = 200
RECENT_SECONDS_MAX = 60.0
RECENT_MIN = 20
STREAMS_KNOWN = 4_096
QUANTILE = 0.99


def percentile(values: Sequence[float], quantile: float = QUANTILE) -> float:
    """The smallest value that so many of the others do not exceed; there must be one."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


@lru_cache(STREAMS_KNOWN)
def channel_of(stream: str) -> str:
    """The channel of a vendor's stream: price:SPY of uw/price:SPY, ticks SPY of ib/ticks/SPY, and
    of an answer the endpoint; empty for messages that could not be read."""
    vendor, _, rest = stream.partition("/")
    if vendor == "uw":
        return rest.removeprefix("rest") if rest.startswith("rest/") else rest
    return rest.replace("/", " ") if vendor == "ib" else ""


def payload_bytes(body: Body) -> int:
    """Bytes of what the vendor sent; 0 for the broker's messages, which come decoded."""
    if isinstance(body, UwFrame | UwRestReceived):
        return memoryview(body.payload).nbytes
    return len(body.payload_base64) * 3 // 4 if isinstance(body, FeedMessageRejected) else 0


@dataclass(slots=True)
class _Counts:
    messages: int = 0
    bytes: int = 0
    rejected: int = 0
    repeated: int = 0
    lost: int = 0
    delays: list[float] = field(default_factory=list)
    every: int = 1
    """One in so many delays is kept, so that memory is bounded in a busy minute."""
    seen: int = 0


class MinuteCounts:
    """Counts by feed and channel since `take`."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str], _Counts] = defaultdict(_Counts)

    @property
    def messages(self) -> int:
        """All messages since `take`."""
        return sum(counts.messages for counts in self._counts.values())

    def received(self, feed: str, channel: str, size: int) -> None:
        counts = self._counts[feed, channel]
        counts.messages += 1
        counts.bytes += size

    def rejected(self, feed: str, channel: str) -> None:
        self._counts[feed, channel].rejected += 1

    def repeated(self, feed: str, channel: str) -> None:
        """A message was on the log already."""
        self._counts[feed, channel].repeated += 1

    def lost(self, feed: str, channel: str, messages: int = 1) -> None:
        self._counts[feed, channel].lost += messages

    def delayed(self, feed: str, channel: str, seconds: float) -> None:
        counts = self._counts[feed, channel]
        counts.seen += 1
        if counts.seen % counts.every:
            return
        counts.delays.append(seconds)
        if len(counts.delays) >= SAMPLES_MAX:
            counts.delays = counts.delays[::2]
            counts.every *= 2

    def take(self, minute: datetime) -> list[FeedMinuteCounted]:
        """The counts as those of `minute`; they begin anew."""
        found = [
            FeedMinuteCounted(
                feed=feed,
                channel=channel,
                minute=minute,
                messages=counts.messages,
                bytes=counts.bytes,
                rejected=counts.rejected,
                repeated=counts.repeated,
                lost=counts.lost,
                delay_ms_p99=(
                    round(percentile(counts.delays) * 1_000, 1) if counts.delays else None
                ),
            )
            for (feed, channel), counts in self._counts.items()
        ]
        self._counts.clear()
        return found


class RecentDelays:
    """The newest delays of each channel that has a limit: which of them are too late now."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[tuple[datetime, float]]] = {}

    def add(self, channel: str, at: datetime, seconds: float) -> None:
        recent = self._recent.get(channel)
        if recent is None:
            recent = self._recent[channel] = deque(maxlen=RECENT_MAX)
        recent.append((at, seconds))

    def p99(self, channel: str, now: datetime) -> float | None:
        """Over the last minute; None with too few messages to tell."""
        since = now - timedelta(seconds=RECENT_SECONDS_MAX)
        found = [delay for at, delay in self._recent.get(channel, ()) if at >= since]
        return percentile(found) if len(found) >= RECENT_MIN else None
