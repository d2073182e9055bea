"""One seeded life of the trader: decisions, fills, kills and restarts, then the ledgers compared.

The trader's own stages, its worker's commit and recovery, and its order effect run as they are,
on a real store; only the broker is played. A kill happens at a crash point: before or after any
append, read, connect, snapshot or send. What was in memory is gone, the store and the broker's
ledger stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

from domain.event import Proposed, Recorded
from domain.events.orders import FillRecorded, OrderChanged, OrderIntended, Purpose
from domain.events.positions import PositionChanged
from domain.events.system import ClockStarted, ClockTicked, WorkerStarted
from domain.execution.orders import OrderStage
from domain.execution.positions import PositionStage
from domain.execution.stops import StopStage
from domain.instruments import Structure
from run.order_effect import OrderEffect
from run.worker import Recorder, Worker
from store.contract import Appended, Checkpoint, Selection
from store.postgres import PostgresStore
from tests.crash.fake_broker import FakeBroker, Ledger
from tests.domain.execution.execution_build import (
    CLOSE,
    DAY,
    START,
    debit_vertical,
    decision,
    leg_ticks,
    long_call,
    parameters,
    plan,
    session,
    signal,
    underlying_ticks,
)

KILLS_MAX = 4
ROUNDS = 22
CLOSING_ROUNDS_MAX = 80
QUICK = {
    "execution.request_s": 0.001,
    "execution.look_again_s": 0.001,
    "execution.look_every_s": 0.001,
    "execution.confirm_absence_s": 1.0,
}
"""Limits on real time, shortened: the run takes a fraction of a second."""


AIMS = (
    "before place",
    "after place",
    "before modify",
    "after modify",
    "before cancel",
    "after cancel",
    "snapshot",
)


class Killed(BaseException):
    """The process dies here."""


class CrashingStore:
    """The real store; the trader may die before or after any call."""

    def __init__(self, store: PostgresStore, life: Life) -> None:
        self._store = store
        self._life = life

    async def append(
        self, events: Sequence[Proposed], checkpoint: Checkpoint | None = None
    ) -> Appended:
        self._life.point("before append")
        result = await self._store.append(events, checkpoint)
        self._life.point("after append")
        return result

    async def read(self, *args: Any, **given: Any) -> list[Recorded]:
        self._life.point("before read")
        return await self._store.read(*args, **given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class MarketRecorder(Recorder):
    """Writes with the run's market time."""

    life: Life

    def propose(self, stream: str, body: Any, **given: Any) -> Proposed:
        given.setdefault("market_time", self.life.ledger.now)
        return super().propose(stream, body, **given)


