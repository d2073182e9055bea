"""`make fuzz`: a million malformed payloads, to every channel, endpoint and the broker's feed in
turn.

    make fuzz                      a million, goes on where it stopped
    make fuzz PAYLOADS=50000       fewer
    make fuzz SEED=7               this seed again, all kinds

A seed sends PAYLOADS_A_KIND to each. What passed is kept in var/fuzz by build. Stops at the first
payload that does harm, with the payload and the command that repeats it, and exit code 1.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path

from run.build import build_id
from tests.fuzz.ib import run as send_to_broker_feed
from tests.fuzz.path import Path as Way
from tests.fuzz.send import KINDS, send

FOLDER = Path("var/fuzz")
PAYLOADS_A_KIND = 500


def passes(seed: int, ends: Counter[str]) -> bool:
    """Send the payloads of a seed to every kind."""
    way = Way()
    for kind in KINDS:
        try:
            ends += send(way, kind, seed, PAYLOADS_A_KIND)
        except AssertionError as error:
            print(f"{error}\nagain: make fuzz SEED={seed}", flush=True)
            return False
    try:
        ends["tws_rejected"] += asyncio.run(send_to_broker_feed(seed, PAYLOADS_A_KIND)).rejected
    except AssertionError as error:
        print(f"{error}\nagain: make fuzz SEED={seed}", flush=True)
        return False
    return True


def main() -> int:
    ends: Counter[str] = Counter()
    if given := os.environ.get("SEED"):
        done = passes(int(given), ends)
        print(f"seed {given}: {dict(ends)}")
        return 0 if done else 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    kept = FOLDER / f"passed-{build_id()}.txt"
    known = set(kept.read_text().split()) if kept.exists() else set()
    each = PAYLOADS_A_KIND * len(KINDS)
    seeds = -(-int(os.environ.get("PAYLOADS") or "1000000") // each)
    began, new = time.monotonic(), 0
    for seed in range(1, seeds + 1):
        if str(seed) in known:
            continue
        if not passes(seed, ends):
            return 1
        with kept.open("a") as file:
            file.write(f"{seed}\n")
        new += each
        rate = new / (time.monotonic() - began)
        print(f"seed {seed} of {seeds}: {dict(ends)}, {rate:,.0f} payloads/s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
