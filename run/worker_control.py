"""Decide about a worker or a projection that stands before an input it cannot take.

    python -m run.worker_control status
    python -m run.worker_control retry trader --reason "build with the fix is out"
    python -m run.worker_control skip signals 48113 --reason "frame of a test channel"

`retry` lets the worker try its input again; `skip` lets it pass over that one input for good. Both
are recorded, and the worker's process then starts anew; a projection goes on by itself. Recovery,
verify-decisions and rebuilds leave out what was skipped. Exit codes: 0 done, 1 refused with the
reason, 2 the log cannot be asked, 70 the tool is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import uuid4

import orjson

from domain.event import Body
from domain.events.system import InputSkipped, WorkerRetryRequested, WorkerStopped
from run.build import build_id
from run.config import load_settings
from run.endings import ending
from run.projection_stops import newest_stop, projection_standing
from run.stopped import control_stream, load_skips
from run.worker import Recorder
from run.workers import PROJECTIONS, WORKERS
from store.contract import Checkpoint, EventStore
from store.errors import CheckpointConflict
from store.postgres import PostgresStore

NAMES = (*WORKERS, *PROJECTIONS)


class Refused(Exception):
    """What was commanded does not fit where the worker is; the text says what would."""


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """Where a worker is: its checkpoint and, when it stands, the input it cannot take."""

    worker: str
    checkpoint: int | None
    """None for a projection, which keeps its position beside its views."""
    stopped_at: int | None
    input_type: str = ""
    error: str = ""
    in_recovery: bool = False


async def place(store: EventStore, worker: str) -> WorkerPlace:
    """Where a worker is, from the log.

    Raises:
        Refused: there is no such worker.
    """
    if worker in PROJECTIONS:
        return await _projection_place(store, worker)
    if worker not in WORKERS:
        raise Refused(f"worker must be one of {', '.join(NAMES)}, was {worker!r}")
    checkpoint = await store.checkpoint(worker)
    newest: WorkerStopped | None = None
    for event in await store.read_stream(f"worker/{worker}"):
        if isinstance(event.body, WorkerStopped):
            newest = event.body
        elif newest is not None and newest.in_recovery:
            newest = None  # a run began after it: what it stopped at could be folded
    skipped = await load_skips(store, worker)
    if newest is None or newest.position in skipped:
        return WorkerPlace(worker, checkpoint, None)
    if newest.position <= checkpoint and not newest.in_recovery:
        return WorkerPlace(worker, checkpoint, None)  # it took the input after all
    error = f"{newest.error}: {newest.detail}"
    return WorkerPlace(
        worker, checkpoint, newest.position, newest.input_type, error, newest.in_recovery
    )


async def _projection_place(store: EventStore, name: str) -> WorkerPlace:
    standing = await projection_standing(store, name)
    newest = await newest_stop(store, name)
    if standing.before is None or newest is None or standing.before in standing.skipped:
        return WorkerPlace(name, None, None)
    body = newest[1]
    error = f"{body.error}: {body.detail}"
    return WorkerPlace(name, None, body.position, body.input_type, error)


async def stopped_place(store: EventStore, worker: str) -> tuple[WorkerPlace, int]:
    """Where a worker stands, and the input it stands before.

    Raises:
        Refused: it does not stand.
    """
    found = await place(store, worker)
    if found.stopped_at is None:
        raise Refused(f"{worker} is not stopped{_consumed(found)}")
    return found, found.stopped_at


async def retry(recorder: Recorder, worker: str, who: str, why: str) -> WorkerPlace:
    """Let a stopped worker try its input again.

    Raises:
        Refused: it is not stopped.
    """
    found, position = await stopped_place(recorder.store, worker)
    body = WorkerRetryRequested(worker=worker, position=position, who=who, why=why)
    await recorder.record(control_stream(worker), body)
    return found


async def skip(recorder: Recorder, worker: str, position: int, who: str, why: str) -> WorkerPlace:
    """Let a stopped worker pass over the input it stands before.

    Raises:
        Refused: it is not stopped, or stands elsewhere, or has consumed that input, or passed
            over it already.
    """
    if worker in NAMES and position in await load_skips(recorder.store, worker):
        raise Refused(f"input {position} is skipped by {worker} already")
    found, stopped_at = await stopped_place(recorder.store, worker)
    if position != stopped_at:
        raise Refused(f"{worker} stands before input {stopped_at}, was asked to skip {position}")
    if found.in_recovery:
        raise Refused(
            f"{worker} consumed input {position} in an earlier run and decisions rest on it: it "
            "cannot be skipped; run a build that can fold it, then retry"
        )
    body: Body = InputSkipped(worker=worker, position=position, who=who, why=why)
    proposed = recorder.propose(control_stream(worker), body)
    checkpoint = Checkpoint(worker, position - 1, position)
    if worker in PROJECTIONS:
        standing = await projection_standing(recorder.store, worker)
        checkpoint = Checkpoint(worker, standing.settled, standing.stop)
    try:
        await recorder.store.append([proposed], checkpoint)
    except CheckpointConflict as error:
        raise Refused(
            f"{worker} does not stand right before input {position} any more: {error}"
        ) from error
    return found


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    root = argparse.ArgumentParser(
        prog="python -m run.worker_control",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(required=True, dest="command", metavar="COMMAND")
    commands.add_parser("status", parents=[common], help="where every worker is")
    deciding = argparse.ArgumentParser(add_help=False, parents=[common])
    deciding.add_argument("worker", metavar="WORKER", help=", ".join(NAMES))
    deciding.add_argument("--who", default="", help="who decides; default: the operator's name")
    again = commands.add_parser(
        "retry",
        parents=[deciding],
        help="try the input again",
        epilog="example: python -m run.worker_control retry trader",
    )
    again.add_argument("--reason", default="", help="why it should work now")
    over = commands.add_parser(
        "skip",
        parents=[deciding],
        help="pass over the input for good",
        epilog='example: python -m run.worker_control skip signals 48113 --reason "test frame"',
    )
    over.add_argument("position", type=int, metavar="POSITION", help="as `status` shows it")
    over.add_argument("--reason", required=True, help="why nothing is lost without it")
    return root


async def carry_out(store: EventStore, given: argparse.Namespace, who: str) -> list[WorkerPlace]:
    """Do what was commanded; the places of the workers that it is about, as they were before."""
    if given.command == "status":
        return [await place(store, worker) for worker in NAMES]
    recorder = Recorder(store, "worker_control", build_id(), uuid4().hex)
    if given.command == "retry":
        return [await retry(recorder, given.worker, given.who or who, given.reason)]
    return [await skip(recorder, given.worker, given.position, given.who or who, given.reason)]


async def _answer(given: argparse.Namespace) -> list[WorkerPlace]:
    settings = load_settings()
    async with await PostgresStore.open(
        settings.database_url,
        application_name="worker_control",
        read_stall_seconds_max=0.0,
        archive_folder=settings.archive,
    ) as store:
        return await carry_out(store, given, settings.operator_name)


def _text(command: str, found: WorkerPlace) -> str:
    if found.stopped_at is None:
        return f"{found.worker}: not stopped{_consumed(found)}"
    what = f"input {found.stopped_at} {found.input_type}"
    if command == "status":
        again = " (in recovery)" if found.in_recovery else ""
        return f"{found.worker}: stopped before {what}{again}: {found.error}"
    then = "it goes on" if found.worker in PROJECTIONS else "its process starts anew"
    return f"{found.worker}: {command} of {what} is recorded; {then}"


def _consumed(found: WorkerPlace) -> str:
    return "" if found.checkpoint is None else f", consumed up to {found.checkpoint}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command."""
    given = parser().parse_args(arguments)
    places: list[WorkerPlace] = []
    error, code = "", 0
    try:
        places = asyncio.run(_answer(given))
    except Refused as failure:
        error, code = str(failure), 1
    except Exception as failure:
        # Code 1 says that the command was refused: nothing but that may end with it.
        code, error = ending(failure)
    if given.json:
        workers = [asdict(found) for found in places]
        print(orjson.dumps({"ok": not error, "error": error, "workers": workers}).decode())
    elif error:
        print(f"worker_control: {error}", file=sys.stderr)
    else:
        print("\n".join(_text(given.command, found) for found in places))
    return code


if __name__ == "__main__":
    sys.exit(main())
