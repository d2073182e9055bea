"""Every row of the catalogue: unknown without inputs, stale past its age, and never silently so.

Ages are those that the catalogue names; each row is looked at right before and after its own.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache

import pytest

from domain.analytics.catalogue import METRICS, MetricSpec
from domain.analytics.report import metrics_of
from domain.analytics.stage import AnalyticsStage
from domain.analytics.state import AnalyticsState
from domain.events.analytics import Metric, Quality
from domain.signals.reading import Reading
from tests.domain.analytics.build import OPEN, Tape, bar, parameters, plan
from tests.domain.analytics.stage_runs import day_tape

AGES = {
    "quote_age_max_underlying": 2.0,
    "bar_age_max": 12.0,
    "bar_age_max (implied: quote_age_max_option_metric_*)": 12.0,
    "12 s": 12.0,
    "60 s": 60.0,
    "70 s": 70.0,
    "150 s": 150.0,
    "vendor_gex_age_max": 120.0,
    "vendor_flow_age_max without a trade in SPY": 30.0,
}
OPTION_AGES = {"0dte": 15.0, "1dte": 90.0}
LATER_AGE = 180.0
DAILY = ("4 sessions", "never", "feed silent 15 min: DEGRADED")
"""Rows that age by sessions, or by no time at all."""
OF_THE_MOMENT = {"quote_age_s", "bar_age_s"}
"""Ages themselves."""
OF_THE_PLAN = {"rho", "late_mom_x", "beta", "news_state", "calendar_state", "news_keywords"}
"""Known from the plan, a default or a fixed table, without any feed."""
BY_MINUTES = {"minute_close"}
"""Reported from closed minutes, which are 70 s old at most."""
SINCE_LAST_INPUT = {"tide": 60.0}
"""How old the newest of its input is at the end of the tape; 5 s at most of all others."""


def age_of(spec: MetricSpec) -> float:
    if spec.name in BY_MINUTES:
        return 70.0
    if spec.stale_after.startswith("quote_age_max_option"):
        return OPTION_AGES.get(spec.name.rpartition("_")[2], LATER_AGE)
    return AGES[spec.stale_after]


@cache
def folded() -> AnalyticsState:
    """Two minutes of the whole market."""
    stage = AnalyticsStage()
    state = stage.initial()
    for event in day_tape().events:
        state = stage.evolve(state, event)
    return state


def seen(seconds: float) -> dict[str, Metric]:
    at = OPEN + timedelta(minutes=2, seconds=seconds)
    return {m.name: m for m in metrics_of(folded(), "SPY", at).metrics}


@cache
def seen_at_once() -> dict[str, Metric]:
    return seen(0)


@cache
def without_inputs() -> dict[str, Metric]:
    """One bar that closes a minute, and nothing else."""
    stage, tape = AnalyticsStage(), Tape()
    tape.add(parameters(), OPEN)
    tape.add(plan(), OPEN)
    tape.add(bar("SPY", OPEN + timedelta(seconds=55), 660.0), OPEN + timedelta(minutes=1))
    state = stage.initial()
    for event in tape.events:
        state = stage.evolve(state, event)
    found = metrics_of(state, "SPY", OPEN + timedelta(minutes=1))
    return {m.name: m for m in found.metrics}


ROWS = [spec for spec in METRICS if spec.module != "auction"]
FROM_BARS = {"last_close", "minute_close", "bar_age_s"}


@pytest.mark.parametrize("spec", ROWS, ids=lambda spec: spec.name)
def test_without_its_inputs_a_metric_is_missing_or_warming_up_and_says_why(
    spec: MetricSpec,
) -> None:
    found = without_inputs()[spec.name]
    if spec.name in FROM_BARS | OF_THE_PLAN:
        return
    if found.value is None:
        assert found.quality not in (Quality.OK, Quality.WARMUP_MODEL) and found.reason
    else:
        assert found.quality in (Quality.WARMUP, Quality.MISSING, Quality.DEGRADED), found


@pytest.mark.parametrize("spec", ROWS, ids=lambda spec: spec.name)
def test_past_its_age_a_metric_is_not_read_any_more(spec: MetricSpec) -> None:
    """What was good or warming up is STALE (a mean of others: MISSING); readers get null."""
    if spec.stale_after in DAILY or spec.name in OF_THE_MOMENT:
        return
    before = seen_at_once()[spec.name]
    age = age_of(spec)
    within = seen(max(age - SINCE_LAST_INPUT.get(spec.module, 5.0) - 0.5, 0.0))[spec.name]
    after = seen(age + 0.5)[spec.name]
    if before.quality is Quality.OK:
        assert within.quality is Quality.OK, "not before its age"
        allowed = {Quality.STALE, Quality.MISSING} if spec.name == "peers_x" else {Quality.STALE}
        if spec.name == "late_mom_x":
            allowed = {Quality.OK}  # switched off before its time: 0, whatever the bars
        assert after.quality in allowed, (before, after)
    else:
        assert after.quality is not Quality.OK
    if after.quality is not Quality.OK:
        assert reading(after).number(spec.name) is None
        assert after.reason


def reading(metric: Metric) -> Reading:
    return Reading("SPY", OPEN, {metric.name: metric})
