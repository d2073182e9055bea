"""The 14D+ bucket: window, the cases of dear and cheap volatility, gates, strikes, exits."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace as changed_body

from domain.events.analytics import ChainEvaluated
from domain.events.positions import PositionOpened
from domain.events.signals import SignalInvalidated, SignalRaised, SignalValidated
from domain.instruments import Direction, Right, StructureKind
from domain.instruments import Strategy as Strategies
from domain.session import Session
from domain.signals.bucket import Variant
from domain.signals.evaluate import evaluate_key
from domain.signals.fourteen_dte import (
    FOURTEEN_DTE,
    Stance,
    stance_of,
)
from domain.signals.structure import Market, NoStructure
from tests.domain.risk.build import (
    CLOSE,
    DAY,
    NOON,
    OPEN,
    contract,
    none,
    one,
    parameters,
    session,
    session_planned,
)
from tests.domain.signals.build import Strategy, chain_body
from tests.domain.signals.weeks import (
    CHEAP,
    DEAR,
    EXPIRY,
    FALLING,
    RISING,
    case_of,
    noon,
    results,
)

PARAMETERS = parameters()
BULLISH, BEARISH = ("SPY", Direction.BULLISH), ("SPY", Direction.BEARISH)
NEUTRAL = ("SPY", Direction.NEUTRAL)
MARKET = Market(spot=600.0, deviation=0.03, vrp=1.2)


def validated(usual: dict[str, float | str | None], **changes: float | str | None) -> Any:
    return one(noon(usual).evaluate(**changes), SignalValidated)


def variants(usual: dict[str, float | str | None], **changes: float | str | None) -> list[str]:
    """Of the candidates that arise."""
    found = noon(usual).evaluate(**changes)
    return [body.variant for body in found if isinstance(body, SignalRaised)]


@pytest.mark.parametrize(("half", "minutes"), [(False, 390), (True, 210)])
def test_the_window_ends_a_quarter_of_an_hour_before_the_close(half: bool, minutes: int) -> None:
    day = session(half=half)
    window = FOURTEEN_DTE.rules.window(Variant.CREDIT, day, PARAMETERS)
    end = day.open_at + timedelta(minutes=minutes - 15)
    assert window == (day.open_at + timedelta(minutes=30), end)


@pytest.mark.parametrize(
    ("at", "arises"),
    [
        (OPEN + timedelta(minutes=30, seconds=-1), False),
        (OPEN + timedelta(minutes=30), True),
        (CLOSE - timedelta(minutes=15, seconds=1), True),
        (CLOSE - timedelta(minutes=15), False),
    ],
)
def test_no_candidate_arises_outside_the_window(at: Any, arises: bool) -> None:
    found = noon(RISING, at).evaluate()
    assert any(isinstance(body, SignalRaised) for body in found) is arises


@pytest.mark.parametrize(
    ("rank", "vrp", "stance"),
    [
        (50.0, 0.5, Stance.SELL),
        (50.0, None, Stance.SELL),
        (0.0, 1.15, Stance.SELL),
        (49.9, 1.149, Stance.BETWEEN_CREDIT),
        (30.0, 1.10, Stance.BETWEEN_CREDIT),
        (30.0, 1.099, Stance.BETWEEN_DEBIT),
        (49.9, 0.5, Stance.BETWEEN_DEBIT),
        (29.9, 1.099, Stance.BUY),
        (29.9, 1.10, Stance.NEITHER),
        (29.9, 1.149, Stance.NEITHER),
        (49.9, None, None),
    ],
)
def test_rank_and_ratio_say_whether_premium_is_sold_or_bought(
    rank: float, vrp: float | None, stance: Stance | None
) -> None:
    assert stance_of(rank, vrp, PARAMETERS) is stance


@pytest.mark.parametrize(
    ("vrp", "stance"),
    [
        (1.15, Stance.SELL),
        (1.149, Stance.NEITHER),
        (1.10, Stance.NEITHER),
        (1.099, Stance.BUY),
        (None, None),
    ],
)
def test_without_a_rank_the_ratio_alone_decides_and_nothing_lies_between(
    vrp: float | None, stance: Stance | None
) -> None:
    assert stance_of(None, vrp, PARAMETERS) is stance


def test_a_rise_with_dear_options_sells_puts() -> None:
    signal = validated(RISING)
    assert (signal.strategy, signal.variant) == (Strategies.FOURTEEN_DTE, "CREDIT")
    assert signal.direction is Direction.BULLISH
    assert signal.structure.kind is StructureKind.CREDIT_VERTICAL
    short, wing = signal.structure.legs
    assert (short.ratio, short.contract.right, short.contract.expiry) == (-1, Right.PUT, EXPIRY)
    assert short.contract.strike - wing.contract.strike == 6
    assert signal.risk_inputs.legs[0].delta == pytest.approx(-0.275, abs=0.02)
    assert Decimal("0.2") <= -signal.risk_inputs.net_mid / 6 <= Decimal("0.4")


def test_a_fall_with_dear_options_sells_calls() -> None:
    signal = validated(RISING, **FALLING)
    assert (signal.variant, signal.direction) == ("CREDIT", Direction.BEARISH)
    short, wing = signal.structure.legs
    assert (short.ratio, short.contract.right) == (-1, Right.CALL)
    assert wing.contract.strike - short.contract.strike == 6


def test_no_direction_with_dear_options_sells_both_sides() -> None:
    signal = validated(DEAR)
    assert (signal.variant, signal.direction) == ("CONDOR", Direction.NEUTRAL)
    assert signal.structure.kind is StructureKind.IRON_CONDOR
    deltas = [leg.delta for leg in signal.risk_inputs.legs]
    assert deltas[1] == pytest.approx(-0.18, abs=0.02)
    assert deltas[2] == pytest.approx(0.18, abs=0.02)


def test_a_direction_with_cheap_options_is_bought() -> None:
    for changes, right in (({}, Right.CALL), (FALLING, Right.PUT)):
        signal = validated(CHEAP, **changes)
        assert signal.variant == "DEBIT"
        assert signal.structure.kind is StructureKind.DEBIT_VERTICAL
        assert {leg.contract.right for leg in signal.structure.legs} == {right}
        long, short = signal.risk_inputs.legs
        assert abs(long.delta) == pytest.approx(0.55, abs=0.02)
        assert abs(short.delta) == pytest.approx(0.30, abs=0.02)


def test_between_the_two_a_vertical_of_the_kind_that_the_ratio_favours() -> None:
    assert variants(CHEAP, iv_rank=40.0, vrp_14d=1.10) == ["BETWEEN_CREDIT"]
    assert variants(CHEAP, iv_rank=40.0, vrp_14d=1.09) == ["BETWEEN_DEBIT"]
    assert variants(DEAR, iv_rank=40.0, vrp_14d=1.10) == [], "no condor between"
    assert variants(CHEAP, iv_rank=20.0, vrp_14d=1.10) == [], "cheap by rank, not by ratio"


@pytest.mark.parametrize(
    ("variant", "least"),
    [
        (Variant.CREDIT, 0.55),
        (Variant.DEBIT, 0.56),
        (Variant.BETWEEN_CREDIT, 0.57),
        (Variant.BETWEEN_DEBIT, 0.57),
    ],
)
def test_each_vertical_asks_for_its_probability_of_the_direction(
    variant: Variant, least: float
) -> None:
    price = {
        Variant.CREDIT: (55.0, 1.2),
        Variant.DEBIT: (20.0, 1.0),
        Variant.BETWEEN_CREDIT: (40.0, 1.12),
        Variant.BETWEEN_DEBIT: (40.0, 1.0),
    }[variant]
    strategy = noon(CHEAP)
    strategy.evaluate(iv_rank=price[0], vrp_14d=price[1])
    found = evaluate_key(strategy.state, BULLISH, strategy.at)
    assert found is not None and found.case.variant is variant
    for p, holds in ((least, True), (least - 1e-6, False)):
        case = replace(found.case, score=replace(found.case.score, probability_up=p))
        conditions = FOURTEEN_DTE.rules.conditions(case, PARAMETERS)
        assert all(c.holds for c in conditions) is holds


def test_the_same_probability_of_a_fall_counts_for_the_other_side() -> None:
    strategy = noon(CHEAP)
    strategy.evaluate(**FALLING)
    case = case_of(strategy, BEARISH)
    assert case.p_direction >= 0.56 and case.direction is Direction.BEARISH
    assert results(strategy, BEARISH)["ENTRY_SCORE"] == "pass"
    assert results(strategy, BULLISH)["ENTRY_SCORE"] == "fail"


@pytest.mark.parametrize(
    ("raw", "up", "holds"),
    [
        (0.3499, 0.5437, True),
        (-0.3499, 0.4563, True),
        (0.35, 0.5437, False),
        (-0.35, 0.4563, False),
        (0.2, 0.55, False),
        (-0.2, 0.45, False),
        (0.2, 0.5499, True),
    ],
)
def test_a_condor_needs_a_small_score_and_no_side_to_sell(
    raw: float, up: float, holds: bool
) -> None:
    strategy = noon(DEAR)
    strategy.evaluate()
    case = case_of(strategy, NEUTRAL)
    case = replace(case, score=replace(case.score, raw=raw, probability_up=up))
    conditions = FOURTEEN_DTE.rules.conditions(case, PARAMETERS)
    assert all(c.holds for c in conditions) is holds


@pytest.mark.parametrize(
    ("variant", "text"),
    [
        (Variant.CREDIT, "iv rank >= 50 or vrp >= 1.15; p >= 0.55"),
        (Variant.DEBIT, "iv rank < 30 and vrp < 1.1; p >= 0.56"),
        (Variant.CONDOR, "iv rank >= 50 or vrp >= 1.15; |score| < 0.35, p < 0.55 either way"),
    ],
)
def test_the_entry_row_tells_the_thresholds_of_its_variant(variant: Variant, text: str) -> None:
    assert FOURTEEN_DTE.rules.threshold_text(variant, PARAMETERS) == text


def test_no_price_of_volatility_is_no_trade_and_the_gate_says_so() -> None:
    strategy = noon(CHEAP)
    none(strategy.evaluate(vrp_14d=None), SignalRaised)
    assert results(strategy, BULLISH)["ENTRY_SCORE"] == "unevaluable"


def held(signal: SignalValidated, direction: Direction) -> PositionOpened:
    return PositionOpened(
        position_id="p", signal_id=signal.signal_id, decision_id="d",
        strategy=Strategies.FOURTEEN_DTE, symbol="SPY", direction=direction,
        structure=signal.structure, planned_units=5, exit_plan=signal.exit_plan,
        max_loss_per_unit_usd=Decimal(80), risk_units=Decimal(1), opened_at=NOON,
    )  # fmt: skip


def test_a_symbol_and_direction_are_entered_once_a_day() -> None:
    strategy = noon(RISING)
    signal: SignalValidated = one(strategy.evaluate(), SignalValidated)
    assert results(strategy, BULLISH)["ENTRIES_TODAY"] == "pass"
    strategy.when(held(signal, Direction.BULLISH))
    assert results(strategy, BULLISH)["ENTRIES_TODAY"] == "fail"
    assert results(strategy, BEARISH)["ENTRIES_TODAY"] == "pass"
    strategy.when(session_planned(DAY + timedelta(days=1)))
    assert not strategy.state.entries, "the next day it may be entered again"


def thin(body: ChainEvaluated, interest: int, *strikes: int) -> ChainEvaluated:
    ids = {contract(strike, Right.PUT, expiry=EXPIRY).con_id for strike in strikes}
    found = [
        interest if con_id in ids else held
        for con_id, held in zip(body.con_id, body.open_interest, strict=True)
    ]
    return changed_body(body, open_interest=found)


@pytest.mark.parametrize(("interest", "result"), [(1_000, "pass"), (999, "fail")])
@pytest.mark.parametrize("strike", [589, 583])
def test_open_interest_is_asked_of_every_chosen_strike(
    strike: int, interest: int, result: str
) -> None:
    """589 is sold and 583 its wing; the day's volume does not stand for interest here."""
    body = thin(chain_body(NOON, volatility=0.10, expiry=EXPIRY), interest, strike)
    strategy = noon(RISING)
    found = strategy.evaluate(body=body)
    gates = {gate.code: gate.result.value for gate in one(found, SignalRaised).gates}
    assert gates["OPEN_INTEREST"] == result
    assert any(isinstance(b, SignalValidated) for b in found) is (result == "pass")


