"""The real processes killed one after the other while they trade: log and ledgers agree.

More than a minute each, so `make test` leaves them out: there the trader's processes die
(test_trader_survives_kills.py) and the outbox (tests/e2e/test_people_line.py). `make crash SEEDS=n`
runs them, DESK_SEED=n one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.crash.desk_kills import plan, run_day
from tests.crash.desk_process import DeskProcesses

pytestmark = pytest.mark.demo

MARKET_SEED = 1
SEED = int(os.environ.get("DESK_SEED", "1"))
DEATHS = int(os.environ.get("DESK_DEATHS", "8"))


async def test_no_order_twice_no_fill_lost_no_message_twice_whatever_process_dies(
    server_folder: Path,
) -> None:
    folder = server_folder / "desk"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    desk = DeskProcesses(folder, MARKET_SEED)
    desk.forget()
    try:
        async with desk.running():
            wrongs = await run_day(desk, plan(SEED, DEATHS))
    except Exception as error:
        error.add_note(f"DESK_SEED={SEED} DESK_DEATHS={DEATHS}: {desk.told()}")
        raise
    assert not wrongs, f"DESK_SEED={SEED} DESK_DEATHS={DEATHS}: {wrongs}; {desk.told()}"
    desk.forget()
