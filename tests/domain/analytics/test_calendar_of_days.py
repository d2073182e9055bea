"""What the economic calendar says of today and of the next session, each for itself."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from domain.analytics.economic_calendar import CalendarEvent
from domain.analytics.ingest import read_calendar
from domain.analytics.state import AnalyticsState
from domain.events.feeds import UwRestReceived
from tests.domain.analytics.build import OPEN, SPOTS, Tape, bar, session
from tests.domain.analytics.day_build import start
from tests.domain.analytics.stage_runs import metric, reports, run


def calendar(*lines: tuple[str, str]) -> UwRestReceived:
    rows = [{"type": "report", "event": event, "time": at} for event, at in lines]
    return UwRestReceived(
        endpoint="/api/market/economic-calendar",
        path="/api/market/economic-calendar",
        query="",
        symbol="",
        status=200,
        headers={},
        received_at=OPEN,
        payload=msgspec.Raw(json.dumps({"data": rows}).encode()),
    )


@pytest.mark.parametrize(
    ("last", "following"),
    [
        (("Beige book", "2026-10-06T18:00:00Z"), None),
        (("CPI", "2026-10-07T12:30:00Z"), "DATA_0830"),
        (("Beige book", "2026-10-07T18:00:00Z"), ""),
    ],
)
def test_a_calendar_that_ends_today_says_nothing_about_the_next_session(
    last: tuple[str, str], following: str | None
) -> None:
    """Else a night would be sold into a release that nobody has listed yet, most of all over a
    weekend."""
    tape = Tape()
    start(tape)
    tape.add(calendar(("ISM services", "2026-10-06T14:00:00Z"), last), OPEN)
    tape.add(bar("SPY", OPEN, SPOTS["SPY"]), OPEN + timedelta(seconds=5))
    report = reports(run(tape.events))[-1]
    found = metric(report, "calendar_next")
    reason = "CALENDAR_MISSING" if following is None else ""
    assert (found.value, found.reason) == (following, reason)
    assert metric(report, "calendar_today").value == "DATA_1000"


@pytest.mark.parametrize(
    ("at", "codes"),
    [
        ("2026-11-26T13:30:00+00:00", ("DATA_0830",)),
        ("2026-11-27T13:30:00+00:00", ("DATA_0830",)),
        ("2026-11-25T13:30:00+00:00", ()),
        ("2026-11-28T13:30:00+00:00", ()),
    ],
)
def test_a_release_on_a_closed_day_comes_before_the_next_session(
    at: str, codes: tuple[str, ...]
) -> None:
    """Thursday is a holiday; its release meets what was sold on Wednesday."""
    state = AnalyticsState(session=session(date(2026, 11, 25)))
    ends = CalendarEvent(datetime(2026, 11, 30, 15, tzinfo=UTC), "report", "Beige book")
    state.calendar = [CalendarEvent(datetime.fromisoformat(at), "report", "Jobs report"), ends]
    read_calendar(state)
    assert state.calendar_next == codes
