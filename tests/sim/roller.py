"""Who proposes to roll the condor of a life, as the signals worker would: whenever it seems whole.

It reads what the trader writes, knows no more than the log, and sometimes asks at a bad moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from domain.event import Proposed
from domain.events.positions import ExitDecided, PositionChanged, PositionOpened
from domain.events.rolls import RollProposed
from domain.events.signals import LegQuote
from domain.instruments import Structure
from domain.rolling import kept_legs, units_of
from tests.sim.market import Walk

EVERY_SECONDS = 3.0
BAD_MOMENT_CHANCE = 0.1
BUDGET = Decimal("0.20")


class Roller:
    """Follows the position of a life."""

    def __init__(self, seed: int, walk: Walk, roll: Structure | None) -> None:
        self._random = Random(f"roller {seed}")
        self._walk = walk
        self._roll = roll
        self._opened: PositionOpened | None = None
        self._legs: dict[int, int] = {}
        self._is_leaving = False
        self._proposals = 0
        self._due = 0.0

    def read(self, events: Sequence[Proposed]) -> None:
        for event in events:
            match event.body:
                case PositionOpened() as body:
                    self._opened, self._legs, self._is_leaving = body, {}, False
                case PositionChanged() as body:
                    self._legs = {leg.con_id: leg.quantity for leg in body.legs}
                case ExitDecided():
                    self._is_leaving = True

    def proposal(self, second: float, now: datetime) -> RollProposed | None:
        """One that is due, if any."""
        opened, roll = self._opened, self._roll
        if opened is None or roll is None or second < self._due:
            return None
        units = units_of(opened.structure, self._legs)
        sides = {leg.contract.con_id: leg.ratio for leg in opened.structure.legs}
        is_whole = units > 0 and all(
            quantity == units * sides.get(con_id, 0) for con_id, quantity in self._legs.items()
        )
        is_bad = self._random.random() < BAD_MOMENT_CHANCE
        if not (is_bad or (is_whole and not self._is_leaving)):
            return None
        self._due = second + EVERY_SECONDS
        return self._proposed(opened, roll, max(1, units), now)

    def _proposed(
        self, opened: PositionOpened, roll: Structure, units: int, now: datetime
    ) -> RollProposed:
        self._proposals += 1
        bid, ask = self._walk.worth(roll)
        mid = (bid + ask) / 2
        kept = next(leg for leg in kept_legs(opened.structure, roll) if leg.ratio < 0)
        return RollProposed(
            roll_id=f"roll-{opened.position_id}-{self._proposals}",
            position_id=opened.position_id,
            signal_id=opened.signal_id,
            strategy=opened.strategy,
            symbol=opened.symbol,
            structure=opened.structure,
            roll=roll,
            units=units,
            tested=kept.contract,
            tested_delta=0.36,
            threshold_delta=0.35,
            target_delta=0.16,
            legs=tuple(self._quote(leg.contract.con_id) for leg in roll.legs),
            underlying_price=self._walk.prices[-1][1],
            net_bid=bid,
            net_ask=ask,
            net_mid=mid,
            model_mid=mid,
            valid_until=now + timedelta(seconds=20),
            underlying_move_max=3.0,
            mid_against_max=BUDGET,
            target_credit=0.5,
            stop_cost=2.0,
            params_version=1,
        )

    def _quote(self, con_id: int) -> LegQuote:
        quote = self._walk.market.quotes[con_id]
        return LegQuote(
            con_id=con_id,
            bid=Decimal(repr(quote.bid)),
            ask=Decimal(repr(quote.ask)),
            bid_size=quote.bid_size,
            ask_size=quote.ask_size,
            quote_age_seconds=0.0,
            implied_volatility=0.2,
            delta=-0.2,
            gamma=0.01,
            vega=0.1,
            theta=-0.1,
            open_interest=5_000,
            volume=1_000,
        )
