"""Order-flow imbalance, opening range, noise area, tide, news and calendar, worked by hand."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.analytics.economic_calendar import CalendarEvent, calendar_state, codes_on
from domain.analytics.ewma import five_sessions_moments
from domain.analytics.microstructure import Book, OrderFlow, flow_imbalance
from domain.analytics.news import NewsState, classes_of, touches
from domain.analytics.opening_range import (
    OpeningRange,
    mean_absolute_moves,
    model_move,
    noise_area,
)
from domain.analytics.tide import Tide, least_squares_slope, seed_slopes
from tests.domain.analytics.build import OPEN, session


def quoted(bid: float, bid_size: float, ask: float, ask_size: float, at: float = 0.0) -> Book:
    book = Book()
    book.apply([(1, bid, bid_size), (2, ask, ask_size)], at, 1.0)
    return book


@pytest.mark.parametrize(
    ("after", "change"),
    [
        ((10.0, 5.0, 10.1, 4.0), 0.0),
        ((10.0, 8.0, 10.1, 4.0), 3.0),
        ((10.05, 8.0, 10.1, 4.0), 8.0),
        ((9.95, 8.0, 10.1, 4.0), -5.0),
        ((10.0, 5.0, 10.05, 6.0), -6.0),
        ((10.0, 5.0, 10.15, 6.0), 4.0),
        ((10.0, 0.0, 10.1, 4.0), -5.0),
    ],
)
def test_flow_imbalance_of_successive_states(after, change) -> None:
    assert flow_imbalance((10.0, 5.0, 10.1, 4.0), after) == change


def test_a_window_in_which_no_quote_came_is_no_flow_of_zero() -> None:
    """Quotes of 10 s, then silence for 20, then one more: two windows of four are told."""
    flow = OrderFlow()
    flow.add(quoted(10.0, 6.0, 10.1, 4.0), 1.0)
    flow.add(quoted(10.0, 10.0, 10.1, 4.0), 9.0)
    for seconds in (10.0, 15.0, 20.0, 25.0):
        flow.roll(seconds)
    assert (flow.ofi, flow.closed_at, flow.slow.count) == (4.0, 10.0, 1)
    flow.add(quoted(10.0, 13.0, 10.1, 4.0), 32.0)
    flow.roll(40.0)
    assert (flow.ofi, flow.closed_at, flow.slow.count) == (3.0, 40.0, 2)


def test_ofi_window_is_normalised_by_mean_depth_with_the_state_in_force() -> None:
    flow = OrderFlow()
    flow.add(quoted(10.0, 6.0, 10.1, 4.0), 1.0)
    flow.add(quoted(10.0, 10.0, 10.1, 4.0), 11.0)
    flow.add(quoted(10.0, 10.0, 10.1, 10.0), 15.0)
    flow.roll(20.0)
    # +4 then -6; states of the window: (6+4)/2 in force at its start, 7 and 10.
    assert flow.ofi == -2.0
    assert flow.ofi_norm == pytest.approx(-2.0 / ((5 + 7 + 10) / 3))
    assert flow.closed_at == 20.0


def test_first_state_after_a_crossed_quote_contributes_nothing() -> None:
    flow = OrderFlow()
    flow.add(quoted(10.0, 6.0, 10.1, 4.0), 1.0)
    flow.add(quoted(10.2, 6.0, 10.1, 4.0), 2.0)
    flow.add(quoted(10.0, 50.0, 10.1, 4.0), 3.0)
    flow.roll(10.0)
    assert flow.ofi == 0.0


def test_missing_price_counts_as_crossed_and_zero_size_does_not() -> None:
    assert not quoted(-1.0, 0.0, 10.1, 4.0).is_normal
    empty = quoted(10.0, 0.0, 10.1, 4.0)
    assert empty.is_normal
    assert empty.good_mid == 0.0


def test_book_keeps_the_last_good_mid_and_when_it_turned_bad() -> None:
    book = quoted(10.0, 6.0, 10.2, 4.0, at=5.0)
    book.apply([(1, 10.3, 5.0)], 6.0, 1.0)
    book.apply([(0, 10.3, 7.0)], 8.0, 1.0)
    assert (book.good_mid, book.good_at, book.bad_since) == (pytest.approx(10.1), 5.0, 6.0)
    book.apply([(1, 10.0, 5.0)], 9.0, 1.0)
    assert book.bad_since is None


def test_weighted_mid_leans_to_the_thin_side() -> None:
    book = quoted(10.0, 9.0, 10.1, 1.0)
    assert book.imbalance == pytest.approx(0.8)
    assert book.weighted_mid == pytest.approx(10.09)


def test_opening_range_break_and_its_cancellation() -> None:
    opening = OpeningRange(30)
    opening.add_bar(0.0, 101.0, 100.0)
    opening.add_bar(1_795.0, 102.0, 99.0)
    opening.add_bar(1_800.0, 110.0, 90.0)
    assert (opening.high, opening.low, opening.is_complete) == (102.0, 99.0, True)
    opening.add_minute(31, 102.14)
    assert opening.break_direction == 0
    opening.add_minute(32, 102.16)
    assert opening.break_direction == 1
    opening.add_minute(33, 101.0)
    opening.add_minute(34, 102.10)
    opening.add_minute(35, 101.0)
    assert opening.break_direction == 1
    opening.add_minute(36, 101.0)
    assert opening.break_direction == 0
    opening.add_minute(37, 98.84)
    assert opening.break_direction == -1


def test_noise_area_spans_open_and_previous_close() -> None:
    area = noise_area(600.0, 597.0, 0.005)
    assert area.upper == pytest.approx(600 * 1.005)
    assert area.lower == pytest.approx(597 * 0.995)
    assert area.position(area.upper) == pytest.approx(1.0)
    assert area.position((area.upper + area.lower) / 2) == pytest.approx(0.0)
    assert noise_area(600.0, 600.0, 0.0).position(600.0) is None


def test_mean_moves_use_the_last_fourteen_sessions_that_have_the_minute() -> None:
    old = (100.0, {0: 200.0})
    full = (100.0, {0: 101.0, 1: 98.0})
    half = (100.0, {0: 103.0})
    assert mean_absolute_moves([full] * 13, 2) is None
    moves = mean_absolute_moves([old, *[full] * 13, half], 3)
    assert moves is not None
    assert moves[0] == pytest.approx((13 * 0.01 + 0.03) / 14)
    assert moves[1] == pytest.approx(0.02)
    assert moves[2] is None


def test_model_move_is_the_mean_of_a_normal() -> None:
    assert model_move(1e-4, 0.75) == pytest.approx(math.sqrt(2 / math.pi) * 0.01 * 0.5)


def test_slope_is_least_squares() -> None:
    assert least_squares_slope([(0, 1.0), (1, 3.0), (2, 5.0)]) == pytest.approx(2.0)
    assert least_squares_slope([(1, 1.0)]) is None


def test_tide_adds_increments_and_needs_ten_points() -> None:
    tide = Tide()
    for minute in range(1, 12):
        tide.add_increment(3_000.0, 1_000.0, minute * 60.0 - 1)
        tide.close_minute(minute, minute * 60.0)
        assert (tide.slope is not None) == (minute >= 10)
    assert tide.value == 22_000.0
    assert tide.slope == pytest.approx(2_000.0)
    assert tide.slope_z is None


def test_silent_tide_leaves_holes_and_rest_repairs_the_total() -> None:
    tide = Tide()
    tide.add_increment(1.0, 0.0, 0.0)
    tide.close_minute(3, 180.0)
    assert not tide.minutes
    tide.set_total(50_000.0, 20_000.0, 181.0)
    assert tide.value == 30_000.0


def test_seeded_slopes_are_warm() -> None:
    moments = five_sessions_moments()
    sessions = [[(5.0 * k, 1_000.0 * k * (1 + s)) for k in range(78)] for s in range(5)]
    seed_slopes(moments, sessions, 23_400.0)
    assert moments.is_warm
    assert 200.0 < moments.mean < 1_000.0


@pytest.mark.parametrize(
    ("headline", "classes"),
    [
        ("Fed cuts: FOMC statement", ("rates",)),
        ("US CPI rises 0.3%", ("inflation",)),
        ("Tariff on steel; war fears", ("war", "tariff")),
        ("Warm weather in Fedora country", ()),
    ],
)
def test_keyword_table_classifies_whole_words(headline, classes) -> None:
    assert classes_of(headline) == classes


def test_headline_touches_the_market_or_its_symbols() -> None:
    assert touches((), "IWM") and touches(("IWM",), "IWM") and touches(("SPY",), "IWM")
    assert not touches(("AAPL",), "IWM")


def test_shock_needs_return_and_volume() -> None:
    news = NewsState()
    for _ in range(30):
        news.close_minute(1e-4, 1e-4, 100.0, 0.0, 600.0)
    news.volumes.variance = 100.0
    news.close_minute(5e-4, 1e-4, 110.0, 60.0, 600.0)
    assert news.state(60.0)[0] == "NONE"
    news.close_minute(-5e-4, 1e-4, 900.0, 120.0, 600.0)
    assert news.state(120.0) == ("SHOCK", "RETURN_AND_VOLUME")
    assert news.state(719.0)[0] == "SHOCK"
    assert news.state(720.0)[0] == "NONE"


def test_headline_is_caution_and_becomes_shock_with_a_move() -> None:
    news = NewsState()
    news.headline(("rates",), 100.0)
    assert news.state(101.0) == ("NEWS_CAUTION", "rates")
    news.close_minute(2.6e-4, 1e-4, 100.0, 160.0, 600.0)
    assert news.state(161.0) == ("SHOCK", "RETURN_AFTER_NEWS")
    quiet = NewsState()
    quiet.headline((), 100.0)
    assert quiet.state(280.0)[0] == "NONE"


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 10, 6, hour + 4, minute, second, tzinfo=UTC)


def test_calendar_codes_of_the_day() -> None:
    events = [
        CalendarEvent(at(8, 30), "report", "Consumer price index"),
        CalendarEvent(at(10, 0), "report", "ISM services"),
        CalendarEvent(at(14, 0), "fomc", "FOMC interest-rate decision"),
        CalendarEvent(at(13, 0), "report", "10-year note auction"),
        CalendarEvent(at(8, 30) + timedelta(days=1), "report", "PPI"),
        CalendarEvent(at(12, 0), "fed-speaker", "Fed governor speaks"),
    ]
    assert codes_on(events, date(2026, 10, 6)) == (
        "FOMC",
        "DATA_0830",
        "DATA_1000",
        "AUCTION_1300",
    )
    assert codes_on(events, date(2026, 10, 7)) == ()


@pytest.mark.parametrize(
    ("codes", "now", "state"),
    [
        ((), at(9, 30, 59), "BLACKOUT"),
        ((), at(9, 31), "CLEAR"),
        (("DATA_0830",), at(9, 44, 59), "BLACKOUT"),
        (("DATA_0830",), at(9, 45), "CLEAR"),
        (("DATA_1000",), at(9, 58), "BLACKOUT"),
        (("FOMC",), at(14, 59), "BLACKOUT"),
        (("FOMC",), at(15, 0), "CLEAR"),
        (None, at(10, 0), "BLACKOUT"),
        (None, at(11, 0), "CALENDAR_MISSING"),
        (None, at(14, 0), "BLACKOUT"),
    ],
)
def test_blackout_windows_include_their_start_and_exclude_their_end(codes, now, state) -> None:
    assert calendar_state(session(), codes, now)[0] == state


def test_missing_calendar_says_so() -> None:
    assert "CALENDAR_MISSING" in calendar_state(session(), None, OPEN)[1]
