"""Show the parameters of the rules, or ask the desk to change some of them.

A change is a request on the log with who, why and the version of the parameters that were looked
at; risk decides it: out of bounds is refused, and so is a change on top of one that was not seen.
The limits of risk are changed on their page. `CHANGE` and the desk's mode must be typed in full on
the standard input: whoever types them has looked at which desk this is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from domain.events.parameters import ParametersChangeRequested
from domain.events.system import ParametersChanged
from domain.parameter import ParameterState, ParameterValue
from domain.parameters import PARAMETERS, similar
from domain.risk.parameters import PARAMETERS as LIMITS
from run.command_line import command_line
from run.config import Settings, SettingsError, load_settings, without_demo
from run.halt import Outcome, add_arguments, ask, whoever
from store.contract import EventStore, Selection
from store.errors import StoreError
from store.postgres import PostgresStore

STREAM = "control/cli"
ROUTE = "cli"
READ_SECONDS_MAX = 30.0
CHANGED = frozenset({ParametersChanged.__name__})
EXITS = {
    0: "the parameters are shown, or changed",
    1: "the log cannot be written or read: nothing is asked",
    2: "a setting or an argument is missing, unknown or wrong; the message names it",
    3: "refused with a reason, or asked and not answered in time: the request stays on the log",
}
EXAMPLES = """
  python -m run.parameters show signals.1dte
  python -m run.parameters set signals.1dte.enabled=false --version 3 --why "holiday week"
  echo "CHANGE PAPER" | python -m run.parameters set swing_days_min=28 --version 4 \\
      --until 2026-12-01T21:00:00+00:00 --why "roll week" --json"""


@dataclass(slots=True)
class InForce:
    """Parameters as the log has them, with who set each and why."""

    state: ParameterState = field(default_factory=ParameterState)
    origin: dict[str, ParametersChanged] = field(default_factory=dict)

    def add(self, body: ParametersChanged) -> None:
        self.state.apply(body)
        self.origin.update(dict.fromkeys(body.values, body))


async def in_force(store: EventStore) -> InForce:
    """Folded from every change on the log."""
    found, after = InForce(), 0
    wanted = Selection(types=CHANGED)
    while page := await store.read(after, wanted):
        after = page[-1].position
        for event in page:
            assert isinstance(event.body, ParametersChanged)
            found.add(event.body)
    return found


def assignment(text: str) -> tuple[str, ParameterValue]:
    """NAME=VALUE, the value read as the parameter's own kind."""
    name, sign, value = text.partition("=")
    known = PARAMETERS.get(name)
    if not sign or known is None:
        told = f"must look like NAME=VALUE of a parameter, was {text!r}"
        raise argparse.ArgumentTypeError(told + similar(name))
    if name in LIMITS:
        told = "is a limit of risk: change it on the page Limits, with the password"
        raise argparse.ArgumentTypeError(f"{name} {told}")
    if isinstance(known.default, bool):
        if value.lower() not in ("true", "false"):
            raise argparse.ArgumentTypeError(f"{name} must be true or false, was {value!r}")
        return name, value.lower() == "true"
    if isinstance(known.default, str):
        return name, value
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{name} must be a number, was {value!r}") from None


def moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"must be a time with its zone, was {text!r}")
    return found


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = command_line("run.parameters", __doc__, exits=EXITS, examples=EXAMPLES)
    commands = root.add_subparsers(required=True, dest="command", metavar="COMMAND")
    told = commands.add_parser("show", help="values, bounds, who set them, and their version")
    told.add_argument("prefix", nargs="?", default="", help="only names that begin so")
    told.add_argument("--json", action="store_true", help="print one JSON object")
    change = commands.add_parser("set", help="ask for a change")
    change.add_argument("values", type=assignment, nargs="+", metavar="NAME=VALUE")
    change.add_argument("--version", type=int, required=True, help="the one that show printed")
    change.add_argument("--until", type=moment, help="when they come back; else for good")
    add_arguments(change)
    return root


async def _read(settings: Settings) -> InForce:
    async with asyncio.timeout(READ_SECONDS_MAX):
        async with await PostgresStore.open(
            settings.database_url, application_name="cli", archive_folder=settings.archive
        ) as store:
            return await in_force(store)


def show(found: InForce, prefix: str, *, as_json: bool) -> None:
    names = [name for name in sorted(PARAMETERS) if name.startswith(prefix)]
    if as_json:
        values = {name: found.state.values.get(name) for name in names}
        print(json.dumps({"version": found.state.version, "values": values}))
        return
    print(f"version {found.state.version}")
    for name in names:
        known, origin = PARAMETERS[name], found.origin.get(name)
        bounds = ""
        if known.low is not None and known.high is not None:
            bounds = f" [{known.low:g}, {known.high:g}]"
        who = "not on the log" if origin is None else f"by {origin.who}: {origin.why}"
        until = f" until {origin.until:%Y-%m-%d %H:%M %Z}" if origin and origin.until else ""
        value = found.state.values.get(name, "-")
        print(f"{name:<48} {value} {known.unit}{bounds}  {who}{until}")


def request_of(given: argparse.Namespace) -> ParametersChangeRequested:
    return ParametersChangeRequested(
        values=dict(given.values),
        expected_version=given.version,
        who=whoever(given.who),
        route=ROUTE,
        reason=given.why,
        reauthenticated=True,
        until=given.until,
    )


def change(settings: Settings, given: argparse.Namespace) -> Outcome:
    """Ask, and wait for the answer."""
    body = request_of(given)
    event_id, now = uuid4(), datetime.now(UTC)
    try:
        return asyncio.run(ask(settings, STREAM, body, event_id, now, CHANGED, given.wait))
    except (StoreError, OSError) as error:
        told = f"the log cannot be written: {error or type(error).__name__}"
        return Outcome("failed", event_id, reason=told)


def main(argv: Sequence[str] | None = None) -> int:
    given = parser().parse_args(argv)
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"parameters: {error}", file=sys.stderr)
        return 2
    if given.command == "show" and not any(name.startswith(given.prefix) for name in PARAMETERS):
        told = f"the name of a parameter must begin with {given.prefix}, none does"
        print(f"parameters: {told}{similar(given.prefix)}", file=sys.stderr)
        return 2
    if given.command == "show":
        return _show(settings, given.prefix, as_json=given.json)
    phrase = f"CHANGE {settings.mode.upper()}"
    print(f'Type "{phrase}" to change parameters: ', end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != phrase:
        outcome = Outcome("refused", uuid4(), reason=f'"{phrase}" must be typed, was not')
    else:
        outcome = change(settings, given)
    if outcome.state == "requested" and not outcome.reason:
        outcome.reason = "the trader decides about it once it runs; `show` tells"
    word = "asked, not answered yet" if outcome.state == "requested" else outcome.state
    outcome.print(f"{settings.mode}: change {word}", as_json=given.json)
    return {"accepted": 0, "failed": 1}.get(outcome.state, 3)


def _show(settings: Settings, prefix: str, *, as_json: bool) -> int:
    try:
        found = asyncio.run(_read(settings))
    except (StoreError, OSError) as error:
        told = f"{error or 'no answer in time'}{without_demo()}"
        print(f"parameters: the log cannot be read: {told}", file=sys.stderr)
        return 1
    show(found, prefix, as_json=as_json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
