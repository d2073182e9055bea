"""A strategy that runs away: whatever it raises, the limits of orders hold at the broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

from domain.execution.references import opens
from domain.risk.parameters import PARAMETERS
from tests.sim.conftest import SimLog
from tests.sim.history import History
from tests.sim.oracle import verdict
from tests.sim.wire import PLACE
from tests.sim.world import World, run_life

SECONDS = 60.0
PAUSE_SECONDS = 0.2


class Runaway(World):
    """Five signals a second for a minute, each of them valid."""

    async def live(self) -> History:
        await self.begin()
        self.end_deaths()
        while self.loop.time() < SECONDS:
            await asyncio.sleep(PAUSE_SECONDS)
            self.move()
            self.signal()
        return await self.rest()


def test_a_runaway_strategy_never_passes_the_limit_of_orders(
    sim_log: SimLog, tmp_path: Path
) -> None:
    history, _ = run_life(1, sim_log.store, sim_log.loop, tmp_path, kind=Runaway)
    sent = {f.order_ref: f.at for f in reversed(history.wire) if f.kind == PLACE}
    entries = sorted(at for ref, at in sent.items() if opens(ref))
    assert entries, "some orders must leave"
    most = PARAMETERS["risk.order.new_bucket_minute"].default
    for at in entries:
        within = [other for other in entries if at <= other < at + 60.0]
        assert len(within) <= float(most)
    assert verdict(history) == []
