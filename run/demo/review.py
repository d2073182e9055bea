"""After the day: the last run's log and page again, with nothing that trades or talks to a vendor.

`make demo-review`. Starts the demo's Postgres and Valkey, the projector, which catches up, and the
API; the market's clock stands still. The questions of run.replay are answered while it runs.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from argon2 import PasswordHasher

from domain.events.system import ClockStarted
from run.build import build_id
from run.config import FILE_VARIABLE, PREFIX
from run.demo import state
from run.embedded import EmbeddedPostgres, EmbeddedValkey
from run.services import SERVICES
from run.supervisor import Service, Supervisor
from run.worker import Recorder
from store.contract import Selection
from store.migrate import migrate
from store.postgres import PostgresStore

SHOWN = ("projector", "api")


class NoDay(Exception):
    """There is no log to look at; the text says how to get one."""


def servers(started: ExitStack, folder: Path, ports: dict[str, int]) -> tuple[str, str]:
    """Addresses of Postgres and Redis: those of the environment, else our own, started here."""
    database_url = os.environ.get("DATABASE_URL", "")
    if not database_url:
        postgres = EmbeddedPostgres(folder / "postgres", ports["postgres"])
        started.enter_context(postgres)
        database_url = postgres.dsn()
    redis_url = os.environ.get("REDIS_URL", "")
    if not redis_url:
        valkey = EmbeddedValkey(folder / "valkey", ports["valkey"])
        started.enter_context(valkey)
        redis_url = valkey.url()
    return database_url, redis_url


async def review(folder: Path, stop: asyncio.Event, say: Callable[[str], None]) -> int:
    """Serve log and page until `stop`; exit code 0.

    Raises:
        NoDay: no demo has run here.
        ServiceFailed: a service keeps ending.
    """
    if not (folder / state.FILE).exists():
        raise NoDay(f"{folder} must hold the log of a demo, does not: run make demo first")
    day = state.load(folder, 0, None, "")
    with ExitStack() as started:
        database_url, redis_url = servers(started, folder, day.ports)
        await migrate(database_url)  # the log may be of an older build
        await _stand_still(database_url, folder)
        password = secrets.token_urlsafe(12)
        environment = state.environment(day, database_url, redis_url, folder / "run")
        environment["STRIKETAPE_OPERATOR_PASSWORD_HASH"] = PasswordHasher().hash(password)
        file = state.write_environment_file(folder, environment)
        environment[FILE_VARIABLE] = str(file)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        supervisor = Supervisor(folder / "log", environment, inherited)
        for name, module in SERVICES:
            if name in SHOWN:
                supervisor.start(Service(name, module))
        page = f"http://127.0.0.1:{day.ports['api']}"
        say(f"the page: {page}   user: operator   password: {password}")
        say("the log can be asked: .venv/bin/python -m run.replay --help   Ctrl-C ends")
        watching = asyncio.create_task(supervisor.watch(), name="supervisor")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            for task in (watching, stopping):
                task.cancel()
            await supervisor.stop()
    return 0


async def _stand_still(database_url: str, folder: Path) -> None:
    """What is written here carries the last market time: a run that was killed left it running."""
    store = await PostgresStore.open(
        database_url, application_name="demo", archive_folder=folder / "archive"
    )
    async with store:
        clocks = await store.read(0, Selection(types=frozenset({ClockStarted.__name__})))
        newest = clocks[-1].body if clocks else None
        if not isinstance(newest, ClockStarted) or newest.speed == 0:
            return
        last = (await store.read(await store.head() - 1, Selection(), 1))[0].market_time
        recorder = Recorder(store, "director", build_id(), secrets.token_hex(16))
        still = newest.model_copy(
            update={
                "base_market_time": last,
                "speed": 0.0,
                "entries_open": False,
                "reason": "looked at after the day",
            }
        )
        await recorder.record("clock", still, occurred_at=last)
