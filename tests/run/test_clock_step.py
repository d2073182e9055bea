"""A refused step of the database clock: daemons wait, and the operator or the broker accepts it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from adapters.interactive_brokers.sandbox import TwsSandbox
from run import clock_step
from run.build import ROOT
from run.clock_step import disagreement, wait_until_accepted
from run.config import Settings
from run.trader import ask_broker
from run.worker import Recorder
from store.errors import ClockStepped
from store.postgres import PostgresStore
from tests.adapters.interactive_brokers.still_market import StillClock, StillMarket
from tests.store.propose import halt

SECONDS_MAX = 60.0
STEP_SECONDS = 7_200.0


async def refuse(database_url: str) -> None:
    """A process with a monotonic clock that stood still notices a step, and is gone."""
    lost = [0.0]
    async with await PostgresStore.open(
        database_url, application_name="gone", monotonic=lambda: time.monotonic() - lost[0]
    ) as store:
        await store.append([halt("before")])
        lost[0] = STEP_SECONDS
        with pytest.raises(ClockStepped):
            await store.append([halt("after")])


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None, database_url=database_url, redis_url=redis_url, var_dir=tmp_path
    )


async def test_a_restarted_daemon_waits_for_the_operators_command(
    store: PostgresStore, settings: Settings
) -> None:
    """It says what to do, appends nothing, and goes on by itself; the alert follows on the log."""
    await refuse(settings.database_url)
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "STRIKETAPE_VAR_DIR": str(settings.var_dir),
    }

    async def start(*arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", *arguments)
        return await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=pipe
        )

    daemon = await start("run.keeper")
    assert daemon.stdout is not None
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while "CLOCK_STEPPED" not in (line := (await daemon.stdout.readline()).decode()):
                assert line, "the daemon must wait, was gone"
            assert "run.accept_clock --why" in line
            assert [event.type for event in await store.read(0)] == ["HaltRequested"]
            accept = ("run.accept_clock", "--why", "the laptop slept", "--who", "ann", "--json")
            command = await start(*accept)
            said, _ = await command.communicate()
            answer = json.loads(said)
            assert (command.returncode, answer["state"]) == (0, "accepted")
            assert answer["step_seconds"] == pytest.approx(STEP_SECONDS, abs=30)
            while "ProcessStarted" not in (types := [e.type for e in await store.read(0)]):
                await asyncio.sleep(0.02)
            again, _ = await (command := await start(*accept)).communicate()
            assert (command.returncode, json.loads(again)["state"]) == (3, "nothing")
    finally:
        daemon.terminate()
        await daemon.communicate()
    assert types[:2] == ["HaltRequested", "ClockAccepted"]
    log = await store.read(0)
    assert (log[1].body.who, log[1].body.why) == ("ann", "the laptop slept")
    (alert,) = [event.body for event in log if event.type == "AlertRaised"]
    assert (alert.code, alert.severity) == ("CLOCK_STEPPED", "critical")


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
    assert asked == 4
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
