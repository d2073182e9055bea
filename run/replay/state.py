"""`state --at T`: the desk as it was at a market time."""

from __future__ import annotations

import argparse
from datetime import UTC

from run.replay.past import VIEWS, desk_at
from run.replay.printing import print_json
from run.replay.question import both_times, position_at, time_of
from run.replay.tables import row_text
from store.contract import EventStore

EXAMPLES = """examples:
  state --at 10:05:30                     New York time of the newest session
  state --at 14:05:30Z --view orders --view positions
  state --at 2026-10-06T15:50 --json

Text leaves the parameters out unless --view parameters asks for them.
exit codes: 0 answered; 2 the question cannot be answered."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", required=True, help="market time, such as 10:05:30 or 14:05:30Z")
    parser.add_argument("--view", action="append", choices=VIEWS, help="may be repeated")


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Print the desk as it was at a market time."""
    at = await time_of(store, asked.at)
    position = await position_at(store, at)
    past = await desk_at(store, position)
    halted = past.fold.halt["is_halted"]
    if asked.json:
        views = {name: list(past.view(name).values()) for name in asked.view or VIEWS}
        print_json({"at": at.astimezone(UTC), "position": position, "halted": halted, **views})
        return 0
    print(f"as of {both_times(at)}, log position {position}, halted: {halted}")
    for name in asked.view or VIEWS:
        rows = past.view(name)
        print(f"\n{name} ({len(rows)})")
        if name == "parameters" and not asked.view:
            print("  ask with --view parameters")
            continue
        for row in rows.values():
            print(f"  {row_text(name, row)}")
    return 0
