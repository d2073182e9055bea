"""A wandering market that sometimes comes to an order's limit, so that lives have fills."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.contracts import OPTIONS_CLOSE_DELAY
from adapters.market_model.contract import SimQuote
from domain.event import Body
from domain.events.system import PlannedDay, SessionPlanned
from domain.instruments import Structure
from tests.adapters.interactive_brokers.still_market import (
    CLOSE_AT,
    OPEN_AT,
    SESSION,
    SPY,
    StillMarket,
)
from tests.domain.execution.execution_build import leg_ticks, underlying_ticks
from tests.sim.clock import START
from tests.sim.shapes import first_quotes, listed
from tests.sim.stories import CLOSE_SECONDS, OPTIONS_CLOSE_SECONDS, Story

MEETS_ORDER_CHANCE = 0.35
MEETS_ROLL_CHANCE = 0.6
"""In a life with a roll there are more orders that are to fill before its end."""
MOVES = (-0.06, -0.03, -0.01, 0.0, 0.0, 0.01, 0.03, 0.06)
SPREADS = (0.02, 0.03, 0.04)
SIZES = (1, 3, 20)
LEAST = 0.05
FIRST_PRICE = 600.0


class Walk:
    """Quotes of one structure's legs, moved by a seed."""

    def __init__(self, seed: int, story: Story) -> None:
        self.market = StillMarket(listed=listed(story.structure.expiry))
        if story.expires:
            options_close_at = START + timedelta(seconds=OPTIONS_CLOSE_SECONDS)
            self.market.close_at = options_close_at - OPTIONS_CLOSE_DELAY
        self.market.quotes.update(first_quotes(story.structure))
        self.prices: list[tuple[float, float]] = [(0.0, FIRST_PRICE)]
        """Of the underlying, each from a second on."""
        self.is_stuck = False
        """Nobody sells and nobody buys: what is held stays."""
        self._structure = story.structure
        self._meets = MEETS_ORDER_CHANCE if story.roll is None else MEETS_ROLL_CHANCE
        self._contracts = [leg.contract for leg in story.legs]
        self._random = Random(f"market {seed}")

    def move(self, now: datetime, tws: TwsSandbox) -> None:
        """Every leg moves; the broker's orders meet the new quotes."""
        self.market.time = now
        for contract in self._contracts:
            con_id = contract.con_id
            bid = max(LEAST, round(self.market.quotes[con_id].bid + self._random.choice(MOVES), 2))
            spread, size = self._random.choice(SPREADS), self._random.choice(SIZES)
            shown = 0 if self.is_stuck else size
            self.market.quotes[con_id] = SimQuote(bid, round(bid + spread, 2), size, shown)
        if self._random.random() < self._meets and not self.is_stuck:
            self._meet_an_order(tws)
        tws.poll_once()

    def jump(self, price: float, second: float) -> None:
        """The underlying is there from now on."""
        self.prices.append((second, price))
        self.market.set_quote(SPY, round(price - 0.01, 2), round(price + 0.01, 2))

    def _meet_an_order(self, tws: TwsSandbox) -> None:
        working = [o for o in tws.ledger().orders if o.is_working and not o.is_stop and o.remaining]
        if not working:
            return
        order = self._random.choice(working)
        sides = {leg.contract.con_id: leg.ratio for leg in self._structure.legs}
        if len(self._contracts) > len(sides):
            # Of a roll, or of a part of what it left, the order itself says what it is for.
            sides = {leg.con_id: leg.ratio for leg in order.legs} or {order.con_id: 1}
        bid, ask = self._worth(sides)
        gap = float(order.limit_price - (ask if order.sign > 0 else bid))
        first = next(con_id for con_id, ratio in sides.items() if ratio > 0)
        quote = self.market.quotes[first]
        low = max(LEAST, round(quote.bid + gap, 2))
        high = round(low + quote.ask - quote.bid, 2)
        self.market.quotes[first] = SimQuote(low, high, quote.bid_size, quote.ask_size)

    def net(self) -> tuple[Decimal, Decimal]:
        """Bid and ask of the structure."""
        return self.worth(self._structure)

    def worth(self, structure: Structure) -> tuple[Decimal, Decimal]:
        """Bid and ask of one unit, as bought."""
        return self._worth({leg.contract.con_id: leg.ratio for leg in structure.legs})

    def _worth(self, sides: dict[int, int]) -> tuple[Decimal, Decimal]:
        bid = ask = 0.0
        for con_id, ratio in sides.items():
            quote = self.market.quotes[con_id]
            bid += ratio * (quote.bid if ratio > 0 else quote.ask)
            ask += ratio * (quote.ask if ratio > 0 else quote.bid)
        return Decimal(str(round(bid, 2))), Decimal(str(round(ask, 2)))

    def ticks(self, now: datetime) -> list[Body]:
        """What the feeds write of it."""
        quotes = [(c, self.market.quotes[c.con_id]) for c in self._contracts]
        return [
            underlying_ticks(self.prices[-1][1], now),
            *(leg_ticks(contract, quote.bid, quote.ask, now) for contract, quote in quotes),
        ]


def planned(story: Story) -> SessionPlanned:
    """The still market's session and those around it; the day of an expiry is over early."""

    def day(offset: int) -> PlannedDay:
        moved = timedelta(days=offset)
        return PlannedDay(
            session_date=SESSION + moved,
            open_at=OPEN_AT + moved,
            close_at=CLOSE_AT + moved,
            options_close_at=CLOSE_AT + moved + OPTIONS_CLOSE_DELAY,
            is_half_day=False,
        )

    today = day(0)
    if story.expires:
        update = {
            "close_at": START + timedelta(seconds=CLOSE_SECONDS),
            "options_close_at": START + timedelta(seconds=OPTIONS_CLOSE_SECONDS),
        }
        today = today.model_copy(update=update)
    return SessionPlanned(
        day=today,
        earlier=tuple(day(n) for n in range(-6, 0)),
        later=tuple(day(n) for n in range(1, 60)),
        library="test",
    )
