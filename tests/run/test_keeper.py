"""The keeper says who fell silent or broke, once each, and seals."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.event import Recorded
from domain.events.system import ProcessFault, ProcessHeartbeat
from run.keeper import rounds
from run.keeper.rounds import Keeper
from run.sealing import Seals
from run.service import Process
from run.verify import verify
from store.contract import Selection
from store.postgres import PostgresStore

ALERTS = Selection(types=frozenset({"AlertRaised"}))


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
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(rounds, "SILENT_AFTER", timedelta(seconds=0.5))
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
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.02)
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


async def sealed_by(process: Process, enough: Callable[[], Awaitable[bool]]) -> None:
    """Let a keeper seal until there is enough."""
    task = asyncio.create_task(Keeper(process).seals.beats())
    try:
        async with asyncio.timeout(15):
            while not await enough():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_keeper_makes_the_key_and_every_keeper_seals(
    store: PostgresStore, process: Process, database_url: str
) -> None:
    seals = Selection(types=frozenset({"LogSealed"}))

    async def sealed_at_all() -> bool:
        return len(await store.read(0, seals)) >= 2

    await process.recorder.record("heartbeat/lively", heartbeat("lively"))
    await sealed_by(process, sealed_at_all)
    settings = process.settings
    assert settings.seal_key.stat().st_mode & 0o777 == 0o600
    found = await verify(settings, datetime.min.date(), datetime.max.date())
    assert found.finding is None


async def test_a_keeper_without_its_key_seals_nothing_and_says_so_once(
    store: PostgresStore, process: Process
) -> None:
    await process.recorder.record("heartbeat/lively", heartbeat("lively"))
    await Seals(process, Keeper(process).alert).beat()
    process.settings.seal_key.unlink()
    seals = await store.read(0, Selection(types=frozenset({"LogSealed"})))
    await asyncio.wait_for(Keeper(process).seals.beats(), 30)
    await asyncio.wait_for(Keeper(process).seals.beats(), 30)
    (alert,) = await store.read(0, ALERTS)
    assert (alert.body.code, alert.body.severity) == ("SEALING_STOPPED", "critical")
    assert "put it back" in alert.body.text
    assert seals == await store.read(0, Selection(types=frozenset({"LogSealed"})))
    assert not process.settings.seal_key.exists()


async def test_a_full_second_place_is_told_and_tried_again(
    store: PostgresStore, process: Process
) -> None:
    folder = process.settings.seals
    folder.write_text("no folder can be made here")

    async def told() -> bool:
        return bool(await store.read(0, ALERTS))

    await process.recorder.record("heartbeat/lively", heartbeat("lively"))
    await sealed_by(process, told)
    (alert,) = await store.read(0, ALERTS)
    assert (alert.body.code, alert.body.severity) == ("SEALING_DELAYED", "warning")
    folder.unlink()
    seals = Seals(process, Keeper(process).alert)
    assert await seals.beat() == 1
    assert seals.position == alert.position


def test_the_beat_before_midnight_is_followed_by_one_right_after_it(process: Process) -> None:
    seals = Seals(process, Keeper(process).alert)
    assert seals.seconds_to_next(datetime(2026, 11, 28, 12, tzinfo=UTC)) == 60
    assert seals.seconds_to_next(datetime(2026, 11, 28, 23, 59, 50, tzinfo=UTC)) == 11


async def test_a_worker_that_stands_is_named_again_until_somebody_decides(
    store: PostgresStore, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.02)
    monkeypatch.setattr(rounds, "REMIND_EVERY", timedelta(seconds=0.05))
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
