"""The sandbox TWS with a seeded plan of misbehaviour; its ledger is the oracle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.interactive_brokers.sandbox.faults import FaultValue
from tests.adapters.interactive_brokers.still_market import StillMarket

ACCOUNT = "DU1234567"
HOST, PORT = "127.0.0.1", 55_810
ORDER_LATE_SECONDS = (0.0, 0.0, 0.0, 0.05, 2.0, 20.0)


@dataclass(frozen=True, slots=True)
class SimClock:
    """Market time of the sandbox: that of the run."""

    reader: Callable[[], datetime]
    speed: float = 1.0
    thinned: bool = False

    def now(self) -> datetime:
        return self.reader()


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Chances that the broker loses, doubles, turns round or holds back what it says of orders."""

    drop: float = 0.0
    double: float = 0.0
    turn: float = 0.0
    late: float = 0.0


NO_TROUBLE = Callbacks()


class SimTws(TwsSandbox):
    """As TwsSandbox; what it says of orders meets the seed on its way to the client."""

    def __init__(self, market: StillMarket, clock: SimClock, folder: Path, seed: int) -> None:
        self.callbacks = NO_TROUBLE
        self._callback_random = Random(f"callbacks {seed}")
        super().__init__(market, clock, folder, ACCOUNT, seed=seed)

    def _publish(self, client_id: int, frames: list[bytes]) -> None:
        draw, chances = self._callback_random.random, self.callbacks
        if chances is NO_TROUBLE:
            super()._publish(client_id, frames)
            return
        told = [one for one in frames if draw() >= chances.drop]
        told += [one for one in told if draw() < chances.double]
        if draw() < chances.turn:
            self._callback_random.shuffle(told)
        if draw() < chances.late:
            loop = asyncio.get_running_loop()
            seconds = self._callback_random.choice(ORDER_LATE_SECONDS)
            loop.call_later(seconds, super()._publish, client_id, told)
            return
        super()._publish(client_id, told)


def standing_faults(random: Random) -> dict[str, FaultValue]:
    """Behaviour of the broker for a whole life: what our design calls doubtful."""
    some = random.random
    return {
        "child_sizing": random.choice(("to_fill", "held_until_full", "full_at_once")),
        "child_cancelled_with_rest": some() < 0.3,
        "oca_holds_stop": some() < 0.3,
        "oca_closed_group_rejects": some() < 0.3,
        "oca_cancel_spreads": some() < 0.3,
        "send_tif_notice": some() < 0.3,
        "skip_order_status": some() < 0.15,
        "commission": random.choice(("after", "after", "late", "before")),
        "fill_overtakes_cancel": some() < 0.3,
        "fill_quantity_max": random.choice((0, 0, 1, 2)),
        "correct_next_fills": random.choice((0, 0, 1, 2)),
        "inactive_then_live": random.choice((0, 0, 1)),
        "reject_next_orders": random.choice((0, 0, 0, 1)),
        "drop_next_orders": random.choice((0, 0, 0, 1)),
    }


def chances(random: Random) -> Callbacks:
    """A third of the lives with a broker that says everything once and in order."""
    if random.random() < 0.34:
        return NO_TROUBLE
    return Callbacks(
        drop=random.choice((0.0, 0.0, 0.15)),
        double=random.choice((0.0, 0.2)),
        turn=random.choice((0.0, 0.3)),
        late=random.choice((0.0, 0.0, 0.2)),
    )
