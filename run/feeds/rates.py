"""Watches how many messages a minute each channel brings, and says when that leaves its usual band.

Told of every message by the intake. What is usual is what earlier sessions brought in the same half
hour (run/keeper sums them up); without those it is learnt from the last half hour of the same phase
of the session, so that neither the opening bell nor the first minutes are a finding. A channel that
has become silent is another matter: its limit is a time, not a rate.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from statistics import median

from domain.event import Proposed
from domain.events.feed_health import FeedRateChanged
from domain.events.rates import FeedRatesSummed
from domain.phase import Phase
from run import metrics
from run.feeds.intake import Intake
from run.feeds.minutes import channel_of
from run.tails import tail
from store.contract import EventStore

MINUTES_LEARNT = 30
USUAL_TIMES = 5.0
"""How many times more, or fewer, than the median of the minutes learnt is still usual."""
MESSAGES_MIN = 20.0
"""A median of fewer messages a minute says nothing of the next minute."""
MINUTES_OUT = 2
"""In a row out of the band, before it is said; as many inside end it."""
RATES_STREAM = "reports/rates"
SESSIONS_MAX = 5
SESSIONS_MIN = 3
"""Fewer earlier sessions do not say what is usual."""
_MINUTE = timedelta(minutes=1)

Usual = Mapping[tuple[str, str, int], float]
"""Messages a minute by feed, channel and half hour of the session."""


async def usual_rates(store: EventStore, session_date: date) -> Usual:
    """What the last sessions before this one brought: the median of those that had a channel."""
    sessions: dict[date, FeedRatesSummed] = {}
    for event in await tail(store, RATES_STREAM, SESSIONS_MAX + 1):
        if isinstance(event.body, FeedRatesSummed) and event.body.session_date < session_date:
            sessions[event.body.session_date] = event.body
    found: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
    for day in sorted(sessions)[-SESSIONS_MAX:]:
        for rate in sessions[day].rates:
            found[rate.feed, rate.channel, rate.half_hour].append(rate.messages_per_minute)
    return {key: median(seen) for key, seen in found.items() if len(seen) >= SESSIONS_MIN}


class _Channel:
    """What one channel brought lately, and on which side of its band it is."""

    def __init__(self) -> None:
        self.minutes: deque[int] = deque(maxlen=MINUTES_LEARNT)
        self.out = 0
        self.inside = 0
        self.is_told = False


class Rates:
    """Messages a minute by feed and channel; `phase` tells the session's at the moment, None when
    rates say nothing, and `half_hour` that of the regular session by real time, None outside."""

    def __init__(
        self,
        intake: Intake,
        phase: Callable[[], Phase | None],
        half_hour: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._intake = intake
        self._phase = phase
        self._half_hour = half_hour
        self.usual: Usual = {}
        """Of earlier sessions."""
        self._known_phase: Phase | None = None
        self._minute: datetime | None = None
        self._counts: Counter[tuple[str, str]] = Counter()
        self._channels: dict[tuple[str, str], _Channel] = {}

    def heard(self, feed: str, event: Proposed) -> None:
        """Count a message. The first one after a minute's end judges that minute."""
        at = event.occurred_at
        if self._minute is None:
            self._minute = at.replace(second=0, microsecond=0)
        elif at >= self._minute + _MINUTE:
            self._judge()
            self._minute = at.replace(second=0, microsecond=0)
        self._counts[feed, channel_of(event.stream)] += 1

    def _judge(self) -> None:
        counts, self._counts = self._counts, Counter()
        phase = self._phase()
        if phase is None or phase is not self._known_phase:
            self._known_phase = phase
            self._channels.clear()  # this minute was of two phases
            return
        for key in counts:
            self._channels.setdefault(key, _Channel())
        for (feed, name), channel in self._channels.items():
            self._judge_channel(feed, name, channel, counts[feed, name], phase)

    def _judge_channel(
        self, feed: str, name: str, channel: _Channel, count: int, phase: Phase
    ) -> None:
        half_hour = self._half_hour()
        usual = None if half_hour is None else self.usual.get((feed, name, half_hour))
        if usual is None:
            usual = median(channel.minutes) if len(channel.minutes) == MINUTES_LEARNT else 0.0
        channel.minutes.append(count)
        if usual < MESSAGES_MIN:
            return
        lowest, highest = usual / USUAL_TIMES, usual * USUAL_TIMES
        if lowest <= count <= highest:
            channel.out, channel.inside = 0, channel.inside + 1
            if channel.is_told and channel.inside >= MINUTES_OUT:
                channel.is_told = False
                self._tell(feed, name, phase, count, usual)
            return
        channel.out, channel.inside = channel.out + 1, 0
        if channel.out < MINUTES_OUT or channel.is_told:
            return
        channel.is_told = True
        metrics.FEED_RATE_CHANGED.labels(feed).inc()
        self._tell(feed, name, phase, count, usual)

    def _tell(self, feed: str, name: str, phase: Phase, count: int, usual: float) -> None:
        changed = FeedRateChanged(
            feed=feed,
            channel=name,
            phase=phase.value,
            messages_per_minute=float(count),
            usual_min=usual / USUAL_TIMES,
            usual_max=usual * USUAL_TIMES,
        )
        self._intake.put(f"feed/{feed}", changed, feed=feed)
