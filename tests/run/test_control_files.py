"""The files halt and flatten, and the commands that write them and take them away."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from domain.events.controls import (
    ControlRefused,
    FlattenRequested,
    FlattenStarted,
    HaltRequested,
    ReleaseRequested,
    TradingHalted,
    TradingReleased,
)
from domain.parameters import PARAMETERS
from run import halt, release
from run.config import Settings
from run.control_file import ControlFile, ControlFiles
from run.feeds.start import write_missing_parameters
from run.service import Process
from run.trader import Trader
from run.worker import Recorder
from store.postgres import PostgresStore
from tests.on_the_log import bodies
from tests.waiting import until

NOBODY = "postgresql://nobody@127.0.0.1:1/none"


def test_a_file_is_told_once_for_each_time_it_is_written(tmp_path: Path) -> None:
    files = ControlFiles(tmp_path)
    assert (files.standing(), files.new()) == ("", [])
    (tmp_path / "halt").write_text("")
    assert files.standing() == "halt file"
    assert [request.reason for request in files.new()] == ["halt file"]
    assert files.new() == []
    (tmp_path / "halt").unlink()
    assert files.new() == [] and files.standing() == ""
    (tmp_path / "halt").write_text("again\nmore")
    assert [request.reason for request in files.new()] == ["again"]


def test_whoever_reads_a_file_makes_the_same_request(tmp_path: Path) -> None:
    written = ControlFile(tmp_path, "flatten").write("ann", "leaving the desk")
    read = ControlFile(tmp_path, "flatten").read()
    assert read == written
    assert written.body == FlattenRequested(who="ann", route="cli", reason="leaving the desk")


def test_a_file_by_hand_says_so(tmp_path: Path) -> None:
    (tmp_path / "halt").write_text("quotes look wrong\n")
    read = ControlFile(tmp_path, "halt").read()
    assert read is not None
    assert read.body == HaltRequested(who="file", route="file", reason="quotes look wrong")


def test_a_file_that_cannot_be_read_halts_as_well(tmp_path: Path) -> None:
    (tmp_path / "halt").mkdir()
    assert "unreadable" in ControlFiles(tmp_path).standing()


def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    (tmp_path / "halt").write_text("x" * 9_000)
    assert len(ControlFiles(tmp_path).standing()) == 200


@pytest.fixture
def settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str, redis_url: str
) -> Settings:
    """What the commands read: a desk in paper mode whose files are in a folder of the test."""
    for name in [name for name in os.environ if name.startswith("STRIKETAPE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "empty.env").touch()
    monkeypatch.setenv("ENV_FILE", str(tmp_path / "empty.env"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("STRIKETAPE_MODE", "paper")
    monkeypatch.setenv("STRIKETAPE_VAR_DIR", str(tmp_path))
    return Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        var_dir=tmp_path,
        mode="paper",
        ib_port=1,
    )


@asynccontextmanager
async def trading(store: PostgresStore, settings: Settings) -> AsyncIterator[Trader]:
    """A trader that folds and decides; its broker is never there."""
    log = structlog.get_logger()
    recorder = Recorder(store, "trader", "test", "run-1")
    await write_missing_parameters(store, recorder, PARAMETERS)
    trader = Trader(Process("trader", "test", "run-1", settings, store, recorder, log))
    task = asyncio.create_task(trader.run())
    try:
        async with asyncio.timeout(20):
            await trader.worker.ready.wait()
            yield trader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def logged(store: PostgresStore, kind: type[Any], count: int) -> None:
    async with asyncio.timeout(30):
        while len(await bodies(store, kind)) < count:
            await asyncio.sleep(0.01)


async def test_a_flatten_by_command_is_one_request_with_who_why_and_route(
    store: PostgresStore, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """File, trader and command say the same request: it is on the log once, and carried out."""
    arguments = ["--flatten", "--why", "leaving the desk", "--who", "ann", "--json"]
    async with trading(store, settings) as trader:
        assert await asyncio.to_thread(halt.main, arguments) == 0
        assert trader.effect.entries_stopped
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told = json.loads(line)
    assert (told["state"], told["decided_by"]) == ("accepted", "FlattenStarted")
    wanted = FlattenRequested(who="ann", route="cli", reason="leaving the desk")
    assert await bodies(store, FlattenRequested) == [wanted]
    assert len(await bodies(store, FlattenStarted)) == 1
    assert len(await bodies(store, TradingHalted)) == 1


async def test_a_halt_by_hand_reaches_the_log(store: PostgresStore, settings: Settings) -> None:
    async with trading(store, settings):
        (settings.var_dir / "halt").write_text("quotes look wrong")
        await logged(store, TradingHalted, 1)
    wanted = HaltRequested(who="file", route="file", reason="quotes look wrong")
    assert await bodies(store, HaltRequested) == [wanted]


def test_a_halt_without_a_log_stands_in_the_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Postgres is away: the file is what the trader and the watchdog obey."""
    monkeypatch.setenv("DATABASE_URL", NOBODY)
    assert halt.main(["--why", "the log is gone", "--wait", "0.3"]) == 3
    assert "paper: halt asked, not answered yet" in capsys.readouterr().out
    assert ControlFiles(settings.var_dir).standing() == "the log is gone"


