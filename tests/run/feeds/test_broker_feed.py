"""The broker's part of the feeds against the sandbox TWS, over a real ib_async client."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.wire import frame
from domain.events.feeds import FeedMessageRejected, IbTicksReceived
from run.config import Settings
from run.feeds.intake import Intake
from run.feeds.interactive_brokers import BrokerFeed
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.conftest import market, tws  # noqa: F401
from tests.adapters.interactive_brokers.still_market import StillMarket
from tests.run.feeds.conftest import Until, bodies, running

CLIENT = 8


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
    market: StillMarket,  # noqa: F811
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
