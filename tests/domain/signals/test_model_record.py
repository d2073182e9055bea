"""What a valid signal tells of the model behind its probability: outcomes, skill, its own tenth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.events.signals import ModelRecord, SignalValidated
from domain.forecasts.record import Outcome, Record
from domain.instruments import Direction
from domain.signals.evaluate import evaluate_key
from domain.signals.rationale import record_text
from domain.signals.validated import model_record
from tests.domain.risk.build import one, parameters
from tests.domain.signals.build import CHEAP_RANGE, RANGE, Strategy

HOUR = 3600.0
SAYS = ((0.62, 1.0), (0.66, 0.0), (0.69, 1.0), (0.31, 1.0), (0.35, 0.0), (0.38, 0.0), (0.33, 0.5))
"""Three outcomes of a rise between 60 and 70 %, four between 30 and 40 %, one of them a tie."""


def fill(record: Record, times: int = 1) -> None:
    for number, (p, y) in enumerate(SAYS * times):
        made = number * 2 * HOUR
        record.add(Outcome("SPY", p, y, made, HOUR), parameters())


def test_a_valid_signal_tells_the_record_of_the_model_that_its_confidence_rests_on() -> None:
    strategy = Strategy()
    fill(strategy.state.direction_record)
    signal: SignalValidated = one(strategy.evaluate(), SignalValidated)
    assert 60 <= signal.confidence < 70
    told = signal.record
    assert told is not None and told.model == "P2"
    assert told.n_eff == pytest.approx(7.0)
    skill = strategy.state.direction_record.recent.skill
    assert skill is not None and told.skill == pytest.approx(skill, abs=1e-11)
    assert (told.bin_low, told.bin_high, told.bin_count) == (0.6, 0.7, 3)
    assert told.bin_hit_rate == pytest.approx(2 / 3)
    assert record_text(told) in signal.rationale


def test_who_bets_on_falling_reads_the_tenths_of_the_model_turned_round() -> None:
    """It said 30 to 40 % of rising four times: one rose, two fell, and the tie is no hit of
    anybody. In the skill it counts as one half."""
    strategy = Strategy()
    fill(strategy.state.direction_record)
    strategy.evaluate()
    found = evaluate_key(strategy.state, ("SPY", Direction.BEARISH), strategy.at)
    assert found is not None
    case = replace(found.case, score=replace(found.case.score, probability_up=0.345))
    told = model_record(case)
    assert (told.bin_low, told.bin_high, told.bin_count) == (0.6, 0.7, 3)
    assert told.bin_hit_rate == pytest.approx(2 / 3)
    assert told.n_eff == pytest.approx(7.0)
    assert strategy.state.direction_record.ever.base == pytest.approx(3.5 / 7)


def test_one_outcome_in_the_tenth_is_a_hit_rate() -> None:
    strategy = Strategy()
    strategy.state.direction_record.add(Outcome("SPY", 0.62, 1.0, 0.0, HOUR), parameters())
    told = one(strategy.evaluate(), SignalValidated).record
    assert (told.bin_count, told.bin_hit_rate) == (1, 1.0)


def test_sold_premium_tells_the_record_of_neutral_structures() -> None:
    strategy = Strategy(**CHEAP_RANGE, signals__0dte__range__credit_min=0.05)
    fill(strategy.state.neutral_record)
    strategy.evaluate(RANGE)
    found = evaluate_key(
        strategy.state, ("SPY", Direction.NEUTRAL), strategy.at, always_choose=True
    )
    assert found is not None
    told = model_record(found.case)
    assert told.model == "P5" and told.n_eff == pytest.approx(7.0)


def test_the_reason_says_that_nothing_is_known_when_nothing_is() -> None:
    told = ModelRecord(
        model="P2", n_eff=0.0, skill=None, bin_low=0.6, bin_high=0.7, bin_count=0, bin_hit_rate=None
    )
    text = record_text(told)
    assert "0.0 effective outcomes, skill not known, none of a probability like this one" in text


def test_the_reason_names_the_tenth_and_what_came_true_in_it() -> None:
    told = ModelRecord(
        model="P2", n_eff=63.04, skill=0.0412, bin_low=0.6, bin_high=0.7, bin_count=21,
        bin_hit_rate=0.5714,
    )  # fmt: skip
    assert record_text(told) == (
        "Record of the model: 63.0 effective outcomes, skill +0.041; of 21 like this one,"
        " from 60 to 70 %, 57 % came true."
    )
