"""A running sandbox TWS on a local port, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import cycle, islice
from pathlib import Path

import pytest
from ib_async import IB

from adapters.interactive_brokers.orders import IbOrders
from adapters.interactive_brokers.sandbox import TwsSandbox
from tests.adapters.interactive_brokers.intents import wall_clock
from tests.adapters.interactive_brokers.still_market import StillClock, StillMarket

PORTS = cycle(range(55_600, 55_700))


@pytest.fixture
def market() -> StillMarket:
    return StillMarket()


@pytest.fixture
async def tws(market: StillMarket, tmp_path: Path) -> AsyncIterator[TwsSandbox]:
    sandbox = TwsSandbox(market, StillClock(market), tmp_path / "tws")
    await start_on_free_port(sandbox)
    yield sandbox
    await sandbox.stop()


async def start_on_free_port(sandbox: TwsSandbox) -> None:
    for port in islice(PORTS, 100):
        try:
            await sandbox.start("127.0.0.1", port)
        except OSError:
            continue
        return
    raise AssertionError("a port in 55600-55699 must be free")


@pytest.fixture
async def ib(tws: TwsSandbox) -> AsyncIterator[IB]:
    """An unmodified ib_async connection with client id 7."""
    client = IB()
    await client.connectAsync("127.0.0.1", tws.port, clientId=7, raiseSyncErrors=True)
    yield client
    client.disconnect()


@pytest.fixture
async def orders(tws: TwsSandbox) -> AsyncIterator[IbOrders]:
    """The trader's connection, not yet made."""
    trader = IbOrders(
        "127.0.0.1", tws.port, 7, "run-1", wall_clock, heartbeat_seconds=0.05, answer_seconds=0.4
    )
    yield trader
    await trader.close()
