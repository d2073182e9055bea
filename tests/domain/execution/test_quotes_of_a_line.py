"""What makes a quote of an option line fresh: its own sides and sizes, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from domain.execution.quotes import Quotes
from tests.domain.execution.execution_build import START, contract, leg_ticks, underlying_ticks

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


@pytest.mark.parametrize("kind", [0, 2, 3, 4])
def test_unknown_frozen_and_delayed_data_never_price_an_order(kind: int) -> None:
    """Neither by the type that TWS gives them nor under the tick types of delayed data."""
    quotes = Quotes()
    for packet in (leg_ticks(LEG, 1.98, 2.02), underlying_ticks()):
        assert not quotes.apply(replace(packet, market_data_type=kind), START)
    assert not quotes.lines and not quotes.underlyings
    delayed = [(tick, 1.0, 5.0) for tick in range(66, 91)]
    for packet in (leg_ticks(LEG, 1.98, 2.02), underlying_ticks()):
        quotes.apply(replace(packet, ticks=delayed), START)
    line = quotes.lines[LEG.con_id]
    assert (line.bid, line.ask, line.at) == (None, None, None)
    assert quotes.underlying_price("SPY", START) is None
    quotes.apply(leg_ticks(LEG, 1.98, 2.02), START)
    quotes.apply(replace(leg_ticks(LEG, 5.0, 5.1, LATER), market_data_type=kind), LATER)
    assert line.at == START and line.bid is not None and float(line.bid) == 1.98
