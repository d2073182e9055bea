"""Gaps and their filling on half days, over weekends, and in weeks of a change of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from adapters.calendar import plan_session
from adapters.unusual_whales import UwRest
from domain.event import Body
from domain.events.feed_health import FeedFresh, FeedGapClosed, FeedGapOpened, FeedStale
from domain.payloads.unusual_whales.channel_table import silence_limit
from domain.phase import phase_at
from domain.session import NEW_YORK
from run.feeds.backfill import Backfill, day_began
from run.feeds.channel_watch import ChannelWatch
from run.feeds.gaps import Gaps
from run.feeds.intake import Intake
from run.feeds.states import FeedStates
from store.postgres import PostgresStore
from tests.domain.analytics.build import recorded
from tests.run.feeds.conftest import StandingClock

FEED = "uw.socket"
CHANNELS = ("market_tide", "price:SPY", "gex:SPY", "trading_halts")


class Day:
    """A watch that goes by the phases of a planned day."""

    def __init__(self, day: date) -> None:
        self.plan = plan_session(day)
        self.day = day
        self.at = self.clock("00:00")
        self.written: list[Body] = []
        self.gaps = Gaps(lambda _, body: self.written.append(body))
        self.watch = ChannelWatch(
            FEED,
            CHANNELS,
            self.gaps,
            silence_limit,
            lambda: phase_at(self.plan, self.at),
            self._say,
        )

    def _say(self, body: FeedStale | FeedFresh) -> None:
        self.written.append(body)

    def clock(self, text: str, day: date | None = None) -> datetime:
        """A New York time of the day."""
        wall = datetime.combine(day or self.day, time.fromisoformat(text), NEW_YORK)
        return wall.astimezone(UTC)

    def go_on(self, until: datetime, speaking: tuple[str, ...] = ()) -> None:
        """Look each second; those who speak do so each ten seconds."""
        while self.at < until:
            self.at += timedelta(seconds=1)
            if self.at.second % 10 == 0:
                for channel in speaking:
                    self.watch.hear(channel, self.at)
            self.watch.look(self.at)

    def join(self) -> None:
        for channel in CHANNELS:
            self.watch.join(channel, self.at)
        self.watch.look(self.at)

    def found(self, kind: type[FeedGapOpened | FeedGapClosed]) -> list[tuple[str, str]]:
        """Channel and New York time of each."""
        found = []
        for body in self.written:
            if isinstance(body, kind):
                at = body.since if isinstance(body, FeedGapOpened) else body.until
                found.append((body.channel, f"{at.astimezone(NEW_YORK):%a %H:%M:%S}"))
        return found


@pytest.mark.parametrize(
    ("day", "close", "option_close", "name"),
    [
        (date(2026, 11, 27), "13:00", "13:15", "Fri"),  # half day
        (date(2026, 12, 24), "13:00", "13:15", "Thu"),  # half day
        (date(2026, 3, 6), "16:00", "16:15", "Fri"),  # before the clock goes forward
        (date(2026, 3, 9), "16:00", "16:15", "Mon"),  # after it
        (date(2026, 10, 30), "16:00", "16:15", "Fri"),  # before the clock goes back
        (date(2026, 11, 2), "16:00", "16:15", "Mon"),  # after it
    ],
)
def test_what_falls_silent_before_the_close_is_missing_until_nothing_more_is_due(
    day: date, close: str, option_close: str, name: str
) -> None:
    """Of each channel as long as it is due: gamma to the close, the tide to that of options."""
    watched = Day(day)
    watched.at = watched.clock(close) - timedelta(minutes=5)
    watched.join()
    watched.go_on(watched.clock(close) - timedelta(minutes=4), ("market_tide", "gex:SPY"))
    silent_since = f"{name} {watched.at.astimezone(NEW_YORK):%H:%M:%S}"
    watched.go_on(watched.clock(option_close) + timedelta(minutes=1), ("price:SPY",))
    assert watched.found(FeedGapOpened) == [
        ("market_tide", silent_since),
        ("gex:SPY", silent_since),
    ]
    assert watched.found(FeedGapClosed) == [
        ("gex:SPY", f"{name} {close}:00"),
        ("market_tide", f"{name} {option_close}:00"),
    ]


@pytest.mark.parametrize(
    ("friday", "hours"),
    [
        (date(2026, 3, 6), 63),  # the clock goes forward on Sunday
        (date(2026, 10, 30), 65),  # it goes back
        (date(2026, 11, 6), 64),
    ],
)
def test_a_weekend_without_a_connection_is_one_gap_of_its_true_length(
    friday: date, hours: int
) -> None:
    before = Day(friday)
    before.at = before.clock("16:59:50")
    before.join()
    before.go_on(before.clock("17:00"), CHANNELS)
    before.watch.lose(before.at, "lost")
    monday = friday + timedelta(days=3)
    before.plan = plan_session(monday)
    before.at = before.clock("08:00", monday)
    before.join()
    before.go_on(before.at + timedelta(seconds=20), ("price:SPY",))
    opened = [body for body in before.written if isinstance(body, FeedGapOpened)]
    closed = [body for body in before.written if isinstance(body, FeedGapClosed)]
    assert len(opened) == len(closed) == len(CHANNELS)
    for gap in closed:
        assert gap.until - gap.since - timedelta(hours=hours) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 3, 8),
        date(2026, 3, 9),
        date(2026, 11, 1),
        date(2026, 11, 2),
        date(2026, 11, 27),
    ],
)
async def test_gaps_are_filled_from_the_midnight_of_new_york_on(
    day: date, intake: Intake, states: FeedStates, clock: StandingClock, store: PostgresStore
) -> None:
    """What ended before it is of another day, whose answers are not those that are asked for."""
    midnight = datetime.combine(day, time(), NEW_YORK).astimezone(UTC)
    for hour in (1, 9, 15, 23):
        wall = datetime.combine(day, time(hour, 30), NEW_YORK).astimezone(UTC)
        assert day_began(wall) == midnight
    async with UwRest("http://127.0.0.1:1", "token") as rest:
        fill = Backfill(rest, intake, states, clock, CHANNELS, day_began(midnight))
        for seconds in (-1, 1):
            gap = FeedGapClosed(
                feed=FEED,
                since=midnight - timedelta(hours=1),
                until=midnight + timedelta(seconds=seconds),
                cause="lost",
                channel="news",
                complete=False,
            )
            fill.note(recorded(gap, midnight))
    assert [gap.told.until - midnight for gap in fill._waiting] == [timedelta(seconds=1)]
