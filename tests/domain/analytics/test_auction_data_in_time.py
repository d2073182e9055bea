"""An imbalance that is first known later than nine minutes before the close is none (4.7)."""

from __future__ import annotations

from typing import Any

import pytest

from domain.events.analytics import MetricComputed, Quality
from tests.domain.analytics.build import (
    Tape,
    bar,
    book_ticks,
    history_events,
    parameters,
    session,
    ticks,
)
from tests.domain.analytics.test_analytics_stage import metric
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
