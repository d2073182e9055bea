"""A halt with real processes: the trader is stopped in its tracks, Redis is away, and all the same
no entry stays alive at the broker."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from adapters.interactive_brokers.orders import IbOrders
from adapters.interactive_brokers.sandbox import TwsSandbox
from adapters.market_model.contract import SimQuote
from domain.events.controls import HaltRequested, TradingHalted
from domain.events.orders import EmergencyCancelSent
from run.config import Settings
from run.service import Process
from run.trader import Trader
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.intents import intent, wall_clock
from tests.adapters.interactive_brokers.still_market import CALL_605, StillClock, StillMarket
from tests.on_the_log import bodies
from tests.run.service_processes import begin
from tests.waiting import until

CLIENT_ID = 7
ENTRY = "P00000000000000aa-E1"
READY_SECONDS = 40.0
DEAD_SECONDS = 1.0
CANCELLED_SECONDS = 10.0
HALTED_SECONDS = 1.0


def child_of(pid: int) -> int:
    """The trader that a watchdog started; 0 while there is none."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(found[0]) if found else 0


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
async def tws(tmp_path: Path) -> AsyncIterator[TwsSandbox]:
    market = StillMarket()
    market.quotes[CALL_605] = SimQuote(0.41, 0.44, 10, 20)
    sandbox = TwsSandbox(market, StillClock(market), tmp_path / "tws")
    await sandbox.start("127.0.0.1", 0)
    yield sandbox
    await sandbox.stop()


async def rest_an_entry(tws: TwsSandbox) -> None:
    """An order of the trader's own client id that works, far from the market."""
    trader = IbOrders("127.0.0.1", tws.port, CLIENT_ID, "before", wall_clock)
    await trader.connect("c1")
    first = trader.reserve_ids(0).first
    trader.place(intent(first, ENTRY, limit="0.05"))

    async def works() -> bool:
        return any(row.order_ref == ENTRY for row in (await trader.snapshot()).open_orders)

    await until(works, 10)
    await trader.close()


async def is_cancelled(tws: TwsSandbox) -> bool:
    found = [order for order in tws.ledger().orders if order.order_ref == ENTRY]
    return bool(found) and found[-1].status in ("Cancelled", "ApiCancelled")


def environment_of(tws: TwsSandbox, database_url: str, folder: Path) -> dict[str, str]:
    """A desk at this broker, without Redis."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "STRIKETAPE_VAR_DIR": str(folder / "var"),
        "STRIKETAPE_IB_PORT": str(tws.port),
        "STRIKETAPE_IB_TRADER_CLIENT_ID": str(CLIENT_ID),
    }


async def test_a_flatten_file_reaches_the_trader_of_a_hung_watchdog(
    store: PostgresStore, database_url: str, tws: TwsSandbox, tmp_path: Path
) -> None:
    """SIGSTOP hangs the watchdog: the trader reads the file by itself, and within a second the
    halt and the flatten are on the log."""
    watchdog = begin(
        tmp_path, "watchdog", ["run.watchdog"], environment_of(tws, database_url, tmp_path)
    )
    try:
        await until(lambda: bodies(store, "BrokerReady"), READY_SECONDS)
        watchdog.process.send_signal(signal.SIGSTOP)
        written = time.time()
        (tmp_path / "var").mkdir(exist_ok=True)
        (tmp_path / "var" / "flatten").write_text("leaving the desk")
        await until(lambda: bodies(store, "FlattenStarted"), CANCELLED_SECONDS)
        selection = Selection(types=frozenset({"TradingHalted", "FlattenStarted"}))
        found = await store.read(0, selection)
    finally:
        watchdog.process.send_signal(signal.SIGCONT)
        watchdog.process.terminate()
        await asyncio.to_thread(watchdog.process.wait, 30)
    assert [event.type for event in found] == ["TradingHalted", "FlattenStarted"]
    assert all(event.recorded_at.timestamp() - written <= HALTED_SECONDS for event in found)


async def test_a_halt_by_command_cancels_the_entries_of_a_hung_trader(
    store: PostgresStore, database_url: str, tws: TwsSandbox, tmp_path: Path
) -> None:
    """SIGSTOP hangs the trader: the watchdog kills it within a second of the command and cancels
    its entry within ten; the next trader starts halted."""
    await rest_an_entry(tws)
    environment = environment_of(tws, database_url, tmp_path)
    watchdog = begin(tmp_path, "watchdog", ["run.watchdog"], environment)
    pid = watchdog.process.pid
    stopped = 0
    try:
        await until(lambda: bodies(store, "BrokerConnected"), READY_SECONDS)
        stopped = child_of(pid)
        os.kill(stopped, signal.SIGSTOP)
        assert not await is_cancelled(tws)
        asked = time.monotonic()
        command = ["run.halt", "--why", "a drill", "--who", "ann", "--wait", "30"]
        halting = begin(tmp_path, "halt", command, environment)

        async def written() -> bool:
            return (tmp_path / "var" / "halt").exists()

        async def dead() -> bool:
            return not is_alive(stopped)

        await until(written, CANCELLED_SECONDS)
        ordered = time.monotonic()
        await until(dead, 5 * DEAD_SECONDS)
        dead_seconds = time.monotonic() - ordered
        await until(lambda: is_cancelled(tws), CANCELLED_SECONDS)
        cancelled_seconds = time.monotonic() - asked
        assert dead_seconds <= DEAD_SECONDS, dead_seconds
        assert cancelled_seconds <= CANCELLED_SECONDS, cancelled_seconds
        await until(lambda: bodies(store, "TradingHalted"), READY_SECONDS)
        assert await asyncio.to_thread(halting.process.wait, 30) == 0, halting.lines
    finally:
        watchdog.process.terminate()
        await asyncio.to_thread(watchdog.process.wait, 30)
    assert await bodies(store, "HaltRequested") == [
        HaltRequested(who="ann", route="cli", reason="a drill")
    ]
    assert TradingHalted(who="ann", reason="a drill") in await bodies(store, "TradingHalted")
    cancels = await bodies(store, "EmergencyCancelSent")
    assert [(c.order_ref, c.who) for c in cancels if isinstance(c, EmergencyCancelSent)] == [
        (ENTRY, "watchdog")
    ]


async def test_an_entry_whose_cancel_found_no_way_out_is_cancelled_once_the_broker_is_back(
    store: PostgresStore, database_url: str, redis_url: str, tws: TwsSandbox, tmp_path: Path
) -> None:
    """The trader stands, so nobody decides, and its connection was lost in that moment."""
    await rest_an_entry(tws)
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        var_dir=tmp_path,
        ib_port=tws.port,
        ib_trader_client_id=CLIENT_ID,
    )
    recorder = Recorder(store, "trader", "test", "run-1")
    log = structlog.get_logger()
    trader = Trader(Process("trader", "test", "run-1", settings, store, recorder, log))
    trader.effect.live_entries[ENTRY] = tws.ledger().orders[-1].order_id
    trader.cancel_entries("the trader stands")
    again = asyncio.create_task(trader.cancel_what_stays(0.1))
    try:
        await trader.effect.connect_once()
        await until(lambda: is_cancelled(tws), 10)
    finally:
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
        await trader.broker.close()
    assert len(trader.journal.read()) == 2, "told before each attempt, and not again"
