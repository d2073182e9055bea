"""What a target holds, as plain values that compare."""

from __future__ import annotations

from typing import Any

import asyncpg


async def redis_content(redis: Any, prefix: str) -> dict[str, Any]:
    """Every key under a prefix with its value; of the state only the position."""
    content: dict[str, Any] = {}
    for key in sorted(await redis.keys(f"{prefix}*")):
        kind = await redis.type(key)
        if key.endswith(":state"):
            content[key] = await redis.hget(key, "position")
        elif kind == "hash":
            content[key] = await redis.hgetall(key)
        elif kind == "set":
            content[key] = sorted(await redis.smembers(key))
        elif kind == "list":
            content[key] = await redis.lrange(key, 0, -1)
        elif kind == "zset":
            content[key] = await redis.zrange(key, 0, -1, withscores=True)
        elif kind == "stream":
            content[key] = await redis.xrange(key)
        else:
            raise TypeError(f"no snapshot of {kind}")
    return content


async def audit_content(
    database_url: str, schema: str = "audit"
) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of a schema, by key; of the state only the position."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch(
            """
            SELECT c.relname AS tablename FROM pg_class c JOIN pg_namespace n
                ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
            """,
            schema,
        )
        content: dict[str, list[tuple[Any, ...]]] = {}
        for row in tables:
            table = row["tablename"]
            columns = "position" if table == "projection_state" else "*"
            rows = await connection.fetch(
                f"SELECT {columns} FROM {schema}.{table} AS found ORDER BY found::text"  # noqa: S608
            )
            content[table] = [tuple(found.values()) for found in rows]
        return content
    finally:
        await connection.close()


def differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys or tables that are not the same, with both contents; short to look at on a failure."""
    names = sorted(one.keys() | other.keys())
    return {n: (one.get(n), other.get(n)) for n in names if one.get(n) != other.get(n)}
