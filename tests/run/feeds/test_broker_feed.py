"""The broker's part of the feeds against the sandbox TWS, over a real ib_async client."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from adapters.calendar import plan_session
from adapters.interactive_brokers.feed_callbacks import Timing
from adapters.interactive_brokers.feed_watch import FeedState, Limits
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.wire import frame
from adapters.market_model.contract import SimContract
from domain.analytics.depth_book import DepthBook
from domain.event import event_type
from domain.events.controls import AlertRaised, FeedPauseRequested, FeedResumeRequested
from domain.events.feed_health import FeedGapClosed, FeedGapOpened, FeedStreamVerified
from domain.events.feeds import (
    ChainListed,
    DepthWanted,
    FeedMessageRejected,
    IbDepthReceived,
    IbTicksReceived,
    LineClosed,
    LineOpened,
    LineRefused,
    LinesWanted,
    WantedLine,
)
from domain.instruments import Right
from run import metrics
from run.config import Settings
from run.feeds.intake import Intake
from run.feeds.interactive_brokers import BrokerFeed
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.conftest import tws  # noqa: F401
from tests.adapters.interactive_brokers.feed import BAR_START, bar
from tests.adapters.interactive_brokers.intents import listed_option
from tests.adapters.interactive_brokers.still_market import (
    CALL_600,
    SESSION,
    SPY,
    StillMarket,
    option,
)
from tests.on_the_log import bodies
from tests.run.feeds.conftest import running
from tests.waiting import Until

CLIENT = 8
MEMBERS = {f"M{number:02}": 800_000 + number for number in range(20)}


class WideMarket(StillMarket):
    """A market with more basket members than there are lines for them."""

    def underlying(self, symbol: str) -> SimContract:
        if symbol in MEMBERS:
            return SimContract(MEMBERS[symbol], symbol, None, 0.0, "", "NYSE")
        return super().underlying(symbol)

    def contract(self, con_id: int) -> SimContract | None:
        symbol = next((name for name, known in MEMBERS.items() if known == con_id), None)
        return super().contract(con_id) if symbol is None else self.underlying(symbol)


@pytest.fixture
def market() -> WideMarket:
    made = WideMarket(basket=tuple(MEMBERS))
    made.listed += [option(700_100 + n, 500.0 + n, "C") for n in range(90)]
    return made


@pytest.fixture
def broker(
    tws: TwsSandbox,  # noqa: F811
    database_url: str,
    recorder: Recorder,
    intake: Intake,
    states: FeedStates,
) -> BrokerFeed:
    settings = Settings(
        DATABASE_URL=database_url,
        REDIS_URL="redis://127.0.0.1:1",
        ib_port=tws.port,
        ib_data_client_id=CLIENT,
        basket=tuple(MEMBERS),
    )
    return BrokerFeed(settings, recorder, intake, states, MarketClock(), lambda: False)


@asynccontextmanager
async def connected(broker: BrokerFeed, intake: Intake) -> AsyncIterator[None]:
    """The feed is connected inside the block, and what it put is appended."""
    async with running(intake):
        broker.data.start()
        try:
            await broker.data.wait_connected()
            yield
        finally:
            await broker.data.stop()


async def test_an_unreadable_message_is_kept_and_those_behind_it_arrive(
    broker: BrokerFeed,
    tws: TwsSandbox,  # noqa: F811
    intake: Intake,
    store: PostgresStore,
    until: Until,
) -> None:
    """Both in one packet: what is wrong with the first must not keep back the second."""
    async with connected(broker, intake):
        await broker.list_underlyings(())
        await until(lambda: intake.appended >= 4)
        before = intake.appended
        request = next(iter(tws._sessions[CLIENT].feed._lines))
        unreadable = frame(1, 6, request, "not a tick type", 1.0, 1, 0)
        readable = frame(1, 6, request, 1, 601.5, 100, 0)
        tws._sessions[CLIENT].send_frames([unreadable, readable])
        await until(lambda: intake.appended >= before + 2)
    (rejected,) = await bodies(store, FeedMessageRejected)
    assert (rejected.vendor, rejected.feed) == ("ib", "ib.data")
    assert b"not a tick type" in base64.b64decode(rejected.payload_base64)
    ticks = [tick for body in await bodies(store, IbTicksReceived) for tick in body.ticks]
    assert (1, 601.5, 100.0) in ticks


async def test_wishes_beyond_the_budget_are_refused_by_name_and_stop_nothing(
    broker: BrokerFeed,
    tws: TwsSandbox,  # noqa: F811
    intake: Intake,
    recorder: Recorder,
    store: PostgresStore,
    until: Until,
) -> None:
    """A hundred lines: six of the underlyings, fourteen of the basket, eighty for options."""
    contracts = [listed_option(700_100 + n, 500 + n, Right.CALL) for n in range(90)]
    lines = tuple(WantedLine(contract=contract, reason="surface") for contract in contracts)
    await recorder.record("lines/signals", LinesWanted(requester="signals", lines=lines))
    best = (WantedLine(contract=listed_option(CALL_600, 600, Right.CALL), reason="held"),)
    await recorder.record("lines/trader", LinesWanted(requester="trader", lines=best))
    async with connected(broker, intake):
        assert broker.data._link is not None
        broker.data._link.client.MaxRequests = 0  # type: ignore[attr-defined]
        for event in await store.read(0):
            broker.note(event)
        for _ in range(2):
            broker.open_wanted()
        await broker.list_underlyings(tuple(MEMBERS))
        held = tws._sessions[CLIENT].feed
        await until(lambda: len(held._bars) == 3 and len(held._lines) >= 18)
        await until(lambda: not intake.depth)
    assert broker.data.open_lines() == 100
    opened = [body.contract.con_id for body in await bodies(store, LineOpened)]
    assert opened == [CALL_600, *(700_100 + n for n in range(79))]
    refused = [body.con_id for body in await bodies(store, LineRefused) if body.code == 0]
    assert refused == [*(700_100 + n for n in range(79, 90)), *list(MEMBERS.values())[14:]]


async def test_what_tws_refuses_is_closed_and_its_place_goes_to_the_next(
    broker: BrokerFeed,
    tws: TwsSandbox,  # noqa: F811
    intake: Intake,
    recorder: Recorder,
    store: PostgresStore,
    until: Until,
) -> None:
    """One contract is not subscribed, and TWS has lines for ten options alone: the others are
    told and closed. After a reconnect all are tried again."""
    tws.faults.set("not_subscribed", "354:700103")
    tws.faults.set("lines_max", 16)
    wishes = [listed_option(700_100 + n, 500 + n, Right.CALL) for n in range(20)]
    lines = tuple(WantedLine(contract=contract, reason="surface") for contract in wishes)
    await recorder.record("lines/signals", LinesWanted(requester="signals", lines=lines))

    def served() -> set[int]:
        session = tws._sessions.get(CLIENT)
        lines = [] if session is None else session.feed._lines.values()
        return {line.contract.con_id for line in lines if line.contract.is_option}

    broker.data._timing = Timing(backoff_seconds=(0.05,))
    async with connected(broker, intake):
        assert broker.data._link is not None
        broker.data._link.client.MaxRequests = 0  # type: ignore[attr-defined]
        for event in await store.read(0):
            broker.note(event)
        await broker.list_underlyings(())
        broker.open_wanted()
        await until(lambda: served() == {700_100 + n for n in range(11) if n != 3})
        await until(lambda: broker.data.open_lines() == 16 and not intake.depth)
        tws.faults.clear()
        tws.faults.set("disconnect", "reset")
        await until(lambda: served() == {700_100 + n for n in range(20)})
        answered = {f"ticks SPY {SPY}", "ticks SPY 700100"}  # asked for anew
        async with asyncio.timeout(10):
            while not answered <= {b.channel for b in await bodies(store, FeedStreamVerified)}:
                await asyncio.sleep(0.01)
            while [b.contract.con_id for b in await bodies(store, LineOpened)].count(700_103) < 2:
                await asyncio.sleep(0.01)
        await until(lambda: not intake.depth)
    refused = await bodies(store, LineRefused)
    assert [body.con_id for body in refused if body.code == 354] == [700_103]
    assert any(body.code == 101 for body in refused)
    for kind, times in ((LineClosed, 1), (LineOpened, 2)):
        told = [body.contract.con_id for body in await bodies(store, kind)]
        assert told.count(700_103) == times and told.count(700_119) >= times


async def test_books_go_to_whom_they_are_wished_for_three_at_most(
    broker: BrokerFeed,
    tws: TwsSandbox,  # noqa: F811
    intake: Intake,
    recorder: Recorder,
    store: PostgresStore,
    until: Until,
) -> None:
    """The desk's own by default; another symbol's contract is looked up when it is wished for."""

    def books() -> list[str]:
        session = tws._sessions.get(CLIENT)
        lines = [] if session is None else session.feed.depth._lines.values()
        return sorted(line.symbol for line in lines)

    async with connected(broker, intake):
        await broker.list_underlyings(())
        await until(lambda: books() == ["IWM", "QQQ", "SPY"])
        keeping = asyncio.create_task(broker.keep(plan_session(SESSION)))
        wish = DepthWanted(requester="signals", symbols=("M01", "SPY"))
        await recorder.record("lines/signals", wish)
        for event in await store.read(0):
            broker.note(event)
        broker.open_wanted()
        await until(lambda: books() == ["M01", "QQQ", "SPY"])
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert not [b for b in await bodies(store, LineRefused) if b.code == 309]


async def test_after_a_pause_readers_of_the_log_have_the_whole_book_again(
    broker: BrokerFeed,
    tws: TwsSandbox,  # noqa: F811
    intake: Intake,
    recorder: Recorder,
    states: FeedStates,
    store: PostgresStore,
    market: WideMarket,
    until: Until,
) -> None:
    """What changed while nothing was kept would be missing for ever."""

    async def asks(body: FeedPauseRequested | FeedResumeRequested) -> None:
        await recorder.record("control", body)
        states.obey((await store.read(0, Selection(types=frozenset({event_type(body)}))))[-1])

    def moves(bid: float) -> None:
        market.book["SPY"] = ([(bid, 100), (bid - 0.01, 200)], [(bid + 0.02, 300)])
        tws.on_updates([market.underlying_quoted("SPY", bid, bid + 0.02)])

    states.go_live()
    said = {"feed": "ib.data", "who": "operator", "route": "api", "reason": "test"}
    async with connected(broker, intake):
        await broker.list_underlyings(())
        await until(lambda: (book := broker.data.book(SPY)) is not None and book.bids)
        await until(lambda: not intake.depth)
        await asks(FeedPauseRequested(**said))
        moves(600.5)
        await until(lambda: broker.data.book(SPY).bids[0].price == 600.5)  # type: ignore[union-attr]
        await asks(FeedResumeRequested(**said))
        moves(600.7)
        await until(
            lambda: (
                (book := broker.data.book(SPY)) is not None
                and [level.price for level in book.bids] == [600.7, 600.69]
            )
        )
        await until(lambda: not intake.depth)
    book = DepthBook()
    for body in await bodies(store, IbDepthReceived):
        if body.symbol == "SPY":
            book.apply(body.ticks, 0.0)
    assert book.damage == ""
    assert [level.price for level in book.top(5)[0]] == [600.7, 600.69]


async def test_a_silent_line_is_a_gap_with_both_its_ends(
    broker: BrokerFeed,
    tws: TwsSandbox,  # noqa: F811
    intake: Intake,
    store: PostgresStore,
    market: WideMarket,
    until: Until,
) -> None:
    """Its quotes freeze while its bars and all other lines flow."""
    limits = Limits(mute_seconds=0.3, first_seconds=60.0, depth_seconds=60.0)
    broker.data._timing = Timing(heartbeat_seconds=0.02, limits=limits)
    bids = count(1)

    def flow() -> None:
        step = next(bids) / 100
        for symbol, price in (("SPY", 600.0), ("QQQ", 500.0), ("IWM", 200.0)):
            start = BAR_START + timedelta(seconds=5 * step * 100)
            quote = market.underlying_quoted(symbol, price + step, price + step + 0.01)
            tws.on_updates([bar(symbol, start), quote])

    def flowing(condition: Callable[[], object]) -> Callable[[], object]:
        return lambda: (flow(), condition())[1]

    async with connected(broker, intake):
        await broker.list_underlyings(())
        broker.data._expects_data = lambda: True
        await until(flowing(lambda: broker.data.state is FeedState.READY))
        tws.faults.set("frozen_con_id", SPY)
        await until(flowing(lambda: intake.gaps.find("ib.data", f"ticks SPY {SPY}")))
        assert metrics.FEED_STALE.labels("ib.data")._value.get() == 1
        tws.faults.set("frozen_con_id", 0)
        await until(flowing(lambda: not intake.gaps.find("ib.data", f"ticks SPY {SPY}")))
        await until(lambda: not intake.depth)
    assert metrics.FEED_STALE.labels("ib.data")._value.get() == 0
    name = f"ticks SPY {SPY}"
    opened = [one for one in await bodies(store, FeedGapOpened) if one.channel == name]
    closed = [one for one in await bodies(store, FeedGapClosed) if one.channel == name]
    assert [one.cause for one in opened] == ["silent"] == [one.cause for one in closed]
    assert opened[0].gap_id == closed[0].gap_id
    assert closed[0].until > opened[0].since


async def test_a_chain_that_stays_away_is_asked_for_again_and_paged(
    broker: BrokerFeed,
    intake: Intake,
    store: PostgresStore,
    market: WideMarket,
    until: Until,
) -> None:
    """The sandbox lists options of SPY alone; QQQ's come late."""
    broker.chains._waits = (0.01,)
    async with connected(broker, intake):
        await broker.list_underlyings(())
        assert list(await broker.list_chains(SESSION)) == ["SPY"]
        keeping = asyncio.create_task(broker.keep(plan_session(SESSION)))
        await until(lambda: broker.chains.missing and intake.appended)
        async with asyncio.timeout(10.0):
            while not await bodies(store, AlertRaised):
                await asyncio.sleep(0.01)
        market.listed.append(replace(option(800_900, 500.0, "C"), symbol="QQQ"))
        await until(lambda: set(broker.chains.missing) == {"IWM"})
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    (alarm,) = await bodies(store, AlertRaised)
    assert (alarm.severity, alarm.code) == ("critical", "CHAIN_MISSING")
    assert "IWM" in alarm.text and "QQQ" in alarm.text
    assert {chain.symbol for chain in await bodies(store, ChainListed)} == {"SPY", "QQQ"}


async def test_a_refused_line_of_an_underlying_is_an_alarm(
    broker: BrokerFeed,
    tws: TwsSandbox,  # noqa: F811
    intake: Intake,
    store: PostgresStore,
    until: Until,
) -> None:
    async with connected(broker, intake):
        listed = await broker.data.underlying("SPY")
        gone = listed.model_copy(update={"con_id": 999_999})
        broker.data.want_underlying(gone, bars=True, depth=False)
        await until(lambda: intake.appended >= 5)
    refused = await bodies(store, LineRefused)
    assert {(body.kind, body.con_id, body.code) for body in refused} == {
        ("ticks", 999_999, 200),
        ("bars", 999_999, 420),
    }
    alerts = await bodies(store, AlertRaised)
    assert [(alert.severity, alert.code) for alert in alerts] == [("critical", "LINE_REFUSED")] * 2
