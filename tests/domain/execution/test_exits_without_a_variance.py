"""A sold strike is left when the price is past it, though the variance to the close is unknown."""

from __future__ import annotations

import pytest

from domain.events.orders import OrderIntended
from domain.events.positions import ExitDecided, ExitReason
from domain.events.signals import SignalExpired
from domain.instruments import Direction
from tests.domain.execution.bench import Bench
from tests.domain.execution.execution_build import (
    condor,
    execution_of,
    leg_ticks,
    plan,
    underlying_ticks,
)
from tests.domain.execution.stories import only


@pytest.mark.parametrize(
    ("price", "leaves"), [(609.95, False), (610.0, True), (611.0, True), (590.0, True)]
)
def test_a_condor_past_a_short_strike_is_left_without_a_known_variance(
    price: float, leaves: bool
) -> None:
    """An entry that fills after its signal expired has no forecast to measure "near" by."""
    bench = Bench()
    bench.start()
    for leg in condor().legs:
        quote = (0.98, 1.0) if leg.ratio < 0 else (0.58, 0.60)
        bench.market(leg_ticks(leg.contract, *quote))
    given = plan(target="-0.40", stop="-1.60", invalidation="near_short_strike")
    intents = bench.enter(condor(), mid="-0.80", exit_plan=given, direction=Direction.NEUTRAL)
    (entry,) = only(intents, OrderIntended)
    bench.sent(entry)
    bench.give(SignalExpired(signal_id="s1", reason="the entry ended without a fill"))
    for leg, fill in enumerate(("0.99", "0.59", "0.99", "0.59")):
        body = execution_of(entry, 4, fill, f"e.0{leg + 2}.01", bench.now, leg=leg)
        bench.give_execution(body)
    emitted = bench.wait(1, [underlying_ticks(price, bench.now)])
    found = [decided.reason for decided in only(emitted, ExitDecided)]
    assert found == ([ExitReason.INVALIDATED] if leaves else [])
