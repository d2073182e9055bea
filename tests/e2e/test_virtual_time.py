"""The first half hour of a seeded day and its first trade, in one process under virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.event import Recorded
from domain.events.feeds import IbBarReceived
from domain.events.orders import FillRecorded, IntentSent
from domain.events.positions import PositionOpened
from domain.events.risk import RiskDecided
from run.replay import verify, verify_worker
from tests.e2e import other_processor
from tests.e2e.virtual_desk import Day, opened
from tests.golden_days.days import MORNING
from tests.golden_days.play import whole_log


def bodies(log: list[Recorded], kind: type[Any]) -> list[Any]:
    return [event.body for event in log if isinstance(event.body, kind)]


MINUTES = 33


async def test_a_day_moved_by_steps_trades_and_can_be_decided_again(
    store: Any,
    tmp_path: Path,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = MORNING.market()
    async with opened(store, market, tmp_path, database_url, redis_url, MORNING.limits) as day:
        await day.run(MORNING.stretches(market.open_at, market.close_at))
        log = await whole_log(store)
        every_bar_of_the_model_is_on_the_log(day, log)
        fills_are_the_brokers(day, log)
        refused = [decision for decision in bodies(log, RiskDecided) if not decision.approved]
        assert any("POSITIONS_BUCKET" in decision.denials for decision in refused)
        for worker in day.workers:
            verified = await verify_worker(store, worker.name, day.settings)
            assert verified["emissions"] > 0
            assert verified["differences"] == 0, verified["first"]
        told = await other_processor.verified(database_url)
        assert told.startswith("0: "), told
        for relative, differs in ((1e-12, False), (1e-6, True)):
            with monkeypatch.context() as patched:
                other_processor.compute_otherwise(patched, relative)
                found = await verify(store, ["trader"], day.settings, tolerance=1e-9)
            assert bool(found["differences"]) == differs, (relative, found["first"])


def test_the_older_processor_is_another_one() -> None:
    """Else a verification on it would prove nothing."""
    if not other_processor.older():
        pytest.skip("numpy has code for one kind of this processor alone")
    here, there = (other_processor.numbers(v) for v in ({}, other_processor.older()))
    assert (here != there).any()
    np.testing.assert_allclose(here, there, rtol=1e-14)


def every_bar_of_the_model_is_on_the_log(day: Day, log: list[Recorded]) -> None:
    market = day.sandboxes.market
    times = [event.market_time for event in log]
    assert times == sorted(times) and times[-1] == day.time.now
    bars = [bar for bar in bodies(log, IbBarReceived) if bar.start >= market.open_at]
    for symbol in market.symbols:
        expected = market.bars(symbol, market.session_date, 5)
        assert len(expected) == MINUTES * 12
        assert [
            (b.start, b.open, b.high, b.low, b.close, b.volume, b.wap)
            for b in bars
            if b.symbol == symbol
        ] == [(b.start, b.open, b.high, b.low, b.close, b.volume, b.wap) for b in expected]


def fills_are_the_brokers(day: Day, log: list[Recorded]) -> None:
    ledger = day.sandboxes.tws.ledger()
    placed = [sent for sent in bodies(log, IntentSent) if sent.request == "place"]
    assert sorted((sent.order_ref, sent.order_id) for sent in placed) == sorted(
        (order.order_ref, order.order_id) for order in ledger.orders
    )
    fills = {(fill.fill_id, fill.quantity, fill.price) for fill in bodies(log, FillRecorded)}
    assert fills == {(e.family, e.quantity, e.price) for e in ledger.counted_executions()}
    assert bodies(log, PositionOpened) and fills
