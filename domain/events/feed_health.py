"""How the feeds are: states, gaps, silence, drift, budgets, and what the session brought.

Written by run/feeds and, for the report, by run/keeper. What the vendors said is in feeds.py.

`feed` names vendor and part: uw.socket, uw.rest, ib.data. `channel` names what flows in it: a
channel as joined (option_trades:SPY), the template of an endpoint
(/api/stock/{ticker}/gex-levels), or a line of the broker (ticks SPY 756733); empty for the whole
feed. Times are UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from domain.event import DeskEvent, MarketEvent
from domain.instruments import Value


def gap_id(feed: str, channel: str, since: datetime) -> str:
    """The name of a gap; its opening, its end and what filled it share it."""
    return f"{feed}/{channel}@{since.isoformat()}"


class FeedStateChanged(DeskEvent):
    """A feed's state: connected, ready, slow, mute, restarting, logged_out, competing_session,
    down, paused. Stream `feed/<feed>`.

    A feed with a channel after a slash, such as uw.socket/custom_alerts, is that channel: refused,
    and ready when a later join was accepted.
    """

    feed: str
    state: str
    reason: str
    connection: str


class FeedGapOpened(DeskEvent):
    """From `since` on, data of a feed or of one of its channels are missing. Stream
    `feed/<feed>`.

    The gap is known by feed, channel and since (`gap_id`).
    """

    schema_version = 2

    feed: str
    since: datetime
    """When the last datum was heard, or the first one lost."""
    cause: str
    channel: str = ""

    @property
    def gap_id(self) -> str:
        return gap_id(self.feed, self.channel, self.since)

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """In the first version a gap was always of a whole feed."""
        return state


class FeedGapClosed(DeskEvent):
    """Data flow again from `until` on. Stream `feed/<feed>`."""

    schema_version = 2

    feed: str
    since: datetime
    """That of the opening: it names the gap."""
    until: datetime
    cause: str
    channel: str = ""
    messages_lost: int | None = None
    """Messages that reached us and were lost; None where nobody could count."""
    complete: bool = False
    """Nothing is missing after all, such as a queue that was drained in time."""

    @property
    def gap_id(self) -> str:
        return gap_id(self.feed, self.channel, self.since)

    @staticmethod
    def upcast_v1_v2(state: dict[str, Any]) -> dict[str, Any]:
        """In the first version nobody counted, and a gap was always of a whole feed."""
        return state


class FeedGapFilled(DeskEvent):
    """A closed gap was asked for again, by UwRestReceived with its gap_id. Stream `feed/<feed>`.

    What fills a gap corrects totals and never triggers a signal.
    """

    feed: str
    channel: str
    since: datetime
    until: datetime
    calls: int
    rows: int
    """Rows of the answers that lie between since and until."""
    complete: bool
    """The answers reach from since to until without a hole."""
    reason: str
    """Why it is not complete, empty when it is."""

    @property
    def gap_id(self) -> str:
        return gap_id(self.feed, self.channel, self.since)


class FeedStale(DeskEvent):
    """A channel has said nothing for longer than its session phase allows. Stream
    `feed/<feed>`.

    It holds until FeedFresh, or the end of the connection.
    """

    feed: str
    channel: str
    phase: str
    """pre, regular, late_options, after, closed."""
    last_at: datetime | None
    """When its last datum was received; None when it has not spoken on this connection."""
    limit_seconds: float


class FeedFresh(DeskEvent):
    """A stale channel speaks again, or a phase began in which its silence is normal. Stream
    `feed/<feed>`."""

    feed: str
    channel: str
    silent_seconds: float


class FeedDriftSeen(DeskEvent):
    """A vendor's message differs from what this build knows, once a difference and session.
    Stream `feed/<feed>`."""

    feed: str
    channel: str
    kind: str
    """new_field, vanished_field, changed_type."""
    field: str
    detail: str
    """Such as the kind that was expected and the one that came."""
    sample_event_id: str


class FeedRateChanged(DeskEvent):
    """A channel brings more or fewer messages a minute than its usual band, or is back inside it.
    Stream `feed/<feed>`."""

    feed: str
    channel: str
    phase: str
    messages_per_minute: float
    usual_min: float
    usual_max: float


class FeedMinuteCounted(MarketEvent, frozen=True):
    """What one channel brought in one minute of real time. Stream `feed-minutes/<feed>`.

    Natural key: feed, channel, minute and run.
    """

    feed: str
    channel: str
    minute: datetime
    messages: int
    bytes: int
    rejected: int
    repeated: int
    """Messages that were on the log already."""
    lost: int
    delay_ms_p99: float | None
    """From the vendor's time of a datum to its receipt; None for channels without such a time."""


class FeedMessageRestated(MarketEvent, frozen=True):
    """A vendor said something else under a key that was used before. The first words stand.
    Stream `restated/<vendor>`; caused by the event whose id it would have had."""

    vendor: str
    stream: str
    """Of the event that stands."""
    type: str
    connection: str
    received_at: datetime
    content: msgspec.Raw
    """The body that the later message would have had, without fields of transport."""


class EndpointDisabled(DeskEvent):
    """An endpoint is not asked again in this session. Stream `feed/uw.rest`."""

    endpoint: str
    path: str
    status: int
    reason: str
    session_date: date


class RestBudgetPlanned(DeskEvent):
    """Calls that the session's schedule needs, against what the vendor grants. Stream
    `feed/uw.rest`."""

    session_date: date
    calls_planned: int
    calls_left: int
    """Of the day quota, by the vendor's own headers."""
    calls_a_minute_max: int
    dropped: tuple[str, ...]
    """Endpoints that the plan leaves out to stay inside."""


class FeedStreamVerified(DeskEvent):
    """A line of the broker delivers again after a connection. Stream `feed/<feed>`."""

    feed: str
    channel: str
    connection: str
    seconds: float
    """From its subscription to its first datum."""


class FeedStreamSilent(DeskEvent):
    """A line of the broker has not delivered although it should. Stream `feed/<feed>`."""

    feed: str
    channel: str
    connection: str
    seconds: float
    """Since its subscription, or its last datum."""


class FeedClockMeasured(MarketEvent, frozen=True):
    """The broker's clock against ours. Stream `feed-clock/<feed>`."""

    feed: str
    offset_seconds: float
    """Broker less ours; its clock has a resolution of one second."""
    round_trip_seconds: float
    measured_at: datetime


class SizeUnitChecked(DeskEvent):
    """Sizes of quotes compared with those of the book: shares or round lots. Stream
    `feed/ib.data`."""

    symbol: str
    size_multiplier: int
    """1 when the feed's sizes are shares, 100 when they are round lots."""
    quotes_compared: int


class ChannelReport(Value):
    """One channel's session in numbers."""

    feed: str
    channel: str
    messages: int
    bytes: int
    rejected: int
    repeated: int
    lost: int
    gaps: int
    gap_seconds: float
    drifts: int
    delay_ms_p99: float | None


class IngestionReported(DeskEvent):
    """The ingestion of one session, of all feeds. Stream `reports/ingestion`.

    Natural key: session_date.
    """

    session_date: date
    channels: tuple[ChannelReport, ...]
