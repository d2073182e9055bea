"""The report of a session's ingestion, summed up from what run/feeds counted and said.

A session's report covers the time from the report before it on, so that nothing is left out and
nothing counted twice. It is an event; the outbox tells it to the operator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

from domain.event import Recorded, derived_id
from domain.events.feed_health import (
    ChannelReport,
    FeedDriftSeen,
    FeedGapClosed,
    FeedGapOpened,
    FeedMinuteCounted,
    IngestionReported,
)
from domain.events.rates import FeedRatesSummed, HalfHourRate
from domain.events.system import CLOCK_STREAM, ClockStarted, PlannedDay
from run.feeds.rates import RATES_STREAM
from run.feeds.states import FEEDS
from run.keeper.runner import Outcome, Work
from run.keeper.schedule import LOOKBACK, AfterClose
from run.tails import pages_backwards
from store.contract import EventStore
from store.errors import IdConflict

REPORTS = AfterClose(timedelta(hours=4, minutes=30))
"""Half an hour after the last phase of the day."""
STREAM = "reports/ingestion"
MINUTES = 30
HALF_HOUR = timedelta(minutes=MINUTES)
QUANTILE = 0.99
WRITTEN_LATE = timedelta(minutes=5)
"""A minute's counts are on the log this long after it at the latest."""


@dataclass(frozen=True, slots=True)
class Window:
    """[since, until)."""

    since: datetime
    until: datetime

    def overlap_seconds(self, begin: datetime, end: datetime | None) -> float:
        last = self.until if end is None else min(end, self.until)
        return max(0.0, (last - max(begin, self.since)).total_seconds())


@dataclass(slots=True)
class _Totals:
    messages: int = 0
    bytes: int = 0
    rejected: int = 0
    repeated: int = 0
    lost: int = 0
    gaps: int = 0
    gap_seconds: float = 0.0
    drifts: int = 0
    delays: list[tuple[float, int]] = field(default_factory=list)


def weighted_p99(delays: Sequence[tuple[float, int]]) -> float | None:
    """Of the p99 of minutes with so many messages each: what 99 % of all messages came within,
    as near as minutes tell."""
    wanted = QUANTILE * sum(messages for _, messages in delays)
    so_far = 0
    for delay, messages in sorted(delays):
        so_far += messages
        if so_far >= wanted:
            return delay
    return None


class HalfHours:
    """Messages of each minute of the regular session, by half hours."""

    def __init__(self, day: PlannedDay) -> None:
        self._day = day
        self._minutes: defaultdict[tuple[str, str, int], list[int]] = defaultdict(list)

    def add(self, body: FeedMinuteCounted) -> None:
        if self._day.open_at <= body.minute < self._day.close_at:
            half_hour = (body.minute - self._day.open_at) // HALF_HOUR
            self._minutes[body.feed, body.channel, half_hour].append(body.messages)

    def rates(self) -> tuple[HalfHourRate, ...]:
        """Medians; of minutes that nobody counted nothing came."""
        return tuple(
            HalfHourRate(
                feed=feed,
                channel=channel,
                half_hour=half_hour,
                messages_per_minute=median([*counts, *[0] * (MINUTES - len(counts))]),
            )
            for (feed, channel, half_hour), counts in sorted(self._minutes.items())
        )


