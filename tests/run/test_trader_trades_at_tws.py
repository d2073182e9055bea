"""Whole trades of the trader's stages and effect over ib_async at the sandbox TWS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.interactive_brokers.orders import IbOrders
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.contract import SimQuote
from domain.event import Body
from domain.events.controls import FlattenStarted
from domain.events.orders import (
    BrokerReady,
    FillRecorded,
    IntentLapsed,
    OrderChanged,
    OrderIntended,
    OrderState,
    Purpose,
    ReconciliationCompleted,
)
from domain.events.positions import PositionChanged, PositionClosed, PositionOpened
from domain.events.system import ClockStarted, ClockTicked, PlannedDay, SessionPlanned
from domain.execution.orders import OrderStage
from domain.execution.positions import PositionStage
from domain.execution.stops import StopStage
from domain.instruments import Leg, OptionContract, Right, Structure, StructureKind
from run.order_effect import OrderEffect
from run.worker import Recorder, Worker
from store.contract import Selection
from tests.adapters.interactive_brokers.still_market import (
    CALL_600,
    CALL_605,
    CLOSE_AT,
    EXPIRY,
    OPEN_AT,
    SESSION,
    StillClock,
    StillMarket,
)
from tests.domain.execution.execution_build import (
    decision,
    leg_ticks,
    parameters,
    plan,
    signal,
    underlying_ticks,
)
from tests.on_the_log import bodies

CLIENT_ID = 7
PORT = 55_810
START = OPEN_AT + timedelta(minutes=30)


def call(con_id: int, strike: int) -> OptionContract:
    return OptionContract(
        con_id=con_id, symbol="SPY", expiry=EXPIRY, strike=Decimal(strike), right=Right.CALL
    )


LONG = Structure(kind=StructureKind.LONG_OPTION, legs=(Leg(contract=call(CALL_600, 600), ratio=1),))
VERTICAL = Structure(
    kind=StructureKind.DEBIT_VERTICAL,
    legs=(
        Leg(contract=call(CALL_600, 600), ratio=1),
        Leg(contract=call(CALL_605, 605), ratio=-1),
    ),
)


def planned() -> SessionPlanned:
    def day(offset: int) -> PlannedDay:
        moved = timedelta(days=offset)
        return PlannedDay(
            session_date=SESSION + moved,
            open_at=OPEN_AT + moved,
            close_at=CLOSE_AT + moved,
            options_close_at=CLOSE_AT + moved + timedelta(minutes=15),
            is_half_day=False,
        )

    return SessionPlanned(day=day(0), earlier=(day(-3),), later=(day(1),), library="test")


class Desk:
    """The trader on a real log; market time moves by hand, the broker answers in real time."""

    def __init__(self, store: Any, port: int) -> None:
        self.store = store
        self.now = START
        self.feeds = Recorder(store, "feeds", "test", "feeds")
        self.structure = LONG
        stages = [OrderStage(), PositionStage(), StopStage()]
        self.worker = Worker(
            "trader", stages, store, "test", on_committed=lambda e: self.effect.on_committed(e)
        )
        self.broker = IbOrders(
            "127.0.0.1",
            port,
            CLIENT_ID,
            self.worker.run_id,
            lambda: datetime.now(UTC),
            sends_a_second_max=1_000,  # minutes of the market pass in a second here
        )
        self.effect = OrderEffect(self.broker, self.worker.recorder, store, self.worker.run_id)

    async def feed(self, *bodies: Body) -> None:
        proposed = [self.feeds.propose("m", body, market_time=self.now) for body in bodies]
        await self.store.append(proposed)

    async def start(self, **quick: float) -> None:
        changed = parameters()
        values = {**changed.values, "execution.look_again_s": 0.05, **quick}
        clock = ClockStarted(base_market_time=self.now, speed=1e-6, session_date=SESSION)
        await self.feed(clock)
        await self.feed(changed.model_copy(update={"values": values}), planned())
        await self.effect.connect_once()
        await self.until(lambda seen: seen(BrokerReady))
        await self.quote()

    async def quote(self, bid: float = 1.20, ask: float = 1.25) -> None:
        short = leg_ticks(call(CALL_605, 605), 0.41, 0.44, self.now)
        long = leg_ticks(call(CALL_600, 600), bid, ask, self.now)
        await self.feed(underlying_ticks(600.0, self.now), long, short)

    async def turn(self) -> None:
        """Consume, carry out, and write what the broker said."""
        head = await self.store.head()
        events = await self.store.read(self.worker.position, self.worker.selection, 5_000, head)
        await self.worker.take(events, head)
        await self.effect.drain()
        if not self.broker.events.empty():
            await self.effect.record_waiting(self.broker.events.get_nowait())

    async def until(self, holds: Callable[[Callable[[type[Any]], list[Any]]], object]) -> None:
        """Turn, with a little real time for the broker, until something is on the log."""
        async with asyncio.timeout(30):
            while True:
                await self.turn()
                found = await self.store.read(0, Selection())
                bodies = [event.body for event in found]
                if holds(lambda kind, b=bodies: [x for x in b if isinstance(x, kind)]):
                    return
                await asyncio.sleep(0.005)

    async def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await self.quote()
        tick = self.worker.recorder.propose(
            "clock/trader", ClockTicked(worker="trader"), market_time=self.now
        )
        await self.store.append([tick])

    async def enter(self, structure: Structure, mid: str) -> None:
        given = plan(
            target="3.00",
            stop="0.60",
            time_stop_at=CLOSE_AT - timedelta(hours=1),
            forced_flat_at=CLOSE_AT - timedelta(minutes=15),
        )
        body = signal(structure, mid=mid, at=self.now, exit_plan=given)
        await self.feed(body, decision(units=2, at=self.now))

    async def climb_until_filled(self) -> None:
        """Steps of the ladder, each after its dwell, until the entry is filled."""
        for _ in range(6):
            await self.settle()
            states = [
                c.state for c in await bodies(self.store, OrderChanged) if "-E1" in c.order_ref
            ]
            if OrderState.FILLED in states:
                return
            await self.wait(4.1)
        raise AssertionError(f"the entry must fill on its ladder, was {states}")

    async def settle(self) -> None:
        """Let the broker say all that it has to say."""
        quiet = 0
        while quiet < 12:
            before = await self.store.head()
            await self.turn()
            quiet = quiet + 1 if await self.store.head() == before else 0
            await asyncio.sleep(0.005)

    async def flatten(self) -> None:
        (opened,) = await bodies(self.store, PositionOpened)
        body = FlattenStarted(who="o", reason="drill", positions=(opened.position_id,))
        await self.feed(body)

    async def leave(self) -> None:
        """Flatten, and follow the urgent ladder to the end of the position."""
        await self.flatten()
        for _ in range(8):
            await self.settle()
            if (await bodies(self.store, PositionChanged))[-1].units == 0:
                break
            await self.wait(1.6)
        await self.wait(6.0)
        await self.until(lambda seen: seen(PositionClosed))
        await self.settle()


@pytest.fixture
async def tws(tmp_path: Path) -> AsyncIterator[TwsSandbox]:
    market = StillMarket()
    market.quotes[CALL_605] = SimQuote(0.41, 0.44, 10, 20)
    sandbox = TwsSandbox(market, StillClock(market), tmp_path / "tws")
    await sandbox.start("127.0.0.1", PORT)
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def desk(store: Any, tws: TwsSandbox) -> AsyncIterator[Desk]:
    made = Desk(store, tws.port)
    yield made
    await made.broker.close()


async def broker_holds(desk: Desk) -> dict[int, int]:
    snapshot = await desk.broker.snapshot()
    return {row.con_id: int(row.quantity) for row in snapshot.positions if row.quantity}


async def open_orders(desk: Desk) -> list[str]:
    return [row.order_ref for row in (await desk.broker.snapshot()).open_orders]


async def test_a_single_call_is_entered_protected_and_left(desk: Desk) -> None:
    await desk.start()
    assert (await bodies(desk.store, ReconciliationCompleted))[-1].clean
    await desk.enter(LONG, "1.22")
    await desk.climb_until_filled()
    await desk.settle()
    assert await broker_holds(desk) == {CALL_600: 2}
    assert [ref[-3:] for ref in await open_orders(desk)] == ["-S1"]
    await desk.leave()
    assert await broker_holds(desk) == {}
    assert await open_orders(desk) == []
    (closed,) = await bodies(desk.store, PositionClosed)
    assert closed.units == 2
    assert closed.fees > 0
    assert await bodies(desk.store, IntentLapsed) == []


async def test_a_vertical_is_traded_as_one_combination(desk: Desk) -> None:
    await desk.start()
    await desk.enter(VERTICAL, "0.80")
    await desk.climb_until_filled()
    await desk.settle()
    assert await broker_holds(desk) == {CALL_600: 2, CALL_605: -2}
    await desk.leave()
    assert await broker_holds(desk) == {}
    fills = await bodies(desk.store, FillRecorded)
    assert {fill.contract is None for fill in fills} == {True, False}


async def test_a_new_run_adopts_what_the_broker_has_and_leaves_it(
    desk: Desk, tws: TwsSandbox, store: Any
) -> None:
    await desk.start()
    await desk.enter(LONG, "1.22")
    await desk.climb_until_filled()
    await desk.broker.close()
    again = Desk(store, tws.port)
    again.now = desk.now
    again.feeds = Recorder(store, "feeds", "test", "feeds-again")
    try:
        await again.worker.recover()
        await again.effect.connect_once()
        await again.until(lambda seen: len(seen(BrokerReady)) == 2)
        assert (await bodies(again.store, ReconciliationCompleted))[-1].clean
        await again.leave()
        assert await broker_holds(again) == {}
        assert await open_orders(again) == []
    finally:
        await again.broker.close()
    intents = await bodies(again.store, OrderIntended)
    assert len([i for i in intents if i.purpose is Purpose.ENTRY]) == 1
