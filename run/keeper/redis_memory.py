"""Looks whether Redis has room: beyond its limit it refuses writes, and the hot state stands."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from run.keeper.runner import Outcome, Work

WARN_SHARE = 0.8
CRITICAL_SHARE = 0.95
SECONDS_MAX = 10.0
MEGABYTE = 1_000_000


def verdict(used: int, limit: int) -> tuple[str, str]:
    """(severity, text): empty severity when all is well."""
    share = used / limit
    text = f"Redis uses {used / MEGABYTE:.0f} MB of {limit / MEGABYTE:.0f} MB ({share:.0%})"
    if share < WARN_SHARE:
        return "", text
    return "critical" if share >= CRITICAL_SHARE else "warning", text


async def look_at_memory(work: Work) -> Outcome:
    """The job: memory in use against maxmemory, without one against that of the machine."""
    redis = Redis.from_url(work.process.settings.redis_url, socket_timeout=SECONDS_MAX)
    try:
        async with asyncio.timeout(SECONDS_MAX):
            memory = await redis.info("memory")
    except (RedisError, OSError) as error:
        text = f"the memory of Redis could not be looked at: {error}"
        await work.alert("warning", "REDIS_MEMORY", text, work.due.due_at.isoformat())
        return Outcome(text, "failed")
    finally:
        await redis.aclose()
    limit = int(memory["maxmemory"] or memory["total_system_memory"])
    severity, text = verdict(int(memory["used_memory"]), limit)
    if severity:
        remedy = "raise maxmemory, or flush it: python -m run.controls flush hot"
        await work.alert(severity, "REDIS_MEMORY", f"{text}: {remedy}", work.due.due_at.isoformat())
    return Outcome(text)
