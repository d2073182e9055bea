"""Runs benchmarks one after the other, each in a process of its own, and keeps what they say.

`python -m benchmarks [--full] [name ...]` prints one JSON line each, puts them into results.jsonl
and makes docs/performance.md anew. A name that is given twice runs twice; the later line stays.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys

from benchmarks import table

SUITE = (
    *("append", "peer_eventsourcing", "peer_umadb", "tail_poll", "order"),
    *(
        "order_peer",
        "catch_up",
        "replay_day",
        "ask",
        "size",
        "open_snapshot",
        "archive",
        "seal",
        "pricing",
        "stages_day",
        "decode",
        "feeds",
        "projected",
        "latency",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(SUITE)}")
    parser.add_argument("--full", action="store_true", help="the sizes the goals are set for")
    given = parser.parse_args()
    if unknown := set(given.names) - set(SUITE):
        parser.error(f"benchmarks must be of {', '.join(SUITE)}, was {', '.join(sorted(unknown))}")
    failed = []
    for name in given.names or SUITE:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            continue  # of a part that this build does not have
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--full"] if given.full else [])]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        if done.returncode != 0:
            failed.append(name)
            continue
        table.keep(json.loads(done.stdout.splitlines()[-1]))  # what a worker logs stands before it
        table.write()
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
