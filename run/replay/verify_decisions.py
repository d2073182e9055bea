"""`verify-decisions`: run the stages again over all that they consumed, compare every emission."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from run.build import build_id
from run.config import Settings, load_settings
from run.replay.printing import Progress, print_json
from run.worker import Worker, inputs_with_emissions, load_skips
from run.workers import WORKERS
from store.contract import EventStore, Selection

DIFFERENCES_SHOWN_MAX = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--worker", choices=sorted(WORKERS))
    parser.add_argument(
        "--any-build", action="store_true", help="compare although the builds differ"
    )


async def verify_worker(store: EventStore, name: str, settings: Settings) -> dict[str, Any]:
    """Run one worker's stages again over all it consumed and compare every emission."""
    worker = Worker(name, WORKERS[name](settings), store, build_id())
    worker._skipped = await load_skips(store, name)
    checkpoint = await store.checkpoint(name)
    progress = Progress(f"verify {name}", 0, checkpoint)
    inputs = emissions = different = 0
    shown: list[dict[str, Any]] = []
    async for source, recorded in inputs_with_emissions(worker, 0, checkpoint):
        inputs += 1
        emissions += len(recorded)
        found = worker.consumer.verify(source, recorded)
        different += len(found)
        if found and len(shown) < DIFFERENCES_SHOWN_MAX:
            shown.append(
                {"position": source.position, "input": source.type, "differences": found[:5]}
            )
        if inputs % 500 == 0:
            progress.at(source.position)
    progress.at(checkpoint)
    progress.end()
    return {
        "worker": name,
        "checkpoint": checkpoint,
        "inputs": inputs,
        "emissions": emissions,
        "differences": different,
        "first": shown,
    }


async def recorded_builds(store: EventStore) -> set[str]:
    """Builds under which the workers of this log ran."""
    builds: set[str] = set()
    after = 0
    while page := await store.read(after, Selection(types=frozenset({"WorkerStarted"}))):
        builds.update(event.build for event in page)
        after = page[-1].position
    return builds


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Verify all workers; exit 1 at a difference, 3 when the log is another build's."""
    others = await recorded_builds(store) - {build_id()}
    if others and not asked.any_build:
        print(
            f"the log was written by build {', '.join(sorted(others))}, this is {build_id()}; run "
            f"`docker run striketape:{sorted(others)[0]} python -m run.replay verify-decisions`, "
            "or add --any-build to compare across builds",
            file=sys.stderr,
        )
        return 3
    settings = load_settings()
    names = [asked.worker] if asked.worker else list(WORKERS)
    results = [await verify_worker(store, name, settings) for name in names]
    total = sum(result["differences"] for result in results)
    if asked.json:
        print_json({"build": build_id(), "differences": total, "workers": results})
    else:
        for result in results:
            print(
                f"{result['worker']}: {result['inputs']} inputs, {result['emissions']} decisions "
                f"and numbers run again, {result['differences']} differences"
            )
            for item in result["first"]:
                print(f"  position {item['position']} {item['input']}:")
                for line in item["differences"]:
                    print(f"    {line[:400]}")
    return 1 if total else 0
