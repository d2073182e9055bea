"""The feed on lines to TWS that are cut, drip or hang, and on messages that come twice, turned
round or of another day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from adapters.interactive_brokers.feed_watch import FeedState
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.wire import frame
from domain.events.feeds import (
    FeedMessageRejected,
    IbBarReceived,
    IbDepthReceived,
    IbTicksReceived,
    UnderlyingListed,
)
from tests.adapters.interactive_brokers.feed import (
    BAR_START,
    CALL,
    Feed,
    bar,
    feed_of,
    open_spy,
    running_feed,
)
from tests.adapters.interactive_brokers.still_market import CALL_600, SPY
from tests.adapters.unusual_whales.cutting import Cutter
from tests.waiting import Until

CUTS_AT_ONCE = 15
LISTED = UnderlyingListed(symbol="SPY", con_id=SPY, primary_exchange="ARCA", size_multiplier=1)
QUOTE = {(1, 599.99, 300.0), (2, 600.01, 500.0)}
CALL_QUOTE = {(1, 1.20, 10.0), (2, 1.25, 5.0)}
BOOK = ([599.98, 599.97], [600.02])


@asynccontextmanager
async def line(
    tws: TwsSandbox, client: int, cut_at: int | None = None, *, drips: bool = False
) -> AsyncIterator[tuple[Cutter, Feed]]:
    """A feed that wants quotes, bars, a book and an option, behind a line that can be cut."""
    cutter = Cutter("127.0.0.1", tws.port)
    cutter.limits = [] if cut_at is None else [cut_at]
    cutter.drips = drips
    feed = feed_of(await cutter.start(), client)
    # A line that ends is told at once; many at a time on a busy machine must not look silent.
    patient = replace(feed.data._timing, connect_seconds=4.0, answer_seconds=4.0)
    feed.data._timing = patient
    feed.data.want_underlying(LISTED, bars=True, depth=True)
    feed.data.open_option(CALL)
    feed.data.start()
    try:
        yield cutter, feed
    finally:
        await feed.data.stop()
        await cutter.stop()


def is_whole(feed: Feed) -> bool:
    """Whether the newest connection has brought everything."""
    newest = feed.data.connection
    ticks: dict[int, set[tuple[int, float, float]]] = {SPY: set(), CALL_600: set()}
    for event in feed.all(IbTicksReceived):
        if event.connection == newest:
            ticks[event.con_id] |= set(event.ticks)
    book = feed.data.book(SPY)
    return (
        ticks[SPY] >= QUOTE
        and ticks[CALL_600] >= CALL_QUOTE
        and book is not None
        and prices(book.top(5)) == BOOK
    )


def prices(sides: tuple[Sequence[object], Sequence[object]]) -> tuple[list[float], list[float]]:
    bids, asks = ([level.price for level in side] for side in sides)  # type: ignore[attr-defined]
    return bids, asks


async def _boundaries(tws: TwsSandbox, until: Until) -> list[int]:
    """Where messages end in the answers of an exchange."""
    ends: list[int] = []

    class Ends:
        def broker_heard(self, _connection: str, payloads: Sequence[bytes]) -> None:
            for payload in payloads:
                ends.append((ends[-1] if ends else 0) + 4 + len(payload))

        def broker_asked(self, _connection: str, _payload: bytes) -> None: ...

    feed = feed_of(tws.port, 900, tap=Ends())
    feed.data.want_underlying(LISTED, bars=True, depth=True)
    feed.data.open_option(CALL)
    feed.data.start()
    await until(lambda: is_whole(feed))
    await feed.data.stop()
    return ends


async def _cut_at(tws: TwsSandbox, client: int, offset: int, until: Until) -> Feed:
    async with line(tws, client, offset) as (cutter, feed):
        await until(lambda: cutter.connections >= 2 and is_whole(feed))
        return feed


async def test_a_line_cut_at_every_boundary_and_inside_every_message_invents_nothing(
    tws: TwsSandbox, until: Until
) -> None:
    """From the handshake to the last quote: what comes is what TWS said, and the next connection
    brings all of it."""
    ends = await _boundaries(tws, until)
    starts = [0, *ends]
    inside = [(a + b) // 2 for a, b in zip(starts, ends, strict=False)]
    in_length = [start + 2 for start in starts[:-1]]
    cuts = sorted({cut for cut in (*ends, *inside, *in_length) if cut > 0})
    assert len(cuts) > 60
    for first in range(0, len(cuts), CUTS_AT_ONCE):
        some = cuts[first : first + CUTS_AT_ONCE]
        feeds = await asyncio.gather(
            *(_cut_at(tws, 100 + number, cut, until) for number, cut in enumerate(some))
        )
        for cut, feed in zip(some, feeds, strict=True):
            assert not feed.all(FeedMessageRejected), cut
            assert {tick for tick in feed.ticks(SPY) if tick[0] in (1, 2)} == QUOTE, cut
            assert {tick for tick in feed.ticks(CALL_600) if tick[0] in (1, 2)} == CALL_QUOTE, cut
            assert not feed.all(IbBarReceived), cut


async def test_messages_that_come_a_byte_at_a_time_are_whole(tws: TwsSandbox, until: Until) -> None:
    async with line(tws, 8, drips=True) as (cutter, feed):
        await until(lambda: is_whole(feed))
        assert cutter.connections == 1
    assert not feed.all(FeedMessageRejected) and FeedState.DOWN not in feed.said()[:-1]


async def test_a_half_open_line_is_found_by_its_unanswered_heartbeat(
    tws: TwsSandbox, until: Until
) -> None:
    """The socket stands, nothing is read or said: the feed gives it up and connects anew, as soon
    as TWS has noticed too and lets go of the client id."""
    async with line(tws, 8) as (cutter, feed):
        await until(lambda: is_whole(feed))
        first = feed.data.connection
        feed.data._timing = replace(feed.data._timing, connect_seconds=0.3, answer_seconds=0.3)
        cutter.is_held = True
        await until(lambda: feed.data.state is not FeedState.READY and cutter.connections >= 2)
        cutter.is_held = False
        tws.faults.set("disconnect", "reset")
        await until(lambda: feed.data.connection != first and is_whole(feed))


async def test_messages_that_come_twice_change_nothing(tws: TwsSandbox, until: Until) -> None:
    async with running_feed(tws) as feed:
        await open_spy(feed, depth=True)
        await until(lambda: feed.all(IbDepthReceived) and feed.ticks(SPY))
        (session,) = tws._sessions.values()
        quote, bars = next(iter(session.feed._lines)), next(iter(session.feed._bars))
        book = next(
            request
            for request, line in feed.data._link.lines.items()
            if line.kind == "depth"  # type: ignore[union-attr]
        )
        start = int(BAR_START.timestamp())
        for _ in range(2):
            session.send_frames(
                [
                    frame(1, 6, quote, 1, 600.5, 100, 1),
                    frame(50, 3, bars, start, 600.0, 600.1, 599.9, 600.05, 1000, 600.01, 42),
                    frame(13, 1, book, 0, "ARCA", 1, 1, 599.99, 700, 1),
                ]
            )
        await until(lambda: len(feed.all(IbBarReceived)) == 2)
        first, second = feed.all(IbBarReceived)
        kept = feed.data.book(SPY)
    assert (first.start, first.close) == (second.start, second.close)
    assert kept is not None and not kept.damage
    assert not feed.all(FeedMessageRejected)


async def test_messages_in_another_order_and_of_yesterday_are_what_they_say(
    tws: TwsSandbox, until: Until
) -> None:
    """A bar has its own time, so that readers can tell; a book that lost its order is asked for
    anew."""
    async with running_feed(tws) as feed:
        await open_spy(feed, depth=True)
        await until(lambda: feed.data.book(SPY) is not None and feed.all(IbDepthReceived))
        book = next(
            request
            for request, line in feed.data._link.lines.items()
            if line.kind == "depth"  # type: ignore[union-attr]
        )
        (session,) = tws._sessions.values()
        later, yesterday = BAR_START + timedelta(seconds=5), BAR_START - timedelta(days=1)
        tws.on_updates([bar(start=later), bar(), bar(start=yesterday)])
        # The change of a row before the row is there.
        session.send_frames([frame(13, 1, book, 4, "ARCA", 1, 1, 599.90, 700, 1)])
        await until(lambda: len(feed.all(IbBarReceived)) == 3)
        await until(lambda: len(feed.all(IbDepthReceived)) >= 3)
        await until(lambda: prices(feed.data.book(SPY).top(5)) == BOOK)  # type: ignore[union-attr]
    assert [event.start for event in feed.all(IbBarReceived)] == [later, BAR_START, yesterday]
    assert not feed.all(FeedMessageRejected)
