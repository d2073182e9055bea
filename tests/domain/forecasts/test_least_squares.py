"""Recursive least squares against the closed form of the weighted ridge regression."""

from __future__ import annotations

import numpy as np
import pytest

from domain.forecasts.least_squares import LeastSquares


def test_one_step_of_one_coefficient_by_hand() -> None:
    """theta = (10 * 0.5 + 2 * 3) / (10 + 4), P = 1/14."""
    found = LeastSquares.start([0.5], 0.1)
    assert found.update([2.0], 3.0, 1.0) == pytest.approx(2.0)
    assert found.theta == pytest.approx([11 / 14]) and found.spread[0] == pytest.approx([1 / 14])


def test_forgetting_discounts_what_was_known() -> None:
    """Information 0.5 * 10 + 4 = 9, theta = (5 * 0.5 + 6) / 9."""
    found = LeastSquares.start([0.5], 0.1)
    found.update([2.0], 3.0, 0.5)
    assert found.theta == pytest.approx([8.5 / 9]) and found.spread[0] == pytest.approx([1 / 9])


@pytest.mark.parametrize("forgetting", [1.0, 0.998, 0.9])
def test_many_steps_equal_the_closed_form(forgetting: float) -> None:
    """Solved by numpy from all observations at once, weighted forgetting^age."""
    source = np.random.default_rng(6)
    x, y = source.normal(size=(60, 3)), source.normal(size=60)
    found = LeastSquares.start([0.02, 0.5, 0.05], 0.1)
    for row, value in zip(x.tolist(), y.tolist(), strict=True):
        found.update(row, value, forgetting)
    weights = forgetting ** np.arange(59, -1, -1)
    prior = forgetting**60 * 10 * np.eye(3)
    information = prior + (x * weights[:, None]).T @ x
    theta = np.linalg.solve(information, prior @ [0.02, 0.5, 0.05] + (x * weights[:, None]).T @ y)
    assert found.theta == pytest.approx(theta.tolist())
    assert np.array(found.spread) == pytest.approx(np.linalg.inv(information))


def test_trace_is_held_while_nothing_is_observed() -> None:
    found = LeastSquares.start([0.0, 0.0], 0.1, trace_max=0.3)
    found.update([0.0, 0.0], 0.0, 0.5)
    assert found.spread == [pytest.approx([0.15, 0.0]), pytest.approx([0.0, 0.15])]
