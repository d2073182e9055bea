"""Decoding of each channel's payloads to typed values on one core, as tables and stages do it.

No frame is like the one before: numbers, times, contracts and ids are drawn anew for every one, as
they are in a session, so that no cache knows more than it would there.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from random import Random
from typing import Any

from benchmarks.ground import Figure, flags, line
from domain.payloads import unusual_whales as uw
from run.collector import collect_seldom
from tests.domain.payloads.frames import FRAMES

ROUNDS = 5
STRIKES = 250
_KEPT = frozenset({"date", "expiry", "next_earnings_date"})


def frames(channel: str, count: int, seed: int) -> list[bytes]:
    """Payloads of a channel, no two alike."""
    chance = Random(seed)
    fields = json.loads(FRAMES[channel])
    return [
        json.dumps(_varied(fields, chance, number), separators=(",", ":")).encode()
        for number in range(count)
    ]


def _varied(fields: dict[str, Any], chance: Random, number: int) -> dict[str, Any]:
    return {name: _value(name, value, chance, number) for name, value in fields.items()}


def _value(name: str, value: Any, chance: Random, number: int) -> Any:
    if name in ("option_symbol", "option_chain"):
        return f"SPY261006{chance.choice('CP')}{700 + number % STRIKES:05}000"
    if name == "strike":
        return str(700 + number % STRIKES)
    if name == "id":
        return f"{chance.getrandbits(64):016x}-{number}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_varied(row, chance, number) for row in value]
    if isinstance(value, bool) or name in _KEPT:
        return value
    if isinstance(value, int):
        return value + number * 13 if value > 10**12 else chance.randint(0, 2 * abs(value) + 9)
    if isinstance(value, float):
        return round(value * chance.random(), 6)
    if isinstance(value, str) and value.replace("-", "").replace(".", "").isdecimal():
        whole, point, fraction = value.partition(".")
        return whole + point + "".join(chance.choice("0123456789") for _ in fraction)
    return value


def rates(channel: str, count: int) -> Iterator[float]:
    """Values a second of processor time, one for each round, each of frames of its own."""
    read, symbol = uw.READERS[uw.frame_type(channel)], uw.ticker(channel)
    for seed in range(ROUNDS):
        payloads = frames(channel, count, seed)
        began = time.process_time()
        for payload in payloads:
            read(payload, symbol)
        yield count / (time.process_time() - began)


def main() -> None:
    given = flags(
        "decode",
        __doc__,
        {"frames": (5_000, "frames of each channel")},
        {
            "frames": 40_000,
        },
    )
    collect_seldom()
    began = time.monotonic()
    found = []
    for channel in FRAMES:
        rate = statistics.median(rates(channel, given.frames))
        name = f"decode.{uw.family(channel).replace('-', '_')}"
        limit = ">= 150000" if channel.startswith("option_trades") else ""
        found.append(Figure(name, rate, "/s", limit))
    print(line("decode", given, found, time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
