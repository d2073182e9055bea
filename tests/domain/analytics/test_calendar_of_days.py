"""What the economic calendar says of today and of the next session, each for itself."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest

from domain.events.feeds import UwRestReceived
from tests.domain.analytics.build import OPEN, SPOTS, Tape, bar
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
