"""One hop of the floor under benchmarks/latency.py: woken, one durable commit that wakes the next.

A process given ADDRESS, HEARS and RINGS: a row of the floor table and a NOTIFY in one statement,
one commit, for each NOTIFY heard, or for each line of standard input when HEARS is "-". Says on
standard output when it began and when the commit was confirmed, in epoch seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from benchmarks.floor import COLUMNS, Floor
from benchmarks.ground import floor_connection
from benchmarks.ticks import Ticks

_VALUES = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
STATEMENT = (
    f"WITH kept AS (INSERT INTO floor.events ({', '.join(COLUMNS)})"  # noqa: S608
    f" VALUES ({_VALUES}) RETURNING 1)"
    f" SELECT pg_notify(${len(COLUMNS) + 1}, ${len(COLUMNS) + 2}) FROM kept"
)


async def relay(address: str, hears: str, rings: str) -> None:
    connection = await floor_connection(address)
    listener = await floor_connection(address)
    floor, ticks = Floor(connection), Ticks(f"relay {rings}")
    heard: asyncio.Queue[str] = asyncio.Queue()
    if hears == "-":
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    else:
        await listener.add_listener(hears, lambda *given: heard.put_nowait(str(given[3])))
    (row,) = floor.rows(ticks.take(1))
    print("ready", flush=True)
    while True:
        number = (await lines.readline()).decode().strip() if hears == "-" else await heard.get()
        if not number:
            return
        began = time.time()
        await connection.execute(STATEMENT, *row, rings, number)
        print(number, began, time.time(), flush=True)
        (row,) = floor.rows(ticks.take(1))


def main() -> None:
    uvloop.run(relay(*sys.argv[1:4]))
