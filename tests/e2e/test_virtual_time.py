"""The first half hour of a seeded day and its first trade, in one process under virtual time."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from adapters.market_model.scenario import DEFAULT_SEED
from adapters.market_model.seeded import SeededMarket
from adapters.market_model.session_plan import xnys_plan
from domain.event import Recorded
from domain.events.feeds import IbBarReceived
from domain.events.orders import FillRecorded, IntentSent
from domain.events.positions import PositionOpened
from domain.events.risk import RiskDecided
from run.replay import verify_worker
from tests.e2e.virtual_desk import PAGE, Day, Stretch, opened

DAY = date(2026, 10, 6)
ONE_POSITION = {"risk.limit.positions_bucket": 1.0}
"""The trend day offers three trades at once: all but one are refused."""
SLOW_FROM_MINUTES, SLOW_UNTIL_MINUTES = 30, 33


async def whole_log(store: Any) -> list[Recorded]:
    found: list[Recorded] = []
    while page := await store.read(found[-1].position if found else 0, limit=PAGE):
        found += page
    return found


def bodies(log: list[Recorded], kind: type[Any]) -> list[Any]:
    return [event.body for event in log if isinstance(event.body, kind)]


async def test_a_day_moved_by_steps_trades_and_can_be_decided_again(
    store: Any, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    market = SeededMarket(DEFAULT_SEED, DAY, xnys_plan(DAY))
    async with opened(store, market, tmp_path, database_url, redis_url, ONE_POSITION) as day:
        slow_from, until = (
            market.open_at + timedelta(minutes=m) for m in (SLOW_FROM_MINUTES, SLOW_UNTIL_MINUTES)
        )
        await day.run(
            [
                Stretch(until=slow_from, step=timedelta(seconds=60), thinned=True),
                Stretch(until=until, step=timedelta(seconds=1), thinned=False),
            ]
        )
        log = await whole_log(store)
        every_bar_of_the_model_is_on_the_log(day, log)
        fills_are_the_brokers(day, log)
        refused = [decision for decision in bodies(log, RiskDecided) if not decision.approved]
        assert any("POSITIONS_BUCKET" in decision.denials for decision in refused)
        for worker in day.workers:
            verified = await verify_worker(store, worker.name, day.settings)
            assert verified["emissions"] > 0
            assert verified["differences"] == 0, verified["first"]


def every_bar_of_the_model_is_on_the_log(day: Day, log: list[Recorded]) -> None:
    market = day.sandboxes.market
    times = [event.market_time for event in log]
    assert times == sorted(times) and times[-1] == day.time.now
    bars = [bar for bar in bodies(log, IbBarReceived) if bar.start >= market.open_at]
    for symbol in market.symbols:
        expected = market.bars(symbol, DAY, 5)
        assert len(expected) == SLOW_UNTIL_MINUTES * 12
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