def test_without_a_structure_open_interest_cannot_be_told() -> None:
    strategy = noon(RISING)
    strategy.evaluate(v_to_expiry_14d=None)
    assert results(strategy, BULLISH)["OPEN_INTEREST"] == "unevaluable"


def test_a_candidate_that_sells_without_a_structure_yet_tells_what_its_score_adds_up_to() -> None:
    """No odds are no probability of nothing."""
    found: SignalRaised = one(noon(RISING).evaluate(v_to_expiry_14d=None), SignalRaised)
    total = found.bias + found.clip_adjust + sum(f.contribution for f in found.features)
    assert found.variant == "CREDIT"
    assert found.probability == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-9)


def test_sold_premium_tells_the_feature_table_behind_its_directional_pressure_too() -> None:
    """Its own terms add up to its odds, the table to the log-odds of the direction."""
    found = noon(RISING).evaluate()
    valid: SignalValidated = one(found, SignalValidated)
    assert one(found, SignalRaised).probability == valid.probability == valid.risk_inputs.p_win
    for signal in (one(found, SignalRaised), valid):
        assert [f.name for f in signal.features][:3] == ["c_vrp", "c_gamma", "c_trend"]
        assert [f.name for f in signal.directional] == list(FOURTEEN_DTE.features)
        score = sum(f.weight * f.x for f in signal.directional)
        assert signal.features[2].raw == pytest.approx(score, abs=1e-9)
    bought = one(noon(CHEAP).evaluate(), SignalValidated)
    assert bought.directional == () and len(bought.features) == len(FOURTEEN_DTE.features)


