"""The replay tool and verify as processes: the same answers with days in Postgres and in files."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pytest_postgresql.executors import NoopExecutor

from domain.event import derived_id
from run.build import ROOT
from run.embedded import EmbeddedPostgres
from store.envelope import start_of
from store.postgres import PostgresStore
from store.seal import make_key
from store.sealer import Sealer
from tests.domain.execution import execution_build as build
from tests.run.replay.conftest import _execute
from tests.run.replay.small_log import MESSAGE, SECRET, SmallLog, settings_of
from tests.store.propose import propose
from tests.store.sealed_log import Connection, Days, proposal

DATABASE = "replay_archived"
TICKED = build.underlying_ticks(600.0, build.START)
TICK = str(derived_id("test", "a tick"))
READ_MARKET_DAYS = ("verify-decisions",)
"""Reads every market event: asked also when market days alone are archived."""
AT_ONCE_MAX = 2
"""Processes side by side."""

QUESTIONS: dict[str, tuple[str, ...]] = {
    "state": ("run.replay", "state", "--at", "10:31"),
    "timeline": ("run.replay", "timeline", "--from", "10:30", "--to", "10:31"),
    "verify-decisions": ("tests.run.replay.by_hand", "verify-decisions"),
    "what-if": ("run.replay", "what-if", "--set", "risk.limit.positions_bucket=1"),
    "why": ("run.replay", "why", MESSAGE),
    "why a tick": ("run.replay", "why", TICK),
    "export": ("run.replay", "export", "--incident", MESSAGE, "--out"),
    "verify": ("run.verify",),
}


@pytest.fixture
def url(postgres_server: EmbeddedPostgres, migrated_template: NoopExecutor) -> Iterator[str]:
    template = migrated_template.template_dbname
    _execute(postgres_server, f"CREATE DATABASE {DATABASE} TEMPLATE {template} STRATEGY file_copy")
    yield postgres_server.dsn(DATABASE)
    _execute(postgres_server, f"DROP DATABASE {DATABASE} WITH (FORCE)")


class Desk:
    """Runs tools as processes with the settings of one log."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self._free = asyncio.Semaphore(AT_ONCE_MAX)
        self._environment = {
            **{name: value for name, value in os.environ.items() if "STRIKETAPE" not in name},
            "ENV_FILE": str(folder / "settings.env"),
            "DATABASE_URL": url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "PYTHONPATH": str(ROOT),
        }
        (folder / "settings.env").write_text(f"STRIKETAPE_PUBLICATION_SECRET={SECRET}\n")

    async def run(self, *arguments: str, **settings: str) -> tuple[int | None, str]:
        """Exit code and what was printed, of `python -m arguments`."""
        async with self._free:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *arguments, "--json",
                cwd=self.folder, env={**self._environment, **settings},
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await process.communicate()
        return process.returncode, (out + err).decode()

    async def answers(self, name: str, only: tuple[str, ...] = ()) -> dict[str, Any]:
        """What the commands say, all but `only` these; the bundle of export file by file."""
        bundle = self.folder / name
        asked = {**QUESTIONS, "export": (*QUESTIONS["export"], str(bundle))}
        asked = {key: asked[key] for key in only or asked}
        told = await asyncio.gather(*(self.run(*arguments) for arguments in asked.values()))
        found: dict[str, Any] = dict(zip(asked, told, strict=True))
        if "verify" in found:
            code, text = found["verify"]
            said = json.loads(text)
            found["verify"] = (code, {n: said[n] for n in said.keys() - {"seconds", "not_sealed"}})
        if bundle.exists():
            files = {file.name: file.read_bytes() for file in bundle.iterdir()}
            found["export"] = (found["export"][0], files)
        return found


async def _write(url: str, folder: Path) -> None:
    """A small log on three past days, sealed today."""
    owner = await asyncpg.connect(url)
    try:
        async with await PostgresStore.open(url, application_name="test") as store:
            await store.append([propose(TICKED, "test", "a tick")])
            await SmallLog(store, settings_of(url)).write()
            await _spread(owner, await store.head())
            key = make_key(folder / "var" / "seal.key")
            await Sealer(store, store.canonical, folder / "var/seals", key, proposal).beat()
    finally:
        await owner.close()


async def _spread(owner: Connection, head: int) -> None:
    """Three days, the trade on both sides of a midnight: decisions rest on real seconds between
    events, so only their dates may change."""
    middle = head // 2
    days = await Days(owner).spread([5, middle, head])
    midnight = start_of(days[-1])
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        "UPDATE events SET recorded_at = $1::timestamptz + (position - $2 - 1) * interval '1 ms'"
        " WHERE position > 5 AND position <= $3",
        midnight,
        middle,
        head,
    )
    await owner.execute("SET session_replication_role = origin")


async def _in_postgres(url: str, retention: str) -> int:
    """How many of the small log's events of a class are still there."""
    owner = await asyncpg.connect(url)
    try:
        query = (
            "SELECT count(*) FROM events WHERE retention = $1::text::retention"
            " AND type NOT IN ('LogSealed', 'LogArchived')"
        )
        return int(await owner.fetchval(query, retention))
    finally:
        await owner.close()


async def test_every_command_answers_the_same_when_days_went_to_the_archive(
    url: str, tmp_path: Path
) -> None:
    """Market days first, then desk days too: each command as a process says what it said before,
    to the byte, the exported bundle included."""
    await _write(url, tmp_path)
    desk = Desk(url, tmp_path)
    before = await desk.answers("before")
    codes = {name: code for name, (code, _) in before.items()}
    assert codes == dict.fromkeys(before, 0) | {"what-if": codes["what-if"]}

    code, text = await desk.run("run.archive")
    assert code == 0 and {day["retention"] for day in json.loads(text)["moved"]} == {"market"}
    assert await _in_postgres(url, "market") == 0 < await _in_postgres(url, "desk")
    after = await desk.answers("market", READ_MARKET_DAYS)
    for name in after:
        assert after[name] == before[name], name

    code, text = await desk.run("run.archive", STRIKETAPE_ARCHIVE_DESK_AFTER_DAYS="7")
    assert code == 0 and {day["retention"] for day in json.loads(text)["moved"]} == {"desk"}
    assert await _in_postgres(url, "desk") == 0
    after = await desk.answers("desk")
    for name in after:
        assert after[name] == before[name], name
