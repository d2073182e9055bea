"""The size vector: each rule by its formula, the smallest binds, a tie takes the lowest number."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instruments import Strategy
from domain.risk.size import (
    Room,
    kelly_share,
    probability_lower,
    size,
    unit_deviation_usd,
    wilson_lower,
)
from tests.domain.risk.build import call_vertical, leg_quote, long_call, parameters, risk_inputs

PARAMETERS = parameters()
SHAPE = call_vertical()


def sized(
    rooms: list[Room] | None = None,
    half: float = 1.0,
    *,
    equity_usd: float = 1_000_000.0,
    max_loss_usd: float = 200.0,
    **inputs: Any,
) -> Any:
    given_rooms = [Room("LIMIT_TOTAL", 1e5)] if rooms is None else rooms
    return size(
        risk_inputs(SHAPE, **inputs),
        SHAPE,
        Strategy.ZERO_DTE,
        equity_usd,
        max_loss_usd,
        half,
        given_rooms,
        PARAMETERS,
    )


def test_bucket_rule_is_its_share_of_equity_times_trust_over_the_unit_loss() -> None:
    assert sized().r1_bucket == pytest.approx(0.005 * 0.5 * 1_000_000 / 200)


def test_kelly_rule_of_the_worked_case_is_capped_at_two_percent() -> None:
    inputs = risk_inputs(
        SHAPE, p_win=0.73, target_usd=100.0, stop_usd=100.0, cost_usd=0.0, trust=1.0
    )
    # p_lcb = 0.70 and even odds: k = 0.40, fractional 0.10, capped at 0.02.
    assert kelly_share(inputs, PARAMETERS) == 0.02


def test_kelly_rule_without_gain_after_cost_is_zero() -> None:
    vector = sized(target_usd=4.8, cost_usd=4.8)
    assert vector.r2_kelly == 0 and vector.units == 0 and vector.binding == "R2"


def test_probability_takes_a_haircut_before_50_outcomes_and_wilson_from_then_on() -> None:
    before = risk_inputs(SHAPE, p_win=0.65, n_eff=49.999, model_hits=0.9)
    assert probability_lower(before, PARAMETERS) == pytest.approx(0.62)
    after = risk_inputs(SHAPE, p_win=0.65, n_eff=50.0, model_hits=0.6)
    expected = wilson_lower(0.6, 50.0, 0.8416212335729143)
    assert probability_lower(after, PARAMETERS) == pytest.approx(expected)
    assert expected < 0.6
    good = risk_inputs(SHAPE, p_win=0.65, n_eff=50.0, model_hits=0.9)
    assert probability_lower(good, PARAMETERS) == 0.65


def test_wilson_bound_equals_the_textbook_value() -> None:
    # 80 of 100 at z = 1.6449: 0.7262 (Wilson 1927, one-sided 95 %).
    assert wilson_lower(0.8, 100, 1.6448536) == pytest.approx(0.7262, abs=5e-4)


def test_volatility_rule_divides_the_target_by_the_deviation_of_a_unit() -> None:
    single = long_call()
    inputs = risk_inputs(single, legs=(leg_quote(1, delta=0.5, gamma=0.04, vega=0.03),))
    move = math.sqrt(0.0001 / 0.6)
    expected = 100 * math.sqrt(
        (0.5 * 600 * move) ** 2 + 0.5 * (0.04 * 600**2 * move**2) ** 2 + 0.03**2
    )
    assert unit_deviation_usd(inputs, single, PARAMETERS) == pytest.approx(expected)


def test_half_size_multiplies_the_first_three_rules_only() -> None:
    whole, half = sized(), sized(half=0.5)
    for name in ("r1_bucket", "r2_kelly", "r3_volatility"):
        assert getattr(half, name) == pytest.approx(getattr(whole, name) / 2)
    assert half.r4_limits == whole.r4_limits and half.r5_liquidity == whole.r5_liquidity


def test_liquidity_rule_takes_half_the_displayed_size_or_two_percent_of_volume() -> None:
    legs = (leg_quote(1, size=30), leg_quote(2, size=1_000, volume=600))
    assert sized(legs=legs).r5_liquidity == 12.0
    legs = (leg_quote(1, size=10), leg_quote(2, size=1_000))
    assert sized(legs=legs).r5_liquidity == 5.0


@pytest.mark.parametrize(("room", "units"), [(2.999, 2), (3.0, 3), (3.001, 3), (2.9999999999, 3)])
def test_units_are_the_floor_of_the_smallest_rule(room: float, units: int) -> None:
    vector = sized([Room("LIMIT_SYMBOL", room)])
    assert vector.units == units and vector.binding == "R4 LIMIT_SYMBOL"


def test_a_tie_names_the_lowest_rule() -> None:
    legs = (leg_quote(1, size=4), leg_quote(2, size=1_000))
    vector = sized([Room("LIMIT_SYMBOL", 2.0)], legs=legs)
    assert vector.r4_limits == vector.r5_liquidity == 2.0
    assert vector.binding == "R4 LIMIT_SYMBOL"


@pytest.mark.parametrize(
    "wrong", [{"equity_usd": 0.0}, {"equity_usd": -1.0}, {"max_loss_usd": 0.0}]
)
def test_nothing_is_sized_without_equity_or_a_loss_to_size_by(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        sized(**wrong)


@given(
    st.floats(0.0, 50.0),
    st.floats(0.05, 0.95),
    st.floats(10, 500),
    st.floats(10, 500),
    st.floats(0.5, 1.0),
)
def test_units_never_exceed_any_rule(
    room: float, p_win: float, target: float, stop: float, trust: float
) -> None:
    vector = sized([Room("X", room)], p_win=p_win, target_usd=target, stop_usd=stop, trust=trust)
    rules = (
        vector.r1_bucket,
        vector.r2_kelly,
        vector.r3_volatility,
        vector.r4_limits,
        vector.r5_liquidity,
    )
    assert 0 <= vector.units <= min(rules) + 1e-6