def test_an_expiry_that_is_no_planned_session_is_not_traded() -> None:
    strategy = noon(RISING)
    strategy.evaluate()
    case = case_of(strategy, BULLISH)
    assert case.chain is not None
    plan = session_planned().model_copy(update={"later": ()})
    beyond = replace(case, session=Session(plan))
    found = FOURTEEN_DTE.rules.choose(beyond, case.chain, MARKET, PARAMETERS)
    assert isinstance(found, NoStructure) and "no planned session" in found.reason


@pytest.mark.parametrize(("days", "listed"), [(13, "fail"), (14, "pass"), (60, "fail")])
def test_only_an_expiry_weeks_ahead_is_its_chain(days: int, listed: str) -> None:
    """Of 60 days it would be one, but the last planned session lies at 59 here."""
    strategy = noon(RISING)
    expiry = DAY + timedelta(days=min(days, 59))
    body = chain_body(NOON, volatility=0.10, expiry=expiry)
    if days == 60:
        body = changed_body(body, expiry=DAY + timedelta(days=61))
    strategy.evaluate(body=body)
    assert results(strategy, BULLISH)["NO_EXPIRY"] == listed


def still_valid(strategy: Strategy, **changes: float | str | None) -> bool:
    found = strategy.evaluate(**changes)
    return not any(isinstance(body, SignalInvalidated) for body in found)


