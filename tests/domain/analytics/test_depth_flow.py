"""Books below the top: depth imbalance and order flow over levels, by hand and by the stage."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.analytics.depth_book import ASK, BID, DELETE, INSERT, UPDATE, DepthTick, Level
from domain.analytics.depth_flow import Depth, LevelFlow, depth_imbalance, price_levels
from domain.events.analytics import Quality
from domain.events.feeds import IbDepthReceived
from tests.domain.analytics.build import OPEN, Tape, bar, book_ticks, parameters, plan
from tests.domain.analytics.stage_runs import metric, reports, run

BOOK: list[DepthTick] = [
    (0, "A", INSERT, BID, 660.00, 300.0),
    (1, "B", INSERT, BID, 660.00, 100.0),
    (2, "A", INSERT, BID, 659.99, 200.0),
    (0, "A", INSERT, ASK, 660.01, 100.0),
    (1, "A", INSERT, ASK, 660.02, 600.0),
]


def test_makers_at_one_price_are_one_level_and_five_prices_count() -> None:
    rows = [Level(660.00 - k // 2 / 100, 100.0 + k) for k in range(14)]
    assert price_levels(rows) == [
        (660.00, 201.0), (659.99, 205.0), (659.98, 209.0), (659.97, 213.0), (659.96, 217.0),
    ]  # fmt: skip


def test_depth_imbalance_weighs_a_level_half_as_much_as_the_one_above() -> None:
    """Bids 400 + 200 / 2 = 500, asks 100 + 600 / 2 = 400: 100 of 900."""
    bids, asks = [(660.00, 400.0), (659.99, 200.0)], [(660.01, 100.0), (660.02, 600.0)]
    assert depth_imbalance(bids, asks) == pytest.approx(1 / 9)
    assert depth_imbalance(bids, []) is None
    assert depth_imbalance([(660.0, 0.0)], [(660.01, 0.0)]) is None


def test_flow_of_each_level_is_over_its_own_depth_and_the_levels_are_averaged() -> None:
    """Level 1: bid size 400 to 500, e = +100; depths (400 + 100) / 2 and (500 + 100) / 2, mean
    275. Level 2: ask 660.02 goes, 660.03 comes: e = +600; depths 400 and (200 + 500) / 2, mean
    375. The mean of 100 / 275 and 600 / 375."""
    flow = LevelFlow()
    flow.add([(660.00, 400.0), (659.99, 200.0)], [(660.01, 100.0), (660.02, 600.0)], 1.0)
    flow.add([(660.00, 500.0), (659.99, 200.0)], [(660.01, 100.0), (660.03, 500.0)], 4.0)
    assert flow.value is None
    flow.roll(10.0)
    assert flow.value == pytest.approx((100 / 275 + 600 / 375) / 2)
    assert flow.closed_at == 10.0


def test_a_window_begins_with_the_state_in_force_and_a_level_that_was_away_adds_nothing() -> None:
    flow = LevelFlow()
    flow.add([(660.00, 400.0), (659.99, 200.0)], [(660.01, 100.0), (660.02, 600.0)], 1.0)
    flow.roll(10.0)
    assert flow.value == 0.0
    flow.add([(660.00, 300.0)], [(660.01, 100.0)], 12.0)
    flow.add([(660.00, 300.0), (659.99, 900.0)], [(660.01, 100.0), (660.02, 600.0)], 15.0)
    flow.roll(20.0)
    # Level 1: -100 over the mean of 250, 200 and 200. Level 2: 0, of what came back.
    assert flow.value == pytest.approx((-100 / (650 / 3) + 0.0) / 2)


def test_a_window_without_a_packet_of_depth_tells_nothing() -> None:
    flow = LevelFlow()
    flow.add([(660.00, 400.0)], [(660.01, 100.0)], 1.0)
    flow.add([(660.00, 500.0)], [(660.01, 100.0)], 2.0)
    for seconds in (10.0, 20.0, 30.0):
        flow.roll(seconds)
    assert flow.value == pytest.approx(100 / 275) and flow.closed_at == 10.0
    flow.add([(660.00, 500.0)], [(660.01, 100.0)], 31.0)
    flow.roll(40.0)
    assert (flow.value, flow.closed_at) == (0.0, 40.0)


def test_after_a_crossed_book_the_first_state_adds_nothing() -> None:
    flow = LevelFlow()
    flow.add([(660.00, 400.0)], [(660.01, 100.0)], 1.0)
    flow.add([(660.02, 400.0)], [(660.01, 100.0)], 2.0)
    flow.add([(660.00, 900.0)], [(660.01, 100.0)], 3.0)
    flow.roll(10.0)
    assert flow.value == 0.0


def test_a_new_connection_begins_with_an_empty_book() -> None:
    depth = Depth()
    depth.apply(BOOK, "c1", 1.0, 1.0, None)
    assert depth.bids == [(660.00, 400.0), (659.99, 200.0)]
    depth.apply([(0, "A", INSERT, BID, 661.00, 50.0)], "c2", 2.0, 2.0, None)
    assert (depth.bids, depth.asks) == ([(661.00, 50.0)], [])
    assert depth.imbalance is None


def packet(second: float, rows: list[DepthTick], tape: Tape) -> None:
    at = OPEN + timedelta(seconds=second)
    tape.add(IbDepthReceived(1, "SPY", "c1", at, rows), at)


def test_depth_is_reported_with_the_bar_and_stale_after_two_seconds() -> None:
    tape = Tape()
    tape.add(parameters(), OPEN)
    tape.add(plan(), OPEN)
    packet(1.0, BOOK, tape)
    packet(4.0, [(0, "A", UPDATE, BID, 660.00, 400.0)], tape)
    for k in range(12):
        begin = OPEN + timedelta(seconds=5 * k)
        tape.add(book_ticks("SPY", begin + timedelta(seconds=4), 660.0), begin)
        tape.add(bar("SPY", begin, 660.0), begin + timedelta(seconds=5))
        if k == 9:
            packet(51.0, [(0, "A", UPDATE, BID, 660.00, 300.0)], tape)
    found = reports(run(tape.events))
    # Bids 500 + 100, asks 100 + 300.
    assert metric(found[0], "depth_imb").value == pytest.approx((600 - 400) / 1000)
    assert metric(found[0], "depth_imb").quality is Quality.OK
    assert metric(found[1], "depth_imb").quality is Quality.STALE
    levels = metric(found[-1], "ofi_levels")
    # From 51 s on: -100 over the mean of 300, 300 and 250 at level 1, nothing at level 2.
    assert levels.value is not None and levels.quality is Quality.OK


def test_a_book_that_cannot_be_right_says_nothing() -> None:
    tape = Tape()
    tape.add(parameters(), OPEN)
    tape.add(plan(), OPEN)
    packet(1.0, BOOK, tape)
    packet(4.0, [(7, "A", DELETE, BID, 0.0, 0.0)], tape)
    tape.add(bar("SPY", OPEN, 660.0), OPEN + timedelta(seconds=5))
    found = metric(reports(run(tape.events))[0], "depth_imb")
    assert (found.value, found.quality, found.reason) == (None, Quality.MISSING, "BOOK_DAMAGED")
