"""Marks while the quote of the underlying is crossed: the last sound mid for two seconds, then the
last trade, and the mark says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.events.feeds import IbTicksReceived
from domain.events.positions import PositionMarked
from domain.execution.quotes import Quotes
from domain.risk.market import Market
from tests.domain.execution.execution_build import START, leg_ticks, session, underlying_ticks
from tests.domain.execution.test_forced_flat import Story, zero_dte

BID, ASK, LAST = 1, 2, 4


def said(at: datetime, *ticks: tuple[int, float, float]) -> IbTicksReceived:
    return replace(underlying_ticks(at=at), ticks=list(ticks))


@pytest.mark.parametrize(
    "bad",
    [((BID, 600.05, 300.0),), ((BID, 600.01, 300.0),), ((ASK, -1.0, 0.0),)],
    ids=["crossed", "locked", "one-sided"],
)
def test_last_sound_mid_stands_for_two_seconds_then_the_last_trade(
    bad: tuple[tuple[int, float, float], ...],
) -> None:
    """A quote that had been still for a minute was good until the tick that spoilt it."""
    quotes = Quotes()
    quotes.apply(said(START, (LAST, 599.40, 100.0)), START)
    assert quotes.underlying_price("SPY", START) == 599.40, "no quote has come yet"
    quotes.apply(underlying_ticks(600.0, START), START)
    crossed = START + timedelta(seconds=60)
    quotes.apply(said(crossed, *bad), crossed)
    quotes.apply(said(crossed, (LAST, 599.50, 100.0)), crossed)
    for seconds, price in ((0, 600.0), (2, 600.0), (2.001, 599.50), (30, 599.50)):
        now = crossed + timedelta(seconds=seconds)
        assert quotes.underlying_price("SPY", now) == pytest.approx(price)
        assert quotes.underlying_is_good("SPY", now) is (seconds <= 2)
    late = crossed + timedelta(seconds=31)
    quotes.apply(underlying_ticks(601.0, late), late)
    assert quotes.underlying_price("SPY", late) == pytest.approx(601.0)
    assert quotes.underlying_is_good("SPY", late)


def marks_of(story: Story, seconds: int, *spoilt: tuple[int, float, float]) -> list[PositionMarked]:
    """So many seconds in which the leg's quote stands and the underlying says this alone."""
    before = len(story.bench.all(PositionMarked))
    for _ in range(seconds):
        at = story.bench.now + timedelta(seconds=1)
        ticks = [leg_ticks(story.leg, 1.98, 2.02, at)]
        story.bench.wait(1, [said(at, *spoilt), *ticks] if spoilt else ticks)
    return story.bench.all(PositionMarked)[before:]


def test_risk_marks_with_the_last_sound_mid_then_with_the_last_trade_degraded() -> None:
    story = zero_dte(session())
    market = Market()
    normal = marks_of(story, 2, (BID, 599.99, 300.0), (ASK, 600.01, 300.0), (LAST, 599.50, 1.0))
    crossed = marks_of(story, 5, (BID, 600.05, 300.0))
    found = []
    for mark in (*normal[-1:], *crossed):
        market.marked(mark)
        found.append((round(market.underlying["SPY"], 2), mark.underlying_quality))
    assert found == [(600.0, "OK")] * 4 + [(599.5, "DEGRADED")] * 2
    legs = {(Decimal(mark.mark), mark.quality) for mark in crossed}
    assert legs == {(Decimal("2.00"), "OK")}, "the quotes of the legs are as good as ever"
    healed = marks_of(story, 1, (BID, 600.00, 300.0), (ASK, 600.02, 300.0))[-1]
    assert (round(healed.underlying_price, 2), healed.underlying_quality) == (600.01, "OK")
