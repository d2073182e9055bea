"""Markets for the tests: made once where a test only reads, fresh where it moves one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from adapters.market_model.scenario import DEFAULT_SEED, TREND_DAY, Scenario
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import SessionPlan, xnys_plan

SESSION = date(2026, 10, 6)
MakeMarket = Callable[..., SeededMarket]


@pytest.fixture(scope="session")
def plan() -> SessionPlan:
    return xnys_plan(SESSION)


@pytest.fixture(scope="session")
def make_market(plan: SessionPlan) -> MakeMarket:
    def make(seed: int = DEFAULT_SEED, scenario: Scenario = TREND_DAY) -> SeededMarket:
        return SeededMarket(seed, SESSION, plan, scenario)

    return make


@pytest.fixture(scope="session")
def whole_day(make_market: MakeMarket) -> SeededMarket:
    """A trend day, run to its end without quotes and trades. Read it, do not move it."""
    market = make_market()
    market.advance(market.close_at, thin=True)
    return market
