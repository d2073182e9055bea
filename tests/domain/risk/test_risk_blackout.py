"""Blackouts of the day, the rules that touch only some entries, and the calendar on the log."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.events.feeds import HistoryImported
from domain.instruments import Strategy
from domain.risk.blackout import (
    blackout_at,
    is_expiration_day,
    range_blocked_until,
    size_factor,
)
from domain.risk.stage import RiskStage
from domain.session import Session
from tests.domain.risk.build import DAY, OPEN, Driven, changed, parameters, session, session_planned

SESSION = session()
PARAMETERS = parameters()


def new_york(hour: int, minute: int) -> datetime:
    """In October New York is four hours behind."""
    return datetime(2026, 10, 6, hour + 4, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "start", "end"),
    [
        ("FOMC", new_york(13, 45), new_york(15, 0)),
        ("DATA_1000", new_york(9, 58), new_york(10, 5)),
        ("AUCTION_1300", new_york(12, 59), new_york(13, 3)),
        ("DATA_0830", OPEN, OPEN + timedelta(minutes=15)),
    ],
)
def test_window_includes_its_start_and_excludes_its_end(
    code: str, start: datetime, end: datetime
) -> None:
    moment = timedelta(seconds=1)
    assert blackout_at(SESSION, (code,), start) != ""
    assert blackout_at(SESSION, (code,), end - moment) != ""
    assert blackout_at(SESSION, (code,), end) == ""
    assert blackout_at(SESSION, (), end - moment) == ""


def test_missing_calendar_blacks_out_the_usual_windows_and_says_so() -> None:
    assert "CALENDAR_MISSING" in blackout_at(SESSION, None, new_york(14, 0))
    assert "CALENDAR_MISSING" in blackout_at(SESSION, None, new_york(10, 0))
    assert blackout_at(SESSION, None, new_york(13, 0)) == ""


def test_premium_selling_waits_until_three_on_an_fomc_day() -> None:
    assert range_blocked_until(SESSION, ("FOMC",)) == new_york(15, 0)
    assert range_blocked_until(SESSION, ("DATA_0830",)) is None
    assert range_blocked_until(SESSION, None) is None


@pytest.mark.parametrize(
    ("codes", "strategy", "sells_premium", "factor"),
    [
        (("DATA_0830",), Strategy.ZERO_DTE, True, 0.5),
        (("DATA_0830",), Strategy.ZERO_DTE, False, 1.0),
        ((), Strategy.ZERO_DTE, True, 1.0),
        (None, Strategy.ZERO_DTE, True, 1.0),
        ((), Strategy.CLOSING, False, 0.5),
    ],
)
def test_half_size_rules(
    codes: tuple[str, ...] | None, strategy: Strategy, sells_premium: bool, factor: float
) -> None:
    expiry_day = parameters(risk__blackout__expiration_dates="2026-09-18, 2026-10-06")
    found = size_factor(
        SESSION, codes, strategy, sells_premium=sells_premium, parameters=expiry_day
    )
    assert found == factor
    other = size_factor(
        SESSION, codes, Strategy.CLOSING, sells_premium=False, parameters=PARAMETERS
    )
    assert other == 1.0


def planned_around(day: date, following: date) -> Session:
    plan = session_planned(day)
    later = tuple(each for each in plan.later if each.session_date >= following)
    return Session(plan.model_copy(update={"later": later}))


@pytest.mark.parametrize(
    ("day", "following", "is_quarterly"),
    [
        (date(2026, 9, 18), date(2026, 9, 21), True),
        (date(2026, 9, 17), date(2026, 9, 18), False),
        (date(2026, 9, 25), date(2026, 9, 28), False),
        (date(2026, 10, 16), date(2026, 10, 19), False),
        (date(2026, 6, 18), date(2026, 6, 22), True),
        (date(2026, 12, 18), date(2026, 12, 21), True),
    ],
)
def test_a_quarterly_expiry_is_not_traded_at_full_size_because_nobody_entered_its_date(
    day: date, following: date, is_quarterly: bool
) -> None:
    """On 19 June 2026, a third Friday, the exchange is closed: the day before it counts."""
    found = planned_around(day, following)
    assert is_expiration_day(found, PARAMETERS) is is_quarterly
    factor = size_factor(found, (), Strategy.CLOSING, sells_premium=False, parameters=PARAMETERS)
    assert factor == (0.5 if is_quarterly else 1.0)


def imported(payload: str, *, session_date: date = DAY - timedelta(days=1)) -> HistoryImported:
    return HistoryImported(
        vendor="uw",
        request="uw.economic-calendar",
        symbol="",
        session_date=session_date,
        payload=payload,
    )


def calendar_of(payload: str, *, days_before: int = 0) -> tuple[str, ...] | None:
    desk = Driven(RiskStage())
    desk.at = OPEN - timedelta(hours=1, days=days_before)
    desk.when(changed())
    desk.when(imported(payload))
    desk.when(session_planned())
    found: tuple[str, ...] | None = desk.state.calendar
    return found


FOMC = json.dumps(
    {
        "data": [
            {
                "event": "FOMC statement",
                "type": "fomc",
                "time": "2026-10-06T18:00:00Z",
                "forecast": None,
                "prev": None,
                "reported_period": None,
            }
        ]
    }
)


def test_a_press_conference_listed_alone_closes_the_same_window() -> None:
    alone = FOMC.replace("FOMC statement", "Powell press conference").replace("T18:00", "T18:30")
    assert calendar_of(alone) == ("FOMC",)


def test_imported_calendar_names_the_releases_of_the_day() -> None:
    assert calendar_of(FOMC) == ("FOMC",)
    assert calendar_of(FOMC.replace("T18:00", "T17:00")) == ()
    assert calendar_of(FOMC.replace("2026-10-06", "2026-10-07")) == ()


def test_no_day_is_taken_for_free_of_releases_because_the_calendar_is_empty_or_ends_before_it() -> (
    None
):
    assert calendar_of('{"data": []}') is None
    assert calendar_of(FOMC.replace("2026-10-06", "2026-10-05")) is None


def test_unreadable_or_old_calendar_is_a_missing_one() -> None:
    assert calendar_of("not a calendar") is None
    assert calendar_of(FOMC, days_before=5) is None
