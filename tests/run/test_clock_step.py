"""A refused step of the database clock: daemons wait, and the operator or the broker accepts it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import structlog

from adapters.interactive_brokers.sandbox import TwsSandbox
from run import api, clock_step, metrics, watchdog, watched_trader
from run.build import ROOT
from run.clock_step import POLL_SECONDS, disagreement, wait_until_accepted
from run.config import Settings
from run.control_file import ControlFiles
from run.embedded import free_port
from run.service import Process
from run.trader import ask_broker
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.still_market import StillClock, StillMarket
from tests.store.propose import halt
from tests.store.stepped_clock import STEP_SECONDS, refuse

SECONDS_MAX = 180.0


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None, database_url=database_url, redis_url=redis_url, var_dir=tmp_path
    )


def shown() -> float:
    """What Prometheus is told of a step."""
    return float(metrics.CLOCK_STEP_SECONDS._value.get())


def given(settings: Settings) -> dict[str, str]:
    """The settings as variables of a process that must not read this machine's."""
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "STRIKETAPE_VAR_DIR": str(settings.var_dir),
        "STRIKETAPE_IB_PORT": "9",
        "STRIKETAPE_API_PORT": str(free_port()),
    }


async def start(*arguments: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )


async def press(address: str) -> httpx.Response:
    """Log in at a page that may just be starting."""
    body = {"name": "operator", "password": "does not matter"}
    async with httpx.AsyncClient(base_url=address, timeout=10) as client:
        while True:
            try:
                return await client.post("/api/v1/login", json=body)
            except httpx.ConnectError:
                await asyncio.sleep(0.05)


async def test_a_restarted_daemon_waits_for_the_operators_command(
    store: PostgresStore, settings: Settings
) -> None:
    """It says what to do, appends nothing, and goes on by itself; the alert follows on the log. The
    page is there meanwhile and tells whoever presses what it waits for."""
    await refuse(settings.database_url)
    environment = given(settings)
    daemon = await start("run.keeper", environment=environment)
    page = await start("run.api", environment=environment)
    assert daemon.stdout is not None
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while "CLOCK_STEPPED" not in (line := (await daemon.stdout.readline()).decode()):
                assert line, "the daemon must wait, was gone"
            assert "run.accept_clock --why" in line
            told = await press(f"http://127.0.0.1:{environment['STRIKETAPE_API_PORT']}")
            assert (told.status_code, told.json()["error"]) == (503, "clock_stepped")
            assert "run.accept_clock --why" in told.json()["remedy"]
            assert [event.type for event in await store.read(0)] == ["HaltRequested"]
            accept = ("run.accept_clock", "--why", "the laptop slept", "--who", "ann", "--json")
            command = await start(*accept, environment=environment)
            said, _ = await command.communicate()
            answer = json.loads(said)
            assert (command.returncode, answer["state"]) == (0, "accepted")
            assert answer["step_seconds"] == pytest.approx(STEP_SECONDS, abs=30)
            while (types := [e.type for e in await store.read(0)]).count("ProcessStarted") < 2:
                await asyncio.sleep(0.02)
            command = await start(*accept, environment=environment)
            again, _ = await command.communicate()
            assert (command.returncode, json.loads(again)["state"]) == (3, "nothing")
    finally:
        for process in (daemon, page):
            process.terminate()
            await process.communicate()
    assert types[:2] == ["HaltRequested", "ClockAccepted"]
    log = await store.read(0)
    assert (log[1].body.who, log[1].body.why) == ("ann", "the laptop slept")
    (alert,) = [event.body for event in log if event.type == "AlertRaised"]
    assert (alert.code, alert.severity) == ("CLOCK_STEPPED", "critical")


