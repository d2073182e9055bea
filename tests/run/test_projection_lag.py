"""Lags of projections: counted from the database's stamp, bounded, summed up over heartbeats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.event import Recorded
from run.projection_lag import LagWindow, quantile, worst_p99_seconds
from run.projection_metrics import LAG_BOUNDS_SECONDS
from tests.run.events import halt_request

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def aged(seconds: float) -> Recorded:
    return replace(halt_request(1), recorded_at=datetime.now(UTC) - timedelta(seconds=seconds))


def test_a_heartbeat_tells_median_tail_and_longest_and_begins_anew() -> None:
    window = LagWindow("hot", LONG_AGO)
    window.applied([aged(0.03)] * 98 + [aged(0.3), aged(3.0)], 0.001)
    figures = window.take_figures()
    assert figures["hot.lag_seconds_p50"] == 0.05
    assert figures["hot.lag_seconds_p99"] == 0.5
    assert 3.0 <= figures["hot.lag_seconds_max"] < 4.0
    assert figures["hot.lag_seconds_le_0.05"] == 98
    assert window.take_figures() == {}


def test_figures_are_bounded_whatever_was_applied() -> None:
    window = LagWindow("hot", LONG_AGO)
    for exponent in range(-12, 22):
        window.applied([aged(2.0**exponent)], 0.001)
    figures = window.take_figures()
    assert len(figures) <= len(LAG_BOUNDS_SECONDS) + 4
    assert figures["hot.lag_seconds_le_inf"] > 0
    assert figures["hot.lag_seconds_p99"] <= figures["hot.lag_seconds_max"]


def test_what_waited_while_the_projector_was_down_is_not_its_lag() -> None:
    window = LagWindow("hot", datetime.now(UTC))
    window.applied([aged(3_600.0)], 0.001)
    assert window.take_figures() == {}


def test_a_clock_ahead_of_ours_is_no_negative_lag() -> None:
    window = LagWindow("hot", LONG_AGO)
    window.applied([aged(-5.0)], 0.001)
    assert window.take_figures()["hot.lag_seconds_max"] == 0.0


@given(
    lags=st.lists(st.floats(0.0005, 59.0), min_size=1, max_size=200),
    share=st.sampled_from([0.5, 0.9, 0.99, 1.0]),
)
def test_a_quantile_is_the_upper_end_of_the_bucket_of_the_exact_one(
    lags: list[float], share: float
) -> None:
    bounds = [next(b for b in LAG_BOUNDS_SECONDS if lag <= b) for lag in lags]
    counts = {f"{bound:g}": float(bounds.count(bound)) for bound in bounds}
    rank = next(n for n in range(1, len(lags) + 1) if n >= share * len(lags))
    exact = sorted(lags)[rank - 1]
    found = quantile(counts, share)
    assert found == next(b for b in LAG_BOUNDS_SECONDS if exact <= b)


def test_the_run_is_as_slow_as_its_slowest_projection() -> None:
    hot = {"hot.lag_seconds_le_0.01": 1_000.0, "hot.lag_seconds_max": 0.009}
    audit = {
        "audit.lag_seconds_le_0.05": 10.0,
        "audit.lag_seconds_le_0.2": 5.0,
        "audit.lag_seconds_max": 0.18,
    }
    assert worst_p99_seconds([hot]) == 0.009
    assert worst_p99_seconds([hot, audit, {"queue_depth": 4.0}]) == 0.18
    assert worst_p99_seconds([hot | audit, audit]) == 0.18
    beyond = {"hot.lag_seconds_le_inf": 100.0, "hot.lag_seconds_max": 77.0}
    assert worst_p99_seconds([hot, beyond]) == pytest.approx(77.0)
    assert worst_p99_seconds([{"queue_depth": 1.0}]) is None
