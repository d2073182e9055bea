"""One seeded life of the trader in virtual time: its world, its deaths, and what came of it.

The trader is run/trader's own, with every stage, on the real store and behind the real ib_async
client; the broker is the sandbox TWS. Everything that happens follows from the seed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import structlog

import run.trader
from adapters.interactive_brokers.orders import IbOrders
from adapters.market_model.contract import SimQuote
from domain.event import Body, Proposed, event_type
from domain.events.controls import CONTROL_STREAM, FlattenRequested, HaltRequested
from domain.events.system import ClockStarted, ClockTicked, PlannedDay, SessionPlanned
from run.config import Settings
from run.service import Process
from run.worker import Recorder, Worker
from store.contract import Selection
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.still_market import CLOSE_AT, OPEN_AT, SESSION, StillMarket
from tests.domain.execution.execution_build import leg_ticks, plan, underlying_ticks
from tests.domain.risk.build import changed
from tests.domain.risk.build import signal as risk_signal
from tests.sim.broker import (
    ACCOUNT,
    HOST,
    NO_TROUBLE,
    PORT,
    SimClock,
    SimTws,
    chances,
    standing_faults,
)
from tests.sim.clock import START, virtual_clocks, virtual_now
from tests.sim.loop import VirtualLoop
from tests.sim.oracle import History
from tests.sim.process import SimProcess, task_factory
from tests.sim.shapes import SHAPES, first_quotes
from tests.sim.store import SimStore
from tests.sim.wire import frames_of

CLIENT_ID = 1
KILLS_MAX = 4
STEP_SECONDS = (1.0, 2.8)
TRADING_SECONDS = 40.0
LAST_SECONDS = 160.0
"""After TRADING_SECONDS no fault is added; by then all must be flat, however it went."""
QUIET_SECONDS = 66.0
"""Nothing happens any more: Unknown must have ended, and the lists must agree."""
QUIET_STEP_SECONDS = 11.0
HEARTBEAT_SECONDS = 10.0
AIM_SECONDS_MAX = 20.0
MEETS_ORDER_CHANCE = 0.35
AIMS = (
    "OrderIdBlockReserved",
    "BrokerReady",
    "RiskDecided",
    "OrderIntended",
    "IntentSent",
    "OrderModifyIntended",
    "OrderCancelIntended",
    "OrderChanged",
    "FillRecorded",
    "PositionOpened",
    "ExitDecided",
    "BrokerSnapshotReceived",
)
"""Events after which it is worst to die."""


WEIGHED = frozenset(
    (
        "OrderIntended",
        "IntentSent",
        "IntentLapsed",
        "OrderChanged",
        "FillRecorded",
        "CommissionRecorded",
        "PositionChanged",
        "PositionClosed",
        "ReconciliationCompleted",
        "TradingHalted",
    )
)
"""Events that the oracle reads."""


@dataclass
class Life:
    """The seed, and what its world did."""

    seed: int
    kills: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    virtual_seconds: float = 0.0


class SimWorker(Worker):
    """The trader's worker; the world ticks its clock, and nobody hears its heart."""

    async def _tick(self) -> None:
        await asyncio.Event().wait()

    async def _beat(self, state: str = "running", **more: float) -> None:
        await asyncio.Event().wait()


