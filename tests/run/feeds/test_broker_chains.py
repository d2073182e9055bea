"""Chains are read anew before the open, for what was listed over night."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.calendar import plan_session
from domain.events.feeds import ChainListed, ListedOption
from domain.instruments import Right
from run.feeds.broker_chains import BEFORE_OPEN, BrokerChains
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.still_market import SESSION
from tests.on_the_log import bodies
from tests.waiting import Until


class Listing:
    """What TWS lists, as the feed's connection hands it over."""

    def __init__(self) -> None:
        self.days = [SESSION]

    async def wait_connected(self) -> None: ...

    async def expiries(self, _symbol: str) -> list[date]:
        return self.days

    async def chain(self, symbol: str, expiry: date) -> ChainListed:
        option = ListedOption(con_id=expiry.toordinal(), strike=Decimal(600), right=Right.CALL)
        return ChainListed(
            symbol=symbol,
            expiry=expiry,
            trading_class=symbol,
            multiplier=100,
            contracts=(option,),
        )


class Waits(tuple[float, ...]):
    """How long to wait for the next look; counts the looks."""

    taken = 0

    def __getitem__(self, place: Any) -> Any:
        self.taken += 1
        return super().__getitem__(place)


async def test_five_minutes_before_the_open_new_expiries_are_listed_once(
    store: PostgresStore, recorder: Recorder, until: Until
) -> None:
    plan, listing = plan_session(SESSION), Listing()
    now = plan.day.open_at - timedelta(hours=1)
    waits = Waits((0.005,))
    alarms: list[tuple[str, str, str]] = []
    tell: Callable[[str, str, str], None] = lambda *alarm: alarms.append(alarm)  # noqa: E731
    chains = BrokerChains(listing, recorder, tell, waits_seconds=waits)  # type: ignore[arg-type]
    await chains.list_all(SESSION)
    told: list[list[date]] = []
    chains.on_new = lambda: told.append(chains.expiries["SPY"])
    listing.days = [SESSION, SESSION + timedelta(days=1)]

    def clock() -> datetime:
        return now

    keeping = asyncio.create_task(chains.keep(plan, clock))
    await until(lambda: waits.taken > 5)
    assert {body.expiry for body in await bodies(store, ChainListed)} == {SESSION}
    now = plan.day.open_at - BEFORE_OPEN
    async with asyncio.timeout(30.0):
        while len(await bodies(store, ChainListed)) < 6:
            await asyncio.sleep(0.01)
    listing.days = []  # a second reading would find them missing
    taken = waits.taken
    await until(lambda: waits.taken > taken + 5)
    assert chains.missing == {} and alarms == []
    assert told == [[SESSION, SESSION + timedelta(days=1)]], "who asks by expiry must be told"
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_after_an_expiry_is_passed_over_the_next_nearest_is_listed(
    store: PostgresStore, recorder: Recorder
) -> None:
    """For that underlying and that day alone."""
    plan, listing = plan_session(SESSION), Listing()
    days = (0, 1, 2, 3, 29, 31, 35, 38, 59, 61)
    listing.days = [SESSION + timedelta(days=n) for n in days]
    nearest, following = (SESSION + timedelta(days=n) for n in (35, 38))
    chains = BrokerChains(
        listing,  # type: ignore[arg-type]
        recorder,
        lambda *alarm: None,
        waits_seconds=(0.005,),
    )
    await chains.list_all(SESSION)
    assert nearest in chains.expiries["SPY"] and following not in chains.expiries["SPY"]
    chains.pass_over("QQQ", SESSION - timedelta(days=1), nearest)
    chains.pass_over("SPY", SESSION, nearest)
    told = asyncio.Event()
    chains.on_new = told.set
    keeping = asyncio.create_task(chains.keep(plan, lambda: plan.day.open_at))
    async with asyncio.timeout(30.0):
        await told.wait()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert following in chains.expiries["SPY"]
    assert following not in chains.expiries["QQQ"]
