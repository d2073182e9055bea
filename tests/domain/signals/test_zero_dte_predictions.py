"""Predictions of the 0DTE stage: direction in slots, outcome of structures, and what they teach."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.event import Body
from domain.events.analytics import PredictionMade, PredictionResolved, PredictionVoided
from tests.domain.risk.build import CLOSE, HALT, OPEN, one
from tests.domain.signals.build import CHEAP_RANGE, RANGE, Strategy, chain_body
from tests.domain.signals.day import SIGNAL_ID, refused, valid


def predictions(bodies: list[Body], model: str, *, scheduled: bool) -> list[PredictionMade]:
    return [
        b for b in bodies
        if isinstance(b, PredictionMade) and b.model == model and b.scheduled is scheduled
    ]  # fmt: skip


def test_direction_is_predicted_once_in_each_slot_whether_traded_or_not() -> None:
    strategy = Strategy(at=OPEN + timedelta(minutes=30))
    quiet: dict[str, Any] = {"noise_x": 0.0, "or_break": 0.0}
    made = predictions(strategy.evaluate(**quiet), "P2", scheduled=True)
    assert [m.prediction_id for m in made] == ["p2-2026-10-06-SPY-0"]
    assert made[0].horizon_end == OPEN + timedelta(minutes=60)
    assert predictions(strategy.evaluate(**quiet), "P2", scheduled=True) == []
    strategy.at = OPEN + timedelta(minutes=35)
    made = predictions(strategy.evaluate(**quiet), "P2", scheduled=True)
    assert [m.prediction_id for m in made] == ["p2-2026-10-06-SPY-1"]
    early = Strategy(at=OPEN + timedelta(minutes=29, seconds=55))
    assert predictions(early.evaluate(), "P2", scheduled=True) == []
    last = Strategy(at=CLOSE - timedelta(minutes=30))
    made = predictions(last.evaluate(), "P2", scheduled=True)
    assert made[0].horizon_end == CLOSE


@pytest.mark.parametrize(("mid", "outcome"), [(600.01, 1.0), (599.99, 0.0), (600.0, 0.5)])
def test_direction_is_resolved_at_its_horizon_and_recalibrates(mid: float, outcome: float) -> None:
    strategy = Strategy(at=OPEN + timedelta(minutes=30))
    strategy.evaluate(noise_x=0.0, or_break=0.0)
    strategy.at = OPEN + timedelta(minutes=60)
    emitted = strategy.evaluate(spot_mid=mid, noise_x=0.0, or_break=0.0)
    resolved = [b for b in emitted if isinstance(b, PredictionResolved)]
    assert [(b.prediction_id, b.outcome) for b in resolved] == [("p2-2026-10-06-SPY-0", outcome)]
    record = strategy.state.direction_record
    assert record.ever.weight == 1 and record.ever.base == outcome
    assert (record.recalibration.b > 0.5) is (outcome == 1.0)


def test_prediction_without_data_at_its_end_is_void_and_counts_nowhere() -> None:
    strategy = Strategy(at=OPEN + timedelta(minutes=30))
    strategy.evaluate(noise_x=0.0, or_break=0.0)
    strategy.at = OPEN + timedelta(minutes=61)
    assert strategy.tick(after=0) == []
    assert one(strategy.tick(), PredictionVoided).model == "P2"
    assert strategy.state.direction_record.ever.weight == 0


def test_structure_outcome_is_predicted_once_a_signal_even_when_the_desk_may_not_trade() -> None:
    strategy = Strategy()
    strategy.when(HALT)
    made = predictions(strategy.evaluate(), "P5", scheduled=False)
    assert [m.prediction_id for m in made] == [f"p5-{SIGNAL_ID}"]
    assert predictions(strategy.evaluate(), "P5", scheduled=False) == []
    assert predictions(Strategy(lines=False).evaluate(), "P5", scheduled=False) == []


def resolved_structure(strategy: Strategy, emitted: list[Body]) -> float | None:
    found = [b for b in emitted if isinstance(b, PredictionResolved) and b.model == "P5"]
    return found[0].outcome if found else None


def test_structure_outcome_is_one_at_the_target() -> None:
    strategy, signal = valid()
    strategy.when(refused())
    strategy.tick_forward(5)
    # At 604 the vertical 600/602 is worth nearly its width.
    emitted = strategy.evaluate(body=chain_body(strategy.at, spot=604.0), spot_mid=604.0)
    assert resolved_structure(strategy, emitted) == 1.0
    assert strategy.state.structure_record.hit_rate == 1.0
    assert strategy.state.neutral_record.hit_rate is None
    assert signal.risk_inputs.model_hits is None


def test_structure_outcome_is_zero_at_the_stop_on_two_refreshes_in_a_row() -> None:
    strategy, _ = valid()
    strategy.when(refused())
    strategy.tick_forward(5)
    low: dict[str, Any] = {"spot_mid": 598.0, "noise_x": 0.0, "or_break": 0.0}
    once = strategy.evaluate(body=chain_body(strategy.at, spot=598.0), **low)
    assert resolved_structure(strategy, once) is None
    twice = strategy.evaluate(body=chain_body(strategy.at, spot=598.0), **low)
    assert resolved_structure(strategy, twice) == 0.0


def test_structure_outcome_at_the_time_stop_lies_between() -> None:
    strategy, signal = valid()
    strategy.when(refused())
    strategy.at = signal.exit_plan.time_stop_at
    emitted = strategy.evaluate(noise_x=0.0, or_break=0.0)
    outcome = resolved_structure(strategy, emitted)
    assert outcome is not None and 0 < outcome < 1


def test_condor_outcome_recalibrates_the_neutral_model() -> None:
    strategy = Strategy(**CHEAP_RANGE)
    strategy.evaluate(RANGE)
    emitted = strategy.evaluate(
        RANGE, body=chain_body(strategy.at, spot=602.9, volatility=0.23), spot_mid=602.9
    )
    outcome = resolved_structure(strategy, emitted)
    assert outcome is not None and outcome < 1
    assert strategy.state.neutral_record.hit_rate == outcome


def test_back_inside_the_noise_area_and_across_vwap_twice_ends_the_followed_trend() -> None:
    strategy, _ = valid()
    strategy.when(refused())
    back: dict[str, Any] = {"minute_close": 597.9, "noise_x": 0.0, "or_break": 0.0}
    strategy.tick_forward(60)
    assert resolved_structure(strategy, strategy.evaluate(after=60, **back)) is None
    assert resolved_structure(strategy, strategy.evaluate(**back)) is not None
