"""A trader whose worker stands keeps no entry alive and is not silent about it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from domain.events.controls import HaltRequested
from domain.events.orders import EmergencyCancelSent
from domain.events.system import ProcessHeartbeat
from run.trader import Trader, WatchdogLine
from store.contract import Selection
from store.postgres import PostgresStore
from tests.run.conftest import a_process

SAID = Selection(types=frozenset({"AlertRaised", "ProcessHeartbeat"}))


async def test_entries_are_cancelled_and_an_alert_raised_when_the_trader_stands(
    store: PostgresStore, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    process = a_process("trader", store, database_url, redis_url, tmp_path)
    trader = Trader(process)
    trader.effect.live_entries["entry-1"] = 41
    await process.recorder.record("control/api", HaltRequested.model_construct(who="nobody"))
    task = asyncio.create_task(trader.worker.run())
    codes: set[str] = set()
    states: set[str] = set()
    try:
        async with asyncio.timeout(10):
            async for events, _ in store.subscribe(0, SAID):
                for event in events:
                    if isinstance(event.body, ProcessHeartbeat):
                        states.add(event.body.state)
                    else:
                        codes.add(event.body.code)
                if "WORKER_STOPPED" in codes and "stopped" in states:
                    break
            while not trader.effect.entries_stopped:
                await asyncio.sleep(0.01)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert "stands before input 1 HaltRequested" in trader.effect.entries_stopped
    # The broker is not connected here: the journal shows that the cancel was on its way.
    await trader.journal.append_to_log(process.recorder)
    found = await store.read(0, Selection(types=frozenset({"EmergencyCancelSent"})))
    assert [e.body.order_ref for e in found if isinstance(e.body, EmergencyCancelSent)] == [
        "entry-1"
    ]


async def test_a_halt_while_the_log_hangs_cancels_entries(
    store: PostgresStore, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The watchdog or the file halts; no decision to cancel can be committed."""
    process = a_process("trader", store, database_url, redis_url, tmp_path)
    trader = Trader(process)
    trader.effect.live_entries["entry-1"] = 41
    task = asyncio.create_task(trader.cancel_what_stays(0.3))
    try:
        trader.effect.stop_entries("by hand")
        async with asyncio.timeout(30):
            while not trader.journal.read():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    (cancel,) = trader.journal.read()
    assert (cancel.order_ref, cancel.order_id, cancel.reason) == ("entry-1", 41, "by hand")


def test_a_watchdog_that_hangs_does_not_hang_its_trader() -> None:
    """Nobody reads the reports: the pipe is full after an hour or two, and beats are dropped."""
    control, _ = os.pipe()
    read, report = os.pipe()
    line = WatchdogLine(control, report, lambda _: None)
    for _ in range(100_000):
        line.say("beat")
    os.close(read)
    with pytest.raises(BrokenPipeError):
        line.say("beat")
