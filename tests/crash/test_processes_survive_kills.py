"""The real processes killed one after the other while they trade: log and ledgers agree.

DESK_SEED=n repeats one seed; `make crash SEEDS=n` runs many, each with more deaths.
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
QUICK_SEED = "804"
"""Its deaths come soon: the trader with an order just sent and with a position just opened, the
outbox in a delivery, Postgres."""
SEED = int(os.environ.get("DESK_SEED", QUICK_SEED))
DEATHS = int(os.environ.get("DESK_DEATHS", "4"))


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
