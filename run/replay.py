"""Replay: questions about any moment of the log, answered from the log alone.

    python -m run.replay why ORDER_OR_EVENT      the chain from tick to message
    python -m run.replay state --at 10:05        positions, orders and signals as they were
    python -m run.replay timeline --from 10:00 --to 10:10
    python -m run.replay verify-decisions        run the stages again, compare every decision

Times are market times, New York unless they carry a zone. Exit codes: 0 done and nothing differs,
1 a difference was found, 2 the question cannot be answered, 3 the log was written by another build.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

import orjson

from domain.desk_view import TYPES, DeskView
from domain.event import Recorded, UnknownEventType, encode_body
from domain.session import NEW_YORK
from run.build import build_id
from run.config import Settings, SettingsError, load_settings
from run.worker import Worker, inputs_with_emissions, load_skips
from run.workers import WORKERS
from store.contract import EventStore, Selection
from store.errors import StoreError
from store.postgres import PostgresStore

PAGE = 5_000
CHAIN_EVENTS_MAX = 2_000
DIFFERENCES_SHOWN_MAX = 20
NAMED_STREAMS = ("order", "signal", "decision", "position", "delivery", "approval", "report")


class CannotAnswer(Exception):
    """The question has no answer on this log; the text says what to ask instead."""


def both_times(at: datetime) -> str:
    """New York time with its date, and UTC beside it."""
    local = at.astimezone(NEW_YORK)
    return f"{local:%Y-%m-%d %H:%M:%S.%f} NY / {at.astimezone(UTC):%H:%M:%S.%f} UTC"


def parse_time(text: str, session_date: date) -> datetime:
    """A market time: 10:05, 10:05:30.250, or a whole ISO time; New York without a zone.

    Raises:
        CannotAnswer: the text is no time.
    """
    try:
        at = datetime.combine(session_date, time.fromisoformat(text))
    except ValueError:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise CannotAnswer(
                f"time must look like 10:05:30 or be an ISO time, was {text!r}"
            ) from None
    return at if at.tzinfo else at.replace(tzinfo=NEW_YORK)


def as_row(event: Recorded) -> dict[str, Any]:
    """An event as the tools print it."""
    return {
        "position": event.position,
        "type": event.type,
        "stream": event.stream,
        "version": event.version,
        "event_id": str(event.event_id),
        "market_time": event.market_time,
        "recorded_at": event.recorded_at,
        "occurred_at": event.occurred_at,
        "worker": event.worker,
        "build": event.build,
        "causation_id": None if event.causation_id is None else str(event.causation_id),
        "correlation_id": str(event.correlation_id),
        "input_position": event.input_position,
        "ordinal": event.ordinal,
        "data": orjson.Fragment(encode_body(event.body)),
    }


def print_json(answer: object) -> None:
    print(orjson.dumps(answer, option=orjson.OPT_UTC_Z, default=str).decode())


class Progress:
    """A line on stderr that says how far a long run is; silent when stderr is no terminal."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.shown = what, max(total, 1), -1

    def at(self, done: int) -> None:
        percent = min(100, 100 * done // self.total)
        if percent != self.shown and sys.stderr.isatty():
            self.shown = percent
            bar = "#" * (percent // 4)
            print(f"\r{self.what} [{bar:<25}] {percent:3d} %", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if sys.stderr.isatty():
            print(file=sys.stderr)


async def pages(store: EventStore, selection: Selection) -> AsyncIterator[list[Recorded]]:
    """The selected events of the whole log, a page at a time."""
    after = 0
    while page := await store.read(after, selection, PAGE):
        yield page
        after = page[-1].position


async def newest_session(store: EventStore) -> date:
    """Session date of the newest ClockStarted.

    Raises:
        CannotAnswer: the log has none.
    """
    found: date | None = None
    async for page in pages(store, Selection(types=frozenset({"ClockStarted"}))):
        found = page[-1].body.session_date  # type: ignore[union-attr]
    if found is None:
        raise CannotAnswer("the log is empty: no ClockStarted; run `make demo` first")
    return found


async def find(store: EventStore, name: str) -> list[Recorded]:
    """Events that a name means: a position number, an event id, or the id of an order, signal,
    decision, position, delivery, approval or report.

    Raises:
        CannotAnswer: nothing on the log has that name.
    """
    if name.isdigit():
        return await store.read(int(name) - 1, Selection(), 1, int(name))
    try:
        event = await store.event(UUID(name))
        if event is not None:
            return [event]
    except ValueError:
        for kind in NAMED_STREAMS:
            events = await store.read_stream(f"{kind}/{name}")
            if events:
                return events
    raise CannotAnswer(
        f"no event, order, signal, decision, position, delivery, approval or report {name!r}; "
        "`replay timeline` lists what there is"
    )


async def causes(store: EventStore, event: Recorded) -> list[Recorded]:
    """The event's causes up to the root, root first, the event itself not included."""
    chain: list[Recorded] = []
    while event.causation_id is not None and len(chain) < CHAIN_EVENTS_MAX:
        cause = await store.event(event.causation_id)
        if cause is None:
            break
        chain.append(cause)
        event = cause
    return chain[::-1]


async def why(store: EventStore, arguments: argparse.Namespace) -> int:
    """Print the story of a name: causes of its first event, then all that belongs to it."""
    named = await find(store, arguments.id)
    first = named[0]
    story = await store.read(0, Selection(correlation_id=first.correlation_id), CHAIN_EVENTS_MAX)
    known = {event.event_id for event in story}
    roots = [
        e for e in await causes(store, story[0] if story else first) if e.event_id not in known
    ]
    chain = [*roots, *story]
    if arguments.json:
        print_json({"id": arguments.id, "events": [as_row(event) for event in chain]})
        return 0
    depth: dict[UUID, int] = {}
    for event in chain:
        level = depth.get(event.causation_id, -1) + 1 if event.causation_id else 0
        depth[event.event_id] = level
        mark = ">" if event.event_id in {e.event_id for e in named} else " "
        print(
            f"{mark} {event.position:>8}  {both_times(event.market_time)}  "
            f"{'  ' * min(level, 12)}{event.type}  [{event.worker}] {summary(event)}"
        )
    return 0


_SUMMARY = (
    "symbol", "signal_id", "decision_id", "approved", "denials", "order_ref", "purpose", "action",
    "quantity", "limit_price", "state", "price", "position_id", "reason", "realised_pnl", "tier",
    "vendor", "channel", "verdict", "who", "close",
)  # fmt: skip


def summary(event: Recorded) -> str:
    """The few fields of an event that tell what it is about."""
    parts = []
    for name in _SUMMARY:
        value = getattr(event.body, name, None)
        if value not in (None, "", ()):
            parts.append(f"{name}={getattr(value, 'value', value)}")
    return " ".join(parts)


async def state(store: EventStore, arguments: argparse.Namespace) -> int:
    """Print the desk as it was at a market time."""
    at = parse_time(arguments.at, await newest_session(store))
    view = DeskView()
    position = 0
    async for page in pages(store, Selection(types=TYPES)):
        for event in page:
            if event.market_time > at:
                break
            view.apply(event)
            position = event.position
        else:
            continue
        break
    answer = {
        "at": at.astimezone(UTC),
        "position": position,
        "halted": view.halted,
        "signals": list(view.signals.values()),
        "orders": list(view.orders.values()),
        "positions": list(view.positions.values()),
    }
    if arguments.json:
        print_json(answer)
        return 0
    print(f"as of {both_times(at)}, log position {position}, halted: {view.halted}")
    for name in ("positions", "orders", "signals"):
        rows = answer[name]
        assert isinstance(rows, list)
        print(f"\n{name} ({len(rows)})")
        for row in rows:
            print(
                "  " + "  ".join(f"{key}={value}" for key, value in row.items() if key != "since")
            )
    return 0


async def timeline(store: EventStore, arguments: argparse.Namespace) -> int:
    """Print events between two market times."""
    session = await newest_session(store)
    since = parse_time(arguments.since, session)
    until = parse_time(arguments.until, session)
    types = frozenset(arguments.type or ())
    shown = 0
    async for page in pages(store, Selection(types=types)):
        for event in page:
            if not since <= event.market_time <= until:
                continue
            if arguments.symbol and getattr(event.body, "symbol", None) != arguments.symbol:
                continue
            if shown >= arguments.limit:
                print(
                    f"more than {arguments.limit} events; narrow it or raise --limit",
                    file=sys.stderr,
                )
                return 0
            shown += 1
            if arguments.json:
                print_json(as_row(event))
            else:
                print(
                    f"{event.position:>8}  {both_times(event.market_time)}  {event.type}  "
                    f"[{event.worker}] {summary(event)}"
                )
    return 0


async def verify_worker(store: EventStore, name: str, settings: Settings) -> dict[str, Any]:
    """Run one worker's stages again over all it consumed and compare every emission."""
    worker = Worker(name, WORKERS[name](settings), store, build_id())
    worker.skipped = await load_skips(store, name)
    checkpoint = await store.checkpoint(name)
    progress = Progress(f"verify {name}", checkpoint)
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
    async for page in pages(store, Selection(types=frozenset({"WorkerStarted"}))):
        builds.update(event.build for event in page)
    return builds


async def verify_decisions(store: EventStore, arguments: argparse.Namespace) -> int:
    """Verify all workers; exit 1 at a difference, 3 when the log is another build's."""
    others = await recorded_builds(store) - {build_id()}
    if others and not arguments.any_build:
        print(
            f"the log was written by build {', '.join(sorted(others))}, this is {build_id()}; run "
            f"`docker run striketape:{sorted(others)[0]} python -m run.replay verify-decisions`, "
            "or add --any-build to compare across builds",
            file=sys.stderr,
        )
        return 3
    settings = load_settings()
    names = [arguments.worker] if arguments.worker else list(WORKERS)
    results = [await verify_worker(store, name, settings) for name in names]
    total = sum(result["differences"] for result in results)
    if arguments.json:
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


Command = Callable[[EventStore, argparse.Namespace], Any]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON instead of text")
    root = argparse.ArgumentParser(
        prog="python -m run.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=text, description=text)
        made.set_defaults(run=run)
        return made

    ask = add("why", why, "the chain of an order, signal, decision, position, delivery or event")
    ask.add_argument("id", help="its id, an event id, or a log position")
    ask = add("state", state, "positions, orders and signals as they were")
    ask.add_argument("--at", required=True, help="market time, such as 10:05:30")
    ask = add("timeline", timeline, "events between two market times")
    ask.add_argument("--from", dest="since", required=True)
    ask.add_argument("--to", dest="until", required=True)
    ask.add_argument("--type", action="append", help="event type; may be repeated")
    ask.add_argument("--symbol")
    ask.add_argument("--limit", type=int, default=1_000)
    ask = add("verify-decisions", verify_decisions, "run the stages again and compare")
    ask.add_argument("--worker", choices=sorted(WORKERS))
    ask.add_argument("--any-build", action="store_true", help="compare although builds differ")
    return root


async def answer(arguments: argparse.Namespace) -> int:
    """Open the log of DATABASE_URL and run the command."""
    store = await PostgresStore.open(load_settings().database_url, application_name="replay")
    try:
        code: int = await arguments.run(store, arguments)
        return code
    finally:
        await store.close()


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        return asyncio.run(answer(arguments))
    except (CannotAnswer, SettingsError, StoreError, UnknownEventType) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader has seen enough; nothing more may be flushed into its closed end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
