"""Where a structure gains at expiry, how likely that is, and its outcome, against hand values."""

from __future__ import annotations

import math
from datetime import timedelta
from statistics import NormalDist

import pytest

from domain.events.analytics import PredictionMade, PredictionResolved
from domain.forecasts import inside
from domain.forecasts.inside import Payoff
from domain.instruments import Strategy
from tests.domain.forecasts.build import Forecasts
from tests.domain.risk.build import CLOSE, NOON, one, session
from tests.domain.signals.build import Strategy as DrivenStrategy
from tests.domain.signals.build import reading

N = NormalDist().cdf
CONDOR = [
    Payoff(1, 590, False),
    Payoff(-1, 593, False),
    Payoff(-1, 607, True),
    Payoff(1, 610, True),
]


def test_profitable_ranges_by_hand() -> None:
    assert inside.profitable([Payoff(1, 600, True)], 2.0) == [(602.0, math.inf)]
    assert inside.profitable([Payoff(1, 600, False)], 2.0) == [(0.0, 598.0)]
    vertical = [Payoff(1, 600, True), Payoff(-1, 604, True)]
    assert inside.profitable(vertical, 1.5) == [(pytest.approx(601.5), math.inf)]
    (condor,) = inside.profitable(CONDOR, -0.8)
    assert condor == pytest.approx((592.2, 607.8))
    straddle = [Payoff(1, 600, True), Payoff(1, 600, False)]
    low, high = inside.profitable(straddle, 5.0)
    assert low == pytest.approx((0.0, 595.0)) and high == (pytest.approx(605.0), math.inf)


def test_a_structure_that_cannot_gain_has_no_range() -> None:
    assert inside.profitable([Payoff(1, 600, True), Payoff(-1, 604, True)], 4.5) == []


def test_probability_of_a_range_by_hand() -> None:
    v, drift = 1e-4, 0.001
    found = inside.p_inside([(592.2, 607.8)], 600.0, v, drift)
    high = N((math.log(607.8 / 600) - drift + v / 2) / 0.01)
    low = N((math.log(592.2 / 600) - drift + v / 2) / 0.01)
    assert found == pytest.approx(high - low)
    assert inside.p_inside([(0.0, math.inf)], 600.0, v, 0.0) == 1.0


def test_shift_follows_the_direction_and_is_bounded() -> None:
    assert inside.shift(0.6, 4e-6, 1e-4) == pytest.approx(0.2 * 0.5 * 0.002)
    assert inside.shift(0.5, 4e-6, 1e-4) == 0
    assert inside.shift(1.0, 1e-2, 1e-4) == pytest.approx(0.35 * 0.01)
    assert inside.shift(0.0, 1e-2, 1e-4) == pytest.approx(-0.35 * 0.01)


def test_variance_to_the_horizon_of_each_direction_prediction() -> None:
    """At noon New York half of 11:30-12:30 lies behind: shares 0.475 to 0.5275 of a full day."""
    found, day = reading(v_rem=4e-5, rv_hat_day=9e-5, rv_22d=8e-5), session()
    # 150 minutes: 0.154 + 0.185 + 0.136 = 0.475 done; 30 more: half of 0.105.
    part = inside.horizon_variance(Strategy.ZERO_DTE, found, day, 0.4)
    assert part == pytest.approx(4e-5 * 0.0525 / 0.525)
    assert inside.horizon_variance(Strategy.CLOSING, found, day, 0.4) == 4e-5
    following = 8e-5 + 1e-5 * 0.94
    night = following * 0.4 / 0.6
    part = inside.horizon_variance(Strategy.ONE_DTE, found, day, 0.4)
    assert part == pytest.approx(4e-5 + night + 0.154 * following)
    days = [8e-5 + 1e-5 * 0.94**n for n in range(1, 6)]
    part = inside.horizon_variance(Strategy.FOURTEEN_DTE, found, day, 0.4)
    assert part == pytest.approx(4e-5 + sum(value / 0.6 for value in days))
    lacking = reading(v_rem=4e-5, rv_22d=None)
    assert inside.horizon_variance(Strategy.ONE_DTE, lacking, day, 0.4) is None


def test_recorded_ranges_tell_inside_from_outside() -> None:
    values = inside.range_values([(0.0, 595.0), (605.0, math.inf)])
    assert values == {"low_0": 0.0, "high_0": 595.0, "low_1": 605.0}
    assert [inside.is_inside(values, price) for price in (590, 600, 700)] == [True, False, True]
    assert not inside.is_inside({}, 600)


def test_it_is_predicted_once_with_the_structures_outcome() -> None:
    strategy = DrivenStrategy()
    emitted = [*strategy.evaluate(), *strategy.evaluate()]
    made = [b for b in emitted if isinstance(b, PredictionMade) and b.model == inside.MODEL]
    assert len(made) == 1 and 0 < made[0].values["p"] < 1
    assert made[0].horizon_end == CLOSE and made[0].values["shift"] > 0
    assert made[0].values["low_0"] > 600, "a debit vertical gains beyond its breakeven"


@pytest.mark.parametrize(("close", "outcome"), [(601.0, 1.0), (610.0, 0.0)])
def test_the_last_price_of_the_expiry_settles_it(close: float, outcome: float) -> None:
    desk = Forecasts(NOON)
    body = PredictionMade(
        prediction_id="p5-inside-s",
        model=inside.MODEL,
        model_version="1",
        symbol="SPY",
        bucket="0DTE",
        made_at=NOON,
        horizon_end=CLOSE,
        kind="prob",
        values={"p": 0.6, "low_0": 595.0, "high_0": 605.0},
        scheduled=False,
    )
    desk.when(body)
    desk.at = CLOSE - timedelta(seconds=5)
    desk.at += timedelta(seconds=5)
    desk.bar(close=close)
    assert one(desk.evaluate(after=0), PredictionResolved).outcome == outcome
