"""The projector daemon: hot state and streams in Redis, audit and feed tables in Postgres.

`python -m run.projector` follows the log, each projection at its own pace. `python -m run.projector
rebuild [--name hot|streams|audit|feed]` builds projections anew beside the live ones and swaps them
in; it may be used while the daemon runs. No decision reads what this writes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.events.system import ProcessHeartbeat
from projections import audit, feed, hot, streams
from projections.postgres_target import PostgresTarget
from projections.projector import (
    OnAsked,
    PoisonEvent,
    Projection,
    Projector,
    RebuildLost,
    Stops,
    Target,
)
from projections.redis_target import RedisTarget
from run import projection_metrics as metrics
from run.build import build_id
from run.collector import collect_seldom
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.flushes import flush_answers
from run.niceness import DERIVED
from run.projection_lag import LagWindow
from run.projection_stops import ProjectionStops
from run.service import Process, serve
from run.worker import Recorder
from store.contract import EventStore
from store.errors import StoreError
from store.postgres import PostgresStore

NAME = "projector"
_EXAMPLES = """
  python -m run.projector
  python -m run.projector rebuild --name hot
"""
HEARTBEAT_SECONDS = 2.0
REDIS_LOOK_SECONDS_MAX = 1.0
REDIS_SECONDS_MAX = 30.0
"""A page of thousands of commands is one call, and the first look at a large stream too."""


@dataclass(frozen=True, slots=True)
class Running:
    """All projectors of the desk on open connections, and how far each lags."""

    redis: Redis
    lags: list[LagWindow] = field(default_factory=list)
    projectors: list[Projector[Any]] = field(default_factory=list)
    stops: Stops | None = None

    def add(
        self,
        store: EventStore,
        projection: Projection[Any],
        target: Target[Any],
        on_asked: OnAsked | None = None,
    ) -> None:
        lag = LagWindow(projection.name)
        self.lags.append(lag)
        self.projectors.append(
            Projector(store, projection, target, lag.applied, self.stops, on_asked)
        )

    @property
    def stopped_at(self) -> int | None:
        """The first event before which a projection stands; None when all follow."""
        places = [one.stopped_at for one in self.projectors if one.stopped_at is not None]
        return min(places, default=None)


@asynccontextmanager
async def projectors(
    store: EventStore,
    database_url: str,
    redis_url: str,
    stops: Stops,
    recorder: Recorder | None = None,
) -> AsyncIterator[Running]:
    """Opens what the projectors write to; closes it at the end. With a recorder a flush of the
    hot state is answered."""
    redis = Redis.from_url(
        redis_url, decode_responses=True, socket_timeout=REDIS_SECONDS_MAX, socket_keepalive=True
    )
    audit_tables, feed_tables = PostgresTarget(database_url), PostgresTarget(database_url, "feed")
    running = Running(redis, stops=stops)
    hot_state = RedisTarget(redis, hot.PREFIX)
    answers = flush_answers(recorder, lambda: hot_state.dropped) if recorder else None
    running.add(store, hot.PROJECTION, hot_state, answers)
    running.add(store, streams.MARKET, RedisTarget(redis, streams.MARKET_PREFIX))
    running.add(store, streams.DESK, RedisTarget(redis, streams.DESK_PREFIX))
    running.add(store, audit.PROJECTION, audit_tables)
    running.add(store, feed.PROJECTION, feed_tables)
    try:
        yield running
    finally:
        await audit_tables.close()
        await feed_tables.close()
        await redis.aclose()


async def redis_figures(redis: Redis) -> dict[str, float]:
    """Memory and keys of Redis, none when it does not answer at once; the gauges say the same."""
    try:
        async with asyncio.timeout(REDIS_LOOK_SECONDS_MAX):
            memory = (await redis.info("memory"))["used_memory"]
            keys = await redis.dbsize()
    except (RedisError, OSError, TimeoutError):
        metrics.REDIS_UP.set(0)
        return {}
    metrics.REDIS_UP.set(1)
    metrics.REDIS_MEMORY_BYTES.set(memory)
    metrics.REDIS_KEYS.set(keys)
    return {"redis_used_memory_bytes": float(memory), "redis_keys": float(keys)}


async def figures(running: Running, head: int) -> dict[str, float]:
    """What a heartbeat says: at most some twenty figures a projection."""
    found = await redis_figures(running.redis)
    for projector, lag in zip(running.projectors, running.lags, strict=True):
        name = projector.projection.name
        behind = float(max(0, head - projector.position))
        found |= {f"{name}.lag_events": behind, f"{name}.rebuilds": float(projector.rebuilds)}
        found |= lag.take_figures()
        metrics.PROJECTION_LAG_EVENTS.labels(name).set(behind)
        metrics.PROJECTION_REBUILDS.labels(name).set(projector.rebuilds)
        if projector.rebuilding_since is not None:
            # Nothing is applied to what readers see, so that no lag of an event tells it.
            found[f"{name}.rebuilding_seconds"] = time.monotonic() - projector.rebuilding_since
    behind_ends = (".lag_seconds_p99", ".rebuilding_seconds")
    worst = [seconds for name, seconds in found.items() if name.endswith(behind_ends)]
    if running.stopped_at is not None:
        found["stopped_at"] = float(running.stopped_at)
    return found | ({"lag_seconds": max(worst)} if worst else {})


async def _beat(process: Process, running: Running) -> None:
    while True:
        head = await process.store.head()
        beat = ProcessHeartbeat(
            process=NAME,
            run_id=process.run_id,
            state="running" if running.stopped_at is None else "stopped",
            position=min(projector.position for projector in running.projectors),
            figures=await figures(running, head),
        )
        await process.recorder.record(f"heartbeat/{NAME}", beat)
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def main(process: Process) -> None:
    """Follow the log with every projection until cancelled."""
    settings = process.settings
    stops = ProjectionStops(process.store, process.build, process.run_id)
    async with (
        projectors(
            process.store, settings.database_url, settings.redis_url, stops, process.recorder
        ) as running,
        asyncio.TaskGroup() as tasks,
    ):
        for projector in running.projectors:
            tasks.create_task(projector.run(), name=f"{NAME}.{projector.projection.name}")
        tasks.create_task(_beat(process, running), name=f"{NAME}.heartbeat")


async def rebuild(settings: Settings, name: str) -> list[dict[str, object]]:
    """Build the projections of this name anew, all for an empty one; what was done."""
    done: list[dict[str, object]] = []
    async with (
        await PostgresStore.open(
            settings.database_url,
            application_name=f"{NAME} rebuild",
            archive_folder=settings.archive,
        ) as store,
        projectors(
            store,
            settings.database_url,
            settings.redis_url,
            ProjectionStops(store, build_id(), uuid4().hex),
        ) as known,
    ):
        for projector in known.projectors:
            full_name = projector.projection.name
            if name and full_name.partition(".")[0] != name:
                continue
            began = time.monotonic()
            state = await projector.rebuild()
            seconds = round(time.monotonic() - began, 3)
            done.append({"name": full_name, "position": state.position, "seconds": seconds})
    return done


def command(arguments: list[str]) -> int:
    """Follow the log, or rebuild; the exit code."""
    parser = command_line("run.projector", __doc__, examples=_EXAMPLES)
    commands = parser.add_subparsers(dest="command")
    sub = commands.add_parser("rebuild", help="build anew beside the live one and swap in")
    sub.add_argument("--name", choices=["hot", "streams", "audit", "feed"], default="")
    given = parser.parse_args(arguments)
    return rebuild_command(given.name) if given.command else serve(NAME, main, niceness=DERIVED)


def rebuild_command(name: str) -> int:
    """The exit code: 0 when everything was built."""
    try:
        settings = load_settings()
        collect_seldom()
        done = asyncio.run(rebuild(settings, name))
    except SettingsError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return 2
    except (
        StoreError,
        RebuildLost,
        PoisonEvent,
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
    sys.exit(command(sys.argv[1:]))
