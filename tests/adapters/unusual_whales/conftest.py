"""A sandbox on a local port, its control over the wire left out, and clients of it.

The market is made once for all tests and only ever moves on; no test relies on its time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from adapters.market_model.market import SimulatedMarket
from adapters.market_model.scenario import DEFAULT_SEED
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from adapters.unusual_whales import UwRest
from adapters.unusual_whales.sandbox import UwSandbox, UwSandboxSettings
from adapters.unusual_whales.sandbox.control import FaultRequest, inject

SESSION = date(2026, 10, 6)
PORTS = range(55_500, 55_590)


class StandingClock:
    """Market time is where the market was moved to."""

    def __init__(self, market: SimulatedMarket) -> None:
        self._market = market
        self.speed = 1.0
        self.thinned = False

    def now(self) -> datetime:
        return self._market.now()


class Wire:
    """A running sandbox with what tests need to drive it."""

    def __init__(self, market: SimulatedMarket, clock: StandingClock, sandbox: UwSandbox) -> None:
        self.market = market
        self.clock = clock
        self.sandbox = sandbox
        self.port = 0

    @property
    def token(self) -> str:
        return self.sandbox.settings.token

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/socket"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def move(self, seconds: float) -> None:
        """Advance the market and push what happened."""
        until = self.market.now() + timedelta(seconds=seconds)
        self.sandbox.on_updates(self.market.advance(until))

    async def fault(self, request: FaultRequest) -> None:
        """Let the sandbox misbehave as asked."""
        assert await inject(request, self.sandbox.faults, self.sandbox.hub) == ""

    async def start(self) -> None:
        for port in PORTS:
            try:
                self.port = await self.sandbox.start("127.0.0.1", port)
            except OSError:
                continue
            return
        raise AssertionError(f"a port in {PORTS} must be free")


@pytest.fixture(scope="session")
def market() -> SimulatedMarket:
    made = SeededMarket(DEFAULT_SEED, SESSION, xnys_plan(SESSION))
    made.advance(made.open_at + timedelta(minutes=31), thin=True)
    return made


@pytest.fixture
def settings() -> UwSandboxSettings:
    return UwSandboxSettings(refusal_hold_seconds=0.0)


@pytest.fixture
async def wire(
    market: SimulatedMarket, settings: UwSandboxSettings, tmp_path: Path
) -> AsyncIterator[Wire]:
    clock = StandingClock(market)
    made = Wire(market, clock, UwSandbox(market, clock, tmp_path, settings))
    await made.start()
    yield made
    await made.sandbox.stop()


@pytest.fixture
async def rest(wire: Wire) -> AsyncIterator[UwRest]:
    async with UwRest(wire.rest_url, wire.token, backoff_seconds=0.001) as client:
        yield client
