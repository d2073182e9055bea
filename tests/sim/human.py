"""The human of a life: reads the pages, and trades away at the broker what was delivered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from random import Random

from domain.event import Proposed
from domain.events.controls import AlertRaised
from tests.adapters.interactive_brokers.still_market import SPY
from tests.sim.broker import SimTws

PAGES = ("ASSIGNMENT", "EXERCISE")
ACTS_CHANCE = 0.6
ACTS_AFTER_SECONDS = (2.0, 25.0)


class Human:
    """In the others of these lives the shares stay."""

    def __init__(
        self, seed: int, loop: asyncio.AbstractEventLoop, tws: SimTws, counted: Counter[str]
    ) -> None:
        self._random = Random(f"human {seed}")
        self._loop = loop
        self._tws = tws
        self._counted = counted

    def read(self, events: Iterable[Proposed]) -> None:
        for event in events:
            told = isinstance(event.body, AlertRaised) and event.body.code in PAGES
            if told and self._random.random() < ACTS_CHANCE:
                self._loop.call_later(self._random.uniform(*ACTS_AFTER_SECONDS), self._cover)

    def _cover(self) -> None:
        """Sell them, or buy them back: an order of another client, without a reference."""
        before = len(self._tws.ledger().executions)
        self._tws.faults.set("liquidate", SPY)
        self._counted["covered"] += len(self._tws.ledger().executions) > before
