"""The socket of Unusual Whales: frames on their way to the log, and whether each channel is alive.

The reader of the connection never waits for the log. What it hears is told to the watch of the
channels at once, and handed to the intake as fast as that takes it. `watch` looks once a second
for silence, lateness and connections that bring nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import msgspec

from adapters.unusual_whales import (
    Backoff,
    UwItem,
    UwJoin,
    UwMessage,
    UwRejected,
    UwSocket,
    UwSocketListener,
    UwSocketState,
    UwSocketTiming,
)
from domain.event import derived_id
from domain.events.controls import AlertRaised
from domain.events.feed_health import FeedStale, FeedStateChanged
from domain.payloads.unusual_whales import family, frame_type, natural_key
from domain.payloads.unusual_whales.channel_table import CHANNELS, joined, silence_limit
from domain.payloads.unusual_whales.vendor_time import vendor_time
from domain.phase import Phase
from run import metrics
from run.feeds.channel_watch import ChannelWatch
from run.feeds.intake import QUEUE_MESSAGES_MAX, Intake
from run.feeds.market_clock import MarketClock
from run.feeds.minutes import RecentDelays
from run.feeds.states import FeedStates

SOCKET = "uw.socket"
TAKE_MAX = 500
HAND_OVER_SECONDS_MAX = 1.0
LOOK_SECONDS = 1.0
MUTE_SECONDS = 60.0
"""Nothing on any channel for so long in the session: the connection is alive and brings nothing."""
DOWN_ALERT_SECONDS = 15.0
ALERT_CHARACTERS_MAX = 500
MEASURED_OF_BUSY = 4
BUSY = frozenset(
    name for name, channel in CHANNELS.items() if channel.a_minute and channel.a_minute[1] > 1_000
)
"""Of channels that may bring so many a minute, the lateness of one message in four is measured:
reading the time of a trade costs as much as all else that is done with it here."""
OLD_SECONDS_MIN = 3_600.0
"""What is older is no late message but one of another time, such as yesterday's."""


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """What connects, and for which session."""

    url: str
    token: str
    session: date
    channels: tuple[str, ...] = field(default_factory=joined)
    queue_messages_max: int = QUEUE_MESSAGES_MAX
    timing: UwSocketTiming = field(default_factory=UwSocketTiming)
    backoff: Backoff = field(default_factory=Backoff)
    heard: Callable[[bytes], None] | None = None


