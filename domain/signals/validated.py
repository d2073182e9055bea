"""The event of a valid signal, with everything that risk and the reader need (no ticks later).

Called by the stage of a bucket when all gates pass at one evaluation point.
"""

from __future__ import annotations

import math
from datetime import date, timedelta

from domain.events.signals import (
    Feature,
    Gate,
    LegQuote,
    ModelRecord,
    RiskInputs,
    SignalRaised,
    SignalValidated,
)
from domain.forecasts.prediction import P2, P5
from domain.forecasts.scores import BINS, bin_of
from domain.instruments import Direction, Right
from domain.numbers import cents
from domain.pricing.black_scholes import prices
from domain.risk.blackout import size_factor
from domain.signals.case import Case
from domain.signals.evaluate import Evaluated
from domain.signals.leg_check import early_exercise
from domain.signals.plan import exit_plan
from domain.signals.rationale import rationale
from domain.signals.reading import Chain, ChainRow
from domain.signals.score import rounded
from domain.signals.strategy_state import StrategyState
from domain.signals.structure import Choice


def _features(found: Evaluated) -> tuple[float, float, float, tuple[Feature, ...]]:
    """Score, bias, clip adjustment and features: those of the neutral score where there is one."""
    if found.neutral is not None:
        return found.neutral.raw, found.neutral.bias, 0.0, found.neutral.features
    score = found.case.score
    return score.raw, score.bias, score.clip_adjust, score.features


def _directional(found: Evaluated) -> tuple[Feature, ...]:
    """The feature table, where the features of the signal are the terms of another score."""
    return () if found.neutral is None else found.case.score.features


def raised(
    state: StrategyState, signal_id: str, found: Evaluated, gates: tuple[Gate, ...]
) -> SignalRaised:
    case = found.case
    score, bias, adjust, features = _features(found)
    # Sold premium without a structure has no odds yet: told is what the score told of adds up to.
    p = case.p_side if found.neutral is not None or not case.sells_premium else case.p_direction
    return SignalRaised(
        signal_id=signal_id,
        strategy=case.bucket.strategy,
        variant=case.variant.value,
        symbol=case.reading.symbol,
        direction=case.direction,
        score=score,
        probability=rounded(p),
        coverage=case.score.coverage,
        bias=bias,
        clip_adjust=adjust,
        features=features,
        gates=gates,
        params_version=state.parameters.version,
        directional=_directional(found),
    )


def model_record(case: Case) -> ModelRecord:
    """What the record of the model says of probabilities like the one of the predicted side."""
    record, is_down = case.record, not case.sells_premium and case.direction is Direction.BEARISH
    p = case.p_side
    if is_down:
        p = case.score.probability_up
    index = bin_of(p)
    found = record.bins[index]
    rate = found.y / found.weight if found.weight > 0 else None
    if is_down:
        # The model speaks of rising: its tenths are turned round for who bets on falling.
        index, rate = BINS - 1 - index, None if rate is None else 1 - rate
    skill = record.recent.skill
    return ModelRecord(
        model=P5 if case.sells_premium else P2,
        n_eff=rounded(record.n_eff),
        skill=None if skill is None else rounded(skill),
        bin_low=index / BINS,
        bin_high=(index + 1) / BINS,
        bin_count=int(found.weight),
        bin_hit_rate=None if rate is None else rounded(rate),
    )


def leg_quote(row: ChainRow, age: float | None, chain: Chain, session_date: date) -> LegQuote:
    assert row.bid is not None and row.ask is not None, "LIQUIDITY passed"
    assert row.volatility is not None and row.delta is not None and row.gamma is not None
    assert row.vega is not None and row.theta is not None and age is not None
    premium, delta = early_exercise(row, chain, session_date)
    return LegQuote(
        con_id=row.con_id,
        bid=row.bid,
        ask=row.ask,
        bid_size=row.bid_size or 0,
        ask_size=row.ask_size or 0,
        quote_age_seconds=age,
        implied_volatility=row.volatility,
        delta=delta,
        gamma=row.gamma,
        vega=row.vega,
        theta=row.theta,
        open_interest=row.open_interest or 0,
        volume=row.volume,
        early_exercise_premium=premium,
    )


