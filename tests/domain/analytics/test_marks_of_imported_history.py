"""A z-score that is warm by a vendor's history alone says so, until five own sessions were seen."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from domain.analytics.ewma import EwMoments, five_sessions_moments
from domain.analytics.report import metrics_of
from domain.analytics.state import AnalyticsState
from domain.events.analytics import Metric, Quality
from tests.domain.analytics.build import OPEN, session
from tests.domain.analytics.stage_runs import metric
from tests.domain.analytics.test_quality_of_every_metric import folded

NOW = OPEN + timedelta(minutes=2)
SESSION_SECONDS = 23_400.0


def moments(*, imported: int, own: int) -> EwMoments:
    """Of so many sessions each."""
    found = five_sessions_moments()
    for _ in range(imported):
        found.update(1.0, SESSION_SECONDS)
    if imported:
        found.import_ends(imported * SESSION_SECONDS)
    for _ in range(own):
        found.update(2.0, SESSION_SECONDS)
    return found


def reported(state: AnalyticsState, *names: str) -> list[Metric]:
    report = metrics_of(state, "SPY", NOW)
    return [metric(report, name) for name in names]


@pytest.mark.parametrize(
    ("imported", "own", "quality", "reason"),
    [
        (5, 0, Quality.WARMUP_MODEL, "IMPORTED"),
        (5, 4, Quality.WARMUP_MODEL, "IMPORTED"),
        (5, 5, Quality.OK, ""),
        (3, 2, Quality.WARMUP_MODEL, "IMPORTED"),
        (0, 5, Quality.OK, ""),
    ],
)
def test_scores_against_imported_sessions_are_marked(
    imported: int, own: int, quality: Quality, reason: str
) -> None:
    state = deepcopy(folded())
    known = moments(imported=imported, own=own)
    assert known.is_warm
    flow, tide = state.symbols["SPY"].flow, state.tide
    flow.delta_scores, flow.delta_z = known, 1.5
    flow.bars, flow.classified, flow.last_trade_at = 180, 50, NOW.timestamp()
    tide.slopes, tide.slope, tide.slope_z, tide.updated_at = known, 1.0, -0.5, NOW.timestamp()
    found = reported(state, "delta_flow_z", "tide_slope_z")
    assert [(one.value, one.quality, one.reason) for one in found] == [
        (1.5, quality, reason),
        (-0.5, quality, reason),
    ]
    assert reported(state, "tide_slope")[0].quality is Quality.OK


def test_old_flow_is_stale_whatever_it_is_measured_against() -> None:
    state = deepcopy(folded())
    flow = state.symbols["SPY"].flow
    flow.delta_scores, flow.delta_z = moments(imported=5, own=0), 1.5
    flow.bars, flow.classified, flow.last_trade_at = 180, 50, NOW.timestamp() - 30.5
    assert reported(state, "delta_flow_z")[0].quality is Quality.STALE


@pytest.mark.parametrize(
    ("gone", "quality", "reason"),
    [
        (0, Quality.WARMUP_MODEL, "IMPORTED"),
        (3, Quality.WARMUP_MODEL, "IMPORTED"),
        (4, Quality.STALE, "OLD"),
    ],
)
def test_tides_of_five_days_are_imported_and_stale_after_4_sessions(
    gone: int, quality: Quality, reason: str
) -> None:
    state = deepcopy(folded())
    earlier = [day.session_date for day in session().plan.earlier]
    state.tide_5d_z, state.tide_5d_on = 0.75, earlier[-1 - gone]
    found = reported(state, "tide_5d_z")[0]
    assert (found.value, found.quality, found.reason) == (0.75, quality, reason)
    state.tide_5d_z = None
    assert reported(state, "tide_5d_z")[0].quality is Quality.WARMUP