async def test_a_page_that_meets_a_step_goes_on_and_beats_again_once_it_is_accepted(
    store: PostgresStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_step, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(api, "HEARTBEAT_SECONDS", 0.01)
    recorder = Recorder(store, "api", "b", "r")
    process = Process("api", "b", "r", settings, store, recorder, structlog.get_logger())
    beating = asyncio.create_task(api._beat(process))

    async def beats() -> int:
        return len(await store.read(0, Selection(types=frozenset({"ProcessHeartbeat"}))))

    try:
        async with asyncio.timeout(SECONDS_MAX):
            while not await beats():
                await asyncio.sleep(0.01)
            await refuse(settings.database_url)
            while not shown():
                assert not beating.done()
                await asyncio.sleep(0.01)
            before = await beats()
            await clock_step.accept(store, recorder, "ann", "slept")
            while await beats() == before:
                assert not beating.done()
                await asyncio.sleep(0.01)
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def test_a_trader_that_waits_is_neither_killed_nor_started_again(
    store: PostgresStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog knows what it waits for, however long that takes."""
    await refuse(settings.database_url)
    for name, value in given(settings).items():
        monkeypatch.setenv(name, value)

    async def cancel(_: str) -> int:
        raise AssertionError("nothing must be cancelled")

    of_trader = (sys.executable, "-m", "run.trader")
    watching = watchdog.Watchdog(of_trader, ControlFiles(settings.var_dir), cancel)
    task = asyncio.create_task(watching.run())
    waits: list[float] = []
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while len(waits) < 4:
                child = watching.child
                if child is not None and child.last_wait not in (None, *waits):
                    assert "run.accept_clock" in child.waits_for
                    waits.append(child.last_wait or 0.0)
                    # From now on a start that does not wait would be too long already.
                    monkeypatch.setattr(watched_trader, "FIRST_BEAT_SECONDS_MAX", 5 * POLL_SECONDS)
                await asyncio.sleep(0.02)
            monkeypatch.undo()
            await clock_step.accept(store, Recorder(store, "cli", "b", "r"), "ann", "slept")
            while child is None or child.last_beat is None:
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (watching.kills, watching.starts) == ([], 1)


async def test_a_broker_whose_time_agrees_accepts_and_one_whose_time_does_not_never(
    store: PostgresStore, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refuse(settings.database_url)
    monkeypatch.setattr(clock_step, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(clock_step, "BROKER_EVERY_SECONDS", 0.01)
    market = StillMarket()
    market.time = datetime.now(UTC) - timedelta(seconds=10)
    sandbox = TwsSandbox(market, StillClock(market), tmp_path / "tws")
    await sandbox.start("127.0.0.1", 0)
    asked = 0
    of_broker = ask_broker(settings.model_copy(update={"ib_port": sandbox.port}))

    async def broker_time() -> datetime:
        nonlocal asked
        asked += 1
        assert shown() == pytest.approx(STEP_SECONDS, abs=30)
        if asked == 2:
            raise OSError("not reached")
        if asked == 4:
            market.time = datetime.now(UTC)
        return await of_broker()

    log = structlog.get_logger()
    try:
        async with asyncio.timeout(SECONDS_MAX):
            await wait_until_accepted(store, Recorder(store, "trader", "b", "r"), log, broker_time)
    finally:
        await sandbox.stop()
    assert (asked, shown()) == (4, 0)
    accepted = (await store.read(0))[1].body
    assert accepted.who == "broker"
    await store.append([halt("after")])


async def test_without_a_step_nothing_is_waited_for_and_nobody_is_asked(
    store: PostgresStore,
) -> None:
    async def broker_time() -> datetime:
        raise AssertionError("the broker must not be asked")

    recorder = Recorder(store, "trader", "b", "r")
    await wait_until_accepted(store, recorder, structlog.get_logger(), broker_time)
    assert await store.head() == 0


@pytest.mark.parametrize(
    ("database_seconds", "apart_seconds"),
    [(0.0, 0.0), (0.999, 0.0), (2.5, 1.5), (-1.5, 1.5), (3.5, 2.5), (-7_200.0, 7_200.0)],
)
def test_the_brokers_whole_seconds_are_allowed_for(
    database_seconds: float, apart_seconds: float
) -> None:
    broker = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)
    database = broker + timedelta(seconds=database_seconds)
    assert disagreement(database, broker) == timedelta(seconds=apart_seconds)
