"""The broker's part of the feeds against the sandbox TWS, over a real ib_async client."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.wire import frame
from adapters.market_model.contract import SimContract
from domain.events.controls import AlertRaised
from domain.events.feeds import (
    FeedMessageRejected,
    IbTicksReceived,
    LineOpened,
    LineRefused,
    LinesWanted,
    WantedLine,
)
from domain.instruments import Right
from run.config import Settings
from run.feeds.intake import Intake
from run.feeds.interactive_brokers import BrokerFeed
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.conftest import tws  # noqa: F401
from tests.adapters.interactive_brokers.intents import listed_option
from tests.adapters.interactive_brokers.still_market import CALL_600, StillMarket
from tests.run.feeds.conftest import Until, bodies, running

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
    return WideMarket(basket=tuple(MEMBERS))


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
    lines = tuple(WantedLine(contract=contract, reason="test") for contract in contracts)
    await recorder.record("lines/signals", LinesWanted(requester="signals", lines=lines))
    best = (WantedLine(contract=listed_option(CALL_600, 600, Right.CALL), reason="held"),)
    await recorder.record("lines/trader", LinesWanted(requester="trader", lines=best))
    async with connected(broker, intake):
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
