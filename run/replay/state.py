"""`state --at T`: positions, orders and signals as they were at a market time."""

from __future__ import annotations

import argparse
from datetime import UTC

from domain.desk_view import TYPES, DeskView
from run.replay.printing import print_json
from run.replay.question import both_times, position_at, time_of
from store.contract import EventStore, Selection


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", required=True, help="market time, such as 10:05:30")


async def run(store: EventStore, asked: argparse.Namespace) -> int:
    """Print the desk as it was at a market time."""
    at = await time_of(store, asked.at)
    up_to = await position_at(store, at)
    view = DeskView()
    after = 0
    while page := await store.read(after, Selection(types=TYPES), up_to=up_to):
        for event in page:
            view.apply(event)
        after = page[-1].position
    answer = {
        "at": at.astimezone(UTC),
        "position": up_to,
        "halted": view.halted,
        "signals": list(view.signals.values()),
        "orders": list(view.orders.values()),
        "positions": list(view.positions.values()),
    }
    if asked.json:
        print_json(answer)
        return 0
    print(f"as of {both_times(at)}, log position {up_to}, halted: {view.halted}")
    for name in ("positions", "orders", "signals"):
        rows = answer[name]
        assert isinstance(rows, list)
        print(f"\n{name} ({len(rows)})")
        for row in rows:
            print(
                "  " + "  ".join(f"{key}={value}" for key, value in row.items() if key != "since")
            )
    return 0
