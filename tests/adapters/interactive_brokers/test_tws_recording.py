"""What the feed hears of TWS is kept without the account, and played back under other ids."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.interactive_brokers.feed_callbacks import FeedCallbacks
from adapters.interactive_brokers.link import RequestFailed
from adapters.interactive_brokers.market_data import IbMarketData
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.tap import FRAME_BYTES_MAX, Frames
from adapters.recording import Day, Heard, Pace, Tape, TwsPlayer
from adapters.recording.tape import IB_ASKED, IB_HEARD
from domain.event import MarketEvent
from domain.events.feeds import IbBarReceived, IbDepthReceived, IbTicksReceived
from run.embedded import free_port
from tests.adapters.interactive_brokers.feed import BAR_START, CALL, bar
from tests.adapters.interactive_brokers.intents import wall_clock
from tests.adapters.interactive_brokers.still_market import EXPIRY, SESSION, SPY, StillMarket
from tests.waiting import Until

CLIENT, ANOTHER_CLIENT = 8, 9


class Heart:
    """A feed and what it called back of a kind, without times and connections."""

    def __init__(self, port: int, client: int, tape: Tape | None) -> None:
        self.events: list[MarketEvent] = []
        self.refused: list[tuple[str, int]] = []
        callbacks = FeedCallbacks(
            event=self.events.append,
            state=lambda _state, _reason, _connection: None,
            refused=lambda line: self.refused.append((line.symbol, line.code)),
            stream=lambda _told: None,
            alarm=lambda _alarm: None,
            tap=tape,
        )
        self.data = IbMarketData(
            "127.0.0.1",
            port,
            client,
            f"run-{client}",
            wall_clock,
            callbacks,
            expects_data=lambda: False,
        )

    def ticks(self) -> list[tuple[int, int, float, float]]:
        return [
            (event.con_id, *tick)
            for event in self.events
            if isinstance(event, IbTicksReceived)
            for tick in event.ticks
        ]

    def greeks(self) -> list[object]:
        ticks = [event for event in self.events if isinstance(event, IbTicksReceived)]
        return [one for event in ticks for one in event.computations]

    def bars(self) -> list[tuple[datetime, float, float]]:
        bars = [event for event in self.events if isinstance(event, IbBarReceived)]
        return [(event.start, event.close, event.volume) for event in bars]

    def depth(self) -> list[object]:
        depth = [event for event in self.events if isinstance(event, IbDepthReceived)]
        return [tick for event in depth for tick in event.ticks]

    def told(self) -> list[object]:
        """Each line in its order; how packets of two lines interleave is TCP's matter."""
        return [
            sorted(self.ticks(), key=lambda one: one[0]),
            self.greeks(),
            self.bars(),
            self.depth(),
            self.refused,
        ]


@asynccontextmanager
async def heart(port: int, client: int, tape: Tape | None = None) -> AsyncIterator[Heart]:
    made = Heart(port, client, tape)
    made.data.start()
    await made.data.wait_connected()
    try:
        yield made
    finally:
        await made.data.stop()


async def asked(feed: Heart) -> list[object]:
    """Contracts, expiries, a chain, history, and what there is none of."""
    listed = await feed.data.underlying("SPY")
    answers: list[object] = [
        listed,
        await feed.data.expiries("SPY"),
        await feed.data.chain("SPY", EXPIRY),
        await feed.data.history("SPY", "1 day", "3 D", SESSION),
        await feed.data.history("SPY", "5 mins", "2 D", SESSION),
    ]
    try:
        await feed.data.underlying("NOPE")
    except LookupError as error:
        answers.append(str(error))
    return answers


async def subscribed(feed: Heart) -> None:
    listed = await feed.data.underlying("SPY")
    feed.data.want_underlying(listed, bars=True, depth=True)
    feed.data.open_option(CALL)


async def recorded(
    tws: TwsSandbox, market: StillMarket, until: Until, folder: Path
) -> tuple[list[object], list[object]]:
    """What a feed was answered and told while it was recorded."""
    tape = Tape(folder, [], lambda: datetime.now(UTC))
    async with heart(tws.port, CLIENT, tape) as feed:
        answers = await asked(feed)
        tws.faults.set("not_subscribed", "10090:700001")
        await subscribed(feed)
        await until(lambda: feed.depth() and feed.refused and feed.ticks())
        for number in range(1, 6):
            market.book["SPY"] = ([(599.98 + number / 100, 100)], [(600.10, 300)])
            updates = [market.underlying_quoted("SPY", 600.0 + number / 100, 600.05)]
            tws.on_updates([*updates, bar("SPY", BAR_START)] if number == 3 else updates)
            last = 600.0 + number / 100
            await until(lambda last=last: (SPY, 1, last) in [one[:3] for one in feed.ticks()])
        await until(lambda: feed.bars())
        told = feed.told()
    tape.close()
    return answers, told


