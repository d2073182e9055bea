"""The trader of run/trader.py as one process of a life has it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog

import run.trader
from adapters.interactive_brokers.orders import IbOrders
from run.config import Settings
from run.service import Process
from run.worker import Recorder, Worker
from tests.sim.broker import HOST, PORT
from tests.sim.clock import virtual_now
from tests.sim.oracle import CLIENT_ID
from tests.sim.store import SimStore

HEARTBEAT_SECONDS = 30.0


class SimWorker(Worker):
    """The trader's worker; the world ticks its clock, and nobody hears its heart."""

    async def _tick(self) -> None:
        await asyncio.Event().wait()

    async def _beat(self, state: str = "running", **more: float) -> None:
        await asyncio.Event().wait()


def sim_trader(store: SimStore, folder: Path, name: str, run_id: str) -> run.trader.Trader:
    """With its real stages and its real order effect; its worker is called `name`."""
    settings = Settings.model_construct(var_dir=folder, database_url="", redis_url="")
    log: Any = structlog.get_logger("sim")
    as_store: Any = store
    recorder = Recorder(as_store, "trader", "sim", run_id)
    parts = Process("trader", "sim", run_id, settings, as_store, recorder, log)
    broker = IbOrders(
        HOST, PORT, CLIENT_ID, run_id, virtual_now, heartbeat_seconds=HEARTBEAT_SECONDS
    )

    def make_worker(_name: str, *given: Any, **named: Any) -> SimWorker:
        worker = SimWorker(name, *given, **named)
        worker.run_id = run_id
        worker.recorder = Recorder(as_store, name, "sim", run_id)
        return worker

    with patch.object(run.trader, "Worker", make_worker):
        return run.trader.Trader(parts, broker)
