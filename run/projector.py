"""The projector daemon: hot state and streams in Redis, audit tables in Postgres.

`python -m run.projector` follows the log, each projection at its own pace. `python -m run.projector
rebuild [--name hot|streams|audit]` builds projections anew beside the live ones and swaps them in;
it may be used while the daemon runs. No decision reads what this writes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.events.system import ProcessHeartbeat
from projections import audit, hot, streams
from projections.postgres_target import PostgresTarget
from projections.projector import Projector, RebuildLost
from projections.redis_target import RedisTarget
from run.config import SettingsError, load_settings
from run.service import Process, serve
from store.errors import StoreError
from store.postgres import PostgresStore

NAME = "projector"
HEARTBEAT_SECONDS = 2.0
REDIS_SECONDS_MAX = 30.0
"""A page of thousands of commands is one call, and the first look at a large stream too."""


@asynccontextmanager
async def projectors(
    store: PostgresStore, database_url: str, redis_url: str
) -> AsyncIterator[list[Projector[Any]]]:
    """All projectors of the desk on open connections."""
    redis = Redis.from_url(
        redis_url, decode_responses=True, socket_timeout=REDIS_SECONDS_MAX, socket_keepalive=True
    )
    tables = PostgresTarget(database_url)
    try:
        yield [
            Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)),
            Projector(store, streams.MARKET, RedisTarget(redis, streams.MARKET_PREFIX)),
            Projector(store, streams.DESK, RedisTarget(redis, streams.DESK_PREFIX)),
            Projector(store, audit.PROJECTION, tables),
        ]
    finally:
        await tables.close()
        await redis.aclose()


async def _beat(process: Process, running: list[Projector[Any]]) -> None:
    while True:
        head = await process.store.head()
        figures: dict[str, float] = {}
        for projector in running:
            name = projector.projection.name
            figures[f"{name}.lag_events"] = float(max(0, head - projector.position))
            figures[f"{name}.rebuilds"] = float(projector.rebuilds)
        await process.recorder.record(
            f"heartbeat/{NAME}",
            ProcessHeartbeat(
                process=NAME,
                run_id=process.run_id,
                state="running",
                position=min(projector.position for projector in running),
                figures=figures,
            ),
        )
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def main(process: Process) -> None:
    """Follow the log with every projection until cancelled."""
    settings = process.settings
    async with (
        projectors(process.store, settings.database_url, settings.redis_url) as running,
        asyncio.TaskGroup() as tasks,
    ):
        for projector in running:
            tasks.create_task(projector.run(), name=f"{NAME}.{projector.projection.name}")
        tasks.create_task(_beat(process, running), name=f"{NAME}.heartbeat")


async def rebuild(database_url: str, redis_url: str, name: str) -> list[dict[str, object]]:
    """Build the projections of this name anew, all for an empty one; what was done."""
    done: list[dict[str, object]] = []
    async with (
        await PostgresStore.open(database_url, application_name=f"{NAME} rebuild") as store,
        projectors(store, database_url, redis_url) as known,
    ):
        for projector in known:
            full_name = projector.projection.name
            if name and full_name.partition(".")[0] != name:
                continue
            began = time.monotonic()
            state = await projector.rebuild()
            seconds = round(time.monotonic() - began, 3)
            done.append({"name": full_name, "position": state.position, "seconds": seconds})
    return done


def command(arguments: list[str]) -> int:
    """The rebuild command; 0 when everything was built."""
    parser = argparse.ArgumentParser(prog="python -m run.projector")
    commands = parser.add_subparsers(required=True)
    sub = commands.add_parser("rebuild", help="build anew beside the live one and swap in")
    sub.add_argument("--name", choices=["hot", "streams", "audit"], default="")
    given = parser.parse_args(arguments)
    try:
        settings = load_settings()
        done = asyncio.run(rebuild(settings.database_url, settings.redis_url, given.name))
    except (
        SettingsError,
        StoreError,
        RebuildLost,
        RedisError,
        asyncpg.PostgresError,
        OSError,
    ) as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 1
    for line in done:
        print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]) if sys.argv[1:] else serve(NAME, main))
