"""`python -m run.archive` and the keeper's night: what they move, what they say."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
import structlog

from domain.events.system import ProcessFault
from domain.session import NEW_YORK
from run import upkeep
from run.archive import main
from run.archiving import one_night, windows
from run.config import Settings
from run.keeper import __main__ as keeper_daemon
from run.keeper import runner
from run.keeper.jobs import JOBS
from run.keeper.rounds import Keeper
from run.keeper.schedule import Daily
from run.service import Process
from run.verify import main as verify
from run.worker import Recorder
from store.contract import Selection
from store.postgres import PostgresStore
from store.seal import make_key
from store.sealer import Sealer
from tests.store.sealed_log import Days, mixed, proposal

ALERTS = Selection(types=frozenset({"AlertRaised"}))


@pytest.fixture
async def process(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Process]:
    """A keeper whose log has two days of three weeks ago, and the settings that the tools find."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    settings = Settings(_env_file=None)
    owner = await asyncpg.connect(database_url)
    async with await PostgresStore.open(database_url, application_name="test") as store:
        await store.append(mixed(1, 40))
        await Days(owner).spread([20, 30])
        key = make_key(settings.seal_key)
        await Sealer(store, store.canonical, settings.seals, key, proposal).beat()
    await owner.close()
    async with await PostgresStore.open(database_url, application_name="test") as store:
        recorder = Recorder(store, "keeper", "test", "run-1")
        log = structlog.get_logger()
        yield Process("keeper", "test", "run-1", settings, store, recorder, log)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    shown = capsys.readouterr()
    return code, shown.out + shown.err


@pytest.mark.usefixtures("process")
def test_the_tool_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("run.replay.printing.is_watched", lambda: True)
    assert main(["--json"]) == 0
    shown = capsys.readouterr()
    percents = [int(part.split()[-1]) for part in shown.err.split("%")[:-1]]
    assert percents[0] == 0 and percents[-1] == 100 and percents == sorted(set(percents))
    assert json.loads(shown.out)["ok"] is True


