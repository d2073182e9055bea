"""Every golden day, played, compared with its record, decided again: `make golden`.

    make golden                                compare
    make golden DAY=fomc_day                   one day
    make golden REASON="stops leave earlier"   write what has changed, with the reason
    make golden SEED=7                         cut at other inputs; the seed is printed
    make golden OTHER_PROCESSOR=1              decided once more as on an older processor

A day takes a minute or two; WORKERS=2 plays two at a time.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import other_processor
from tests.golden_days.days import DAYS, MORNING, GoldenDay
from tests.golden_days.kept import keep, kept
from tests.golden_days.play import differences, played, whole_log
from tests.golden_days.record import record_of, story_of

ASKED = os.environ.get("DAY", "")
SEED = int(os.environ.get("SEED") or 1)
REASON = os.environ.get("REASON", "")
OTHER_PROCESSOR = bool(os.environ.get("OTHER_PROCESSOR"))

CHOSEN = [day for day in (MORNING, *DAYS) if ASKED in ("", day.name)]


@pytest.mark.parametrize("golden", CHOSEN, ids=[day.name for day in CHOSEN])
async def test_the_day_is_the_recorded_one_and_is_decided_again(
    golden: GoldenDay, store: Any, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    day = await played(golden, store, tmp_path, database_url, redis_url)
    if OTHER_PROCESSOR:
        told = await other_processor.verified(database_url)
        assert told.startswith("0: "), told
    log = await whole_log(store)
    record = {"story": story_of(log)} | record_of(log)
    print(f"{golden.name}: {record['story']}")
    if REASON:
        keep(golden.name, record, REASON)
    assert record == kept(golden.name)
    assert await differences(store, day.settings, SEED) == [], f"SEED={SEED}"
