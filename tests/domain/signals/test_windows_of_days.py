"""Every window of entry on full days, half days and in the weeks in which the clocks change.

Times are New York's. On a half day the windows move with the close; one that is left with less than
half an hour is shut, but for the closing auction's.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from adapters.calendar import plan_session
from domain.analytics.economic_calendar import blackouts
from domain.events.session_hours import SessionOverridden
from domain.risk.blackout import is_expiration_day
from domain.session import Session, new_york, overridden
from domain.signals.bucket import Bucket, Variant
from domain.signals.closing import CLOSING
from domain.signals.fourteen_dte import FOURTEEN_DTE
from domain.signals.one_dte import ONE_DTE
from domain.signals.zero_dte import ZERO_DTE
from tests.domain.risk.build import parameters

FULL, HALF = "full", "half"
DAYS = {
    date(2026, 3, 6): FULL,  # the Friday before the clocks go forward
    date(2026, 3, 9): FULL,  # the Monday after
    date(2026, 10, 6): FULL,
    date(2026, 10, 30): FULL,  # the Friday before the clocks go back
    date(2026, 11, 2): FULL,
    date(2026, 11, 27): HALF,
    date(2026, 12, 24): HALF,
}
HOURS = {FULL: ("09:30", "16:00", "16:15"), HALF: ("09:30", "13:00", "13:15")}
WINDOWS: tuple[tuple[Bucket, Variant | None, dict[str, str]], ...] = (
    (ZERO_DTE, Variant.TREND, {FULL: "10:00:00-15:00:00", HALF: "10:00:00-12:00:00"}),
    (ZERO_DTE, Variant.RANGE, {FULL: "10:15:00-13:30:00", HALF: "-"}),
    (ONE_DTE, None, {FULL: "14:30:00-15:50:00", HALF: "11:30:00-12:50:00"}),
    (FOURTEEN_DTE, None, {FULL: "10:00:00-15:45:00", HALF: "10:00:00-12:45:00"}),
    (CLOSING, None, {FULL: "15:50:05-15:57:00", HALF: "12:50:05-12:57:00"}),
)
"""Variant None: all of the bucket."""
BLACKOUTS = {
    "FIRST_MINUTE": "09:30:00-09:31:00",
    "DATA_0830": "09:30:00-09:45:00",
    "DATA_1000": "09:58:00-10:05:00",
    "AUCTION_1300": "12:59:00-13:03:00",
    "FOMC": "13:45:00-15:00:00",
}
"""Clock times of outside events: they do not move with the close."""


def clock(span: tuple[datetime, datetime] | None) -> str:
    return "-" if span is None else "-".join(f"{new_york(at):%H:%M:%S}" for at in span)


@pytest.mark.parametrize(("day", "kind"), DAYS.items(), ids=[str(day) for day in DAYS])
def test_windows_and_blackouts_of_the_day(day: date, kind: str) -> None:
    check(Session(plan_session(day)), kind)


def test_windows_move_with_a_close_that_the_exchange_changes_at_short_notice() -> None:
    """A full day by the calendar, ended at 13:00 by a notice of the morning."""
    plan = plan_session(date(2026, 10, 6))
    notice = SessionOverridden(
        session_date=date(2026, 10, 6),
        open_at=plan.day.open_at,
        close_at=plan.day.close_at - timedelta(hours=3),
        who="ann",
        why="storm",
    )
    check(Session(overridden(plan, {notice.session_date: notice})), HALF)


def check(session: Session, kind: str) -> None:
    hours = (session.open_at, session.close_at, session.day.options_close_at)
    assert tuple(f"{new_york(at):%H:%M}" for at in hours) == HOURS[kind]
    for bucket, only, expected in WINDOWS:
        for variant in bucket.variants if only is None else (only,):
            found = clock(bucket.rules.window(variant, session, parameters()))
            assert found == expected[kind], (bucket.strategy, variant)
    codes = [code for code in BLACKOUTS if code != "FIRST_MINUTE"]
    found_windows = {w.code: clock((w.start, w.end)) for w in blackouts(session, codes)}
    assert found_windows == BLACKOUTS


@pytest.mark.parametrize(
    ("day", "is_one"),
    [
        (date(2026, 12, 18), True),
        (date(2026, 12, 17), False),
        (date(2026, 6, 18), True),  # the third Friday is a holiday
        (date(2026, 10, 16), False),  # monthly, not quarterly
    ],
)
def test_days_on_which_indices_rebalance(day: date, is_one: bool) -> None:
    assert is_expiration_day(Session(plan_session(day)), parameters()) is is_one
