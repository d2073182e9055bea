"""How every part of the desk is, from heartbeats, checkpoints and the stores themselves.

Called by api/reads.py and by the live stream. Ages are real seconds at any speed of the simulated
day; a part that cannot be asked is shown as down, and never makes the answer fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api import fold_limits
from api.desk_tables import DeskTables
from api.errors import ACCEPT_CLOCK
from api.fold_state import DeskFold, Row, at
from api.health_feeds import DEGRADED, DOWN, UP, channel_rows, feed_row, phase_of
from api.log_pages import LogPages
from api.settings import ApiSettings
from store.errors import StoreError
from store.patience import LOST
from store.reading import Pool

HEARTBEAT_UP_SECONDS = 6.0
HEARTBEAT_DOWN_SECONDS = 15.0
LAG_UP_SECONDS = 5.0
LAG_DOWN_SECONDS = 30.0
READ_SECONDS_MIN = 0.8
REDIS_SECONDS_MAX = 0.5
STREAM_NAMES_SECONDS = 15.0
_SHOWN_SINCE = timedelta(days=1)
_KNOWN_WITHOUT_LOG = ("halt", "limits", "desk", "feeds", "jobs", "ingestion", "broker")
_RANK = {UP: 0, DEGRADED: 1, DOWN: 2}


class HealthReader:
    """Reads all sections at most once in READ_SECONDS_MIN, whoever asks."""

    def __init__(
        self,
        settings: ApiSettings,
        pool: Pool,
        redis: Redis,
        pages: LogPages,
        tables: DeskTables,
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._redis = redis
        self._pages = pages
        self._tables = tables
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._sections: Row = {}
        self._read_at = float("-inf")
        self._streams: list[str] = []
        self._streams_at = float("-inf")

    async def read(self) -> Row:
        """All sections by name."""
        async with self._turn:
            if self._monotonic() - self._read_at >= READ_SECONDS_MIN:
                self._sections = await self._read()
                self._read_at = self._monotonic()
            return self._sections

    async def _read(self) -> Row:
        now = self._settings.now()
        redis = await self._redis_section()
        try:
            fold = await self._tables.fold()
            beats, channels = await self._tails(now)
            postgres = await self._postgres_section(fold)
            consumers = await self._consumers(now)
        except (StoreError, asyncpg.PostgresError, *LOST) as error:
            return self._without_log(now, redis, type(error).__name__)
        phase = phase_of(fold, self._market_time(fold, now))
        feeds = [feed_row(row, phase, beats) for row in fold.feeds.values()]
        sections: Row = {
            "desk": self._desk_section(fold, now),
            "halt": fold.halt,
            "limits": {"not_as_shipped": fold_limits.not_as_shipped(fold)},
            "processes": beats,
            "feeds": feeds,
            "channels": channel_rows(fold, channels, self._market_time(fold, now)),
            "jobs": list(fold.jobs.values()),
            "ingestion": fold.ingestion,
            "projections": consumers,
            "queues": _queues(fold, beats),
            "broker": fold.broker,
            "redis": redis,
            "postgres": postgres,
        }
        parts = [postgres, redis, *beats, *feeds, *consumers]
        worst = max((part["status"] for part in parts), key=lambda s: _RANK[s], default=UP)
        bad = [_name(part) for part in parts if part["status"] != UP]
        sections["overall"] = {"status": worst, "not_up": bad[:10]}
        return sections

    def _without_log(self, now: datetime, redis: Row, error: str) -> Row:
        known = {k: v for k, v in self._sections.items() if k in _KNOWN_WITHOUT_LOG}
        return known | {
            "processes": [],
            "channels": [],
            "projections": [],
            "queues": {},
            "redis": redis,
            "postgres": {"name": "postgres", "status": DOWN, "reason": error},
            "overall": {"status": DOWN, "not_up": ["postgres"]},
            "as_of": at(now),
        }

    def _desk_section(self, fold: DeskFold, now: datetime) -> Row:
        clock = fold.clock
        market_time = self._market_time(fold, now)
        phase = phase_of(fold, market_time)
        return {
            "mode": self._settings.mode,
            "build": self._settings.build,
            "now": at(now.replace(microsecond=0)),
            "market_time": at(market_time.replace(microsecond=0)),
            "speed": clock.get("speed", 1.0),
            "is_thinned": clock.get("is_thinned", False),
            "entries_open": clock.get("entries_open", True),
            "session": fold.session,
            "phase": None if phase is None else phase.value,
        }

    def _market_time(self, fold: DeskFold, now: datetime) -> datetime:
        clock = fold.clock
        if not clock:
            return now
        elapsed = (now - clock["real_at"]) * clock["speed"]
        found: datetime = clock["base_market_time"] + max(elapsed, timedelta(0))
        return found

    async def _tails(self, now: datetime) -> tuple[list[Row], list[Row]]:
        if self._monotonic() - self._streams_at >= STREAM_NAMES_SECONDS or not self._streams:
            self._streams = await self._pages.streams_under("heartbeat/", "uw/", "ib/")
            self._streams_at = self._monotonic()
        beats: list[Row] = []
        channels: list[Row] = []
        for row in await self._pages.tails(self._streams, now - _SHOWN_SINCE):
            age = round(max(0.0, (now - row["recorded_at"]).total_seconds()), 1)
            if row["stream"].startswith("heartbeat/"):
                beats.append(_process(msgspec.json.decode(row["data"]), age))
            else:
                channels.append({"stream": row["stream"], "age_seconds": age})
        return beats, channels

    async def _consumers(self, now: datetime) -> list[Row]:
        found: list[Row] = []
        for row in await self._pool.fetch(_CONSUMERS):
            behind = row["head"] - row["position"]
            seconds = 0.0
            if behind > 0 and row["next_at"] is not None:
                seconds = max(0.0, (now - row["next_at"]).total_seconds())
            found.append(
                {
                    "name": row["consumer"],
                    "position": row["position"],
                    "lag_events": behind,
                    "lag_seconds": round(seconds, 1),
                    "status": _grade(seconds, LAG_UP_SECONDS, LAG_DOWN_SECONDS),
                }
            )
        return found

    async def _postgres_section(self, fold: DeskFold) -> Row:
        began = self._monotonic()
        row = await self._pool.fetchrow(_POSTGRES)
        assert row is not None
        section = {
            "name": "postgres",
            "status": UP,
            "latency_ms": round((self._monotonic() - began) * 1_000, 1),
            "size_bytes": row["size"],
            "head": fold.position,
        }
        if row["step_seconds"] is None:
            return section
        # Nothing can be appended, so every other part soon looks down as well: this says why.
        stepped = f"its clock stepped by {row['step_seconds']:.1f} s and the log takes nothing"
        return section | {"status": DOWN, "reason": f"{stepped}; {ACCEPT_CLOCK}"}

    async def _redis_section(self) -> Row:
        began = self._monotonic()
        try:
            async with asyncio.timeout(REDIS_SECONDS_MAX):
                info: dict[str, Any] = await self._redis.info("memory")
        except (RedisError, OSError, TimeoutError) as error:
            return {"name": "redis", "status": DOWN, "reason": type(error).__name__}
        return {
            "name": "redis",
            "status": UP,
            "latency_ms": round((self._monotonic() - began) * 1_000, 1),
            "used_memory_bytes": info.get("used_memory", 0),
            "max_memory_bytes": info.get("maxmemory", 0),
        }


def _grade(seconds: float, up_to: float, degraded_to: float) -> str:
    if seconds <= up_to:
        return UP
    return DEGRADED if seconds <= degraded_to else DOWN


def _process(body: dict[str, Any], age_seconds: float) -> Row:
    state = body["state"]
    status = _grade(age_seconds, HEARTBEAT_UP_SECONDS, HEARTBEAT_DOWN_SECONDS)
    if state == "stopped":
        # Alive, and deciding nothing until the operator says so (run/worker_control.py).
        state = f"stopped before input {body['figures'].get('stopped_at', 0):.0f}"
        status = DOWN
    return {
        "name": body["process"],
        "state": state,
        "status": status,
        "age_seconds": age_seconds,
        "position": body["position"],
        "figures": {name: f"{value:g}" for name, value in body["figures"].items()},
        "run_id": body["run_id"],
    }


def _queues(fold: DeskFold, beats: list[Row]) -> Row:
    waiting = [row for row in fold.approvals.values() if not row["is_over"]]
    deliveries = [row for row in fold.publications.values() if not row["is_over"]]
    unsure = ("unknown", "asking the vendor", "waits for the operator")
    return {
        "approvals_waiting": len(waiting),
        "approvals_oldest_since": min((row["since"] for row in waiting), default=None),
        "deliveries_waiting": len(deliveries),
        "deliveries_unknown": sum(1 for row in deliveries if row["state"] in unsure),
        "alerts_open": sum(1 for row in fold.alerts.values() if not row["is_over"]),
        "of_processes": {
            beat["name"]: beat["figures"]["queue_depth"]
            for beat in beats
            if "queue_depth" in beat["figures"]
        },
    }


def _name(part: Row) -> str:
    return str(part["name"])


_POSTGRES = """
    SELECT pg_database_size(current_database()) AS size,
        (SELECT step_seconds FROM clock_steps) AS step_seconds
"""
_CONSUMERS = """
    SELECT c.consumer, c.position,
        coalesce((SELECT max(last_position) FROM commits), 0) AS head,
        (SELECT recorded_at FROM commits WHERE last_position > c.position
            ORDER BY last_position LIMIT 1) AS next_at
    FROM checkpoints AS c ORDER BY c.consumer
"""
