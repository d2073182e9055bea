"""An imbalance that is first known later than nine minutes before the close is none (4.7)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.analytics.auction import AuctionRun, AuctionTicks, Usual
from domain.analytics.closing_auction import auction_now
from domain.analytics.microstructure import Book
from domain.events.analytics import MetricComputed, Quality
from tests.domain.analytics.build import Tape, bar, book_ticks, parameters, session, ticks
from tests.domain.analytics.day_build import history_events
from tests.domain.analytics.stage_runs import metric
from tests.domain.analytics.test_closing_auction import before, played


def last_report(first: float) -> MetricComputed:
    """Of a bar half a minute after the first imbalance, `first` seconds before the close."""
    tape, at = Tape(), before(800)
    bodies: list[Any] = [parameters(), session().plan, *history_events()]
    for body in bodies:
        tape.add(body, at)
    tape.add(bar("IWM", before(700), 245.0), before(695))
    tape.add(book_ticks("IWM", before(601), 245.0), before(601))
    for second in range(30):
        now = before(first - second)
        tape.add(ticks("IWM", now, [(36, -1.0, 40_000.0), (34, -1.0, 40_000.0)]), now)
    tape.add(bar("IWM", before(first - 25), 245.0), before(first - 30))
    _, told = played(tape)
    return [body for body in told if isinstance(body, MetricComputed)][-1]


@pytest.mark.parametrize(("first", "is_known"), [(560.0, True), (540.0, True), (539.0, False)])
def test_an_imbalance_first_known_after_the_ninth_minute_is_no_auction_data(
    first: float, is_known: bool
) -> None:
    report = last_report(first)
    for name in ("auction_q", "auction_z", "auction_sign_held_s", "auction_k_bps"):
        found = metric(report, name)
        assert (found.quality is Quality.MISSING) is not is_known
        assert (found.reason == "NO_AUCTION_DATA") is not is_known


def sampled(*seconds: float) -> AuctionRun:
    """The run of an imbalance told so many seconds before the close."""
    tape, at = Tape(), before(800)
    bodies: list[Any] = [parameters(), session().plan, *history_events()]
    for body in bodies:
        tape.add(body, at)
    tape.add(bar("IWM", before(700), 245.0), before(695))
    tape.add(book_ticks("IWM", before(661), 245.0), before(661))
    for second in seconds:
        told = before(second)
        tape.add(ticks("IWM", told, [(36, -1.0, 40_000.0), (34, -1.0, 40_000.0)]), told)
    state, _ = played(tape)
    return state.symbols["IWM"].auction


def test_an_imbalance_counts_from_its_publication_ten_minutes_before_the_close() -> None:
    """An exchange may tell something earlier: neither held nor moved counts from there."""
    run = sampled(659.0, 630.0, 600.5, 600.0, 599.0)
    assert run.first_at == before(600) and run.samples == 2
    assert run.held_seconds == 1.0


@pytest.mark.parametrize(
    ("venue", "seconds", "is_known"),
    [
        ("NASDAQ", 300.5, False),
        ("NASDAQ", 300.0, True),
        ("NYSE", 300.5, True),
    ],
)
def test_indicative_prices_of_nasdaq_are_none_until_five_minutes_before_the_close(
    venue: str, seconds: float, is_known: bool
) -> None:
    tape, at = Tape(), before(800)
    bodies: list[Any] = [parameters(), session().plan, *history_events()]
    for body in bodies:
        tape.add(body, at)
    state, _ = played(tape)
    state.member_venues["M0"] = venue
    state.usual["M0"] = Usual(60_000_000.0, 245.0)
    now = before(seconds).timestamp()
    state.member_books["M0"] = Book(good_mid=245.0)
    state.auction_ticks["M0"] = AuctionTicks(
        paired=1.0, indicative=246.0, imbalance=40_000.0, at=now - 1
    )
    found = auction_now(state, state.symbols["SPY"], now)
    assert found.q is not None
    assert (found.ind_dev_bps is not None) is is_known
