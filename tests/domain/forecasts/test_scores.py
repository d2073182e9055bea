"""Scores of forecasts against values worked by hand or taken from textbooks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.forecasts.scores import (
    IntervalScore,
    PointScore,
    ProbabilityScore,
    VarianceScore,
    qlike,
    rank_correlation,
    ranks,
)


def scored(pairs: list[tuple[float, float]], decay: float = 1.0) -> ProbabilityScore:
    found = ProbabilityScore()
    for p, y in pairs:
        found.add(p, y, decay)
    return found


def test_brier_skill_and_log_loss_of_four_outcomes_by_hand() -> None:
    found = scored([(0.9, 1), (0.8, 0), (0.3, 0), (0.1, 1)])
    assert found.brier == pytest.approx((0.01 + 0.64 + 0.09 + 0.81) / 4)
    assert found.skill == pytest.approx(1 - 0.3875 / 0.25)
    assert found.skill_half == pytest.approx(1 - 0.3875 / 0.25)
    # -(ln 0.9 + ln 0.2 + ln 0.7 + ln 0.1) / 4
    assert found.log_loss == pytest.approx(1.0935146, abs=1e-7)
    assert found.calibration_error == pytest.approx((0.1 + 0.8 + 0.3 + 0.9) / 4)


def test_parts_of_murphy_by_hand_with_two_outcomes_in_each_of_two_bins() -> None:
    found = scored([(0.62, 1), (0.68, 0), (0.21, 0), (0.25, 0)])
    assert found.reliability == pytest.approx((2 * 0.15**2 + 2 * 0.23**2) / 4)
    assert found.resolution == pytest.approx((2 * 0.25**2 + 2 * 0.25**2) / 4)
    assert found.uncertainty == pytest.approx(0.25 * 0.75)
    assert found.calibration_error == pytest.approx((2 * 0.15 + 2 * 0.23) / 4)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.05, 0.35, 0.55, 0.95]), st.sampled_from([0.0, 1.0])),
        min_size=2,
        max_size=40,
    ),
    st.sampled_from([1.0, 0.9]),
)
def test_parts_of_murphy_add_up_to_brier_when_each_bin_says_one_probability(
    pairs: list[tuple[float, float]], decay: float
) -> None:
    found = scored(pairs, decay)
    parts = (found.reliability, found.resolution, found.uncertainty)
    reliability, resolution, uncertainty = (part or 0.0 for part in parts)
    assert found.brier == pytest.approx(reliability - resolution + uncertainty, abs=1e-9)


def test_recent_outcomes_weigh_more_by_their_age() -> None:
    """Half-life of one outcome: weights 1/4, 1/2, 1."""
    found = scored([(0.5, 1), (0.5, 0), (0.5, 1)], decay=0.5)
    assert found.weight == pytest.approx(1.75) and found.base == pytest.approx(1.25 / 1.75)
    assert sum(one.weight for one in found.bins) == pytest.approx(1.75)


def test_all_outcomes_alike_have_no_skill_against_their_base() -> None:
    found = scored([(0.9, 1), (0.8, 1)])
    assert found.skill is None and found.skill_half == pytest.approx(1 - 0.025 / 0.25)


def test_certain_and_wrong_costs_a_bounded_log_loss() -> None:
    assert scored([(1.0, 0)]).log_loss == pytest.approx(-math.log(1e-6), rel=1e-6)


def test_fractional_outcomes_take_their_variance_as_reference() -> None:
    found = scored([(0.5, 0.25), (0.5, 0.75)])
    assert found.uncertainty == pytest.approx(0.0625)
    assert found.skill == pytest.approx(0.0)


def test_coverage_and_width_of_an_interval_by_hand() -> None:
    found = IntervalScore()
    for low, high, y in ((0, 1, 0.5), (0, 2, 3), (1, 2, 2)):
        found.add(low, high, y, 1.0)
    assert found.coverage == pytest.approx(2 / 3) and found.width == pytest.approx(4 / 3)


def test_errors_of_a_point_forecast_by_hand() -> None:
    found = PointScore()
    for forecast, y in ((1.0, 2.0), (-1.0, 1.0), (0.5, 0.0)):
        found.add(forecast, y, 1.0)
    assert found.mean_error == pytest.approx((-1 - 2 + 0.5) / 3)
    assert found.rmse == pytest.approx(math.sqrt((1 + 4 + 0.25) / 3))
    assert found.skill == pytest.approx(1 - 5.25 / 5)
    assert found.sign_hits == pytest.approx(0.5), "an outcome of zero has no sign"


def test_qlike_by_hand_and_against_the_reference() -> None:
    assert qlike(1.0, 2.0) == pytest.approx(1 - math.log(2))
    assert qlike(3.0, 3.0) == 0
    found = VarianceScore()
    found.add(1.0, 2.0, 2.0, 1.0)
    found.add(2.0, 1.0, 2.0, 1.0)
    assert found.loss == pytest.approx((1 - math.log(2)) / 2)
    assert found.skill == pytest.approx(0.0)


def test_rank_correlation_shares_ranks_of_equal_values() -> None:
    """scipy.stats.spearmanr([1, 2, 2, 3], [1, 3, 2, 4]) is 0.9486832980505138."""
    assert ranks([1, 2, 2, 3]) == [1, 2.5, 2.5, 4]
    pairs = [(1.0, 1.0), (2.0, 3.0), (2.0, 2.0), (3.0, 4.0)]
    assert rank_correlation(pairs) == pytest.approx(0.9486832980505138)
    assert rank_correlation([(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]) is None
    assert rank_correlation(pairs[:2]) is None
