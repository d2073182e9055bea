"""What the latency benchmark does to the market, and what it hears of the desk while it does.

Used by latency.py. The market comes to each order that fills a single option, and falls below the
stop of each position by two quotes; the sandboxes make the rate of feed events.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from adapters.market_model.contract import SimQuote
from benchmarks.latency_desk import LatencyDesk
from domain.event import Recorded
from domain.events.orders import IntentSent, OrderIntended, Purpose
from domain.events.positions import PositionClosed, PositionOpened
from domain.events.signals import SignalValidated
from domain.events.system import ProcessHeartbeat
from store.contract import Selection

FOLLOWED = frozenset(
    {
        "IntentSent",
        "OrderIntended",
        "PositionClosed",
        "PositionOpened",
        "ProcessHeartbeat",
        "SignalValidated",
    }
)
BREACH_AFTER_SECONDS = 0.4
CONFIRM_MARKET_SECONDS = 1.12
"""The rule asks for one second between the two quotes; a little more, because commits vary."""
TICK = Decimal("0.01")


@dataclass(slots=True)
class Breach:
    """The confirming quote of one position."""

    con_id: int
    bid: float
    written: float = 0.0


@dataclass(slots=True)
class Trials:
    """What was done to the market, and what came of it."""

    desk: LatencyDesk
    spread_seconds: float
    events: dict[int, Recorded] = field(default_factory=dict)
    """By position."""
    intents: list[Recorded] = field(default_factory=list)
    signals: dict[str, Recorded] = field(default_factory=dict)
    sent: dict[str, float] = field(default_factory=dict)
    """When the trader had handed the bytes of an order to its socket, by reference."""
    random: Random = field(default_factory=lambda: Random(1))
    breaches: dict[str, Breach] = field(default_factory=dict)
    paid: dict[str, Decimal] = field(default_factory=dict)
    """Limit of the entry by position."""
    closed: int = 0
    began_at: int = 0
    rates: list[float] = field(default_factory=list)
    """Feed events a second, from one heartbeat of the feeds to the next."""
    _beat: tuple[float, float] | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def forget(self) -> None:
        """Leave out what came before now; positions that are open stay followed."""
        self.intents.clear()
        self.breaches.clear()
        self.rates.clear()
        self.closed = 0

    def end(self) -> None:
        """Breach nothing more: the clock is about to stand."""
        for task in self._tasks:
            task.cancel()

    async def follow(self) -> None:
        store = self.desk.store
        async for events, _ in store.subscribe(await store.head(), Selection(types=FOLLOWED)):
            for event in events:
                self._take(event)

    def _take(self, event: Recorded) -> None:
        match event.body:
            case SignalValidated() as body:
                self.signals[body.signal_id] = event
            case OrderIntended(purpose=Purpose.ENTRY | Purpose.EXIT) as body:
                self.intents.append(event)
                if body.structure.is_single and body.limit_price is not None:
                    self._fill(body)
            case IntentSent(request="place") as body:
                self.sent[body.order_ref] = event.occurred_at.timestamp()
            case PositionOpened() as body if body.structure.is_single:
                task = asyncio.create_task(self._breach(body))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case PositionClosed():
                self.closed += 1
            case ProcessHeartbeat(process="feeds") as body:
                self._keep_rate(event.recorded_at.timestamp(), body.figures["appended"])
            case _:
                pass

    def _keep_rate(self, now: float, appended: float) -> None:
        """Make more prints, or fewer, until the feeds append what is wanted."""
        if self._beat is not None:
            before, then = self._beat
            found = (appended - then) / (now - before)
            self.rates.append(found)
            sandboxes = self.desk.sandboxes
            more = sandboxes.more_a_second + 0.5 * (sandboxes.rate - found)
            sandboxes.more_a_second = max(0.0, more)
        self._beat = (now, appended)

    def _fill(self, body: OrderIntended) -> None:
        """The market comes to the order, to an exit with more than was paid: losses would halt."""
        market = self.desk.sandboxes.steered
        con_id = body.structure.legs[0].contract.con_id
        assert body.limit_price is not None
        price = body.limit_price
        if body.purpose is Purpose.ENTRY:
            self.paid[body.position_id] = price
            market.hold(con_id, _quote(price - TICK, price))
        else:
            price = max(price, self.paid.get(body.position_id, price) + 5 * TICK)
            market.hold(con_id, _quote(price, price + TICK))

    async def _breach(self, body: PositionOpened) -> None:
        """Two quotes below the stop and above the one that rests at the broker."""
        await asyncio.sleep(BREACH_AFTER_SECONDS + self.random.uniform(0.0, self.spread_seconds))
        sandboxes = self.desk.sandboxes
        con_id = body.structure.legs[0].contract.con_id
        below = body.exit_plan.stop_price - 2 * TICK
        sandboxes.steered.hold(con_id, _quote(below - TICK, below))
        sandboxes.tws.poll_once()
        await asyncio.sleep(CONFIRM_MARKET_SECONDS / sandboxes.clock.speed)
        quote = _quote(below - 2 * TICK, below - TICK)
        breach = self.breaches[body.position_id] = Breach(con_id, quote.bid)

        def written(at: float) -> None:
            breach.written = at

        sandboxes.stamped.await_bid(con_id, quote.bid, written)
        sandboxes.steered.hold(con_id, quote)
        sandboxes.tws.poll_once()


def _quote(bid: Decimal, ask: Decimal) -> SimQuote:
    return SimQuote(float(bid), float(ask), 50, 50)