def test_sold_puts_stay_valid_while_their_direction_is_two_hundredths_short_at_most() -> None:
    """Not the probability of the target, which lies above 0.55 whatever the direction."""
    strategy = noon(RISING, signals__key_wait_s=600)
    one(strategy.evaluate(), SignalValidated)
    assert still_valid(strategy, sma20=594.5), "p of 0.53 and more"
    assert case_of(strategy, BULLISH).p_direction >= 0.53
    lost = strategy.evaluate(**FALLING)
    assert one(lost, SignalInvalidated).condition == "probability"


def test_features_are_those_of_the_column_and_add_up() -> None:
    signal: SignalRaised = one(noon(CHEAP).evaluate(), SignalRaised)
    assert [f.name for f in signal.features] == list(FOURTEEN_DTE.features)
    total = signal.bias + signal.clip_adjust + sum(f.contribution for f in signal.features)
    assert total == pytest.approx(0.5 * signal.score, abs=1e-9)


def test_the_morning_of_a_rate_decision_forbids_no_premium_that_is_sold_for_weeks() -> None:
    """That is a rule of the day's range; the blackout around the decision is for all."""
    strategy = noon(RISING)
    strategy.evaluate(calendar_today="FOMC")
    assert results(strategy, BULLISH)["BLACKOUT"] == "pass"
