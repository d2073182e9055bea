"""`diff --at T1 --at T2`: what changed in the state of the desk between two market times."""

from __future__ import annotations

import argparse
from datetime import UTC

from run.replay.past import VIEWS, changes, desk_at, is_empty
from run.replay.printing import print_json
from run.replay.question import CannotAnswer, both_times, position_at, time_of
from run.replay.tables import row_text, value_text
from store.contract import EventStore

EXAMPLES = """examples:
  diff --at 10:00 --at 10:10
  diff --at 15:48 --at 15:53 --view orders --view positions --json

exit codes: 0 nothing changed; 1 something changed; 2 the question cannot be answered."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", action="append", required=True, help="market time; give two")
    parser.add_argument("--view", action="append", choices=VIEWS, help="may be repeated")


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Print what changed; exit 1 when something did."""
    if len(asked.at) != 2:
        raise CannotAnswer(f"diff needs --at twice, was {len(asked.at)} times")
    times = [await time_of(store, text) for text in asked.at]
    positions = [await position_at(store, at) for at in times]
    before, after = [await desk_at(store, position, "diff") for position in positions]
    found = {name: changes(before.view(name), after.view(name)) for name in asked.view or VIEWS}
    differs = not all(is_empty(one) for one in found.values())
    if asked.json:
        ends = [
            {"at": at.astimezone(UTC), "position": position}
            for at, position in zip(times, positions, strict=True)
        ]
        print_json({"from": ends[0], "to": ends[1], "differs": differs, **found})
        return int(differs)
    for at, position, word in zip(times, positions, ("from", "to"), strict=True):
        print(f"{word:<4} {both_times(at)}, log position {position}")
    for name, one in found.items():
        if is_empty(one):
            continue
        print(f"\n{name}")
        for row in one["added"]:
            print(f"  + {row_text(name, row)}")
        for row in one["gone"]:
            print(f"  - {row_text(name, row)}")
        for row in one["changed"]:
            fields = (
                f"{field}: {value_text(was)} -> {value_text(now)}"
                for field, (was, now) in row["fields"].items()
            )
            print(f"  ~ {row['id']}  {'; '.join(fields)}")
    return int(differs)
