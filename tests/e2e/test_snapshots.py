"""A snapshot is as good as the whole log, for every worker, on the log of a trading desk."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from adapters.market_model.scenario import DEFAULT_SEED
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from run.build import build_id
from run.config import Settings
from run.snapshots import StateCache, pickled
from run.worker import Worker, inputs_with_emissions
from run.workers import WORKERS
from store.contract import Selection
from store.postgres import PostgresStore
from store.snapshots import SnapshotTable
from tests.e2e.virtual_desk import Day, Stretch, opened
from tests.run.canonical import canonical

DAY = date(2026, 10, 6)
PAGE = 5_000
STRETCHES_MAX = 30


async def whole_fold(store: Any, name: str, settings: Settings, up_to: int) -> Worker:
    """A worker that folded everything up to a position."""
    worker = Worker(name, WORKERS[name](settings), store, build_id())
    async for source, own in inputs_with_emissions(worker, 0, up_to):
        worker.consumer.fold(source, own)
    return worker


async def catch_up(store: Any, worker: Worker) -> None:
    """A worker takes everything that is on the log, own ticks left out: it has no clock here."""
    await worker.start()
    head = await store.head()
    while worker.position < head:
        page = await store.read(worker.position, worker.selection, PAGE, head)
        await worker.take(page, page[-1].position if len(page) == PAGE else head)


async def test_every_workers_snapshot_gives_the_states_and_decisions_of_the_whole_log(
    store: PostgresStore, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    market = SeededMarket(DEFAULT_SEED, DAY, xnys_plan(DAY))
    async with opened(store, market, tmp_path, database_url, redis_url, {}) as day:
        await trade(day, market)
        settings = day.settings
    await catch_up(store, Worker("outbox", WORKERS["outbox"](settings), store, build_id()))
    cache = StateCache(
        SnapshotTable(store.connect_reader, store.connect_writer), b"secret", build_id(), "code"
    )
    opened_at = await store.read(0, Selection(types=frozenset({"PositionOpened"})))
    for name in WORKERS:
        checkpoint = await store.checkpoint(name)
        cut = opened_at[0].position
        assert 0 < cut < checkpoint
        whole = await whole_fold(store, name, settings, cut)
        await cache.save(name, cut, pickled((whole.consumer.states, 1.0)))
        recovered = Worker(name, WORKERS[name](settings), store, build_id(), cache=cache)
        await recovered.recover()
        decided = Worker(name, WORKERS[name](settings), store, build_id())
        snapshot = await cache.newest(name, checkpoint)
        assert snapshot is not None and snapshot.position == cut
        decided.consumer.states = snapshot.state[0]
        assert canonical(decided.consumer.states) == canonical(whole.consumer.states)
        # The rest of the log leads from the snapshot to the same states and the same decisions.
        taken = emissions = 0
        async for source, own in inputs_with_emissions(decided, cut, checkpoint):
            whole.consumer.fold(source, own)
            assert decided.consumer.verify(source, own) == []
            taken, emissions = taken + 1, emissions + len(own)
        assert taken > 0
        assert emissions > 0
        expected = canonical(whole.consumer.states)
        assert canonical(recovered.consumer.states) == expected
        assert canonical(decided.consumer.states) == expected


async def trade(day: Day, market: SeededMarket) -> None:
    """To the first position and a little beyond."""
    at = market.open_at + timedelta(minutes=30)
    await day.run([Stretch(until=at, step=timedelta(seconds=60), thinned=True)])
    for _ in range(STRETCHES_MAX):
        at += timedelta(seconds=10)
        seen = await store_has(day, "PositionOpened")
        await day.run([Stretch(until=at, step=timedelta(seconds=1), thinned=False)])
        if seen:
            return
    raise AssertionError("a position must be opened in the first minutes")


async def store_has(day: Day, name: str) -> bool:
    return bool(await day.store.read(0, Selection(types=frozenset({name})), 1))
