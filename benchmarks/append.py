"""Measures durable appends against the floor: a plain durable INSERT on the same server.

`python -m benchmarks.append` starts a server of its own with all durability on and prints one
JSON line. Rounds of the two are interleaved, because a shared machine is not the same machine
from one second to the next; figures are medians of rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from domain.event import Proposed, derived_id
from domain.events.feeds import UwPriceReceived
from run.embedded import EmbeddedPostgres, free_port
from store.migrate import migrate
from store.postgres import PostgresStore
from store.rows import prepare

PAYLOAD = msgspec.Raw(
    b'{"ticker":"SPY","close":"671.2500","open":"671.1000","high":"671.3000","low":"671.0500",'
    b'"volume":18342,"total_volume":41234567,"vwap":"670.9912","timestamp":1791295200123}'
)
SINGLES_PER_ROUND = 300
BATCHES = (10, 100, 1_000)
PRODUCERS = (16, 64)
Timed = Callable[[int], Awaitable[None]]


class Sequence:
    """Numbers events, so that no id comes twice."""

    def __init__(self) -> None:
        self.last = 0

    def events(self, count: int) -> list[Proposed]:
        return [self._event() for _ in range(count)]

    def _event(self) -> Proposed:
        self.last += 1
        now = datetime.now(UTC)
        identity = derived_id("benchmark", self.last)
        body = UwPriceReceived(
            channel="price:SPY",
            connection="1",
            sequence=self.last,
            received_at=now,
            payload=PAYLOAD,
        )
        return Proposed(f"uw/price:{self.last % 8}", identity, now, identity, "bench", "b", body)


async def _singles(append: Timed) -> list[float]:
    """Milliseconds of each of SINGLES_PER_ROUND calls, one after the other."""
    took = []
    for number in range(SINGLES_PER_ROUND):
        began = time.perf_counter()
        await append(number)
        took.append(1_000 * (time.perf_counter() - began))
    return took


async def _rate(count: int, work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return count / (time.perf_counter() - began)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def measure(dsn: str, rounds: int) -> dict[str, float]:
    """All figures of one run."""
    await migrate(dsn)
    numbers = Sequence()
    floor = await asyncpg.connect(dsn)
    await floor.execute("CREATE TABLE floor_insert (id uuid NOT NULL, data json NOT NULL)")
    await floor.execute("CREATE TABLE floor_copy (LIKE events)")
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    async with await PostgresStore.open(dsn, application_name="benchmark") as store:
        singles = [prepare(event) for event in numbers.events(SINGLES_PER_ROUND)]

        async def plain(number: int) -> None:
            event = singles[number]
            await floor.execute(
                "INSERT INTO floor_insert VALUES ($1, $2)", event.proposed.event_id, event.data
            )

        async def one(_: int) -> None:
            await store.append(numbers.events(1))

        for _ in range(rounds):
            for name, append in (("floor", plain), ("append", one)):
                took = await _singles(append)
                note(f"{name}_p50_ms", statistics.median(took))
                note(f"{name}_p99_ms", _percentile(took, 0.99))
            for batch in BATCHES:
                calls = [numbers.events(batch) for _ in range(max(1, 4_000 // batch))]
                rate = await _rate(batch * len(calls), _in_turn(store, calls))
                note(f"events_per_second_batch_{batch}", rate)
            for producers in PRODUCERS:
                count = 4_000 // producers
                work = asyncio.gather(*(_produce(store, numbers, count) for _ in range(producers)))
                note(
                    f"events_per_second_{producers}_producers", await _rate(count * producers, work)
                )
            note("copy_events_per_second_batch_1000", await _copy(floor, numbers))
            note("read_events_per_second", await _read(store))
    await floor.close()
    figures = {name: round(statistics.median(values), 3) for name, values in found.items()}
    figures["append_over_floor_p50"] = round(figures["append_p50_ms"] / figures["floor_p50_ms"], 3)
    figures["append_over_floor_p99"] = round(figures["append_p99_ms"] / figures["floor_p99_ms"], 3)
    return figures


async def _in_turn(store: PostgresStore, calls: list[list[Proposed]]) -> None:
    for call in calls:
        await store.append(call)


async def _produce(store: PostgresStore, numbers: Sequence, count: int) -> None:
    for _ in range(count):
        await store.append(numbers.events(1))


async def _copy(floor: asyncpg.Connection[asyncpg.Record], numbers: Sequence) -> float:
    """The bulk floor: COPY of the same rows, a commit a thousand, no index, no checks."""
    prepared = [prepare(event) for event in numbers.events(4_000)]
    now = datetime.now(UTC)
    rows = [
        (
            *(n, now, now, now, None, p.proposed.event_id, None, p.proposed.event_id, 1, 0, 1),
            *("market", p.proposed.stream, p.type, "bench", "b", p.data),
        )
        for n, p in enumerate(prepared)
    ]
    began = time.perf_counter()
    for start in range(0, len(rows), 1_000):
        await floor.copy_records_to_table("floor_copy", records=rows[start : start + 1_000])
    return len(rows) / (time.perf_counter() - began)


async def _read(store: PostgresStore) -> float:
    """Typed events a second in pages of 5,000."""
    began = time.perf_counter()
    after = count = 0
    while count < 20_000:
        page = await store.read(after)
        if not page:
            break
        count += len(page)
        after = page[-1].position
    return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dsn", default="", help="an empty database instead of a server of ours")
    given = parser.parse_args()
    if given.dsn:
        print(json.dumps(asyncio.run(measure(given.dsn, given.rounds))))
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres", free_port()) as server:
            print(json.dumps(asyncio.run(measure(server.dsn(), given.rounds))))


if __name__ == "__main__":
    main()
