"""`what-if --set name=value`: what a day would have decided under other parameters.

Compares every decision with the recorded one. Orders that only the other parameters make have no
recorded outcome, and are marked: what follows from them is not known.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from domain.events.orders import OrderIntended
from domain.parameter import ParameterValue
from domain.parameters import PARAMETERS, refusals, similar
from run.build import build_id
from run.config import load_settings
from run.replay import builds
from run.replay.alternative import CHANGED, Alternative, Difference
from run.replay.consumption import Replayed, places
from run.replay.printing import Progress, as_row, print_json, summary
from run.replay.question import (
    CannotAnswer,
    both_times,
    newest_session,
    parse_day,
    positions_of_day,
)
from run.workers import WORKERS
from store.contract import EventStore

SHOWN_MAX = 200
VALUE_LENGTH_MAX = 120
_MARKS = {"new": "+", "gone": "-", "changed": "~"}

EXAMPLES = """examples:
  what-if --set risk.limit.positions_bucket=1
  what-if --day 2026-10-06 --set publication.delay_basic_seconds=120 --json
  what-if --set a=1 --set b=2                 several at once

+ would be decided too, - would not be, ~ would be decided otherwise (field: recorded -> now).
Run verify-decisions first: what it finds differs without any other parameter.
exit codes: 0 no decision would differ; 1 some would; 2 the question cannot be answered, such as a
value out of its bounds; 3 another build wrote the log, or other settings decided."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", help="New York day, the newest session unless given")
    parser.add_argument(
        "--set", action="append", required=True, metavar="NAME=VALUE", help="may be repeated"
    )
    builds.arguments(parser)


def parse_values(texts: Sequence[str]) -> dict[str, ParameterValue]:
    """Parameters from NAME=VALUE texts, checked against their bounds.

    Raises:
        CannotAnswer: naming every text that is no parameter or not allowed.
    """
    values: dict[str, ParameterValue] = {}
    for text in texts:
        name, equals, given = text.partition("=")
        if not equals:
            raise CannotAnswer(f"--set must look like name=value, was {text!r}")
        known = PARAMETERS.get(name)
        values[name] = given if known is None else _typed(known.default, given)
    if found := refusals(values):
        near = "".join(similar(name) for name in values if name not in PARAMETERS)
        raise CannotAnswer("; ".join(found) + near)
    return values


def _typed(default: ParameterValue, given: str) -> ParameterValue:
    """The text as a value of the parameter's own type; as it is when it is none."""
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(given.lower(), given)
    if isinstance(default, str):
        return given
    try:
        return float(given)
    except ValueError:
        return given


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Print the decisions that would differ; exit 1 when there are some."""
    values = parse_values(asked.set)
    day = parse_day(asked.day) if asked.day else await newest_session(store)
    after, up_to = await positions_of_day(store, day)
    settings = load_settings()
    code = await builds.refuse_other_runs(store, asked, list(WORKERS), settings, after, up_to)
    if code:
        return code
    workers = [await Replayed.of(store, name, settings) for name in WORKERS]
    desk = Alternative(workers, values, after)
    progress = Progress("what-if", 0, up_to)
    async for place in places(store, list(WORKERS), up_to):
        desk.take(place)
        progress.at(place.position)
    progress.end()
    answer = {
        "day": day,
        "build": build_id(),
        "set": {name: [desk.recorded_values.get(name), value] for name, value in values.items()},
        "differences": len(desk.found),
        "numbers_that_differ": desk.numbers,
        "orders_without_outcome": _orders_without_outcome(desk),
        "failed": desk.failed,
    }
    if asked.json:
        print_json({**answer, "decisions": [_row(desk, one) for one in desk.found]})
    else:
        _print(desk, answer)
    return 1 if desk.found or desk.failed else 0


def _outcome(desk: Alternative, one: Difference) -> str:
    body = one.event.body
    return desk.outcome(body) if isinstance(body, OrderIntended) and one.kind != "gone" else ""


def _orders_without_outcome(desk: Alternative) -> list[str]:
    return [
        one.event.body.order_ref
        for one in desk.found
        if isinstance(one.event.body, OrderIntended) and _outcome(desk, one)
    ]


def _row(desk: Alternative, one: Difference) -> dict[str, Any]:
    fields = {name: [str(was), str(now)] for name, was, now in one.fields}
    about = {"kind": one.kind, "fields": fields, "outcome": _outcome(desk, one)}
    return {**about, "input_type": one.source.type, "decision": as_row(one.event)}


def _print(desk: Alternative, answer: dict[str, Any]) -> None:
    for name, (was, now) in answer["set"].items():
        print(f"{name}: {was} -> {now}")
    print(
        f"{answer['differences']} decisions and {desk.numbers} numbers of {answer['day']} would "
        "differ"
    )
    for one in desk.found[:SHOWN_MAX]:
        event = one.event
        text = summary(event)
        if one.kind == CHANGED:
            text = "; ".join(f"{n}: {_short(was)} -> {_short(now)}" for n, was, now in one.fields)
        outcome = _outcome(desk, one)
        mark = f"  [{outcome}]" if outcome else ""
        print(
            f"{_MARKS[one.kind]} {one.source.position:>8}  {both_times(event.market_time)}  "
            f"{event.type}  [{event.worker}] {text}{mark}"
        )
    if len(desk.found) > SHOWN_MAX:
        print(f"and {len(desk.found) - SHOWN_MAX} more; --json has all")
    for name, text in desk.failed.items():
        print(f"{name} could not go on with the recorded facts from {text}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= VALUE_LENGTH_MAX else f"{text[:VALUE_LENGTH_MAX]}..."
