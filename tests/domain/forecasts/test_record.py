"""Recalibration, Brier skill, overlap and trust against hand-computed values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.forecasts.record import Outcome, Recalibration, Record, Spacing, Weighted
from domain.signals.score import logistic
from tests.domain.risk.build import parameters

PARAMETERS = parameters()


def feed(record: Record, pairs: list[tuple[float, float]], start: int = 0) -> None:
    """Outcomes 1800 s apart with a horizon of 1800 s: none overlap."""
    for n, (p, y) in enumerate(pairs, start):
        record.add(Outcome("SPY", p, y, n * 1800.0, 1800.0), PARAMETERS)


def test_one_step_of_the_recalibration_by_hand() -> None:
    found = Recalibration()
    found.update(1.0, 1.0)
    p = logistic(0.5)
    weight = p * (1 - p)
    determinant = (16 + weight) ** 2 - weight**2
    step = 16 * (1 - p) / determinant
    assert found.a == pytest.approx(step) and found.b == pytest.approx(0.5 + step)


@given(st.lists(st.tuples(st.floats(-1.75, 1.75), st.floats(0, 1)), max_size=60))
def test_recalibration_stays_in_its_bounds(pairs: list[tuple[float, float]]) -> None:
    found = Recalibration()
    for s, y in pairs:
        found.update(s, y, offset=math.log(2))
    assert -0.5 <= found.a <= 0.5 and 0 <= found.b <= 1.5


def test_recalibration_shrinks_a_score_that_says_nothing_and_raises_one_that_tells() -> None:
    useless, telling = Recalibration(), Recalibration()
    for n in range(400):
        s = 1.5 if n % 2 else -1.5
        useless.update(s, 1.0 if n % 4 < 2 else 0.0)
        telling.update(s, 1.0 if s > 0 else 0.0)
    assert useless.b < 0.2 and telling.b > 1.0


def test_skill_is_one_for_certainty_zero_for_the_base_rate_and_none_without_variety() -> None:
    perfect, base, same = Weighted(), Weighted(), Weighted()
    for y in (1.0, 0.0, 1.0, 0.0):
        perfect.add(y, y, 1.0)
        base.add(0.5, y, 1.0)
        same.add(0.5, 1.0, 1.0)
    assert perfect.skill == 1.0 and base.skill == 0.0 and same.skill is None
    assert Weighted().skill is None


def test_weights_halve_over_the_half_life() -> None:
    found = Weighted()
    decay = 0.5 ** (1 / 200)
    found.add(0.0, 1.0, decay)
    for _ in range(200):
        found.add(0.0, 0.0, decay)
    assert found.outcome == pytest.approx(0.5)


def test_overlapping_horizons_count_less() -> None:
    found = Spacing()
    for n in range(60):
        found.add(n * 300.0, 1800.0)
    assert found.n_eff == pytest.approx(10.0)
    apart = Spacing()
    for n in range(10):
        apart.add(n * 3600.0, 1800.0)
    assert apart.n_eff == 10.0


def test_trust_is_half_until_50_outcomes_show_skill() -> None:
    record = Record()
    good = [(0.8, 1.0), (0.2, 0.0)] * 25
    feed(record, good[:49])
    assert record.n_eff == 49 and record.trust(PARAMETERS) == 0.5
    feed(record, good[49:], 49)
    assert record.n_eff == 50 and record.trust(PARAMETERS) == 1.0


def test_trust_without_skill_stays_at_half() -> None:
    record = Record()
    feed(record, [(0.5, 1.0), (0.5, 0.0)] * 30)
    assert record.trust(PARAMETERS) == 0.5 and not record.failed


def test_model_fails_at_50_bad_outcomes_and_comes_back_after_50_good_ones() -> None:
    record = Record()
    bad = [(0.3, 1.0), (0.7, 0.0)] * 25
    feed(record, bad[:49])
    assert not record.failed
    feed(record, bad[49:], 49)
    assert record.failed
    good = [(0.8, 1.0), (0.2, 0.0)] * 25
    feed(record, good[:49], 50)
    assert record.failed
    feed(record, good[49:], 99)
    assert not record.failed
    # The weighted skill still remembers the bad ones: it does not fail the model again at once.
    feed(record, [(0.6, 1.0)], 100)
    assert not record.failed


def test_model_that_came_back_fails_again_after_50_bad_outcomes_though_it_never_rose() -> None:
    """Its weighted skill is below the floor all the time: only what came since counts.

    It comes back at the 37th good one, 37 x 0.16 + 13 x 0.49 < 50 x 0.25. The 50 since are the 13
    other good ones and 37 bad ones: BSS = 1 - (13 x 0.16 + 37 x 0.49) / 50 / 0.25 = -0.62.
    """
    record = Record()
    bad = [(0.3, 1.0), (0.7, 0.0)] * 25
    feed(record, bad * 4)
    feed(record, [(0.6, 1.0), (0.4, 0.0)] * 25, 200)
    skill = record.recent.skill
    assert not record.failed and skill is not None and skill < -0.05
    feed(record, bad[:36], 250)
    assert not record.failed
    feed(record, bad[36:37], 286)
    assert record.failed


def test_bad_outcomes_after_a_failure_do_not_bring_it_back() -> None:
    record = Record()
    feed(record, [(0.3, 1.0), (0.7, 0.0)] * 80)
    assert record.failed
