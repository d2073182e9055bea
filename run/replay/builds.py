"""Which build decided what is on the log: another one's decisions are not compared by accident."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Collection

from domain.events.system import WorkerStarted
from run.build import build_id
from run.replay.printing import print_json
from store.contract import EventStore, Selection

OTHER_BUILD = 3
"""Exit code: the log was written by another build than this one."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--any-build", action="store_true", help="compare although the builds differ"
    )


async def recorded_builds(
    store: EventStore, workers: Collection[str], after: int, up_to: int
) -> set[str]:
    """Builds under which these workers ran while positions in (after, up_to] were recorded."""
    running: dict[str, str] = {}
    builds: set[str] = set()
    selection = Selection(types=frozenset({"WorkerStarted"}))
    read = 0
    while page := await store.read(read, selection, up_to=up_to):
        for event in page:
            if isinstance(event.body, WorkerStarted) and event.body.worker in workers:
                running[event.body.worker] = event.body.build
                if event.position > after:
                    builds.add(event.body.build)
                else:
                    builds = set(running.values())
        read = page[-1].position
    return builds


async def refuse_other_builds(
    store: EventStore, asked: argparse.Namespace, workers: Collection[str], after: int, up_to: int
) -> int:
    """0 when this build may compare; else OTHER_BUILD, after naming the command that runs the
    recorded image."""
    this = build_id()
    others = sorted(await recorded_builds(store, workers, after, up_to) - {this})
    if not others or asked.any_build:
        return 0
    question = shlex.join(asked.argv)
    commands = [
        f"docker run --rm --network host --env-file .env -e DATABASE_URL striketape:{build} "
        f"python -m run.replay {question}"
        for build in others
    ]
    if asked.json:
        print_json({"build": this, "recorded_builds": others, "commands": commands})
    print(
        f"the log was written by build {', '.join(others)}, this is {this}; run the recorded image "
        f"(docs/replay.md), or add --any-build to compare across builds:",
        *commands,
        sep="\n  ",
        file=sys.stderr,
    )
    return OTHER_BUILD