async def test_a_recorded_connection_plays_back_the_same_answers_and_streams_to_other_ids(
    tws: TwsSandbox, market: StillMarket, until: Until, tmp_path: Path
) -> None:
    answers, told = await recorded(tws, market, until, tmp_path)
    (day,) = tmp_path.glob("2*")
    heard = list(Day(day))
    assert not any(b"DU1234567" in record.data for record in heard)
    player, port = TwsPlayer(heard, Pace(heard[0].at, speed=5)), free_port()
    await player.start("127.0.0.1", port)
    try:
        async with heart(port, ANOTHER_CLIENT) as feed:
            feed.data._link.client.updateReqId(4_000)  # type: ignore[union-attr]
            assert await asked(feed) == answers
            await subscribed(feed)
            await until(lambda: feed.told() == told)
            late = await heard_late(port, until)
        # The quote and the book as they stand, and no bar of before.
        assert (SPY, 1, 600.05) in [one[:3] for one in late.ticks()] and not late.bars()
        levels = [tick for tick in late.depth() if isinstance(tick, tuple)]
        assert {(one[0], one[3], one[4]) for one in levels} >= {(0, 1, 600.03), (0, 0, 600.10)}
        assert late.refused == [("SPY", 10090)]
    finally:
        await player.stop()


async def heard_late(port: int, until: Until) -> Heart:
    """A client that comes when the tape is over."""
    async with heart(port, ANOTHER_CLIENT + 1) as feed:
        await subscribed(feed)
        await until(lambda: feed.depth() and len({one[0] for one in feed.ticks()}) == 2)
        await until(lambda: feed.refused)
    return feed


async def test_a_client_that_cancels_hears_no_more_of_the_line(
    tws: TwsSandbox, market: StillMarket, until: Until, tmp_path: Path
) -> None:
    await recorded(tws, market, until, tmp_path)
    (day,) = tmp_path.glob("2*")
    heard = list(Day(day))
    player, port = TwsPlayer(heard, Pace(heard[0].at, speed=5)), free_port()
    await player.start("127.0.0.1", port)
    try:
        async with heart(port, ANOTHER_CLIENT) as feed:
            await subscribed(feed)
            feed.data.close_book(SPY)
            await until(lambda: feed.bars())
            assert not feed.depth() and feed.ticks()
            with pytest.raises(RequestFailed, match=r"162.*no data"):
                await feed.data.history("SPY", "1 min", "3 D", SESSION)
    finally:
        await player.stop()


def test_accounts_are_hidden_from_the_message_on_that_names_them(tmp_path: Path) -> None:
    at = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    tape = Tape(tmp_path, [], lambda: at)
    tape.broker_heard("c", [b"178\0now\0", b"15\x001\0U7654321,DU1\0", b"9\x001\x001\0"])
    tape.broker_asked("c", b"6\x002\x001\0U7654321\0")
    tape.close()
    first, second = list(Day(tmp_path / "2026-11-24"))
    assert first == Heard(
        at,
        IB_HEARD,
        b"\0\0\0\x08178\0now\0\0\0\0\x0d15\x001\0***,***\0\0\0\0\x069\x001\x001\0",
        "c",
    )
    assert second == Heard(at, IB_ASKED, b"6\x002\x001\0***\0", "c")


def test_messages_are_cut_as_the_client_cuts_them_and_given_up_at_no_length() -> None:
    stream = b"\0\0\0\x03ab\0\0\0\0\x01\0\0\0\0\x02x\0"
    for size in (1, 2, 3, 5, len(stream)):
        frames = Frames()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [one for piece in pieces for one in frames.take(piece)] == [b"ab\0", b"\0", b"x\0"]
    frames = Frames()
    assert frames.take(stream + (FRAME_BYTES_MAX + 1).to_bytes(4, "big")) == [
        b"ab\0",
        b"\0",
        b"x\0",
    ]
    assert frames.take(stream) == []
