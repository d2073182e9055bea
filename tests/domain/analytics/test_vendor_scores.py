"""The vendor's vanna and charm are scored against themselves alone: their units are not ours."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest

from domain.analytics.ewma import FIVE_SESSIONS_SECONDS
from domain.analytics.stage import AnalyticsStage
from domain.analytics.state import AnalyticsState
from domain.analytics.vendor_gex import SelfScored
from domain.events.analytics import Quality
from domain.stage import Emission
from tests.domain.analytics.build import OPEN, Tape, bar, vendor_gex
from tests.domain.analytics.day_build import start
from tests.domain.analytics.stage_runs import metric, reports

NAMES = ("vendor_vanna_z", "vendor_charm_z")


def test_a_value_is_scored_against_the_minutes_before_it() -> None:
    """Of 1 and then 2 with h = 5 sessions, a = 1 - 2^(-1/1950): mean 1 + a, variance (1 - a) a."""
    found = SelfScored()
    found.moments.warm_after = 120.0
    for minute, value in enumerate((1.0, 2.0, 3.0), start=1):
        found.take(value, minute * 60.0)
        assert found.score is None
        found.close_minute(minute * 60.0, 120.0)
    alpha = 1 - 2 ** (-60 / FIVE_SESSIONS_SECONDS)
    exact = (3 - (1 + alpha)) / math.sqrt((1 - alpha) * alpha)
    assert exact > 4 and found.score == 4.0, "clipped"
    found.take(1.0 + alpha, 240.0)
    found.close_minute(240.0, 120.0)
    assert found.score is not None and -0.1 < found.score < 0


def test_what_the_vendor_does_not_tell_is_not_observed() -> None:
    found = SelfScored()
    found.take(5.0, 0.0)
    found.take(None, 60.0)
    found.close_minute(120.0, 120.0)
    assert (found.value, found.moments.count) == (5.0, 1)
    found.close_minute(121.0, 120.0)
    assert (found.score, found.moments.count) == (None, 1)
    found.begin_session()
    found.close_minute(180.0, 1e9)
    assert (found.value, found.moments.count) == (None, 1)


def minutes_of(
    told_until: int, minutes: int, *, warm: bool
) -> tuple[AnalyticsState, list[Emission]]:
    """Bars that close minutes; the vendor tells twice a minute, up to a second of the session."""
    tape = Tape()
    start(tape)
    for n in range(minutes * 12):
        at: datetime = OPEN + timedelta(seconds=5 * n)
        if n % 6 == 0 and 5 * n <= told_until:
            tape.add(vendor_gex("SPY", at, 1e9, 7e9 + n, -3e9), at)
        tape.add(bar("SPY", at, 660.0), at + timedelta(seconds=5))
    stage = AnalyticsStage()
    state, told = stage.initial(), []
    for moments in (state.symbols["SPY"].vendor_vanna, state.symbols["SPY"].vendor_charm):
        moments.moments.observed = FIVE_SESSIONS_SECONDS if warm else 0.0
    for event in tape.events:
        state = stage.evolve(state, event)
        told.extend(stage.react(state, event))
    return state, told


@pytest.mark.parametrize(
    ("told_until", "warm", "quality", "reason"),
    [
        (600, True, Quality.OK, ""),
        (600, False, Quality.WARMUP, "WARMUP"),
        (30, True, Quality.STALE, "OLD"),
        (-1, True, Quality.MISSING, "NO_VENDOR"),
    ],
)
def test_the_scores_are_reported_with_each_minute(
    told_until: int, warm: bool, quality: Quality, reason: str
) -> None:
    state, told = minutes_of(told_until, 5, warm=warm)
    found = [metric(reports(told)[-1], name) for name in NAMES]
    assert [(one.quality, one.reason) for one in found] == [(quality, reason)] * 2
    if quality is Quality.OK:
        # Vanna rises by 12 a minute; charm stays, its score is 0 over no deviation.
        assert isinstance(found[0].value, float) and found[0].value > 1 and found[1].value == 0.0
        assert found[0].as_of == OPEN + timedelta(seconds=270)
        assert state.symbols["SPY"].vendor_vanna.moments.count == 5
    else:
        assert {one.value for one in found} == {None}
