"""The score: every feature by its formula, contributions that add up, coverage."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events.analytics import Metric, Quality
from domain.signals.reading import Reading
from domain.signals.score import logistic
from domain.signals.zero_dte_parameters import WEIGHT_SOURCES
from tests.domain.risk.build import CLOSE, NOON, parameters
from tests.domain.signals.build import TREND, measure, reading, scored

PARAMETERS = parameters()


def x(name: str, **changes: float | str | None) -> float | None:
    return measure(reading(**changes), name).x


def test_weights_of_the_bucket_add_up_to_the_published_total() -> None:
    assert sum(weight for weight, _ in WEIGHT_SOURCES.values()) == pytest.approx(2.10)


@pytest.mark.parametrize(
    ("feature", "changes", "expected"),
    [
        ("noise", {"noise_x": 0.75}, 0.5),
        ("noise", {"noise_x": -9.0}, -1.0),
        ("vwap", {"vwap_dev": 2.0}, math.tanh(1)),
        ("or_break", {"or_break": -1.0}, -1.0),
        ("or_break", {"or_break": "UP"}, 1.0),
        ("ofi_5m", {"ofi_5m_z": -1.0}, math.tanh(-0.5)),
        ("flow", {"fi_s": -0.4}, -0.4),
        ("delta_flow", {"delta_flow_z": 4.0}, math.tanh(2)),
        ("sweeps", {"sweep_z": 1.0}, math.tanh(0.5)),
        ("tide", {"tide_slope_z": 1.0}, math.tanh(0.5)),
        ("gamma_gate", {"gex_norm": -0.05, "noise_x": 1.5}, 0.5),
        ("gamma_gate", {"gex_norm": 0.50, "noise_x": 0.75}, -0.5),
        ("walls", {"gex_regime": "NEG"}, 0.0),
        (
            "walls",
            {"gex_regime": "POS", "put_wall": 597.0, "call_wall": 606.0, "em_1sd_0dte": 4.0},
            math.exp(-3) - math.exp(-6),
        ),
        ("peers", {"peers_x": -0.3}, -0.3),
        ("skew_chg", {"skew_chg_z": 2.0}, math.tanh(1)),
        ("late_mom", {"late_mom_x": 0.9}, 0.0),
    ],
)
def test_feature_by_its_formula(
    feature: str, changes: dict[str, float | str | None], expected: float
) -> None:
    assert x(feature, **changes) == pytest.approx(expected)


def test_walls_whose_gamma_expires_today_pull_nothing_in_the_last_hour() -> None:
    late = CLOSE - timedelta(minutes=60)
    pulling = {"gex_regime": "POS", "put_wall": 597.0, "call_wall": 606.0}
    for at, expected in ((late - timedelta(seconds=1), True), (late, False)):
        found = replace(reading(**pulling), at=at)
        assert (measure(found, "walls", expiration=True).x != 0.0) is expected
        assert measure(found, "walls").x != 0.0


def test_late_momentum_counts_from_thirty_minutes_before_the_close() -> None:
    late = Reading("SPY", CLOSE - timedelta(minutes=30), reading(late_mom_x=0.9).metrics)
    assert measure(late, "late_mom").x == 0.9
    early = Reading("SPY", CLOSE - timedelta(minutes=30, seconds=5), late.metrics)
    assert measure(early, "late_mom").x == 0.0


@pytest.mark.parametrize(
    ("quality", "available"),
    [
        (Quality.OK, True),
        (Quality.DEGRADED, True),
        (Quality.WARMUP_MODEL, True),
        (Quality.WARMUP, False),
        (Quality.STALE, False),
        (Quality.MISSING, False),
        (Quality.EXPIRED, False),
    ],
)
def test_quality_decides_whether_a_feature_is_available(quality: Quality, available: bool) -> None:
    base = reading()
    metric = Metric("fi_s", 0.5, "", NOON, quality)
    found = Reading("SPY", NOON, {**base.metrics, "fi_s": metric})
    assert (measure(found, "flow").x is not None) is available


def test_coverage_of_the_worked_cases() -> None:
    def coverage(**missing: None) -> float:
        return scored(reading(**missing), PARAMETERS).coverage

    flow: dict[str, None] = {"fi_s": None, "delta_flow_z": None, "sweep_z": None}
    assert coverage() == 1.0
    assert coverage(**flow) == pytest.approx(0.81, abs=0.005)
    assert coverage(**flow, tide_slope_z=None) == pytest.approx(0.74, abs=0.005)
    gone = coverage(**flow, tide_slope_z=None, gex_norm=None, gex_regime=None)
    assert gone == pytest.approx(0.55, abs=0.005)


NUMBERS = [name for name, value in TREND.items() if isinstance(value, float)]
values = st.dictionaries(
    st.sampled_from(NUMBERS), st.none() | st.floats(-1e4, 1e4, allow_nan=False), max_size=12
)


@given(values, st.floats(-0.5, 0.5), st.floats(0, 1.5), st.sampled_from(["POS", "NEG", None]))
def test_contributions_bias_and_clip_add_up_to_the_log_odds(
    changes: dict[str, float | None], a: float, b: float, regime: str | None
) -> None:
    found = scored(reading(**{**changes, "gex_regime": regime}), PARAMETERS, a=a, b=b)
    total = found.bias + found.clip_adjust + sum(f.contribution for f in found.features)
    assert abs(found.log_odds - total) <= 1e-9
    assert all(-1 <= feature.x <= 1 for feature in found.features)
    assert abs(found.raw) <= 1.75 and 0 <= found.coverage <= 1
    assert found.probability_up == pytest.approx(logistic(found.log_odds))


def test_clip_of_an_extreme_score_is_reported_as_its_own_part() -> None:
    strong = {f"signals__0dte__weight__{name}": 0.6 for name in ("noise", "vwap", "ofi_5m", "tide")}
    found = scored(reading(), parameters(**strong))
    assert found.raw == 1.75 and found.clip_adjust < 0


def test_logistic_does_not_overflow() -> None:
    assert logistic(-1e4) == 0.0 and logistic(1e4) == 1.0
