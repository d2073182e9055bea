"""What a life decided through all its deaths, its inputs lead to again, one by one."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from domain.event import Recorded
from domain.stage import Consumer
from run.workers import WORKERS
from store.contract import Selection
from tests.sim.conftest import SimLog
from tests.sim.world import RollingWorld, World, run_life

OWN_CLOCK = frozenset({"ClockTicked", "WorkerStarted"})
SEEDS = (3, 7, 8, 22, 45, 54, 61)
ROLLING_SEEDS = (2, 4, 13, 30)


@pytest.mark.parametrize(
    ("kind", "seed"),
    [*((World, seed) for seed in SEEDS), *((RollingWorld, seed) for seed in ROLLING_SEEDS)],
)
def test_a_killed_trader_decides_as_one_that_never_died(
    sim_log: SimLog, tmp_path: Path, kind: type[World], seed: int
) -> None:
    history, life = run_life(
        seed, sim_log.store, sim_log.loop, tmp_path, kept=Selection(), kind=kind
    )
    assert life.kills
    name = f"trader-{seed}"
    consumed = sim_log.loop.run_until_complete(sim_log.store.checkpoint(name))
    settings: Any = None  # the trader's stages take none
    consumer: Consumer[Any] = Consumer(name, "sim", WORKERS["trader"](settings))
    types = (consumer.types - OWN_CLOCK) | {"ClockStarted"}
    own: defaultdict[int | None, list[Recorded]] = defaultdict(list)
    for event in history.log:
        if event.worker == name and event.is_emission:
            own[event.input_position].append(event)
    assert sum(map(len, own.values())) > 10, "a life that decides nothing proves nothing"
    for event in history.log:
        is_own = event.worker == name
        if (is_own and event.is_emission) or event.position > consumed:
            continue
        if not (is_own if event.type in OWN_CLOCK else event.type in types):
            continue
        again = [(e.event_id, e.body) for e in consumer.step(event)]
        recorded = sorted(own.get(event.position, []), key=lambda e: e.ordinal)
        assert again == [(e.event_id, e.body) for e in recorded], event
