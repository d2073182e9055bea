"""Lives of the trader as real processes, under SIGKILL and SIGSTOP.

The trader is started by its watchdog, as in service; broker, market and feeds are the trading
floor; the log is a fresh database. What dies, how and when follows from the seed. Lives of one row
follow each other on one desk, so that a seed meets what the ones before it left. Market time runs
SPEED times real time, and faster once nothing more is going to die.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from adapters.interactive_brokers.sandbox.state import LedgerView
from domain.event import Body, Recorded
from domain.events.controls import (
    FlattenRequested,
    HaltRequested,
    ReleaseRequested,
)
from domain.events.feeds import IbTicksReceived
from store.contract import Selection
from tests.crash.desk_kills import moment_comes
from tests.crash.trader_processes import TraderProcesses
from tests.crash.trader_verdict import wrongs_of
from tests.crash.trading_floor import story_of
from tests.domain.execution.execution_build import plan as exit_plan
from tests.domain.risk.build import signal as risk_signal
from tests.sim.clock import START
from tests.sim.history import History
from tests.sim.market import FIRST_PRICE
from tests.sim.oracle import WEIGHED, nothing_in_doubt, reconciled, same_positions

SPEED, FAST = 8.0, 30.0
SIGNALS_MAX = 4
HELD_MARKET_SECONDS = 30.0
"""From a signal to its time stop; the forced flat comes as much later."""
QUIET = timedelta(seconds=77)
LOOK_SECONDS_MAX = 15.0
AIM_SECONDS_MAX = 4.0
BACK_SECONDS_MAX = 90.0
FLAT_SECONDS_MAX = 60.0
HALT_CHANCE = 0.3
LIVES_PER_ROW = 2
VICTIMS = ("trader", "trader", "trader", "trader", "trader", "watchdog", "floor")
MOMENTS = (
    "RiskDecided",
    "OrderIntended",
    "OrderIntended",
    "IntentSent",
    "IntentSent",
    "OrderModifyIntended",
    "OrderChanged",
    "FillRecorded",
    "FillRecorded",
    "PositionOpened",
    "ExitDecided",
    "OrderCancelIntended",
)
"""Events after which it is worst to die; the worst of them twice."""
HOLD_SECONDS = (0.2, 1.0, 2.5, 6.5)
"""How long a stopped process stands still. Its watchdog kills a trader after five, and with a halt
asked after half a second: then it is not held for the shortest time."""
CONNECTION = frozenset({"BrokerConnected", "BrokerDisconnected", "BrokerReady"})
OPENED, LOOKED = "PositionOpened", "BrokerSnapshotReceived"
REQUESTS = "control/api"
"""Where the API writes what the operator asks."""
PRICES = ((0.0, FIRST_PRICE),)
"""Of the underlying, from each second on."""
TICKS_WITHIN = 200
"""Events at the end of the log among which each contract has been quoted."""
READ = WEIGHED | {"HaltRequested", "FlattenRequested"}
"""What the verdict reads of the log."""


@dataclass(frozen=True, slots=True)
class Blow:
    """`number` for `victim` when `moment` comes next on the log, and a little later."""

    victim: str
    number: signal.Signals
    moment: str
    delay_seconds: float
    hold_seconds: float = 0.0
    halt: type[HaltRequested] | type[FlattenRequested] | None = None
    """Asked by the operator right after the blow."""

    def __str__(self) -> str:
        halt = f", {self.halt.__name__}" if self.halt else ""
        held = f" for {self.hold_seconds} s" if self.hold_seconds else ""
        return f"{self.number.name} for {self.victim} {self.moment}{held}{halt}"


def plan(seed: int) -> list[Blow]:
    """One blow or two; a halt comes with the last one, when it comes."""
    random = Random(f"blows {seed}")
    blows = []
    count = random.choice((1, 1, 2))
    for number in range(count):
        stops = random.random() < 0.4
        halts = number == count - 1 and random.random() < HALT_CHANCE
        blows.append(
            Blow(
                victim=random.choice(VICTIMS),
                number=signal.SIGSTOP if stops else signal.SIGKILL,
                moment=random.choice(MOMENTS),
                delay_seconds=random.choice((0.0, 0.005, random.uniform(0.0, 0.2))),
                hold_seconds=random.choice(HOLD_SECONDS[halts:]) if stops else 0.0,
                halt=random.choice((HaltRequested, FlattenRequested)) if halts else None,
            )
        )
    return blows


class TraderRow:
    """A desk, and the lives of a row on it. Use `running`; then `live` lives one seed."""

    def __init__(self, first: int, dsn: str, folder: Path) -> None:
        self.desk = TraderProcesses(first, dsn, folder)
        self.traded: set[int] = set()
        """Seeds that had a position."""
        self._structure = story_of(first).structure
        self._after = 0
        """Where the life that is lived began on the log."""
        self._signals = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start everything and wait until orders can leave; end everything in the end."""
        async with self.desk.running(SPEED):
            await self._ready(0)
            yield

    # The story.

    async def live(self, seed: int) -> list[str]:
        """Signals and blows, a flat book, silence for more than a minute; what is wrong then."""
        blows = plan(seed)
        self.desk.say(f"seed {seed}")
        self._after, self._signals, began_at = await self.desk.store.head(), 0, datetime.now(UTC)
        await self.desk.set_clock(SPEED)
        for blow in blows:
            position = await self.desk.store.head()
            await self._signal(seed)
            await self._strike(blow, position)
        halts = any(blow.halt for blow in blows)
        while not halts and self._signals < SIGNALS_MAX and not await self._bodies(OPENED):
            # A life without a trade would prove little.
            await self._signal(seed)
            await moment_comes(self.desk.store, {OPENED}, AIM_SECONDS_MAX)
        self.traded |= {seed} if await self._bodies(OPENED) else set()
        await self.desk.set_clock(FAST)
        with suppress(TimeoutError):  # the verdict says what was left
            await self.desk.until(self._is_flat, FLAT_SECONDS_MAX, "a flat book")
        await self._quiet()
        whole = History(await self._log(0), self.desk.ledger(), self.desk.line.frames(), PRICES)
        wrongs = wrongs_of(whole, self._after, (began_at - START).total_seconds())
        if halts and not wrongs:
            await self._release()
        return wrongs

    async def _quiet(self) -> None:
        """More than a minute of market time, in which the broker's lists are read and agree."""
        flat, until = await self.desk.store.head(), self.desk.now() + QUIET

        async def holds() -> bool:
            looks = await self.desk.store.read(flat, Selection(types=frozenset({LOOKED})))
            if not looks or self.desk.now() < until:
                return False
            if await self.desk.store.checkpoint("trader") < looks[0].position:
                return False
            return not reconciled(History(await self._log(0), LedgerView(), (), PRICES))

        with suppress(TimeoutError):  # the verdict says what differs
            await self.desk.until(holds, LOOK_SECONDS_MAX, "a clean look")

    async def _release(self) -> None:
        asked = ReleaseRequested(who="operator", route="api", reason="over", reauthenticated=True)
        await self.desk.recorder.record(REQUESTS, asked)

        async def holds() -> bool:
            return bool(await self._bodies("TradingReleased"))

        await self.desk.until(holds, BACK_SECONDS_MAX, "the release")

    async def _strike(self, blow: Blow, after: int) -> None:
        """The blow when its moment comes, or soon; returns when the trader is back."""
        came = await moment_comes(self.desk.store, {blow.moment}, AIM_SECONDS_MAX, after)
        await asyncio.sleep(blow.delay_seconds)
        position = await self.desk.store.head()
        trader, victim = self.desk.pid("trader"), self.desk.pid(blow.victim)
        self.desk.say(f"{blow}{'' if came else ' (any time)'}, after {position}")
        self.desk.send(victim, blow.number)
        if blow.halt is not None:
            asked = blow.halt(who="operator", route="api", reason="drill")
            await self.desk.recorder.record(REQUESTS, asked)
        if blow.number is signal.SIGSTOP:
            await asyncio.sleep(blow.hold_seconds)
            self.desk.send(victim, signal.SIGCONT)
        else:
            again = f"another {blow.victim}"
            await self.desk.until(
                lambda: self._is_new(blow.victim, victim), BACK_SECONDS_MAX, again
            )
        is_away = blow.number is signal.SIGKILL or self.desk.pid("trader") != trader
        await self._ready(position if is_away else 0)
        self.desk.say("back")

    async def _signal(self, seed: int) -> None:
        """A valid signal at the prices that the feeds wrote last."""
        self._signals += 1
        bid, ask = await self._net()
        mid, now = (bid + ask) / 2, self.desk.now()
        held = timedelta(seconds=HELD_MARKET_SECONDS)
        body = risk_signal(
            self._structure,
            signal_id=f"{self._signals}-{seed}",
            at=now,
            mid=str(mid),
            net_bid=bid,
            net_ask=ask,
        )
        exits = exit_plan(
            target=str(mid + Decimal("0.30")),
            stop=str(max(Decimal("0.05"), mid - Decimal("0.20"))),
            time_stop_at=now + held,
            forced_flat_at=now + 2 * held,
        )
        update = {
            "exit_plan": exits,
            "mid_against_max": Decimal("0.20"),
            "valid_until": now + timedelta(seconds=40),
            "underlying_move_max": 3.0,
        }
        await self.desk.recorder.record("signals", body.model_copy(update=update))

    async def _net(self) -> tuple[Decimal, Decimal]:
        """Bid and ask of the structure."""
        newest: dict[int, dict[int, Decimal]] = {}
        ticks = Selection(types=frozenset({"IbTicksReceived"}))
        for event in await self.desk.store.read(await self.desk.store.head() - TICKS_WITHIN, ticks):
            assert isinstance(event.body, IbTicksReceived)
            prices = {kind: Decimal(str(price)) for kind, price, _ in event.body.ticks}
            newest[event.body.con_id] = prices
        bid = ask = Decimal(0)
        for leg in self._structure.legs:
            prices = newest[leg.contract.con_id]
            bid += leg.ratio * prices[1 if leg.ratio > 0 else 2]
            ask += leg.ratio * prices[2 if leg.ratio > 0 else 1]
        return bid, ask

    # Waiting.

    async def _ready(self, after: int) -> None:
        """Until orders can leave, by a connection made after a position."""

        async def holds() -> bool:
            told = await self.desk.store.read(after, Selection(types=CONNECTION))
            return bool(told) and told[-1].type == "BrokerReady"

        await self.desk.until(holds, BACK_SECONDS_MAX, "a trader that can send")

    async def _is_new(self, victim: str, before: int) -> bool:
        return self.desk.pid(victim) not in (0, before)

    async def _is_flat(self) -> bool:
        """By our own log; the verdict asks the broker."""
        history = History(await self._log(self._after), LedgerView(), (), PRICES)
        return not nothing_in_doubt(history) and not same_positions(history)

    # The log.

    async def _log(self, after: int) -> tuple[Recorded, ...]:
        return tuple(await self.desk.store.read(after, Selection(types=READ)))

    async def _bodies(self, kind: str) -> list[Body]:
        """Of this life."""
        found = await self.desk.store.read(self._after, Selection(types=frozenset({kind})))
        return [event.body for event in found]