def model_mid(chain: Chain, choice: Choice) -> float:
    """Net value of the structure at the legs' volatilities, dollars a share."""
    found = prices(
        chain.spot_escrowed,
        [float(row.strike) for row in choice.rows],
        chain.years,
        chain.rate,
        [row.volatility or 0.0 for row in choice.rows],
        [1.0 if row.right is Right.CALL else 0.0 for row in choice.rows],
    )
    total = 0.0
    for index, leg in enumerate(choice.structure.legs):
        total += leg.ratio * float(found[index])
    return total


def _beta(state: StrategyState, found: Evaluated) -> float:
    reading = found.case.reading
    live = reading.number("beta")
    if live is not None:
        return live
    if reading.symbol == "SPY":
        return 1.0
    return state.parameters.number(f"beta_default_{reading.symbol.lower()}")


def risk_inputs(state: StrategyState, found: Evaluated, choice: Choice) -> RiskInputs:
    case, reading = found.case, found.case.reading
    assert case.odds is not None and case.p_win is not None and case.chain is not None
    spot, bid, ask = (reading.number(name) for name in ("spot_mid", "spot_bid", "spot_ask"))
    rv_hat, rest = reading.number("rv_hat_day"), reading.number("v_rem")
    assert spot is not None and bid is not None and ask is not None, "a structure was chosen"
    assert rv_hat is not None and rest is not None, "a structure was chosen"
    record = state.structure_record
    return RiskInputs(
        underlying_price=spot,
        underlying_bid=bid,
        underlying_ask=ask,
        net_bid=choice.net_bid,
        net_ask=choice.net_ask,
        net_mid=choice.net_mid,
        model_mid=cents(model_mid(case.chain, choice)),
        legs=tuple(
            leg_quote(row, case.quote_age(row), case.chain, case.session.session_date)
            for row in choice.rows
        ),
        target_usd=case.odds.target_usd,
        stop_usd=case.odds.stop_usd,
        cost_usd=case.odds.cost_usd,
        p_win=case.p_win,
        n_eff=rounded(record.n_eff),
        model_hits=None if record.hit_rate is None else rounded(record.hit_rate),
        trust=case.record.trust(state.parameters),
        rv_hat_day=rv_hat,
        variance_remaining=rest,
        regime=reading.text("gex_regime") or "missing",
        flip_side=reading.text("flip_side") or "missing",
        beta=_beta(state, found),
        size_factor=size_factor(
            case.session,
            state.calendar(reading.symbol),
            case.bucket.strategy,
            sells_premium=case.sells_premium,
            parameters=state.parameters,
        ),
    )


def validated(
    state: StrategyState, signal_id: str, found: Evaluated, gates: tuple[Gate, ...]
) -> SignalValidated:
    """All gates pass, so that a structure, its odds and its quotes are there."""
    case, number = found.case, state.parameters.number
    choice = case.chosen
    assert isinstance(choice, Choice) and case.odds is not None and state.time.market_time
    inputs = risk_inputs(state, found, choice)
    score, bias, adjust, features = _features(found)
    deviation = math.sqrt(max(0.0, inputs.variance_remaining))
    age = number(f"{case.bucket.prefix}.stale.age_s")
    p_side = inputs.p_win if case.sells_premium else case.p_side
    record = model_record(case)
    return SignalValidated(
        signal_id=signal_id,
        strategy=case.bucket.strategy,
        variant=case.variant.value,
        symbol=case.reading.symbol,
        direction=case.direction,
        structure=choice.structure,
        score=score,
        probability=rounded(p_side),
        confidence=rounded(100 * p_side),
        coverage=case.score.coverage,
        bias=bias,
        clip_adjust=adjust,
        features=features,
        gates=gates,
        rationale=rationale(case, choice, found.neutral, record),
        risk_inputs=inputs,
        exit_plan=exit_plan(
            choice, case.bucket, case.variant, case.session, case.now, state.parameters
        ),
        valid_until=case.now + timedelta(seconds=age),
        underlying_move_max=rounded(
            number(f"{case.bucket.prefix}.stale.move_sd") * deviation * inputs.underlying_price
        ),
        mid_against_max=case.odds.budget,
        params_version=state.parameters.version,
        record=record,
        directional=_directional(found),
    )
