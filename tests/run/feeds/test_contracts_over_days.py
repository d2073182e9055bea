"""Contract details over days: each change is on the log once, and an ordinary morning adds none."""

from __future__ import annotations

import pytest

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.contract import SimContract
from domain.events.feeds import UnderlyingListed
from run.config import Settings
from run.feeds.intake import Intake
from run.feeds.interactive_brokers import BrokerFeed
from run.feeds.market_clock import MarketClock
from run.feeds.states import FeedStates
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.conftest import tws  # noqa: F401
from tests.adapters.interactive_brokers.still_market import SPY, StillMarket
from tests.on_the_log import bodies
from tests.run.feeds.conftest import running


class MovingMarket(StillMarket):
    """A market in which the contract of SPY may change."""

    spy = SimContract(SPY, "SPY", None, 0.0, "", "ARCA")

    def underlying(self, symbol: str) -> SimContract:
        return self.spy if symbol == "SPY" else super().underlying(symbol)

    def contract(self, con_id: int) -> SimContract | None:
        return self.spy if con_id == self.spy.con_id else super().contract(con_id)


@pytest.fixture
def market() -> MovingMarket:
    return MovingMarket()


async def test_a_contract_that_changes_and_changes_back_is_told_each_time(
    tws: TwsSandbox,  # noqa: F811
    market: MovingMarket,
    database_url: str,
    recorder: Recorder,
    intake: Intake,
    states: FeedStates,
    store: PostgresStore,
) -> None:
    """Five mornings, each with feeds that know what is on the log."""
    settings = Settings(
        DATABASE_URL=database_url, REDIS_URL="redis://127.0.0.1:1", ib_port=tws.port
    )
    async with running(intake):
        for con_id in (SPY, SPY, 999, 999, SPY):
            market.spy = SimContract(con_id, "SPY", None, 0.0, "", "ARCA")
            feed = BrokerFeed(settings, recorder, intake, states, MarketClock(), lambda: False)
            for event in await store.read(0):
                assert not feed.note(event)
            feed.data.start()
            try:
                await feed.data.wait_connected()
                await feed.list_underlyings(())
            finally:
                await feed.data.stop()
    told = await bodies(store, UnderlyingListed)
    assert [body.con_id for body in told if body.symbol == "SPY"] == [SPY, 999, SPY]
    assert [body.symbol for body in told].count("QQQ") == 1