class IngestionCount:
    """Sums up events of one window, in any order."""

    def __init__(self, window: Window, half_hours: HalfHours | None = None) -> None:
        self._window = window
        self._half_hours = half_hours
        self._totals: dict[tuple[str, str], _Totals] = {}
        self._gaps: dict[str, tuple[str, str, datetime, datetime | None]] = {}

    def add(self, event: Recorded) -> None:
        match event.body:
            case FeedMinuteCounted() as body:
                if self._window.since <= body.minute < self._window.until:
                    self._count(body)
                    if self._half_hours is not None:
                        self._half_hours.add(body)
            case FeedDriftSeen() as body:
                if self._window.since <= event.recorded_at < self._window.until:
                    self._of(body.feed, body.channel).drifts += 1
            case FeedGapOpened() as body:
                self._gaps.setdefault(body.gap_id, (body.feed, body.channel, body.since, None))
            case FeedGapClosed() as body:
                self._gaps[body.gap_id] = (body.feed, body.channel, body.since, body.until)
            case _:
                pass

    def _of(self, feed: str, channel: str) -> _Totals:
        return self._totals.setdefault((feed, channel), _Totals())

    def _count(self, body: FeedMinuteCounted) -> None:
        totals = self._of(body.feed, body.channel)
        totals.messages += body.messages
        totals.bytes += body.bytes
        totals.rejected += body.rejected
        totals.repeated += body.repeated
        totals.lost += body.lost
        if body.delay_ms_p99 is not None:
            totals.delays.append((body.delay_ms_p99, body.messages))

    def report(self) -> tuple[ChannelReport, ...]:
        """By feed and channel."""
        for feed, channel, since, until in self._gaps.values():
            seconds = self._window.overlap_seconds(since, until)
            if seconds > 0:
                totals = self._of(feed, channel)
                totals.gaps += 1
                totals.gap_seconds += seconds
        self._gaps.clear()
        return tuple(
            ChannelReport(
                feed=feed,
                channel=channel,
                messages=totals.messages,
                bytes=totals.bytes,
                rejected=totals.rejected,
                repeated=totals.repeated,
                lost=totals.lost,
                gaps=totals.gaps,
                gap_seconds=round(totals.gap_seconds, 1),
                drifts=totals.drifts,
                delay_ms_p99=weighted_p99(totals.delays),
            )
            for (feed, channel), totals in sorted(self._totals.items())
        )


async def count(
    store: EventStore,
    window: Window,
    feeds: Iterable[str] = FEEDS,
    half_hours: HalfHours | None = None,
) -> IngestionCount:
    """Read what belongs to a window. A gap that was opened more than a week before it and is open
    still is not found."""
    found = IngestionCount(window, half_hours)
    for feed in feeds:
        for stream, since in (
            (f"feed-minutes/{feed}", window.since),
            (f"feed/{feed}", window.since - LOOKBACK),
        ):
            async for page in pages_backwards(store, stream):
                for event in page:
                    if event.recorded_at < window.until + WRITTEN_LATE:
                        found.add(event)
                if page[0].recorded_at < since:
                    break
    return found


async def _window(work: Work) -> Window:
    """Real time that belongs to the session."""
    if work.by_market_time:
        return Window(await _begun_at(work) or work.now - timedelta(days=1), work.until)
    due_at = work.due.due_at
    earlier = REPORTS.between(due_at - LOOKBACK, due_at - timedelta(seconds=1), work.sessions)
    return Window(earlier[-1].due_at if earlier else due_at - timedelta(days=1), due_at)


async def _begun_at(work: Work) -> datetime | None:
    """When the clock of a simulated session was first started."""
    begun: datetime | None = None
    async for page in pages_backwards(work.process.store, CLOCK_STREAM):
        for event in reversed(page):
            body = event.body
            if not isinstance(body, ClockStarted) or body.session_date != work.due.session_date:
                return begun
            begun = event.recorded_at.replace(second=0, microsecond=0)
    return begun


async def report_ingestion(work: Work) -> Outcome:
    """The job: one report a session, whoever asks again."""
    day = work.due.session_date
    planned = next((one for one in work.sessions if one.session_date == day), None)
    # Minutes are real ones: those of a simulated day are of no half hour of it.
    half_hours = None if planned is None or work.by_market_time else HalfHours(planned)
    counted = await count(work.process.store, await _window(work), half_hours=half_hours)
    if half_hours is not None:
        rates = FeedRatesSummed(session_date=day, rates=half_hours.rates())
        with suppress(IdConflict):
            await work.process.recorder.record(
                RATES_STREAM, rates, event_id=derived_id("feed.rates", day.isoformat())
            )
    report = IngestionReported(session_date=day, channels=counted.report())
    # A repeat may have found more late minutes: the first one was told.
    with suppress(IdConflict):
        await work.process.recorder.record(
            STREAM, report, event_id=derived_id("ingestion", day.isoformat())
        )
    messages = sum(channel.messages for channel in report.channels)
    return Outcome(f"{messages} messages on {len(report.channels)} channels")
