"""The start of a daemon: what the log lacks is on it before anything can be decided."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from domain.events.system import ParametersChanged
from domain.parameters import PARAMETERS
from run.build import ROOT
from store.contract import Selection

START_SECONDS_MAX = 180.0


@asynccontextmanager
async def daemon(module: str, environment: dict[str, str]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_whichever_daemon_starts_first_writes_the_parameters_before_anything_else(
    store: Any, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A trader that saw the broker before the parameters could never start again."""
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "STRIKETAPE_VAR_DIR": str(tmp_path),
        # Nobody listens there: neither a broker nor a bot is needed to start.
        "STRIKETAPE_IB_PORT": "9",
        "STRIKETAPE_TELEGRAM_URL": "http://127.0.0.1:9/bot",
        "STRIKETAPE_TELEGRAM_TOKEN": "1:a",
        "STRIKETAPE_TELEGRAM_CHAT_ID": "1",
        "STRIKETAPE_PUBLICATION_SECRET": "k",
    }
    wanted = {"process/trader", "process/telegram"}
    async with daemon("run.trader", settings), daemon("run.telegram", settings):
        async with asyncio.timeout(START_SECONDS_MAX):
            while not wanted <= {event.stream for event in await store.read(0)}:
                await asyncio.sleep(0.02)
    log = await store.read(0)
    (written,) = [event for event in log if isinstance(event.body, ParametersChanged)]
    assert written.body.values == {name: p.default for name, p in PARAMETERS.items()}
    assert log[0].type == "ParametersChanged"


async def test_a_log_that_lacks_nothing_gets_nothing(
    store: Any, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "STRIKETAPE_VAR_DIR": str(tmp_path),
    }
    for start in (1, 2):
        async with daemon("run.keeper", settings), asyncio.timeout(START_SECONDS_MAX):
            started = Selection(types=frozenset({"ProcessStarted"}))
            while len(await store.read(0, started)) < start:
                await asyncio.sleep(0.02)
    changed = Selection(types=frozenset({"ParametersChanged"}))
    assert len(await store.read(0, changed)) == 1
