"""Whether quotes count shares or round lots, seen from the book."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from domain.analytics.depth_book import BID, INSERT, DepthBook
from domain.events.feed_health import SizeUnitChecked
from domain.events.feeds import IbTicksReceived
from run.feeds.size_unit import QUOTES_MIN, SizeUnit

START = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
QUOTE = IbTicksReceived(1, "SPY", "", 0.0, "", "c", START, 1, [(1, 600.0, 5.0)], [])


def book(size: float, price: float = 600.0) -> DepthBook:
    made = DepthBook()
    half = size / 2  # two makers at the best price
    made.apply([(n, "ARCA", INSERT, BID, price, half) for n in range(2)], 0.0)
    return made


def answers(unit: SizeUnit, of: DepthBook, count: int, apart: float = 1.0) -> list[SizeUnitChecked]:
    found = [unit.compare(of, START + timedelta(seconds=n * apart)) for n in range(count)]
    return [one for one in found if one is not None]


@pytest.mark.parametrize(("shares", "multiplier"), [(500.0, 100), (480.0, 100), (5.0, 1)])
def test_lots_are_told_from_shares_once_a_session(shares: float, multiplier: int) -> None:
    unit = SizeUnit("SPY")
    unit.quoted(QUOTE)
    assert answers(unit, book(shares), 2 * QUOTES_MIN) == [
        SizeUnitChecked(symbol="SPY", size_multiplier=multiplier, quotes_compared=QUOTES_MIN)
    ]


def test_only_live_quotes_at_the_books_price_a_second_apart_are_compared() -> None:
    unit = SizeUnit("SPY")
    unit.quoted(replace(QUOTE, market_data_type=3))
    assert answers(unit, book(500.0), 100) == []
    unit.quoted(QUOTE)
    assert answers(unit, book(500.0, price=599.9), 100) == []
    assert answers(unit, book(500.0), 100, apart=0.1) == []
    assert len(unit.ratios) <= 11


def test_sizes_that_tell_neither_are_no_answer() -> None:
    unit = SizeUnit("SPY")
    unit.quoted(QUOTE)
    assert answers(unit, book(100.0), 3 * QUOTES_MIN) == []
