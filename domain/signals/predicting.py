"""Predictions that a strategy stage makes and settles: P2 on its schedule and at decisions, P5 once
for every structure that all gates of the market let through.

Called by domain/signals/strategy.py; the arithmetic is in prediction.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from domain.events.analytics import PredictionMade, PredictionResolved, PredictionVoided
from domain.forecasts import inside
from domain.forecasts.inputs import inputs_digest
from domain.forecasts.prediction import (
    MODEL_VERSION,
    P2,
    P5,
    RESOLVE_LATE_MAX,
    direction_outcome,
    structure_values,
)
from domain.forecasts.schedule import direction_horizon, direction_slot
from domain.instruments import Direction, Right, Strategy
from domain.signals.evaluate import Evaluated, direction_score
from domain.signals.reading import Reading
from domain.signals.score import rounded
from domain.signals.strategy_state import StrategyState
from domain.signals.structure import Choice
from domain.stage import Emission


def structure_prediction(state: StrategyState, signal_id: str, found: Evaluated) -> PredictionMade:
    case, bucket = found.case, state.bucket
    assert isinstance(case.chosen, Choice) and case.odds is not None and case.p_win is not None
    expiry = case.chosen.structure.expiry
    times = bucket.rules.exit_times(case.variant, case.session, case.now, expiry, state.parameters)
    raw, offset = case.score.raw, case.odds.fair_log_odds
    if case.sells_premium:
        raw = 0.0 if found.neutral is None else found.neutral.raw
        offset += 0.0 if found.neutral is None else found.neutral.direction_log_odds
    target, stop = bucket.rules.target_and_stop(case.chosen, case.variant, state.parameters)
    values = structure_values(
        case.chosen,
        case.odds,
        case.direction,
        case.p_win,
        raw,
        offset,
        target,
        stop,
        times.time_stop_at,
        times.forced_flat_at,
        sells_premium=case.sells_premium,
    )
    return PredictionMade(
        prediction_id=f"p5-{signal_id}",
        model=P5,
        model_version=MODEL_VERSION,
        symbol=case.reading.symbol,
        bucket=state.bucket.strategy.value,
        made_at=case.now,
        horizon_end=times.forced_flat_at,
        kind="prob",
        values=values,
        scheduled=False,
        inputs=inputs_digest(case.reading.symbol, case.now, values),
    )


def inside_prediction(
    state: StrategyState, signal_id: str, found: Evaluated
) -> PredictionMade | None:
    """Whether the price ends where the structure gains; None without a forecast to its expiry."""
    case, reading = found.case, found.case.reading
    assert isinstance(case.chosen, Choice)
    spot = reading.number("spot_mid")
    variance = reading.number(state.bucket.metrics.variance)
    end = case.session.closing(case.chosen.structure.expiry)
    share = state.parameters.number("overnight_share")
    ahead = inside.horizon_variance(state.bucket.strategy, reading, case.session, share)
    if spot is None or variance is None or variance <= 0 or end is None or ahead is None:
        return None
    drift = 0.0
    if case.direction is not Direction.NEUTRAL:
        drift = inside.shift(case.score.probability_up, ahead, variance)
    pairs = zip(case.chosen.rows, case.chosen.structure.legs, strict=True)
    legs = [
        inside.Payoff(leg.ratio, float(row.strike), row.right is Right.CALL) for row, leg in pairs
    ]
    ranges = inside.profitable(legs, float(case.chosen.net_mid))
    values = {
        "p": inside.p_inside(ranges, spot, variance, drift),
        "spot": spot,
        "variance": variance,
        "shift": drift,
        **inside.range_values(ranges),
    }
    values = {name: rounded(value) for name, value in values.items()}
    return PredictionMade(
        prediction_id=f"p5-inside-{signal_id}",
        model=inside.MODEL,
        model_version=MODEL_VERSION,
        symbol=reading.symbol,
        bucket=state.bucket.strategy.value,
        made_at=case.now,
        horizon_end=end,
        kind="prob",
        values=values,
        scheduled=False,
        inputs=inputs_digest(reading.symbol, case.now, values),
    )


def direction_prediction(
    state: StrategyState, reading: Reading, prediction_id: str, slot: int | None
) -> PredictionMade | None:
    """P2: None without a usable mid to measure the outcome from."""
    mid = reading.number("spot_mid")
    if mid is None or state.session is None or reading.at >= state.session.close_at:
        return None
    end = direction_horizon(state.bucket.strategy, state.session, reading.at)
    if end is None:
        return None
    found = direction_score(state, reading)
    values = {"p": found.probability_up, "s": found.raw, "mid": mid, "coverage": found.coverage}
    if slot is not None:
        values["slot"] = float(slot)
    return PredictionMade(
        prediction_id=prediction_id,
        model=P2,
        model_version=MODEL_VERSION,
        symbol=reading.symbol,
        bucket=state.bucket.strategy.value,
        made_at=reading.at,
        horizon_end=end,
        kind="prob",
        values=values,
        scheduled=slot is not None,
        inputs=inputs_digest(reading.symbol, reading.at, {f.name: f.raw for f in found.features}),
    )


def settled(body: PredictionMade, outcome: float | None, reason: str) -> Emission:
    settled: PredictionResolved | PredictionVoided
    if outcome is None:
        settled = PredictionVoided(
            prediction_id=body.prediction_id, model=body.model, symbol=body.symbol, reason=reason
        )
    else:
        settled = PredictionResolved(
            prediction_id=body.prediction_id, model=body.model, symbol=body.symbol, outcome=outcome
        )
    return Emission(f"predictions/{body.model}", settled)


def predictions(state: StrategyState, reading: Reading) -> Iterator[Emission]:
    """Outcomes that are known at this evaluation point, then the scheduled prediction."""
    session = state.session
    if session is None:
        return
    for found in state.pending.values():
        body = found.body
        if body.symbol != reading.symbol:
            continue
        if body.model == P2 and reading.at >= body.horizon_end:
            outcome = direction_outcome(body, reading, session.close_at)
            yield settled(body, outcome, "the mid at the horizon was missing or late")
        elif body.model == P5:
            followed = state.tracked.get(body.prediction_id)
            if followed is not None and (followed.is_lost or followed.result is not None):
                yield settled(body, followed.result, "its value at the exit is not known")
    slot = direction_slot(state.bucket.strategy, session, reading.at)
    if slot is None or slot <= state.slots.get(reading.symbol, -1):
        return
    strategy = state.bucket.strategy
    bucket = "" if strategy is Strategy.ZERO_DTE else f"-{strategy.slug}"
    name = f"p2-{session.session_date}-{reading.symbol}{bucket}-{slot}"
    made = direction_prediction(state, reading, name, slot)
    if made is not None:
        yield Emission(f"predictions/{P2}", made)


def overdue(state: StrategyState, now: datetime) -> Iterator[Emission]:
    """Predictions whose horizon passed without data."""
    for found in state.pending.values():
        if now > found.body.horizon_end + RESOLVE_LATE_MAX:
            yield settled(found.body, None, "no data at the end of the horizon")
