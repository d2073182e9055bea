"""Halt the desk from the command line, or flatten it: halt, and close every position.

Writes var/halt or var/flatten first, which the trader and its watchdog obey within a second
without the log, Redis or the API; then the request on the log, and waits for the trader's answer.
The file stays until `python -m run.release`.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

from api.decision import FLATTEN, HALT, decision
from domain.event import DeskEvent, Proposed
from domain.events.controls import ControlRefused
from run.build import build_id
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings
from run.control_file import NAME_LENGTH_MAX, REASON_LENGTH_MAX, ControlFile, FileRequest
from store.errors import StoreError
from store.postgres import PostgresStore

READS = ("var_dir",)
WAIT_SECONDS = 5.0
EXITS = {
    0: "the trader has halted; with --flatten it is closing every position too",
    1: "neither the file nor the log could be written: nothing is halted; use the page or Telegram",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
    3: "asked, but the trader has not answered on the log in time; the file stands meanwhile",
}
EXAMPLES = """
  python -m run.halt --why "quotes look wrong"
  python -m run.halt --why "leaving the desk" --flatten --json
  touch var/halt      # the same by hand; its first line is the reason
  touch var/flatten"""


@dataclass(slots=True)
class Outcome:
    """What became of a command."""

    state: str
    """accepted, refused, requested, failed."""
    event_id: UUID
    decided_by: str = ""
    reason: str = ""
    files: list[str] = field(default_factory=list)

    def print(self, text: str, *, as_json: bool) -> None:
        answer = {
            "state": self.state,
            "request_event_id": str(self.event_id),
            "decided_by": self.decided_by or None,
            "reason": self.reason,
            "files": self.files,
        }
        print(json.dumps(answer) if as_json else text + (f": {self.reason}" if self.reason else ""))


def one_line(text: str) -> str:
    """A reason that fits on the first line of a file."""
    line = " ".join(text.split())
    if not 1 <= len(line) <= REASON_LENGTH_MAX:
        raise argparse.ArgumentTypeError(
            f"must have 1 to {REASON_LENGTH_MAX} characters, has {len(line)}"
        )
    return line


def name(text: str) -> str:
    line = " ".join(text.split())
    if not 1 <= len(line) <= NAME_LENGTH_MAX:
        raise argparse.ArgumentTypeError(
            f"must have 1 to {NAME_LENGTH_MAX} characters, has {len(line)}"
        )
    return line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that halt and release share."""
    parser.add_argument("--why", type=one_line, required=True, help="the reason, kept on the log")
    parser.add_argument("--who", type=name, default=None, help="default: the user of this shell")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--wait",
        type=float,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help=f"how long to wait for the trader's answer; default {WAIT_SECONDS:g}",
    )


def whoever(given: str | None) -> str:
    """The name that goes on the log."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "cli"


async def ask(
    settings: Settings,
    stream: str,
    body: DeskEvent,
    event_id: UUID,
    at: datetime,
    deciders: frozenset[str],
    wait_seconds: float,
) -> Outcome:
    """Put a request on the log and wait for what decides it.

    Raises:
        StoreError, TimeoutError: it is not on the log, as far as this side knows.
    """
    async with asyncio.timeout(wait_seconds):
        store = await PostgresStore.open(settings.database_url, application_name="cli")
    try:
        request = Proposed(
            stream=stream,
            event_id=event_id,
            occurred_at=at,
            correlation_id=event_id,
            worker="cli",
            build=build_id(),
            body=body,
        )
        async with asyncio.timeout(wait_seconds):
            appended = await store.append([request])
        try:
            found = await decision(store, event_id, appended.positions[0], deciders, wait_seconds)
        except StoreError as error:
            return Outcome("requested", event_id, reason=str(error))
    finally:
        await store.close()
    if found is None:
        return Outcome("requested", event_id)
    if isinstance(found.body, ControlRefused):
        return Outcome("refused", event_id, found.type, found.body.reason)
    return Outcome("accepted", event_id, found.type)


def halt(settings: Settings, who: str, why: str, *, flatten: bool, wait_seconds: float) -> Outcome:
    """The file first, because it needs nothing else; then the log."""
    file = ControlFile(settings.var_dir, "flatten" if flatten else "halt")
    problem, files = "", [str(file.path)]
    try:
        request = file.write(who, why)
    except OSError as error:
        problem, files = f"{file.path} cannot be written: {error.strerror or error}", []
        request = _without_file(file, who, why)
    deciders = FLATTEN if flatten else HALT
    try:
        outcome = asyncio.run(
            ask(
                settings,
                request.stream,
                request.body,
                request.event_id,
                request.written_at,
                deciders,
                wait_seconds,
            )
        )
    except (StoreError, OSError) as error:
        told = f"the log cannot be written: {error or type(error).__name__}"
        state = "requested" if files else "failed"
        outcome = Outcome(state, request.event_id, reason="; ".join(filter(None, (problem, told))))
    else:
        outcome.reason = "; ".join(filter(None, (problem, outcome.reason)))
    outcome.files = files
    return outcome


def _without_file(file: ControlFile, who: str, why: str) -> FileRequest:
    """The folder cannot be written: the log alone is asked."""
    return FileRequest(file.kind, why, who, "cli", uuid4(), time.time_ns())


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_line("run.halt", __doc__, reads=READS, exits=EXITS, examples=EXAMPLES)
    add_arguments(parser)
    parser.add_argument("--flatten", action="store_true", help="close every position as well")
    given = parser.parse_args(argv)
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"halt: {error}", file=sys.stderr)
        return 2
    outcome = halt(
        settings,
        whoever(given.who),
        given.why,
        flatten=given.flatten,
        wait_seconds=given.wait,
    )
    deed = "flatten" if given.flatten else "halt"
    standing = f", {Path(outcome.files[0])} stands" if outcome.files else ""
    text = {
        "accepted": f"{settings.mode}: {deed} accepted by the trader{standing}",
        "requested": f"{settings.mode}: {deed} asked, not answered yet{standing}",
    }.get(outcome.state, f"{settings.mode}: {deed} {outcome.state}")
    outcome.print(text, as_json=given.json)
    return {"accepted": 0, "requested": 3}.get(outcome.state, 1)


if __name__ == "__main__":
    sys.exit(main())