class SocketFeed(UwSocketListener):
    """Frames from the socket to the intake, byte for byte."""

    def __init__(
        self,
        settings: SocketSettings,
        intake: Intake,
        states: FeedStates,
        clock: MarketClock,
        phase: Callable[[], Phase | None],
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._states = states
        self._clock = clock
        self._phase = phase
        self._delays = RecentDelays()
        self._refused: dict[str, str] = {}
        """Channels that are refused now, with the reason."""
        self._refused_anew: list[str] = []
        self._fall_backs: set[str] = set()
        """Names to be joined instead of others, not yet asked for."""
        self._connection = ""
        self._is_ready = False
        self.times_ready = 0
        """Connections of which all joins were answered or given up."""
        self._slow: tuple[str, ...] = ()
        self._heard_at: datetime | None = None
        """When the connection was made, or brought its last message."""
        self._down_since: datetime | None = None
        self._is_down_told = False
        self.watched = ChannelWatch(
            SOCKET,
            settings.channels,
            intake.gaps,
            silence_limit,
            phase,
            lambda body: intake.notify(f"feed/{SOCKET}", body),
        )
        self._socket = UwSocket(
            settings.url,
            settings.token,
            settings.channels,
            self,
            backoff=settings.backoff,
            timing=settings.timing,
            queue_messages_max=settings.queue_messages_max,
            heard=settings.heard,
        )

    @property
    def queue_depth(self) -> int:
        """Messages that were read and are not with the intake yet."""
        return self._socket.queue_depth

    # What the reader of the connection tells.

    def on_state(self, state: UwSocketState) -> None:
        now = datetime.now(UTC)
        self._connection = state.connection
        self._is_ready = state.state == "ready"
        self._states.changed(SOCKET, state.state, state.reason, state.connection)
        if state.state == "connected":
            self._heard_at, self._slow = now, ()
        elif state.state == "ready":
            self._down_since, self._is_down_told = None, False
            self.times_ready += 1
        else:
            self._heard_at = None
            self._down_since = self._down_since or now
            self.watched.lose(now, state.reason)
        if state.is_overrun:
            self._alert("critical", "FEED_MESSAGES_LOST", state.reason)

    def on_join(self, join: UwJoin) -> None:
        channel = join.channel
        if join.is_accepted:
            self.watched.join(channel, join.at)
            if self._refused.pop(channel, None) is not None:
                self._tell_channel(channel, "ready", "")
            return
        self.watched.refuse(channel, join.at, join.reason)
        self._fall_back(channel)
        if channel not in self._refused:
            self._tell_channel(channel, "refused", join.reason)
            self._refused_anew.append(channel)
        self._refused[channel] = join.reason

    def on_data(self, message: UwMessage) -> None:
        self._heard_at = message.received_at
        self.watched.hear(message.channel, message.received_at)

    # From the reader's queue to the intake.

    async def run(self) -> None:
        """Read until cancelled. What was read by then goes to the intake too."""
        try:
            async with self._socket as socket:
                while True:
                    # Taken last, so that a cancellation cannot fall between taking and putting.
                    await self._intake.room()
                    if not (batch := await socket.take(TAKE_MAX)):
                        return
                    self._put_all(batch)
                    await asyncio.sleep(0)  # the reader's turn, however full both queues are
        finally:
            await self._hand_over()

    async def _hand_over(self) -> None:
        """What the closed socket still holds goes to the intake, or is counted."""
        deadline = time.monotonic() + HAND_OVER_SECONDS_MAX
        while time.monotonic() < deadline:
            if not (batch := await self._socket.take(TAKE_MAX)):
                return
            self._put_all(batch)
            await asyncio.sleep(0)
        self._intake.abandon(SOCKET, self._socket.queue_depth)

    def _put_all(self, batch: Sequence[UwItem]) -> None:
        for item in batch:
            if isinstance(item, UwRejected):
                self._intake.reject("uw", SOCKET, item.reason, item.raw)
            elif self._states.is_paused(SOCKET):
                self._intake.minutes.lost(SOCKET, item.channel)
            else:
                self._put(item)

    def _put(self, message: UwMessage) -> None:
        kind = frame_type(message.channel)
        body = kind(
            channel=message.channel,
            connection=message.connection,
            sequence=message.sequence,
            received_at=message.received_at,
            payload=msgspec.Raw(message.payload),
        )
        key = natural_key(message.channel, message.payload)
        identity = (
            derived_id("uw", family(message.channel), self._settings.session, key)
            if key is not None
            else derived_id("uw", message.connection, message.sequence)
        )
        self._intake.put(
            f"uw/{message.channel}",
            body,
            feed=SOCKET,
            occurred_at=message.received_at,
            event_id=identity,
            is_urgent=message.channel not in BUSY,
        )
        self._measure(message)

    def _measure(self, message: UwMessage) -> None:
        if message.channel in BUSY and message.sequence % MEASURED_OF_BUSY:
            return
        told = vendor_time(message.channel, message.payload)
        late = None if told is None else self._clock.seconds_since(told, message.received_at)
        if late is None or abs(late) >= OLD_SECONDS_MIN:
            return
        self._intake.minutes.delayed(SOCKET, message.channel, late)
        if CHANNELS[message.channel].delay_seconds_max is not None:
            self._delays.add(message.channel, message.received_at, late)

    # Once a second.

    async def watch(self) -> None:
        """Look at the channels until cancelled."""
        while True:
            await self.look(datetime.now(UTC))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, now: datetime) -> None:
        """What is silent, late, mute or away at a moment of real time."""
        for stale in self.watched.look(now):
            self._say_stale(stale)
        metrics.FEED_STALE.labels(SOCKET).set(len(self.watched.stale))
        self._say_refused()
        self._look_for_mute(now)
        self._look_for_absence(now)
        self._look_for_delay(now)
        while self._fall_backs:
            await self._socket.join(self._fall_backs.pop())

    def _say_stale(self, stale: FeedStale) -> None:
        if not self.watched.is_known(stale.channel):
            self._fall_back(stale.channel)
        if _is_needed(stale.channel):
            text = f"{stale.channel} is silent for more than {stale.limit_seconds:g} s"
            self._alert("warning", "CHANNEL_SILENT", text)

    def _say_refused(self) -> None:
        """One alarm for all that were refused together; none when there is no connection."""
        if not self._is_ready or not self._refused_anew:
            return
        names, self._refused_anew = self._refused_anew, []
        severity = "critical" if any(_is_needed(name) for name in names) else "warning"
        told = "; ".join(f"{name}: {self._refused.get(name, '')}" for name in names)
        self._alert(severity, "CHANNEL_REFUSED", f"joins refused: {told}"[:ALERT_CHARACTERS_MAX])

    def _look_for_mute(self, now: datetime) -> None:
        if self._heard_at is None or self._phase() is not Phase.REGULAR:
            return
        due_since = self.watched.phase_began or now
        silent = (now - max(self._heard_at, due_since)).total_seconds()
        if silent < MUTE_SECONDS:
            return
        reason = f"no message on any channel for {silent:.0f} s"
        self._heard_at = None
        self._states.changed(SOCKET, "mute", reason, self._connection)
        self._alert("critical", "FEED_MUTE", f"{SOCKET}: {reason}")
        self._socket.give_up(f"mute: {reason}")

    def _look_for_absence(self, now: datetime) -> None:
        since = self._down_since
        if since is None or self._is_down_told or self._phase() in (None, Phase.CLOSED):
            return
        if (now - since).total_seconds() >= DOWN_ALERT_SECONDS:
            self._is_down_told = True
            text = f"{SOCKET} is down since {since.isoformat(timespec='seconds')}"
            self._alert("critical", "FEED_DOWN", text)

    def _look_for_delay(self, now: datetime) -> None:
        if not self._is_ready:
            return
        late: list[str] = []
        for channel in self._settings.channels:
            delay = self._delays.p99(channel, now)
            limit = CHANNELS[channel].delay_seconds_max
            if delay is None or limit is None:
                continue
            metrics.FEED_DELAY.labels(SOCKET, channel).set(delay)
            if delay > limit:
                late.append(f"{channel} {delay:.1f} s")
        was, self._slow = self._slow, tuple(late)
        if late and not was:
            reason = "late: " + ", ".join(late)
            self._states.changed(SOCKET, "slow", reason, self._connection)
            self._alert("warning", "FEED_SLOW", f"{SOCKET} is {reason}")
        elif was and not late:
            self._states.changed(SOCKET, "ready", "in time again", self._connection)

    # What is told of it.

    def _fall_back(self, channel: str) -> None:
        known = CHANNELS.get(channel)
        if known is not None and known.fallback:
            self._fall_backs.add(known.fallback)

    def _tell_channel(self, channel: str, state: str, reason: str) -> None:
        body = FeedStateChanged(
            feed=f"{SOCKET}/{channel}", state=state, reason=reason, connection=self._connection
        )
        self._intake.notify(f"feed/{SOCKET}", body)

    def _alert(self, severity: str, code: str, text: str) -> None:
        identity = derived_id("uw.socket.alert", self._connection, code, text)
        alert = AlertRaised(alert_id=str(identity), severity=severity, code=code, text=text)
        self._intake.alert(alert, identity)


def _is_needed(channel: str) -> bool:
    known = CHANNELS.get(channel)
    return known is not None and known.priority == 1
