"""Bytes a tick in Postgres: everything that grows with the log against the floor table.

The same ticks go into a log, in batches as feeds send them, and into the floor table by COPY.
Counted are heap, indexes, TOAST and maps of every table of the log (`pg_total_relation_size`),
key tables included, less what was there when the log was a batch old.
"""

from __future__ import annotations

import argparse

from benchmarks.floor import Connection
from benchmarks.ground import Desk, Figure, main, opened
from benchmarks.ticks import Ticks

FLAGS = {"events": (200_000, "ticks that are weighed")}
FULL = {"events": 1_000_000}
BATCH = 1_000

_TABLES = """
    SELECT CASE WHEN inhparent IS NULL THEN c.relname ELSE 'events' END AS name,
        sum(pg_table_size(c.oid))::bigint AS heap, sum(pg_indexes_size(c.oid))::bigint AS indexes
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = $1::regnamespace
    GROUP BY 1
"""


async def sizes(connection: Connection, schema: str) -> dict[str, tuple[int, int]]:
    """(heap, indexes) bytes of each table of a schema; partitions together."""
    rows = await connection.fetch(_TABLES, schema)
    return {row["name"]: (row["heap"], row["indexes"]) for row in rows}


def _split(heap: float, indexes: float) -> str:
    return f"heap {heap:.0f}, index {indexes:.0f}"


async def measure(given: argparse.Namespace, desk: Desk) -> list[Figure]:
    async with opened(await desk.database()) as (store, floor):
        ticks = Ticks("size")
        before: dict[str, dict[str, tuple[int, int]]] = {}
        for done in range(-1, given.events // BATCH):
            events = ticks.take(BATCH)
            await store.append(events)
            await floor.copy(floor.rows(events))
            if done == -1:
                for schema in ("public", "floor"):
                    before[schema] = await sizes(floor.connection, schema)
        counted = given.events // BATCH * BATCH
        grown: dict[str, dict[str, tuple[float, float]]] = {}
        for schema, first in before.items():
            last = await sizes(floor.connection, schema)
            grown[schema] = {
                name: (
                    (heap - first.get(name, (0, 0))[0]) / counted,
                    (indexes - first.get(name, (0, 0))[1]) / counted,
                )
                for name, (heap, indexes) in last.items()
            }
    ours, floors = (sum(map(sum, grown[schema].values())) for schema in ("public", "floor"))
    parts = [
        Figure(f"size.{name}", heap + indexes, "bytes", note=_split(heap, indexes))
        for name, (heap, indexes) in sorted(grown["public"].items())
        if heap + indexes >= 0.5
    ]
    heap, indexes = grown["floor"]["events"]
    return [
        Figure("size.tick", ours, "bytes"),
        Figure("size.floor", floors, "bytes", note=_split(heap, indexes)),
        Figure("size.of_floor", ours / floors, "x", "<= 1.5"),
        *parts,
    ]


if __name__ == "__main__":
    main("size", __doc__, FLAGS, measure, FULL)
