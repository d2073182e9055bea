"""Each expiry is evaluated at the rate of its own life, and says when nobody entered one."""

from __future__ import annotations

import math

import pytest

from domain.analytics.surface import Surface
from domain.events.analytics import ChainEvaluated, Quality
from domain.events.interest_rates import RatePoint, RateUpdated
from tests.domain.analytics.build import DAY, RATE, Tape
from tests.domain.analytics.stage_runs import chain_tape, consumer, run


def curve(*points: tuple[int, float]) -> RateUpdated:
    made = tuple(RatePoint(days=days, rate=rate) for days, rate in points)
    return RateUpdated(as_of=DAY, source="test", points=made, who="test")


def evaluated(tape: Tape) -> tuple[Surface, ChainEvaluated]:
    """The surface of SPY, and the chain of today that was published."""
    worker = consumer()
    emitted = run(tape.events, worker)
    surface = worker.states[0].symbols["SPY"].chain.surface
    chains = [e.body for e in emitted if isinstance(e.body, ChainEvaluated)]
    assert surface is not None
    return surface, next(chain for chain in chains if chain.expiry == DAY)


def test_each_expiry_has_its_own_interpolated_rate() -> None:
    surface, chain = evaluated(chain_tape((4.0, curve((5, 0.030), (65, 0.036)))))
    found = {expiry.days: expiry.rate for expiry in surface.expiries}
    assert found[0] == chain.rate == 0.030
    assert found[66] == 0.036
    for expiry in surface.expiries:
        days = expiry.years * 365
        hand = 0.030 + 0.006 * min(1.0, max(0.0, (days - 5) / 60))
        assert expiry.rate == pytest.approx(hand, abs=1e-12)
        node = surface.layout.slice_of(surface.layout.expiries.index(expiry.expiry)).start
        assert surface.rate[node] == expiry.rate
        grown = surface.spot_escrowed[node] * math.exp(hand * expiry.years)
        assert expiry.forward == pytest.approx(grown)


def test_a_wrong_rate_shows_in_the_forward_and_the_right_one_heals_it() -> None:
    """The quotes are made with 3.75 %: 9 % puts the forward of 66 days 0.9 % too high."""
    wrong, _ = evaluated(chain_tape((4.0, curve((30, 0.09)))))
    last = wrong.expiries[-1]
    assert (last.quality, last.reason) == (Quality.DEGRADED, "FORWARD_MISMATCH")
    right, _ = evaluated(chain_tape((3.0, curve((30, 0.09))), (4.0, curve((30, RATE)))))
    assert right.expiries[-1].quality is Quality.OK


def test_without_a_curve_the_default_is_used_and_the_chain_says_so() -> None:
    surface, chain = evaluated(chain_tape())
    assert set(surface.rate.tolist()) == {RATE}
    assert (chain.rate, chain.quality, chain.reason) == (RATE, Quality.OK, "RATE_DEFAULT")
    _, entered = evaluated(chain_tape((4.0, curve((30, RATE)))))
    assert (entered.rate, entered.quality, entered.reason) == (RATE, Quality.OK, "")
    assert entered.implied_volatility == chain.implied_volatility
