"""What IbMarketData hands to its owner, and how patient it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.interactive_brokers.feed_watch import Alarm, FeedState, Limits
from adapters.interactive_brokers.link import CONNECT_SECONDS
from adapters.interactive_brokers.tap import Tap
from domain.event import MarketEvent

BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0)
HEARTBEAT_SECONDS = 2.0
ANSWER_SECONDS = 10.0
"""The client's own limit of 45 messages a second lets a request wait behind a hundred lines."""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A subscription that TWS refused, or serves in part."""

    kind: str
    symbol: str
    con_id: int
    is_vital: bool
    is_shut: bool
    """It brings nothing."""
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class StreamTold:
    """A line that delivers again after an outage or a silence, or does not deliver."""

    name: str
    is_option: bool
    is_verified: bool
    seconds: float
    connection: str


@dataclass(frozen=True, slots=True)
class FeedCallbacks:
    """Where things go: events, (state, reason, connection), refused subscriptions, lines that
    speak again or do not, alarms, and the bytes when they are recorded."""

    event: Callable[[MarketEvent], None]
    state: Callable[[FeedState, str, str], None]
    refused: Callable[[RefusedLine], None]
    stream: Callable[[StreamTold], None]
    alarm: Callable[[Alarm], None]
    tap: Tap | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Real seconds; tests shorten them."""

    heartbeat_seconds: float = HEARTBEAT_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    connect_seconds: float = CONNECT_SECONDS
    backoff_seconds: tuple[float, ...] = BACKOFF_SECONDS
    limits: Limits = field(default_factory=Limits)
