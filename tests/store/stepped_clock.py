"""A database whose clock stepped, as a running process found it."""

from __future__ import annotations

import time

import pytest

from store.errors import ClockStepped
from store.postgres import PostgresStore
from tests.store.propose import halt

STEP_SECONDS = 7_200.0


async def refuse(database_url: str) -> None:
    """A process with a monotonic clock that stood still notices a step, and is gone."""
    lost = [0.0]
    async with await PostgresStore.open(
        database_url, application_name="gone", monotonic=lambda: time.monotonic() - lost[0]
    ) as store:
        await store.append([halt("before the step")])
        lost[0] = STEP_SECONDS
        with pytest.raises(ClockStepped):
            await store.append([halt("after the step")])
