"""The keeper makes room ahead and says who fell silent or broke, once each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
import structlog

from domain.event import Recorded
from domain.events.system import ProcessFault, ProcessHeartbeat
from run import keeper
from run.config import Settings
from run.keeper import Keeper
from run.service import Process
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore

ALERTS = Selection(types=frozenset({"AlertRaised"}))


@pytest.fixture
def process(store: PostgresStore, database_url: str, redis_url: str) -> Process:
    settings = Settings(_env_file=None, database_url=database_url, redis_url=redis_url)
    recorder = Recorder(store, "keeper", "test", "run-1")
    return Process("keeper", "test", "run-1", settings, store, recorder, structlog.get_logger())


def heartbeat(name: str) -> ProcessHeartbeat:
    return ProcessHeartbeat(process=name, run_id="r", state="running", position=0, figures={})


async def alerts_when(
    store: PostgresStore, process: Process, enough: Callable[[list[Recorded]], bool]
) -> list[Recorded]:
    """The alerts of a keeper that runs until there are enough."""
    one = Keeper(process)
    tasks = [asyncio.create_task(one.follow()), asyncio.create_task(one.rounds())]
    try:
        async with asyncio.timeout(15):
            while True:
                await process.recorder.record("heartbeat/lively", heartbeat("lively"))
                found = await store.read(0, ALERTS)
                if one.watched and enough(found):
                    return found
                await asyncio.sleep(0.01)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_silent_process_raises_one_alert_and_a_lively_one_none(
    store: PostgresStore, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(keeper, "SILENT_AFTER", timedelta(seconds=0.5))
    told = asyncio.Event()

    async def say_once() -> None:
        await told.wait()
        await process.recorder.record("heartbeat/mute", heartbeat("mute"))

    saying = asyncio.create_task(say_once())
    beats = Selection(types=frozenset({"ProcessHeartbeat"}))
    rounds_after = 0

    def enough(found: list[Recorded]) -> bool:
        nonlocal rounds_after
        told.set()
        rounds_after += bool(found)
        return rounds_after > 20

    found = await alerts_when(store, process, enough)
    await saying
    assert [event.body.code for event in found] == ["PROCESS_SILENT"]
    assert found[0].body.text.startswith("mute has been silent")
    names = {event.body.process for event in await store.read(0, beats)}
    assert names == {"lively", "mute", "keeper"}


async def test_a_fault_is_an_alert_that_names_process_and_cause(
    store: PostgresStore, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "ROUND_SECONDS", 0.02)
    saying: list[asyncio.Task[object]] = []

    def enough(found: list[Recorded]) -> bool:
        if not saying:
            fault = ProcessFault(process="trader", error="StageDefect", detail="why")
            saying.append(asyncio.create_task(process.recorder.record("process/trader", fault)))
        return bool(found)

    found = await alerts_when(store, process, enough)
    assert [event.body.code for event in found] == ["PROCESS_FAULT"]
    assert found[0].body.text == "trader stopped: StageDefect"
    assert found[0].body.severity == "critical"


async def test_a_worker_that_stands_is_named_again_until_somebody_decides(
    store: PostgresStore, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(keeper, "REMIND_EVERY", timedelta(seconds=0.05))
    beat = ProcessHeartbeat(
        process="trader", run_id="r", state="stopped", position=6, figures={"stopped_at": 7.0}
    )
    saying: list[asyncio.Task[None]] = []

    async def say() -> None:
        while True:
            await process.recorder.record("heartbeat/trader", beat)
            await asyncio.sleep(0.02)

    def enough(found: list[Recorded]) -> bool:
        if not saying:
            saying.append(asyncio.create_task(say()))
        return len(found) >= 2

    try:
        found = await alerts_when(store, process, enough)
    finally:
        saying[0].cancel()
    assert {event.body.code for event in found} == {"WORKER_STOPPED"}
    assert "trader still stands before input 7" in found[0].body.text
