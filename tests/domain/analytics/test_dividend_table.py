"""Dividends to come: by the vendor's word, the operator's, or what was paid a year before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from adapters.calendar import plan_session
from domain.analytics.dividend_table import DividendTable
from domain.analytics.history import History
from domain.analytics.past import past_of
from domain.execution.underlying import UnderlyingWatch
from domain.pricing.dividends import Dividend
from domain.session import Session, third_friday
from tests.domain.analytics.build import DAY, session
from tests.domain.analytics.day_build import earlier_days, imported

BEFORE = earlier_days(1)[-1]
PAID = (
    ("2026-09-18", 1.83),
    ("2026-06-18", 1.76),
    ("2026-03-20", 1.70),
    ("2025-12-19", 1.99),
    ("2025-09-19", 1.80),
)


def vendor(rows: Sequence[tuple[str, float | None]]) -> dict[str, object]:
    listed = [{"ex_date": day, "amount": amount, "record_date": None} for day, amount in rows]
    return {"data": {"ticker": "SPY", "dividends": listed}}


def table(
    rows: Sequence[tuple[str, float | None]], *entered: tuple[str, float, bool]
) -> DividendTable:
    found = DividendTable()
    found.take(imported("uw", "uw.dividends", "SPY", BEFORE, vendor(rows)))
    if entered:
        found.take(imported("operator", "dividends", "SPY", BEFORE, list(entered)))
    return found


def test_a_quarter_to_come_is_expected_to_pay_what_it_paid_a_year_before() -> None:
    """Of SPY on the third Friday, and marked as estimated; only the next of each quarter."""
    assert table(PAID).ahead("SPY", session()) == (
        Dividend(date(2026, 12, 18), 1.99, True),
        Dividend(date(2027, 3, 19), 1.70, True),
        Dividend(date(2027, 6, 18), 1.76, True),
        Dividend(date(2027, 9, 17), 1.83, True),
    )


def test_other_funds_keep_their_distance_from_the_third_friday() -> None:
    """QQQ goes ex on the Monday after it, whatever the day of the month."""
    paid = table((("2025-12-22", 0.79),))
    assert paid.ahead("QQQ", session()) == (Dividend(date(2026, 12, 21), 0.79, True),)


def test_what_was_declared_or_entered_stands_in_place_of_an_estimate() -> None:
    declared = table((*PAID, ("2026-12-18", 2.01)))
    assert declared.ahead("SPY", session())[0] == Dividend(date(2026, 12, 18), 2.01, False)
    entered = table((*PAID, ("2026-12-18", 2.01)), ("2026-12-17", 2.05, False))
    assert entered.ahead("SPY", session())[0] == Dividend(date(2026, 12, 17), 2.05, False)
    nothing = table(PAID, ("2026-12-18", 0.0, False))
    assert nothing.ahead("SPY", session())[0].ex_date == date(2027, 3, 19)


def test_rows_without_day_or_amount_are_left_out() -> None:
    assert table((("2025-12-19", None),)).ahead("SPY", session()) == ()


def test_on_a_third_friday_that_is_a_holiday_the_session_before_is_expected() -> None:
    """19 June 2026 is a holiday; the third Friday itself far beyond the plan."""
    juneteenth = third_friday(2026, 6)
    assert juneteenth == date(2026, 6, 19)
    spring = Session(plan_session(date(2026, 5, 4)))
    assert table((("2025-06-20", 1.76),)).ahead("SPY", spring)[0].ex_date == date(2026, 6, 18)


def test_analytics_and_trader_go_by_the_same_table() -> None:
    answer = imported("uw", "uw.dividends", "SPY", BEFORE, vendor(PAID))
    history, watch = History(), UnderlyingWatch()
    history.take(answer)
    watch.import_history(answer, None)
    watch.start_session("SPY", session())
    past = past_of(history, session(), "SPY", 1.0, 1.0)
    assert history.unreadable == 0 and past.ex_dividend == 0.0
    assert watch.dividends == {d.ex_date: d.amount for d in past.dividends}
    on_the_day = Session(plan_session(date(2026, 12, 18)))
    assert past_of(history, on_the_day, "SPY", 1.0, 1.0).ex_dividend == 1.99
    watch.start_session("SPY", on_the_day)
    assert watch.dividends[date(2026, 12, 18)] == 1.99


@pytest.mark.parametrize("payload", [{"data": {"dividends": [{"ex_date": 5, "amount": 1}]}}, "x"])
def test_an_answer_that_cannot_be_read_leaves_the_trader_its_table(payload: object) -> None:
    watch = UnderlyingWatch()
    watch.import_history(imported("uw", "uw.dividends", "SPY", BEFORE, vendor(PAID)), session())
    before = dict(watch.dividends)
    watch.import_history(imported("uw", "uw.dividends", "SPY", DAY, payload), session())
    assert watch.dividends == before and before
