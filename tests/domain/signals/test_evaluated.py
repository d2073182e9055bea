"""What a case is put together from, and what a valid signal says of its legs to risk."""

from __future__ import annotations

import msgspec
import pytest

from domain.events.analytics import ChainEvaluated
from domain.events.signals import SignalValidated
from domain.instruments import Direction
from domain.signals.case import Case
from domain.signals.evaluate import direction_score, evaluate_key
from domain.signals.score import logistic
from domain.signals.structure import Choice
from domain.signals.validated import model_mid
from tests.domain.risk.build import one
from tests.domain.signals.build import CHEAP_RANGE, RANGE, Strategy, chain_body
from tests.domain.signals.day import valid
from tests.domain.signals.night import CALM, EVENING, NEARER, RISING, TOMORROW, evening
from tests.domain.signals.weeks import case_of

BULLISH, BEARISH = ("SPY", Direction.BULLISH), ("SPY", Direction.BEARISH)
NEUTRAL = ("SPY", Direction.NEUTRAL)


def test_there_is_no_case_without_a_reading_or_a_session() -> None:
    strategy, _ = valid()
    assert evaluate_key(strategy.state, BULLISH, strategy.at) is not None
    assert evaluate_key(strategy.state, ("QQQ", Direction.BULLISH), strategy.at) is None
    strategy.state.session = None
    assert evaluate_key(strategy.state, BULLISH, strategy.at) is None


def test_a_score_is_made_once_for_a_reading_and_again_for_another() -> None:
    strategy, _ = valid()
    reading = strategy.state.readings["SPY"]
    first = direction_score(strategy.state, reading)
    assert direction_score(strategy.state, reading) is first
    strategy.evaluate(fi_s=0.4)
    assert direction_score(strategy.state, strategy.state.readings["SPY"]) is not first


def test_a_score_is_made_again_once_an_outcome_recalibrates_it() -> None:
    strategy, _ = valid()
    reading = strategy.state.readings["SPY"]
    before = direction_score(strategy.state, reading)
    strategy.state.direction_record.recalibration.a = 0.25
    assert direction_score(strategy.state, reading).log_odds == pytest.approx(
        before.log_odds + 0.25
    )


def test_sold_premium_rests_on_the_record_of_its_own_model() -> None:
    strategy = Strategy(**CHEAP_RANGE)
    strategy.evaluate(RANGE)
    assert case_of(strategy, NEUTRAL).record is strategy.state.neutral_record
    assert case_of(strategy, BULLISH).record is strategy.state.direction_record


@pytest.mark.parametrize("direction", [Direction.BULLISH, Direction.BEARISH])
def test_the_chance_of_a_target_adds_the_log_odds_of_its_side_to_those_of_a_fair_game(
    direction: Direction,
) -> None:
    strategy, _ = valid()
    case = case_of(strategy, ("SPY", direction))
    assert case.odds is not None and case.score.log_odds > 0
    side = case.score.log_odds * (1 if direction is Direction.BULLISH else -1)
    assert case.p_win == pytest.approx(logistic(case.odds.fair_log_odds + side))


def sold(usual: dict[str, float | str | None], direction: Direction) -> tuple[Case, float]:
    """A night's case and the offset of its neutral score above the fair odds."""
    strategy = evening(usual, **NEARER)
    strategy.evaluate()
    found = evaluate_key(strategy.state, ("SPY", direction), strategy.at, always_choose=True)
    assert found is not None and found.neutral is not None and found.case.odds is not None
    return found.case, found.neutral.bias - found.case.odds.fair_log_odds


def test_the_odds_of_a_side_that_is_sold_hold_its_direction_and_those_of_both_sides_none() -> None:
    rising, offset = sold(RISING, Direction.BULLISH)
    assert offset == pytest.approx(rising.score.log_odds) and offset > 0.1
    falling, offset = sold(RISING, Direction.BEARISH)
    assert offset == pytest.approx(-falling.score.log_odds)
    _, offset = sold(CALM, Direction.NEUTRAL)
    assert offset == pytest.approx(0.0)


@pytest.mark.parametrize("key", [BULLISH, BEARISH])
def test_the_model_price_of_a_structure_is_that_of_its_legs(key: tuple[str, Direction]) -> None:
    """Quotes of these chains are model prices in whole cents."""
    strategy, _ = valid()
    case = case_of(strategy, key)
    assert isinstance(case.chosen, Choice) and case.chain is not None
    found = model_mid(case.chain, case.chosen)
    assert found == pytest.approx(float(case.chosen.net_mid), abs=0.011)


@pytest.mark.parametrize(("told", "beta"), [(0.9, 0.9), (None, 1.0)])
def test_the_index_itself_moves_as_itself_where_no_other_beta_is_measured(
    told: float | None, beta: float
) -> None:
    signal: SignalValidated = one(Strategy().evaluate(beta=told), SignalValidated)
    assert signal.risk_inputs.beta == beta


def test_on_its_last_day_early_exercise_is_worth_nothing_and_changes_no_delta() -> None:
    strategy, signal = valid()
    case = case_of(strategy, BULLISH)
    assert isinstance(case.chosen, Choice)
    for quote, row in zip(signal.risk_inputs.legs, case.chosen.rows, strict=True):
        assert (quote.early_exercise_premium, quote.delta) == (0.0, row.delta)


def test_a_size_that_nobody_told_of_the_side_that_is_not_hit_is_none() -> None:
    strategy, signal = valid()
    bought, sold_leg = (leg.contract.con_id for leg in signal.structure.legs)
    body = chain_body(strategy.at)
    body.bid_size[body.con_id.index(bought)] = None
    body.ask_size[body.con_id.index(sold_leg)] = None
    again: SignalValidated = one(Strategy().evaluate(body=body), SignalValidated)
    first, second = again.risk_inputs.legs
    assert (first.bid_size, first.ask_size) == (0, 500)
    assert (second.bid_size, second.ask_size) == (500, 0)


def deltas(body: ChainEvaluated, usual: dict[str, float | str | None]) -> list[tuple[float, float]]:
    """Of each leg: the delta that its signal says, and that of the chain."""
    signal: SignalValidated = one(evening(usual).evaluate(body=body), SignalValidated)
    known = dict(zip(body.con_id, body.delta, strict=True))
    return [(leg.delta, known[leg.con_id] or 0.0) for leg in signal.risk_inputs.legs]


def test_the_delta_of_the_chain_stands_while_early_exercise_changes_it_by_little() -> None:
    """Without dividend and rates nothing is to gain by exercise: not a digit of it is another."""
    body = chain_body(EVENING, expiry=TOMORROW)
    for said, known in deltas(body, {**RISING, "vrp_1dte": 1.0}):
        assert said == known


def test_an_american_delta_that_is_the_smaller_one_counts_too() -> None:
    """A chain whose deltas of calls are three hundredths too great."""
    body = chain_body(EVENING, expiry=TOMORROW)
    off = [None if d is None else d + 0.03 for d in body.delta]
    body = msgspec.structs.replace(body, delta=off)
    for said, known in deltas(body, {**RISING, "vrp_1dte": 1.0}):
        assert said < known - 0.02
