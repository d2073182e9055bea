"""How far typed tables and hot state are behind the log while both vendors send.

Real processes: run.feeds writes what the sandboxes send, run.projector follows into Postgres and
Valkey. The lag is the projector's own figure, from an event's recording to its being in the view.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.feeds import WARM_UP_SECONDS, stretch
from benchmarks.feeds_desk import FeedsDesk
from benchmarks.ground import Desk, Figure, main
from run.projection_lag import worst_p99_seconds

FLAGS = {"rate": (2_000, "messages a second"), "seconds": (20, "of it")}
FULL = {"seconds": 60}
SERVICES = (("projector", "run.projector"), ("feeds", "run.feeds"))
GOALS = ("feed", "hot")
LIMIT = "<= 500"


async def measure(given: argparse.Namespace, ground: Desk) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        desk = FeedsDesk(Path(folder), await ground.database(), SERVICES)
        async with desk.running():
            await stretch(desk, given.rate, WARM_UP_SECONDS)
            load = await stretch(desk, given.rate, given.seconds)
            beats = desk.figures("projector", load.began, load.ended)
    found = [Figure("projected.rate", load.rate, "/s", note="of both vendors together")]
    names = sorted({key.partition(".lag_events")[0] for beat in beats for key in beat if _is(key)})
    for name in names:
        own = [{k: v for k, v in beat.items() if k.startswith(f"{name}.")} for beat in beats]
        seconds = worst_p99_seconds(own)
        if seconds is None and name not in GOALS:
            continue  # nothing of what it reads was written
        behind = max(beat[f"{name}.lag_events"] for beat in own)
        found.append(
            Figure(
                f"projected.{name.replace('.', '_')}_p99",
                1e3 * seconds if seconds is not None else None,
                "ms",
                LIMIT if name in GOALS else "",
                f"upper end of its bucket; at most {behind:,.0f} events behind",
            )
        )
    return found


def _is(key: str) -> bool:
    return key.endswith(".lag_events")


if __name__ == "__main__":
    main("projected", __doc__, FLAGS, measure, FULL)