@pytest.mark.usefixtures("process")
def test_the_tool_moves_what_is_past_its_window(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = answer(capsys, "--before", "2020-01-01")
    assert (code, text) == (0, "nothing to archive\n")
    code, text = answer(capsys, "--json")
    assert code == 0
    moved = json.loads(text)["moved"]
    assert [(m["retention"], m["events"]) for m in moved] == [("market", 14), ("market", 6)]
    assert answer(capsys)[1] == "nothing to archive\n"
    assert verify([]) == 0
    shutil.rmtree("var/archive")
    assert verify([]) == 2
    assert "STRIKETAPE_ARCHIVE_FOLDER" in capsys.readouterr().err


async def test_the_last_day_with_events_stays_and_is_said_to_be_the_last(
    store: PostgresStore,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Sealing it would not help: it may still grow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    await store.append(mixed(1, 40))
    owner = await asyncpg.connect(database_url)
    await Days(owner).spread([40])
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("DELETE FROM log_days WHERE first_position > 40")
    await owner.close()
    make_key(Path("var/seal.key"))
    code, text = await asyncio.to_thread(answer, capsys)
    assert code == 1
    assert "goes once a later day has events" in text and "keeper" not in text


@pytest.mark.usefixtures("process")
def test_a_day_that_must_stay_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("var/archive").write_text("no folder can be made here")
    code, text = answer(capsys)
    assert code == 2
    assert "var/archive" in text
    Path("var/archive").unlink()
    Path("var/seal.key").unlink()
    code, text = answer(capsys)
    assert code == 2
    assert "put it back" in text
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:9/nothing")
    assert answer(capsys)[0] == 2


async def test_a_night_archives_and_a_night_that_cannot_is_told(process: Process) -> None:
    keeper = Keeper(process)
    process.settings.archive.write_text("no folder can be made here")
    today = datetime.now(UTC).date()
    await one_night(process, keeper.alert, today)
    (alert,) = await process.store.read(0, ALERTS)
    assert (alert.body.code, alert.body.severity) == ("ARCHIVE_DELAYED", "warning")
    process.settings.archive.unlink()
    await one_night(process, keeper.alert, today)
    assert len(list(process.settings.archive.glob("market/*/*.parquet"))) == 2
    assert len(await process.store.read(0, ALERTS)) == 1
    assert [event.position for event in await process.store.read(0)][:40] == list(range(1, 41))


async def test_a_night_notes_what_the_log_names_and_one_that_cannot_is_told(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "POSITIONS_A_STEP_MAX", 3)
    today = datetime.now(UTC).date()
    owner = await asyncpg.connect(database_url)
    head = await process.store.head()
    await one_night(process, Keeper(process).alert, today)
    assert await owner.fetchval("SELECT position FROM links_noted") == head
    assert await process.store.read(0, ALERTS) == []
    await owner.execute("REVOKE EXECUTE ON FUNCTION note_links FROM striketape_writer")
    await owner.close()
    await one_night(process, Keeper(process).alert, today)
    (alert,) = await process.store.read(0, ALERTS)
    assert (alert.body.code, alert.body.severity) == ("UPKEEP_DELAYED", "warning")


async def test_a_night_deletes_by_steps_what_serves_nobody_any_more(
    process: Process, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settled commits, and feed tables of archived days; what is young, and the tail, stay."""
    monkeypatch.setattr(upkeep, "ROWS_A_STEP_MAX", 2)
    today = datetime.now(UTC).date()
    owner = await asyncpg.connect(database_url)
    for key in range(5):
        await process.store.append(mixed(100 + key, 1))
    await owner.execute(
        "UPDATE commits SET recorded_at = recorded_at - interval '2 days'"
        " WHERE last_position < (SELECT max(last_position) FROM commits)"
    )
    await owner.execute("SELECT make_feed_days('feed', $1, 12)", today - timedelta(days=14))
    await one_night(process, Keeper(process).alert, today)
    kept = await owner.fetch(
        "SELECT tablename FROM pg_tables WHERE tablename LIKE 'uw_price_ticks__%' ORDER BY 1"
    )
    assert [row[0] for row in kept] == [
        f"uw_price_ticks_{today - timedelta(days=days):%Y%m%d}" for days in (7, 6, 5, 4, 3)
    ]
    old = "SELECT count(*) FROM commits WHERE recorded_at < now() - interval '1 day'"
    assert await owner.fetchval(old) == 0
    head = await process.store.head()
    assert (await process.store.append(mixed(300, 1))).positions == (head + 1,)
    assert await process.store.read(0, ALERTS) == []
    await owner.execute("REVOKE EXECUTE ON FUNCTION prune_commits FROM striketape_writer")
    await one_night(process, Keeper(process).alert, today)
    (alert,) = await process.store.read(0, ALERTS)
    assert (alert.body.code, alert.body.severity) == ("UPKEEP_DELAYED", "warning")
    await owner.close()


async def test_a_running_keeper_seals_archives_and_beats(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All duties of the daemon as it runs them: one that is not begun fails here."""
    monkeypatch.setattr(runner, "ROUND_SECONDS", 0.05)
    now = datetime.now(NEW_YORK)
    # More than one: on a busy machine the first may pass before the daemon looks at its jobs.
    soon = tuple((now + timedelta(seconds=seconds)).time() for seconds in (0.5, 3, 9, 27, 81))
    jobs = [replace(job, schedule=Daily(soon)) for job in JOBS if job.name == "archive"]
    last = await process.store.head()
    running = asyncio.create_task(keeper_daemon.main(process, jobs))
    wanted = {"LogSealed", "LogArchived", "ProcessHeartbeat", "AlertRaised", "JobFinished"}
    fault = ProcessFault(process="signals", error="StageDefect", detail="why")
    try:
        async with asyncio.timeout(120):
            while not wanted <= {event.type for event in await process.store.read(last)}:
                await process.recorder.record("process/signals", fault)
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    types = {alert.body.code for alert in await process.store.read(last, ALERTS)}
    assert types == {"PROCESS_FAULT"}


def test_windows_are_those_of_the_settings() -> None:
    today = date(2026, 11, 28)
    settings = Settings(_env_file=None, DATABASE_URL="x", REDIS_URL="x")
    market, desk = windows(settings, today).values()
    assert (today - market, today - desk) == (timedelta(days=7), timedelta(days=731))
