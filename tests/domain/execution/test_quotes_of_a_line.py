"""What makes a quote of an option line fresh: its own sides and sizes, and nothing else."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from domain.execution.quotes import Quotes
from tests.domain.execution.execution_build import START, contract, leg_ticks

LEG = contract()
LAST, ASK_SIZE = 4, 3
LATER = START + timedelta(seconds=5)


def test_a_trade_does_not_make_an_old_quote_fresh_and_a_size_does() -> None:
    quotes = Quotes()
    quotes.apply(leg_ticks(LEG, 1.98, 2.02, START, size=50), START)
    line = quotes.lines[LEG.con_id]
    packet = leg_ticks(LEG, 1.98, 2.02, LATER)
    quotes.apply(replace(packet, ticks=[(LAST, 2.00, 7)]), LATER)
    assert (line.at, line.bid_size, line.ask_size) == (START, 50, 50)
    quotes.apply(replace(packet, ticks=[(ASK_SIZE, None, 7)]), LATER)
    assert (line.at, line.bid_size, line.ask_size) == (LATER, 50, 7)
