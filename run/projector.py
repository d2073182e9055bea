"""The projector daemon: Redis hot state, Redis Streams and audit tables, each on its own position.

    python -m run.projector                       follow the log
    python -m run.projector rebuild [--name hot]  build anew beside the live one, and swap it in

No decision reads what it writes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Any

from redis.asyncio import Redis

from domain.events.system import ProcessHeartbeat
from projections import audit, hot, streams
from projections.postgres_target import PostgresTarget
from projections.projector import Projector
from projections.redis_target import RedisTarget
from run.service import Process, serve
from run.worker import HEARTBEAT_SECONDS

NAMES = ("hot", "audit", "streams.market", "streams.desk")


async def projectors(process: Process, parts: AsyncExitStack) -> dict[str, Projector[Any]]:
    """One projector for each projection, by name."""
    redis = Redis.from_url(process.settings.redis_url, decode_responses=True)
    parts.push_async_callback(redis.aclose)
    tables = PostgresTarget(process.settings.database_url)
    parts.push_async_callback(tables.close)
    store = process.store
    return {
        "hot": Projector(store, hot.PROJECTION, RedisTarget(redis, hot.PREFIX)),
        "audit": Projector(store, audit.PROJECTION, tables),
        "streams.market": Projector(
            store, streams.MARKET, RedisTarget(redis, streams.MARKET_PREFIX)
        ),
        "streams.desk": Projector(store, streams.DESK, RedisTarget(redis, streams.DESK_PREFIX)),
    }


async def beat(process: Process, running: dict[str, Projector[Any]]) -> None:
    """Say every two seconds where each projection stands."""
    while True:
        head = await process.store.head()
        figures = {f"behind_{name}": float(head - p.position) for name, p in running.items()}
        figures |= {f"rebuilds_{name}": float(p.rebuilds) for name, p in running.items()}
        heartbeat = ProcessHeartbeat(
            process="projector",
            run_id=process.run_id,
            state="running",
            position=min(p.position for p in running.values()),
            figures=figures,
        )
        await process.recorder.record("heartbeat/projector", heartbeat)
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def follow(process: Process) -> None:
    """Run all projections until the process is asked to stop."""
    async with AsyncExitStack() as parts:
        running = await projectors(process, parts)
        async with asyncio.TaskGroup() as tasks:
            for name, projector in running.items():
                tasks.create_task(projector.run(), name=f"projector.{name}")
            tasks.create_task(beat(process, running), name="projector.heartbeat")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m run.projector",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=("run", "rebuild"), default="run")
    parser.add_argument("--name", choices=NAMES, help="rebuild this one alone")
    given = parser.parse_args(argv)

    async def rebuild(process: Process) -> None:
        async with AsyncExitStack() as parts:
            for name, projector in (await projectors(process, parts)).items():
                if given.name in (None, name):
                    state = await projector.rebuild()
                    print(f"{name}: rebuilt up to position {state.position}", flush=True)

    return serve("projector", follow if given.command == "run" else rebuild)


if __name__ == "__main__":
    sys.exit(main())