@dataclass
class Life:
    """The state of one run: what survives a kill, and the present process."""

    seed: int
    store: PostgresStore
    random: Random = field(init=False)
    ledger: Ledger = field(init=False)
    structure: Structure = field(init=False)
    kills: int = 0
    points: int = 0
    next_kill: int = 0
    aim: str = ""
    """The first kill comes at this point only, the `occurrence`-th time; then anywhere."""
    occurrence: int = 0
    killed_at: list[str] = field(default_factory=list)
    mid: Decimal = Decimal("2.00")
    runs: int = 0
    worker: Worker | None = None
    broker: FakeBroker | None = None
    effect: OrderEffect | None = None
    feeds: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        rule = self.random.choice(
            ("full at once", "held until full", "sized to fill", "cancelled with the rest")
        )
        self.ledger = Ledger(
            self.random,
            START,
            child_rule=rule,
            drop=self.random.choice((0.0, 0.0, 0.15)),
            repeat=self.random.choice((0.0, 0.2)),
            refuse_joins=self.random.random() < 0.5,
            whims=self.random.choice((0.0, 0.05)),
            lose_unsent=self.random.random() < 0.4,
        )
        self.structure = long_call() if self.random.random() < 0.7 else debit_vertical()
        self.next_kill = self.random.randint(1, 30)
        if self.seed % 3:
            self.aim, self.occurrence = AIMS[self.seed % len(AIMS)], self.random.randint(1, 2)
        self.feeds = Recorder(self.store, "feeds", "test", f"feeds-{self.seed}")

    def point(self, name: str) -> None:
        """A place where the process may die."""
        if self.aim:
            self.occurrence -= name == self.aim
            due = self.occurrence == 0
        else:
            self.points += 1
            due = self.points >= self.next_kill
        if self.kills < KILLS_MAX and due:
            self.aim = ""
            self.kills += 1
            self.points, self.next_kill = 0, self.random.randint(1, 60)
            self.killed_at.append(name)
            raise Killed(name)

    async def feed(self, *bodies: Any) -> None:
        """Events of other processes: they do not die."""
        now = self.ledger.now
        await self.feeds.append(
            [self.feeds.propose("market", body, market_time=now) for body in bodies]
        )

    async def begin(self) -> None:
        changed = parameters()
        changed = changed.model_copy(update={"values": {**changed.values, **QUICK}})
        clock = ClockStarted(base_market_time=START, speed=1e-6, session_date=DAY)
        await self.feed(clock)
        await self.feed(changed, session(), underlying_ticks(at=START))
        self.set_quotes()

    def set_quotes(self) -> None:
        half = Decimal("0.02")
        for number, leg in enumerate(self.structure.legs):
            value = self.mid + 1 if number == 0 and len(self.structure.legs) > 1 else self.mid
            value = Decimal("1.00") if number else value
            self.ledger.quotes[leg.contract.con_id] = (
                max(Decimal("0.01"), value - half),
                value + half,
            )

    async def quote(self) -> None:
        self.set_quotes()
        ticks = [
            leg_ticks(leg.contract, *map(float, self.ledger.quotes[leg.contract.con_id]))
            for leg in self.structure.legs
        ]
        await self.feed(underlying_ticks(at=self.ledger.now), *ticks)

    # The process.

    async def start_process(self) -> None:
        """A new run: fold the log, say so, connect."""
        self.runs += 1
        store = CrashingStore(self.store, self)
        stages = [OrderStage(), PositionStage(), StopStage()]
        worker = Worker(
            "trader", stages, store, "test", on_committed=lambda events: effect.on_committed(events)
        )
        worker.run_id = f"run{self.runs}-{self.seed}"
        recorder = MarketRecorder(store, "trader", "test", worker.run_id)
        recorder.life = self
        broker = FakeBroker(self.ledger, worker.run_id, self.point)
        effect = OrderEffect(broker, recorder, store, worker.run_id)
        self.worker, self.broker, self.effect = worker, broker, effect
        await worker.recover()
        started = WorkerStarted(
            worker="trader",
            run_id=worker.run_id,
            resumed_after=worker.position,
            build="test",
            stages=(),
            types=(),
            configuration_sha256="",
            python="",
            platform="",
        )
        await recorder.record("worker/trader", started)
        await effect.connect_once()

    def die(self) -> None:
        """Memory is gone and the socket breaks."""
        if self.broker is not None and self.broker.is_connected:
            self.ledger.drop_connection()
        self.worker = self.broker = self.effect = None

    async def turn(self) -> None:
        """The process reads its log, carries out what it decided, and hears the broker."""
        assert self.worker and self.effect and self.broker
        if not self.broker.is_connected:
            await self.effect.connect_once()
        for _ in range(3):
            await self.consume()
            await self.effect.drain()
        self.ledger.step()
        self.broker.deliver()
        while not self.broker.events.empty():
            await self.effect.record_waiting(self.broker.events.get_nowait())
        await self.effect.recorder.record("clock/trader", ClockTicked(worker="trader"))
        await self.consume()
        await self.effect.drain()

    async def consume(self) -> None:
        assert self.worker is not None
        store = self.worker.store
        head = await self.store.head()
        events = await store.read(self.worker.position, self.worker.selection, 5_000, head)
        await self.worker.take(events, head)

    async def attempt(self) -> None:
        """One turn of the process, which may be killed in it, or first has to be started."""
        try:
            if self.worker is None:
                await self.start_process()
            await self.turn()
        except Killed:
            self.die()

    # The story.

    async def live(self) -> None:
        """Two decisions, a wandering market, kills and lost connections, then all is closed."""
        await self.begin()
        for round_number in range(ROUNDS):
            if round_number in (2, 12):
                await self.decide(f"s{round_number}")
            await self.attempt()
            if self.random.random() < 0.05 and self.broker is not None:
                self.broker.lose()
            self.ledger.now += timedelta(seconds=self.random.choice((0.5, 1.5, 4.0)))
            self.mid = max(Decimal("0.10"), self.mid + Decimal(self.random.randint(-12, 12)) / 100)
            await self.quote()
        self.kills = KILLS_MAX
        self.ledger.drop = self.ledger.whims = 0.0
        self.ledger.now = CLOSE - timedelta(minutes=4)
        for _ in range(CLOSING_ROUNDS_MAX):
            await self.quote()
            await self.attempt()
            self.ledger.now += timedelta(seconds=2)
            if await self.is_at_rest():
                break

    async def decide(self, name: str) -> None:
        await self.quote()
        signal_id = f"{name}-{self.seed}"
        debit = self.mid
        exit_plan = plan(
            target=str(debit + Decimal("0.40")),
            stop=str(max(Decimal("0.05"), debit - Decimal("0.30"))),
        )
        body = signal(
            self.structure, signal_id, mid=str(debit), at=self.ledger.now, exit_plan=exit_plan
        )
        await self.feed(body, decision(signal_id, at=self.ledger.now))

    async def is_at_rest(self) -> bool:
        live = any(order.is_live for order in self.ledger.orders.values())
        return not live and not any(self.ledger.positions.values()) and not self.ledger.wire

    # The comparison.

    async def verdict(self) -> list[str]:
        """Everything that is not as it must be; empty when all is well."""
        wrongs = list(self.ledger.wrongs)
        if not await self.is_at_rest():
            wrongs.append(f"not at rest: {self.ledger.positions}, {self._live()}")
        for _ in range(4):
            self.ledger.now += timedelta(seconds=2)
            await self.attempt()
        log: list[Recorded] = []
        while page := await self.store.read(log[-1].position if log else 0, Selection()):
            log += page
        wrongs += self._open(log)
        wrongs += self._fills(log)
        wrongs += self._positions(log)
        wrongs += self._chains(log)
        return wrongs

    def _live(self) -> list[str]:
        return [o.intent.order_ref for o in self.ledger.orders.values() if o.is_live]

    def _open(self, log: list[Recorded]) -> list[str]:
        """Unknown ends: no order of ours is left in doubt, or working, once all is quiet."""
        newest: dict[str, str] = {}
        for event in log:
            if isinstance(event.body, OrderIntended):
                newest[event.body.order_ref] = "intended"
            elif isinstance(event.body, OrderChanged):
                final = event.body.state.is_final
                newest[event.body.order_ref] = "" if final else event.body.state.value
        return [f"{ref} is left {state}" for ref, state in newest.items() if state]

    def _fills(self, log: list[Recorded]) -> list[str]:
        fills = [event.body for event in log if isinstance(event.body, FillRecorded)]
        ours = Counter(fill.exec_id for fill in fills)
        theirs = Counter(execution.exec_id for execution in self.ledger.executions)
        return [] if ours == theirs else [f"fills ours {ours - theirs}, theirs {theirs - ours}"]

    def _positions(self, log: list[Recorded]) -> list[str]:
        newest = {
            event.body.position_id: event.body
            for event in log
            if isinstance(event.body, PositionChanged)
        }
        ours: Counter[int] = Counter()
        for body in newest.values():
            for leg in body.legs:
                ours[leg.con_id] += leg.quantity
        theirs = self.ledger.positions
        con_ids = set(ours) | set(theirs)
        return [
            f"contract {c}: ours {ours[c]}, the broker's {theirs.get(c, 0)}"
            for c in sorted(con_ids)
            if ours[c] != theirs.get(c, 0)
        ]

    def _chains(self, log: list[Recorded]) -> list[str]:
        """One entry a decision, and never more bought than decided or sold than held."""
        wrongs: list[str] = []
        entries: Counter[str] = Counter()
        for event in log:
            if isinstance(event.body, OrderIntended) and event.body.purpose is Purpose.ENTRY:
                entries[event.body.decision_id] += 1
        wrongs += [f"{key} has {n} entries" for key, n in entries.items() if n > 1]
        held: Counter[str] = Counter()
        for execution in self.ledger.executions:
            if execution.sec_type == "BAG" or execution.con_id != self._first_leg():
                continue
            position = execution.order_ref.partition("-")[0]
            sign = 1 if execution.side == "BOT" else -1
            held[position] += sign * int(execution.quantity)
            if not 0 <= held[position] <= 4:
                wrongs.append(f"{position} held {held[position]} after {execution.exec_id}")
        return wrongs

    def _first_leg(self) -> int:
        return self.structure.legs[0].contract.con_id


async def run_life(seed: int, store: PostgresStore) -> tuple[list[str], Life]:
    """Live one seed; returns what is wrong, and the life for a closer look."""
    life = Life(seed, store)
    await life.live()
    return await life.verdict(), life