def test_a_halt_that_nothing_can_hold_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = settings.var_dir / "file-not-folder"
    blocked.touch()
    monkeypatch.setenv("DATABASE_URL", NOBODY)
    monkeypatch.setenv("STRIKETAPE_VAR_DIR", str(blocked))
    assert halt.main(["--why", "nothing works", "--wait", "0.3"]) == 1
    assert "halt failed" in capsys.readouterr().out


async def test_a_release_takes_the_file_away_and_names_who_and_why(
    store: PostgresStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("RELEASE PAPER\n"))
    async with trading(store, settings) as trader:
        assert await asyncio.to_thread(halt.main, ["--why", "a drill"]) == 0
        given = ["--why", "the drill is over", "--who", "ann"]
        assert await asyncio.to_thread(release.main, given) == 0
        await until(lambda: not trader.effect.entries_stopped)
    assert not (settings.var_dir / "halt").exists()
    (request,) = await bodies(store, ReleaseRequested)
    assert request == ReleaseRequested(
        who="ann", route="cli", reason="the drill is over", reauthenticated=True
    )
    assert len(await bodies(store, TradingReleased)) == 1


@pytest.mark.parametrize("typed", ["", "RELEASE\n", "RELEASE LIVE\n", "release paper\n"])
def test_a_release_of_the_wrong_desk_is_not_asked_for(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
) -> None:
    (settings.var_dir / "halt").write_text("stays")
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert release.main(["--why", "the drill is over", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "refused" and "RELEASE PAPER" in told["reason"]
    assert ControlFiles(settings.var_dir).standing() == "stays"


def test_a_release_without_a_log_leaves_the_halt_in_force(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.var_dir / "halt").write_text("stays")
    monkeypatch.setenv("DATABASE_URL", NOBODY)
    monkeypatch.setattr("sys.stdin", io.StringIO("RELEASE PAPER\n"))
    assert release.main(["--why", "the drill is over", "--wait", "0.3"]) == 1
    assert ControlFiles(settings.var_dir).standing() == "stays"


async def test_no_entry_leaves_between_a_release_and_the_halt_file(
    store: PostgresStore, settings: Settings
) -> None:
    """A release by the page while var/halt stands: entries stay stopped from the very commit on,
    and the log says so too."""
    recorder = Recorder(store, "api", "test", "run-2")
    async with trading(store, settings) as trader:
        (settings.var_dir / "halt").write_text("stays")
        await until(lambda: bool(trader.effect.entries_stopped))
        allowed: list[str] = []
        told = trader.effect.on_committed

        def watch(events: Any) -> None:
            told(events)
            if any(isinstance(event.body, TradingReleased) for event in events):
                asyncio.get_running_loop().call_soon(
                    lambda: allowed.append(trader.effect.entries_stopped)
                )

        trader.effect.on_committed = watch  # type: ignore[method-assign]
        await logged(store, TradingHalted, 1)
        asked = ReleaseRequested(who="o", route="api", reason="try", reauthenticated=True)
        await recorder.record("control/api", asked)
        await logged(store, TradingHalted, 2)
        assert allowed == ["stays"] and trader.effect.entries_stopped == "stays"
    assert await bodies(store, ControlRefused) == []
