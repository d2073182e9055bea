"""Paper and live: market time is real time, one session after the other."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapters.calendar import session_at
from domain.events.system import ClockStarted
from run.feeds.start import REAL_TIME, ClockNotReal, newest_clock, start_real_clock
from run.worker import Recorder


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        ("2026-11-23T12:00:00+00:00", "2026-11-23"),
        ("2026-11-23T21:30:00+00:00", "2026-11-23"),
        ("2026-11-24T00:59:59+00:00", "2026-11-23"),
        ("2026-11-24T01:00:00+00:00", "2026-11-24"),
        ("2026-11-25T22:00:00-05:00", "2026-11-27"),
        ("2026-11-27T22:00:00+00:00", "2026-11-30"),
        ("2026-11-28T15:00:00+00:00", "2026-11-30"),
    ],
    ids=[
        "before the open", "after the close", "evening", "night", "holiday", "half day", "weekend",
    ],
)  # fmt: skip
def test_a_session_lasts_until_four_hours_after_its_close(moment: str, session: str) -> None:
    assert session_at(datetime.fromisoformat(moment)) == date.fromisoformat(session)


async def test_a_real_desk_starts_its_clock_once_a_session(store: Any) -> None:
    recorder = Recorder(store, "feeds", "test", "run-1")
    monday = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    first = await start_real_clock(store, recorder, monday)
    assert (first.base_market_time, first.speed) == (monday, 1.0)
    again = await start_real_clock(store, recorder, monday.replace(hour=19))
    assert again == first
    next_day = await start_real_clock(store, recorder, monday.replace(day=24, hour=3))
    assert next_day.session_date == date(2026, 11, 24)
    assert await store.head() == 2
    assert await newest_clock(store) == next_day


async def test_a_real_desk_refuses_the_log_of_a_simulated_one(store: Any) -> None:
    recorder = Recorder(store, "demo", "test", "run-1")
    at = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
    simulated = ClockStarted(base_market_time=at, speed=60.0, session_date=at.date())
    await recorder.record("clock", simulated)
    assert simulated.reason != REAL_TIME
    with pytest.raises(ClockNotReal, match="give DATABASE_URL a database of its own"):
        await start_real_clock(store, recorder, at)
