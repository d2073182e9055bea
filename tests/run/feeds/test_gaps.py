"""Gaps: one open one for each channel, with a name that is never used twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.event import Body
from domain.events.feed_health import FeedFresh, FeedGapClosed, FeedGapOpened, FeedStale
from domain.payloads.unusual_whales.channel_table import silence_limit
from domain.phase import Phase
from run.feeds.channel_watch import ChannelWatch
from run.feeds.gaps import Gaps
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore

AT = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FEED = "uw.socket"
FLOW, HALTS = "market_tide", "trading_halts"


class Book:
    """What a watch of two channels writes."""

    def __init__(self) -> None:
        self.written: list[Body] = []
        self.phase: Phase | None = Phase.REGULAR
        self.gaps = Gaps(lambda _, body: self.written.append(body))
        self.watch = ChannelWatch(
            FEED, (FLOW, HALTS), self.gaps, silence_limit, lambda: self.phase, self.say
        )

    def say(self, body: FeedStale | FeedFresh) -> None:
        self.written.append(body)

    def opened(self) -> list[tuple[str, datetime, str]]:
        gaps = [body for body in self.written if isinstance(body, FeedGapOpened)]
        return [(gap.channel, gap.since, gap.cause) for gap in gaps]

    def closed(self) -> list[tuple[str, datetime]]:
        gaps = [body for body in self.written if isinstance(body, FeedGapClosed)]
        return [(gap.channel, gap.until) for gap in gaps]


@pytest.fixture
def book() -> Book:
    return Book()


def connect(book: Book, at: datetime) -> None:
    for channel in (FLOW, HALTS):
        book.watch.join(channel, at)
    book.watch.look(at)


def test_a_lost_connection_is_a_gap_from_the_last_datum_to_the_next(book: Book) -> None:
    """A channel that speaks only of events misses what came after the last datum of any, until
    it is joined again."""
    connect(book, AT)
    book.watch.hear(HALTS, AT + SECOND)
    book.watch.hear(FLOW, AT + 2 * SECOND)
    book.watch.lose(AT + 9 * SECOND, "connection ended with code 1006")
    lost = "connection ended with code 1006"
    assert book.opened() == [(FLOW, AT + 2 * SECOND, lost), (HALTS, AT + 2 * SECOND, lost)]
    book.watch.look(AT + 10 * SECOND)
    assert book.closed() == []
    connect(book, AT + 20 * SECOND)
    assert book.closed() == [(HALTS, AT + 20 * SECOND)]
    book.watch.hear(FLOW, AT + 22 * SECOND)
    assert book.closed()[1:] == [(FLOW, AT + 22 * SECOND)]


def test_one_gap_stays_open_over_many_failed_connections(book: Book) -> None:
    connect(book, AT)
    for second in range(10):
        book.watch.lose(AT + second * SECOND, f"failure {second}")
        book.watch.join(FLOW, AT + second * SECOND)
    assert [(channel, cause) for channel, _, cause in book.opened()] == [
        (FLOW, "failure 0"),
        (HALTS, "failure 0"),
    ]


def test_no_gap_begins_before_the_last_one_ended_so_that_no_name_is_used_twice(
    book: Book,
) -> None:
    connect(book, AT)
    book.watch.hear(FLOW, AT)
    for second in (1, 11):
        book.watch.lose(AT + second * SECOND, "lost")
        connect(book, AT + (second + 5) * SECOND)
    halts = [since for channel, since, _ in book.opened() if channel == HALTS]
    assert halts == [AT, AT + 6 * SECOND]


def test_a_gap_in_what_is_silent_by_night_ends_with_its_join(book: Book) -> None:
    book.phase = Phase.CLOSED
    connect(book, AT)
    book.watch.hear(FLOW, AT)
    book.watch.lose(AT + 60 * SECOND, "lost")
    connect(book, AT + 70 * SECOND)
    assert book.closed() == [(FLOW, AT + 70 * SECOND), (HALTS, AT + 70 * SECOND)]


def test_silence_is_a_gap_that_ends_with_the_phase_when_nothing_more_comes(book: Book) -> None:
    connect(book, AT)
    book.watch.hear(FLOW, AT)
    book.watch.look(AT + 31 * SECOND)
    assert book.opened() == [(FLOW, AT, "silent for more than 30 s")]
    book.phase = Phase.AFTER
    book.watch.look(AT + 90 * SECOND)
    assert book.closed() == [(FLOW, AT + 90 * SECOND)]
    kinds = [type(body) for body in book.written]
    assert kinds.count(FeedStale) == kinds.count(FeedFresh) == 1


def test_a_refused_join_is_a_gap_and_an_accepted_one_ends_it(book: Book) -> None:
    connect(book, AT)
    book.watch.refuse(HALTS, AT + SECOND, "no access")
    book.watch.look(AT + 2 * SECOND)
    assert book.opened() == [(HALTS, AT + SECOND, "join refused: no access")]
    book.watch.join(HALTS, AT + 3 * SECOND)
    book.watch.look(AT + 4 * SECOND)
    assert book.closed() == [(HALTS, AT + 4 * SECOND)]


async def test_gaps_that_a_dead_process_left_open_are_taken_over_with_their_names(
    recorder: Recorder, store: PostgresStore
) -> None:
    for channel in (FLOW, HALTS, "gex:SPX"):
        opened = FeedGapOpened(feed=FEED, since=AT, cause="lost", channel=channel)
        await recorder.record(f"feed/{FEED}", opened)
    over = FeedGapClosed(feed=FEED, since=AT, until=AT + SECOND, cause="lost", channel=HALTS)
    await recorder.record(f"feed/{FEED}", over)
    book = Book()
    for event in await store.read(0, Selection()):
        book.gaps.fold(event)
    book.watch.remember({FLOW: AT + SECOND})
    book.watch.forget_others(AT + 9 * SECOND)
    assert book.opened() == [(HALTS, AT + SECOND, "the feeds were not running")]
    assert book.closed() == [("gex:SPX", AT + 9 * SECOND)]
    connect(book, AT + 10 * SECOND)
    book.watch.hear(FLOW, AT + 11 * SECOND)
    flow = [b for b in book.written if isinstance(b, FeedGapClosed) and b.channel == FLOW]
    assert [(gap.since, gap.cause) for gap in flow] == [(AT, "lost")]
