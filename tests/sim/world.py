"""One seeded life of the trader in virtual time: its world, its deaths, and what came of it.

The trader is run/trader's own, with every stage, on the real store and behind the real ib_async
client; the broker is the sandbox TWS. Everything that happens follows from the seed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import structlog

from api.controls import REQUEST_STREAM
from domain.event import Body, Proposed, event_type
from domain.events.system import ClockStarted, ClockTicked
from domain.execution.marks import is_credit
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.still_market import SESSION
from tests.domain.execution.execution_build import plan
from tests.domain.risk.build import changed
from tests.domain.risk.build import signal as risk_signal
from tests.sim.broker import HOST, PORT, SimClock, SimTws
from tests.sim.clock import START, virtual_clocks, virtual_now
from tests.sim.history import History, options_held, working
from tests.sim.human import Human
from tests.sim.loop import VirtualLoop
from tests.sim.market import Walk, planned
from tests.sim.oracle import WEIGHED
from tests.sim.process import SimProcess, task_factory
from tests.sim.roller import Roller
from tests.sim.store import SimStore
from tests.sim.stories import (
    FLAT_BEFORE_CLOSE_MINUTES,
    OPTIONS_CLOSE_SECONDS,
    Story,
    rolling_story,
    story_of,
)
from tests.sim.trader import sim_trader
from tests.sim.troubles import Troubles
from tests.sim.wire import frames_of

KILLS_MAX = 4
DOWN_SECONDS = (0.2, 2.5)
"""How long after a death the next process starts."""
TOLD_AFTER_SECONDS = (0.0, 0.0, 0.0, 6.0)
"""When the broker hears of a death; until then the client id is taken."""
STEP_SECONDS = (1.0, 2.8)
ASSIGNED_MAX = 4
"""Contracts whose holders exercise early."""
TRADING_SECONDS = 40.0
LAST_SECONDS = 160.0
"""After TRADING_SECONDS no fault is added; by then all must be flat, however it went."""
QUIET_SECONDS = 100.0
"""Nothing happens any more: a minute for the next look at the lists, and a coarse tick more."""
QUIET_STEP_SECONDS = 20.0
STUCK_SECONDS = 65.0
"""Until then the exits of what nobody buys are watched closely; then in COARSE_STEP_SECONDS."""
COARSE_STEP_SECONDS = 25.0
SETTLED_SECONDS = OPTIONS_CLOSE_SECONDS + 76.0
"""By then the lists were read once more after options settled."""
AIM_SECONDS_MAX = 20.0
AIMED_SHARE = 0.7
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
    "PositionAdjusted",
)
"""Events after which it is worst to die."""
ROLL_AIMS = ("RollProposed", "RollDecided", "WhatIfAnswered", "OrderChanged", "PositionRolled")
"""As often as all others in a life whose condor is to be rolled."""
STEPS_AFTER_AIM_MAX = 14


@dataclass
class Life:
    """The seed, and what its world did."""

    seed: int
    kills: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    virtual_seconds: float = 0.0


class World:
    """Market, broker, feeds and operator, and the trader's process while it lives."""

    draw: Callable[[int], Story] = staticmethod(story_of)
    last_seconds = LAST_SECONDS

    def __init__(self, seed: int, store: SimStore, folder: Path, kept: Selection) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.life = Life(seed)
        self.loop = loop
        self._name = f"trader-{seed}"
        self._random = Random(f"world {seed}")
        self._deaths = Random(f"deaths {seed}")
        self._folder = folder
        self._kept = kept
        self._store = store
        store.on_appended = self._notice
        self._feeds = Recorder(store, "feeds", "sim", f"feeds-{self._name}")
        self._ticks = Recorder(store, self._name, "sim", f"ticks-{self._name}")
        self.story = self.draw(seed)
        self._walk = Walk(seed, self.story)
        self.tws = SimTws(self._walk.market, SimClock(virtual_now), folder / "tws", seed)
        self._troubles = Troubles(seed, loop, self.tws, self._control, self.life.faults)
        self._human = Human(seed, loop, self.tws, self.life.faults)
        self._roller = Roller(seed, self._walk, self.story.roll)
        self._signals = 0
        self._broker_is_ready = False
        self._process: SimProcess | None = None
        self._dead: list[SimProcess] = []
        self._runs = 0
        self._kills_left = self._random.randint(1, KILLS_MAX)
        self._aim, self._occurrence, self._after = "", 0, ""

    # The story.

    async def live(self) -> History:
        """Decisions, a wandering market, deaths and faults; then a flat book and silence."""
        await self.begin()
        self._troubles.plan(TRADING_SECONDS)
        self._plan_the_end()
        due = [3.0, self._random.uniform(15.0, 30.0)]
        while self.loop.time() < TRADING_SECONDS:
            await self._step()
            if due and self.loop.time() >= due[0] and self._may_signal():
                due.pop(0)
                self.signal()
            else:
                self._quote()
                self._roll()
        return await self.rest()

    async def begin(self) -> None:
        """Broker, clock, parameters, session, and the first process."""
        await self.tws.start(HOST, PORT, poll=False)
        clock = ClockStarted(base_market_time=virtual_now(), speed=1.0, session_date=SESSION)
        early = {"stop__flat_before_close_min": FLAT_BEFORE_CLOSE_MINUTES}
        values = changed(**early) if self.story.expires else changed()
        self._feed("market", clock, values, planned(self.story))
        self._quote()
        self._start_trader()

    async def rest(self) -> History:
        """No more faults; all goes flat, then nothing happens until the lists were read again."""
        if not self.story.expires:
            self.end_deaths()
        self._troubles.end()
        last = self.last_seconds if self.story.ends_by_fills else STUCK_SECONDS
        while self.loop.time() < last and not self._is_flat():
            await self._step()
            self._quote()
        if self.story.expires and not self._is_flat():
            await self._settle()
        self.end_deaths()
        quiet_until = self.loop.time() + QUIET_SECONDS
        while self.loop.time() < quiet_until:
            await asyncio.sleep(QUIET_STEP_SECONDS)
            self._walk.market.time = virtual_now()
            self.tws.poll_once()
            self._append([])
        return await self._history()

    def _plan_the_end(self) -> None:
        """What may end a position without a fill of ours."""
        story = self.story
        if not story.expires:
            return
        if story.stuck_at is not None:
            self.loop.call_at(story.stuck_at, setattr, self._walk, "is_stuck", True)
        moves_at = story.assigned_at or TRADING_SECONDS
        self.loop.call_at(moves_at, self._walk.jump, story.last_price, moves_at)
        if story.assigned_at is not None:
            for _ in range(self._random.randint(1, ASSIGNED_MAX)):
                at = story.assigned_at + self._random.choice((0.0, 0.0, 0.5, 8.0))
                self.loop.call_at(at, self._assign, story.assigned)

    def _assign(self, con_id: int) -> None:
        before = len(self.tws.ledger().adjustments)
        self.tws.faults.set("assign", con_id)
        self.life.faults["assigned"] += len(self.tws.ledger().adjustments) > before

    async def _settle(self) -> None:
        """The session ends while something is held, and its options with it."""
        if self._process is not None and self._kills_left > 0:
            self._aim, self._occurrence = "PositionAdjusted", 1
        while self.loop.time() < SETTLED_SECONDS:
            await asyncio.sleep(COARSE_STEP_SECONDS)
            self.move()
            self._quote()

    async def _history(self) -> History:
        """What is left of it, once everybody is gone."""
        log = tuple(self._store.log(self._kept))
        wire = frames_of(self.loop.network)
        history = History(log, self.tws.ledger(), wire, tuple(self._walk.prices))
        await self._end()
        return history

    async def _step(self) -> None:
        await asyncio.sleep(self._random.uniform(*STEP_SECONDS))
        self.move()

    def move(self) -> None:
        """The market, and the broker's orders with it."""
        self._walk.move(virtual_now(), self.tws)

    def _is_flat(self) -> bool:
        ledger = self.tws.ledger()
        return not options_held(ledger) and not working(ledger)

    def _feed(self, stream: str, *bodies: Body) -> None:
        self._store.append_now([self._feeds.propose(stream, body) for body in bodies])

    def _control(self, body: Body) -> None:
        self._feed(REQUEST_STREAM, body)

    def _quote(self, *more: Body) -> None:
        self._append([*self._walk.ticks(virtual_now()), *more])

    def _append(self, bodies: Sequence[Body]) -> None:
        """What the feeds saw, and the tick of a living trader's clock, in one append."""
        proposed = [self._feeds.propose("market", body) for body in bodies]
        if self._process is not None:
            tick = ClockTicked(worker=self._name)
            proposed.append(self._ticks.propose(f"clock/{self._name}", tick))
        self._store.append_now(proposed)

    def _may_signal(self) -> bool:
        """A signal at a closed desk is only refused; one in ten comes all the same."""
        ready = self._broker_is_ready or self._random.random() < 0.1
        return self._process is not None and ready

    def signal(self) -> None:
        """A valid signal with an exit plan that soon comes true."""
        self._signals += 1
        now = virtual_now()
        bid, ask = self._walk.net()
        mid = (bid + ask) / 2
        body = risk_signal(
            self.story.structure,
            signal_id=f"{self._signals}-{self._name}",
            at=now,
            mid=str(mid),
            net_bid=bid,
            net_ask=ask,
        )
        # What is to be held at its end is left by time alone.
        is_left = self.story.ends_by_fills and not self.story.is_left_by_time
        wide = Decimal(0) if is_left else Decimal(5)
        stop = mid - Decimal("0.20") - wide
        exits = plan(
            target=str(mid + Decimal("0.30") + wide),
            stop=str(stop if is_credit(self.story.structure) else max(Decimal("0.05"), stop)),
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

    def _roll(self) -> None:
        """The condor is to be rolled, as the signals worker would have it."""
        found = self._roller.proposal(self.loop.time(), virtual_now())
        if found is not None:
            self._feed(f"roll/{found.position_id}", found)

    # The trader's process.

    def _start_trader(self) -> None:
        self._runs += 1
        self._process = SimProcess(self._died)
        self._take_aim()
        self._process.start(self._trade(f"run{self._runs}-{self._name}"), f"trader {self._runs}")

    async def _trade(self, run_id: str) -> None:
        process = self._process
        assert process is not None
        try:
            await sim_trader(self._store, self._folder, self._name, run_id).run()
        except Exception as error:
            if process.is_dead:  # it is being buried
                return
            self.life.faults[f"ended: {_told(error)}"] += 1
        process.die()

    def _died(self) -> None:
        """Its memory and its end of every connection are gone; later it is started again."""
        process, self._process = self._process, None
        assert process is not None
        self._dead.append(process)
        self.life.kills.append(f"{process.where} at step {process.steps}{self._after}")
        self.life.steps += process.steps
        self._kills_left -= 1
        self._after = ""
        self._broker_is_ready = False
        for client, _ in self.loop.network.connections:
            if client.is_open:
                under_way = client.bytes_under_way
                some = self._random.randint(0, under_way)
                kept = self._random.choice((0, under_way, some))
                client.die(kept, self._deaths.choice(TOLD_AFTER_SECONDS))
        self.loop.call_later(self._random.uniform(*DOWN_SECONDS), self._start_trader)

    async def _end(self) -> None:
        self.life.virtual_seconds = self.loop.time()
        if self._process is not None:
            self._process.abandon()
            self._dead.append(self._process)
            self.life.steps += self._process.steps
        for client, server in self.loop.network.connections:
            client.is_dead = True
            server.abort()
        await self.tws.stop()
        for process in self._dead:
            process.bury()

    # Deaths.

    def _take_aim(self) -> None:
        """Where the next death comes: right after an event, or anywhere."""
        self._aim = ""
        process = self._process
        if process is None or self._kills_left <= 0:
            return
        if self._random.random() < AIMED_SHARE:
            aims = AIMS if self.story.roll is None else self._random.choice((AIMS, ROLL_AIMS))
            self._aim, self._occurrence = self._random.choice(aims), self._random.choice((1, 1, 2))
            self.loop.call_later(AIM_SECONDS_MAX, self._give_up_aim, process)
        else:
            process.die_after(self._random.randint(1, self._random.choice((60, 400, 2_000))))

    def _give_up_aim(self, process: SimProcess) -> None:
        """The event does not come: it dies anywhere, soon."""
        if process is self._process and self._aim and self._kills_left > 0:
            self._aim = ""
            process.die_after(self._random.randint(1, 60))

    def _notice(self, events: Sequence[Proposed]) -> None:
        self._human.read(events)
        self._roller.read(events)
        for kind in map(event_type, (event.body for event in events)):
            if kind in ("BrokerReady", "BrokerDisconnected"):
                self._broker_is_ready = kind == "BrokerReady"
            if kind != self._aim or self._process is None:
                continue
            self._occurrence -= 1
            if self._occurrence == 0:
                self._aim, self._after = "", f" after {kind}"
                self._process.die_after(self._random.randint(1, STEPS_AFTER_AIM_MAX))

    def end_deaths(self) -> None:
        self._kills_left, self._aim = 0, ""
        if self._process is not None:
            self._process.live_on()


class RollingWorld(World):
    """A world of condors that are to be rolled."""

    draw = staticmethod(rolling_story)
    last_seconds = 2 * LAST_SECONDS
    """What is left in parts waits two minutes behind an exit of another part that was lost."""


def _told(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return repr(error)[:200]


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
    *,
    kept: Selection = Selection(types=WEIGHED),  # noqa: B008
    kind: type[World] = World,
) -> tuple[History, Life]:
    """Live one seed on a log that may hold other lives; returns what it left, of the log `kept`."""
    base = store_loop.run_until_complete(store.head())
    loop = VirtualLoop(seed)
    loop.set_task_factory(task_factory)
    seen = SimStore(store, store_loop, virtual_now, Random(f"store {seed}"), base)

    async def live() -> tuple[History, Life]:
        world = kind(seed, seen, folder, kept)
        return await world.live(), world.life

    with quiet(), virtual_clocks():
        try:
            return loop.run_until_complete(live())
        finally:
            loop.close()