class World:
    """Market, broker, feeds and operator, and the trader's process while it lives."""

    def __init__(
        self,
        seed: int,
        store: PostgresStore,
        store_loop: asyncio.AbstractEventLoop,
        base: int,
        folder: Path,
    ) -> None:
        self.life = Life(seed)
        self.name = f"trader-{seed}"
        self.random = Random(f"world {seed}")
        self.market_random = Random(f"market {seed}")
        self.folder = folder
        self.loop = asyncio.get_running_loop()
        assert isinstance(self.loop, VirtualLoop)
        self.store = SimStore(store, store_loop, virtual_now, Random(f"store {seed}"), base)
        self.store.on_appended = self._notice
        self.feeds = Recorder(self.store, "feeds", "sim", f"feeds-{self.name}")
        self.market = StillMarket()
        self.structure = self.random.choice(SHAPES)
        self.market.quotes.update(first_quotes())
        self.tws = SimTws(self.market, SimClock(virtual_now), folder / "tws", seed)
        self.process: SimProcess | None = None
        self.dead: list[SimProcess] = []
        self.runs = 0
        self.kills_left = self.random.randint(1, KILLS_MAX)
        self.aim = ""
        self.occurrence = 0
        self.signals = 0
        self._after = ""
        self._broker_is_ready = False

    # The story.

    async def live(self) -> History:
        """Decisions, a wandering market, deaths and faults; then a flat book and silence."""
        await self.tws.start(HOST, PORT, poll=False)
        self._begin()
        self._start_trader()
        due = [3.0, self.random.uniform(15.0, 30.0)]
        self._plan_faults()
        while self.loop.time() < TRADING_SECONDS:
            await asyncio.sleep(self.random.uniform(*STEP_SECONDS))
            self._move_market()
            if due and self.loop.time() >= due[0] and self._is_ready():
                due.pop(0)
                self._signal()
            else:
                self._quote()
        self._end_faults()
        while self.loop.time() < LAST_SECONDS and not self._is_flat():
            await asyncio.sleep(self.random.uniform(*STEP_SECONDS))
            self._move_market()
            self._quote()
        quiet_until = self.loop.time() + QUIET_SECONDS
        while self.loop.time() < quiet_until:
            await asyncio.sleep(QUIET_STEP_SECONDS)
            self.tws.poll_once()
            self._tick()
        history = History(
            tuple(self.store.log(Selection(types=WEIGHED))),
            self.tws.ledger(),
            frames_of(self.loop.network),
        )
        await self._end()
        return history

    def _begin(self) -> None:
        now = virtual_now()
        quick = changed().model_copy(update={"version": 1})
        self._feed(
            ClockStarted(base_market_time=now, speed=1.0, session_date=SESSION), quick, planned()
        )
        self._quote()

    def _feed(self, *bodies: Body, stream: str = "market") -> None:
        self.store.append_now([self.feeds.propose(stream, body) for body in bodies])

    def _tick_event(self) -> Proposed:
        run_id = f"ticks-{self.name}"
        if not hasattr(self, "_ticks"):
            self._ticks = Recorder(self.store, self.name, "sim", run_id)
        return self._ticks.propose(f"clock/{self.name}", ClockTicked(worker=self.name))

    def _tick(self) -> None:
        if self.process is not None:
            self.store.append_now([self._tick_event()])

    def _quote(self, *more: Body) -> None:
        """Quotes of all legs, what else there is, and the tick of a living trader, at once."""
        now = virtual_now()
        bodies: list[Body] = [underlying_ticks(600.0, now)]
        for leg in self.structure.legs:
            quote = self.market.quotes[leg.contract.con_id]
            bodies.append(leg_ticks(leg.contract, quote.bid, quote.ask, now))
        proposed = [self.feeds.propose("market", body) for body in (*bodies, *more)]
        if self.process is not None:
            proposed.append(self._tick_event())
        self.store.append_now(proposed)

    def _move_market(self) -> None:
        self.market.time = virtual_now()
        for leg in self.structure.legs:
            con_id = leg.contract.con_id
            quote = self.market.quotes[con_id]
            move = self.market_random.choice((-0.06, -0.03, -0.01, 0.0, 0.0, 0.01, 0.03, 0.06))
            bid = max(0.05, round(quote.bid + move, 2))
            spread = self.market_random.choice((0.02, 0.03, 0.04))
            size = self.market_random.choice((1, 3, 20))
            self.market.quotes[con_id] = SimQuote(bid, round(bid + spread, 2), size, size)
        if self.market_random.random() < MEETS_ORDER_CHANCE:
            self._meet_an_order()
        self.tws.poll_once()

    def _meet_an_order(self) -> None:
        """The market comes to the limit of a working order: lives without fills prove little."""
        working = [o for o in self.tws._book.working() if not o.is_stop and o.remaining]
        if not working:
            return
        order = self.market_random.choice(working)
        bid, ask = self._net()
        gap = float(order.limit_price - (ask if order.sign > 0 else bid))
        first = self.structure.legs[0].contract.con_id
        quote = self.market.quotes[first]
        low = max(0.05, round(quote.bid + gap, 2))
        spread = quote.ask - quote.bid
        self.market.quotes[first] = SimQuote(
            low, round(low + spread, 2), quote.bid_size, quote.ask_size
        )

    def _net(self) -> tuple[Decimal, Decimal]:
        bid = ask = 0.0
        for leg in self.structure.legs:
            quote = self.market.quotes[leg.contract.con_id]
            bid += leg.ratio * (quote.bid if leg.ratio > 0 else quote.ask)
            ask += leg.ratio * (quote.ask if leg.ratio > 0 else quote.bid)
        return Decimal(str(round(bid, 2))), Decimal(str(round(ask, 2)))

    def _signal(self) -> None:
        """A valid signal with an exit plan that soon comes true."""
        self.signals += 1
        now = virtual_now()
        bid, ask = self._net()
        mid = (bid + ask) / 2
        body = risk_signal(
            self.structure,
            signal_id=f"{self.signals}-{self.name}",
            at=now,
            mid=str(mid),
            net_bid=bid,
            net_ask=ask,
        )
        exits = plan(
            target=str(mid + Decimal("0.30")),
            stop=str(max(Decimal("0.05"), mid - Decimal("0.20"))),
            time_stop_at=START + timedelta(seconds=TRADING_SECONDS + 2),
            forced_flat_at=START + timedelta(seconds=TRADING_SECONDS + 20),
        )
        update = {
            "exit_plan": exits,
            "mid_against_max": Decimal("0.20"),
            "valid_until": now + timedelta(seconds=40),
            "underlying_move_max": 3.0,
        }
        self._quote(body.model_copy(update=update))

    def _is_ready(self) -> bool:
        """A signal at a closed desk is only refused; one in ten comes all the same."""
        return self.process is not None and (self._broker_is_ready or self.random.random() < 0.1)

    def _is_flat(self) -> bool:
        held = any(p.quantity for p in self._account_positions().values())
        return not held and not self.tws._book.working()

    def _account_positions(self) -> Any:
        return self.tws._account.positions

    # The trader's process.

    def _start_trader(self) -> None:
        self.runs += 1
        self.process = process = SimProcess(0, self._died)
        self._take_aim()
        process.start(self._trade(f"run{self.runs}-{self.name}"), f"trader run {self.runs}")

    async def _trade(self, run_id: str) -> None:
        process = self.process
        assert process is not None
        settings = Settings.model_construct(
            var_dir=self.folder, ib_host=HOST, ib_port=PORT, ib_trader_client_id=CLIENT_ID,
            ib_account=ACCOUNT, mode="sandbox", database_url="", redis_url="",
        )  # fmt: skip
        recorder = Recorder(self.store, "trader", "sim", run_id)
        log: Any = structlog.get_logger("sim")
        parts = Process("trader", "sim", run_id, settings, self.store, recorder, log)  # type: ignore[arg-type]
        broker = IbOrders(
            HOST, PORT, CLIENT_ID, run_id, virtual_now, account=ACCOUNT, heartbeat_seconds=10.0
        )

        def make_worker(_name: str, *given: Any, **named: Any) -> SimWorker:
            worker = SimWorker(self.name, *given, **named)
            worker.run_id = run_id
            worker.recorder = Recorder(self.store, self.name, "sim", run_id)
            return worker

        with patch.object(run.trader, "Worker", make_worker):
            trader = run.trader.Trader(parts, broker)
        try:
            await trader.run()
        except Exception as error:
            if process.is_dead:  # it is being buried
                return
            self.life.faults[f"ended: {_told(error)}"] += 1
        process.die()

    def _died(self) -> None:
        """Its memory and its end of every connection are gone; later it is started again."""
        process, self.process = self.process, None
        assert process is not None
        self.dead.append(process)
        self.life.kills.append(f"{process.where} at step {process.steps}{self._after}")
        self.kills_left -= 1
        self._after = ""
        self.life.steps += process.steps
        self._broker_is_ready = False
        for client, _ in self.loop.network.connections:
            if client.is_open:
                client.die(self.random.choice((0, client.bytes_under_way, self._some(client))))
        self.loop.call_later(self.random.uniform(0.2, 2.5), self._start_trader)

    def _some(self, client: Any) -> int:
        return self.random.randint(0, max(0, client.bytes_under_way))

    # Deaths.

    def _take_aim(self) -> None:
        """Where the next death comes: right after an event, or anywhere."""
        self.aim, self.occurrence = "", 0
        if self.process is None or self.kills_left <= 0:
            return
        if self.random.random() < 0.7:
            self.loop.call_later(AIM_SECONDS_MAX, self._give_up_aim, self.process)
            self.aim, self.occurrence = self.random.choice(AIMS), self.random.choice((1, 1, 2))
        else:
            self.process.dies_at_step = (
                self.process.steps
                + int(self.random.choice((60, 400, 2_000)) * self.random.random())
                + 1
            )

    def _give_up_aim(self, process: SimProcess) -> None:
        """The event does not come: it dies anywhere, soon."""
        if process is self.process and self.aim and self.kills_left > 0:
            self.aim = ""
            process.dies_at_step = process.steps + self.random.randint(1, 60)

    def _notice(self, events: Sequence[Proposed]) -> None:
        for event in events:
            kind = event_type(event.body)
            if kind == "BrokerReady":
                self._broker_is_ready = True
            elif kind == "BrokerDisconnected":
                self._broker_is_ready = False
            if kind == self.aim and self.process is not None:
                self.occurrence -= 1
                if self.occurrence == 0:
                    self.aim, self._after = "", f" after {kind}"
                    steps = self.process.steps + self.random.randint(1, 14)
                    self.process.dies_at_step = steps

    # Faults.

    def _plan_faults(self) -> None:
        random = self.random
        for name, value in standing_faults(random).items():
            self.tws.faults.set(name, value)
        self.tws.callbacks = chances(random)
        for _ in range(random.choice((0, 0, 1, 2))):
            self.loop.call_later(random.uniform(1, TRADING_SECONDS - 6), self._do_a_fault)
        if random.random() < 0.15:
            route = HaltRequested if random.random() < 0.5 else FlattenRequested
            body = route(who="operator", route="api", reason="drill")
            self.loop.call_later(
                random.uniform(6, TRADING_SECONDS),
                lambda: self._feed(body, stream=CONTROL_STREAM),
            )

    def _do_a_fault(self) -> None:
        name = self.random.choice(
            ("cut", "cut", "stall", "down", "restart", "fin", "hold", "swallow", "mute", "clock")
        )
        self.life.faults[name] += 1
        after = self.loop.call_later
        faults = self.tws.faults
        client = next((c for c, _ in self.loop.network.connections if c.is_open), None)
        if name == "cut" and client is not None:
            client.cut(self._some(client))
            client.peer.cut(self._some(client.peer))
        elif name == "stall" and client is not None:
            client.is_stalled = client.peer.is_stalled = True
        elif name == "down":
            self.loop.network.is_down = True
            faults.set("disconnect", "reset")
            after(5.0, lambda: setattr(self.loop.network, "is_down", False))
        elif name == "restart":
            faults.set("restart", self.random.choice((0, 5, 40)))
        elif name == "fin":
            faults.set("disconnect", "fin")
        elif name in ("hold", "swallow", "mute", "clock"):
            switch = {
                "hold": "hold_fills",
                "swallow": self.random.choice(
                    ("swallow_open_order_end", "swallow_executions_end", "swallow_position_end")
                ),
                "mute": "mute",
                "clock": "swallow_current_time",
            }[name]
            faults.set(switch, True)
            after(self.random.uniform(1, 9), lambda: faults.set(switch, False))

    def _end_faults(self) -> None:
        """From here on only what happened before is left to be settled."""
        self.kills_left = 0
        self.aim = ""
        if self.process is not None:
            self.process.dies_at_step = 0
        for name in ("reject_next_orders", "drop_next_orders", "inactive_then_live"):
            self.tws.faults.set(name, 0)
        self.loop.call_later(10.0, self._silence)

    def _silence(self) -> None:
        self.tws.callbacks = NO_TROUBLE

    async def _end(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            self.life.steps += process.steps
            process._on_death = lambda: None
            process.die()
            self.dead.append(process)
        for client, server in self.loop.network.connections:
            client.is_dead = True
            if server.is_open:
                server.abort()
        await self.tws.stop()
        for one in self.dead:
            one.bury()
        self.life.virtual_seconds = self.loop.time()


def _told(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return repr(error)[:200]


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

    return SessionPlanned(
        day=day(0),
        earlier=tuple(day(n) for n in range(-6, 0)),
        later=tuple(day(n) for n in range(1, 60)),
        library="test",
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Nobody reads the logs of ten thousand lives."""
    before = structlog.get_config()
    logger = logging.getLogger("ib_async.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
        logger.setLevel(level)


def run_life(
    seed: int,
    store: PostgresStore,
    store_loop: asyncio.AbstractEventLoop,
    folder: Path,
) -> tuple[History, Life]:
    """Live one seed on a log that may hold other lives; returns what it left."""
    base = store_loop.run_until_complete(store.head())
    loop = VirtualLoop(seed)
    loop.set_task_factory(task_factory)
    life: list[Life] = []

    async def live() -> History:
        world = World(seed, store, store_loop, base, folder)
        life.append(world.life)
        return await world.live()

    with quiet(), virtual_clocks():
        try:
            history = loop.run_until_complete(live())
        finally:
            loop.close()
    return history, life[0]
