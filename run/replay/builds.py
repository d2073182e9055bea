"""Which build and settings decided what is on the log: decisions of others are not compared by
accident."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Collection
from typing import NamedTuple

from domain.events.system import WorkerStarted
from run.build import build_id
from run.config import Settings, variable
from run.replay.printing import print_json
from run.workers import DECIDING, deciding_sha256
from store.contract import EventStore, Selection

OTHER_RUN = 3
"""Exit code: the log was written by another build than this one, or under other settings."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--any-build",
        action="store_true",
        help="compare although the builds, or the settings that decide, differ",
    )


class Run(NamedTuple):
    """What a run of a worker said of itself."""

    worker: str
    build: str
    configuration_sha256: str
    """Empty when it said nothing of its settings."""


async def recorded_runs(
    store: EventStore, workers: Collection[str], after: int, up_to: int
) -> set[Run]:
    """Runs of these workers while positions in (after, up_to] were recorded."""
    running: dict[str, Run] = {}
    runs: set[Run] = set()
    selection = Selection(types=frozenset({"WorkerStarted"}))
    read = 0
    while page := await store.read(read, selection, up_to=up_to):
        for event in page:
            if isinstance(event.body, WorkerStarted) and event.body.worker in workers:
                body = event.body
                run = Run(body.worker, body.build, body.configuration_sha256)
                running[body.worker] = run
                if event.position > after:
                    runs.add(run)
                else:
                    runs = set(running.values())
        read = page[-1].position
    return runs


async def refuse_other_runs(
    store: EventStore,
    asked: argparse.Namespace,
    workers: Collection[str],
    settings: Settings,
    after: int,
    up_to: int,
) -> int:
    """0 when this build and these settings may compare; else OTHER_RUN, after naming the command
    that runs the recorded image, or the settings that must be those of then."""
    if asked.any_build:
        return 0
    this = build_id()
    runs = await recorded_runs(store, workers, after, up_to)
    if others := sorted({run.build for run in runs} - {this}):
        return _name_builds(asked, this, others)
    names = sorted(
        {
            variable(name)
            for worker, _, recorded in runs
            if recorded and recorded != deciding_sha256(worker, settings)
            for name in DECIDING.get(worker, ())
        }
    )
    return _name_settings(asked, names) if names else 0


def _name_settings(asked: argparse.Namespace, names: list[str]) -> int:
    text = (
        f"{' and '.join(names)} must be as when the log was written, one is not; give the values "
        "of then, or add --any-build to compare all the same"
    )
    if asked.json:
        print_json({"error": text, "exit_code": OTHER_RUN, "settings": names})
    else:
        print(f"replay: {text}", file=sys.stderr)
    return OTHER_RUN


def _name_builds(asked: argparse.Namespace, this: str, others: list[str]) -> int:
    question = shlex.join(asked.argv)
    commands = [
        f"docker run --rm --network host --env-file .env -e DATABASE_URL striketape:{build} "
        f"python -m run.replay {question}"
        for build in others
    ]
    text = (
        f"the log was written by build {', '.join(others)}, this is {this}; run the recorded image "
        "(docs/replay.md), or add --any-build to compare across builds"
    )
    if asked.json:
        told = {"error": text, "exit_code": OTHER_RUN}
        print_json({**told, "build": this, "recorded_builds": others, "commands": commands})
    else:
        print(f"{text}:", *commands, sep="\n  ", file=sys.stderr)
    return OTHER_RUN
