"""`timeline --from T --to T`: the events between two market times."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from domain.event import Recorded, body_types
from run.replay.printing import Progress, as_row, event_line, print_json
from run.replay.question import INSTANT, CannotAnswer, position_at, time_of
from run.replay.reading import of, selected
from store.contract import EventStore

LIMIT = 1_000
_TELLS = ("SignalRaised", "SignalValidated", "RiskDecided", "PositionOpened")
"""Events that say symbol and strategy of the story they belong to."""

SHOWS_UNREADABLE = True
"""An event that this build cannot read is shown as stored; other commands refuse it."""

EXAMPLES = """examples:
  timeline --from 10:00 --to 10:10
  timeline --from 10:00 --to 10:10 --symbol SPY --strategy 0DTE
  timeline --from 15:48 --to 15:53 --type OrderIntended --type OrderChanged --json

--symbol and --strategy take in the whole story of a trade: orders, fills, messages.
JSON is one event a line; one that was cut ends with a line {"truncated": true}.
exit codes: 0 answered; 2 the question cannot be answered."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="since", required=True, help="market time, included")
    parser.add_argument("--to", dest="until", required=True, help="market time, included")
    parser.add_argument("--type", action="append", help="event type; may be repeated")
    parser.add_argument("--symbol", help="such as SPY")
    parser.add_argument("--strategy", help="such as 0DTE")
    parser.add_argument("--limit", type=_limit, default=LIMIT, help=f"default {LIMIT} events")


def _limit(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, was {text}")
    return int(text)


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Print events between two market times."""
    types = frozenset(asked.type or ())
    if unknown := types - body_types().keys():
        raise CannotAnswer(f"event type must be in domain/events, was {', '.join(sorted(unknown))}")
    since, until = await time_of(store, asked.since), await time_of(store, asked.until)
    if since > until:
        raise CannotAnswer(f"--from must not be later than --to, was {asked.since} {asked.until}")
    after = await position_at(store, since - INSTANT)
    up_to = await position_at(store, until)
    wanted = {n: v for n in ("symbol", "strategy") if (v := getattr(asked, n))}
    told = {name: await _stories(store, name, up_to) for name in wanted}
    stories = {name: told[name].get(value, set()) for name, value in wanted.items()}
    shown = 0
    progress = Progress("timeline", after, up_to)
    async for event in selected(store, of(*types), after, up_to, progress):
        if not all(_is_about(event, n, v, stories[n]) for n, v in wanted.items()):
            continue
        if shown >= asked.limit:
            _say_cut(asked, event)
            break
        shown += 1
        progress.hide()
        if asked.json:
            print_json(as_row(event))
        else:
            print(event_line(event))
    if not shown:
        for name, value in wanted.items():
            _refuse_unknown(name, value, told[name])
    return 0


def _refuse_unknown(name: str, value: str, told: Mapping[str, object]) -> None:
    """Nothing shown is an answer, unless nobody ever heard of what was asked for."""
    if value not in told:
        known = ", ".join(sorted(told)) or "none"
        raise CannotAnswer(f"no event has the {name} {value!r}; those that were traded: {known}")


def _say_cut(asked: argparse.Namespace, following: Recorded) -> None:
    """There are more events than were asked for."""
    text = f"more than {asked.limit} events; narrow it or raise --limit"
    if asked.json:
        print_json({"truncated": True, "shown": asked.limit, "next": following.position})
    else:
        print(text, file=sys.stderr)


async def _stories(store: EventStore, name: str, up_to: int) -> dict[str, set[UUID]]:
    """Correlation ids of the stories about each symbol, or each strategy."""
    found: dict[str, set[UUID]] = {}
    async for event in selected(store, of(*_TELLS), 0, up_to, Progress(name, 0, up_to)):
        found.setdefault(str(_own(event, name)), set()).add(event.correlation_id)
    return found


def _own(event: Recorded, name: str) -> Any:
    """Symbol or strategy that the event itself names, None when it names none."""
    value = getattr(event.body, name, None)
    if value is None:
        value = getattr(getattr(event.body, "structure", None), name, None)
    return getattr(value, "value", value)


def _is_about(event: Recorded, name: str, value: str, stories: set[UUID]) -> bool:
    own = _own(event, name)
    return own == value if own is not None else event.correlation_id in stories
