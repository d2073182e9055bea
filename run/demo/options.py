"""Options of `make demo`: from the command line, else from the environment that make sets."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from adapters.market_model.lean import RecordingMissing
from adapters.market_model.scenario import SCENARIOS
from run.demo.recording import checked_folder

FOLDER = "var/demo"


def arguments(argv: Sequence[str] | None, description: str = "") -> argparse.Namespace:
    """The options; what is wrong is printed and ends the program with code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m run.demo",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    given = os.environ.get
    parser.add_argument("--duration", type=float, default=float(given("DURATION") or 0))
    parser.add_argument("--seed", type=int, default=int(given("SEED") or 1))
    parser.add_argument("--speed", type=float, default=float(given("SPEED") or 10))
    parser.add_argument(
        "--recording", default=given("RECORDING") or "", help="folder of LEAN files"
    )
    parser.add_argument("--day", type=date.fromisoformat, default=given("DAY") or None)
    parser.add_argument(
        "--scenario",
        choices=sorted(SCENARIOS),
        default=given("SCENARIO") or None,
        help="kind of day, docs/market-model.md; default trend_day",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(given("DEMO_DIR") or FOLDER), help="ledgers and logs"
    )
    parser.add_argument(
        "--review", action="store_true", help="page and log of the last run, and no day"
    )
    parser.add_argument("--reset", action="store_true", help="forget the demo's log and ledgers")
    options = parser.parse_args(argv)
    if isinstance(options.day, str):
        options.day = date.fromisoformat(options.day)
    if options.scenario not in (None, *SCENARIOS):  # argparse takes a default as it is
        parser.error(f"SCENARIO must be one of {', '.join(SCENARIOS)}, was {options.scenario}")
    try:
        options.recording = checked_folder(options.recording, options.day)
    except RecordingMissing as error:
        parser.error(str(error))
    return options
