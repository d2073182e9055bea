"""`timeline --from T --to T`: the events between two market times."""

from __future__ import annotations

import argparse
import sys

from run.replay.printing import as_row, event_line, print_json
from run.replay.question import INSTANT, position_at, time_of
from store.contract import EventStore, Selection

LIMIT = 1_000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="since", required=True, help="market time, included")
    parser.add_argument("--to", dest="until", required=True, help="market time, included")
    parser.add_argument("--type", action="append", help="event type; may be repeated")
    parser.add_argument("--symbol")
    parser.add_argument("--limit", type=int, default=LIMIT, help=f"default {LIMIT} events")


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Print events between two market times."""
    before = await time_of(store, asked.since) - INSTANT
    up_to = await position_at(store, await time_of(store, asked.until))
    selection = Selection(types=frozenset(asked.type or ()))
    after = await position_at(store, before)
    shown = 0
    while page := await store.read(after, selection, up_to=up_to):
        for event in page:
            if asked.symbol and getattr(event.body, "symbol", None) != asked.symbol:
                continue
            if shown >= asked.limit:
                print(
                    f"more than {asked.limit} events; narrow it or raise --limit", file=sys.stderr
                )
                return 0
            shown += 1
            if asked.json:
                print_json(as_row(event))
            else:
                print(event_line(event))
        after = page[-1].position
    return 0
