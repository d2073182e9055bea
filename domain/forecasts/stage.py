"""The forecasts stage: P1, P3 and P4, their outcomes, and the score of every model.

Runs in the worker "signals" between analytics and the strategies, which make P2 and P5. `react`
only reads the state. Emissions of one evaluation point, in order: outcomes, refit, predictions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.event import Recorded, derived_id
from domain.events.analytics import (
    MetricComputed,
    PredictionMade,
    PredictionResolved,
    PredictionVoided,
)
from domain.events.forecasts import DriftPredicted, DriftResolved, VarianceRefitted
from domain.events.signals import SignalValidated
from domain.events.system import ClockTicked
from domain.forecasts import barriers, drift, inside, variance_model
from domain.forecasts.calibration import ANY, CalibrationKey
from domain.forecasts.inputs import inputs_digest
from domain.forecasts.intervals import level_name
from domain.forecasts.least_squares import LeastSquares
from domain.forecasts.schedule import EXPIRY_ROLES, direction_slot, variance_slot
from domain.forecasts.state import (
    LATE_MAX,
    ForecastState,
    SymbolForecasts,
    drift_slot,
    fold,
)
from domain.instruments import Strategy
from domain.session import Session
from domain.signals.reading import Reading
from domain.stage import Emission

TYPES = frozenset(
    {
        "CalibrationUpdated",
        "ChainEvaluated",
        "ClockStarted",
        "ClockTicked",
        "DriftPredicted",
        "DriftResolved",
        "IbBarReceived",
        "MetricComputed",
        "ParametersChanged",
        "PredictionMade",
        "PredictionResolved",
        "PredictionVoided",
        "SessionPlanned",
        "SignalValidated",
        "VarianceRefitted",
    }
)


class ForecastStage:
    """Stage protocol of domain/stage.py."""

    name = "forecasts"
    types = TYPES

    def initial(self) -> ForecastState:
        return ForecastState()

    def evolve(self, state: ForecastState, event: Recorded) -> ForecastState:
        fold(state, event)
        return state

    def react(self, state: ForecastState, event: Recorded) -> Sequence[Emission]:
        session = state.session
        if session is None or not state.parameters.values:
            return ()
        body = event.body
        match body:
            case MetricComputed():
                found = state.symbols.get(body.symbol)
                if found is None or found.reading is None:
                    return ()
                return list(_evaluated(state, found, found.reading, session))
            case ClockTicked():
                return [*_overdue(state), *_published(state, event.market_time)]
            case SignalValidated():
                return list(_decision_barriers(state, body, session))
            case _:
                return ()


def _evaluated(
    state: ForecastState, found: SymbolForecasts, reading: Reading, session: Session
) -> Iterator[Emission]:
    for prediction_id in state.due:
        yield _settled(state, found, prediction_id, reading.at)
    outcomes = found.drift.due(reading.at, reading.number("spot_mid"))
    if outcomes:
        resolved = DriftResolved(found.symbol, reading.at, outcomes)
        yield Emission(f"predictions/{drift.MODEL}", resolved)
    if session.is_open(reading.at):
        if not state.thinned:
            yield from _drift(state, found, reading, session)
        yield from _rest_of_session(state, found, reading, session)
        yield from _scheduled_barriers(found, reading, session)
    elif reading.at >= session.close_at:
        yield from _session_ended(state, found, reading, session)


def _drift(
    state: ForecastState, found: SymbolForecasts, reading: Reading, session: Session
) -> Iterator[Emission]:
    """Every 10 s; in the last minute not, whose horizons the close would cut short."""
    model, at = found.drift, reading.at
    left = (session.close_at - at).total_seconds()
    if drift_slot(session, at) <= model.slot or left < max(drift.HORIZONS_SECONDS):
        return
    known = model.inputs(reading, state.parameters.number("forecasts.drift_winsor_sd"))
    if known is None:
        return
    mid, x = known
    ticks = [variance_model.rounded(model.models[s].predict(x)) for s in drift.HORIZONS_SECONDS]
    records = [
        state.calibration(
            CalibrationKey(f"{drift.MODEL}_{seconds}S", found.symbol, ANY, True), "point"
        )
        for seconds in drift.HORIZONS_SECONDS
    ]
    intervals: dict[str, list[tuple[float, float]]] = {}
    for seconds, forecast, record in zip(drift.HORIZONS_SECONDS, ticks, records, strict=True):
        deviation = model.deviation(seconds)
        if deviation is None:
            intervals.clear()
            break
        for level, width in record.widths.items():
            reach = width.z * deviation
            pair = (
                variance_model.rounded(forecast - reach),
                variance_model.rounded(forecast + reach),
            )
            intervals.setdefault(level_name(level), []).append(pair)
    made = DriftPredicted(
        symbol=found.symbol,
        model_version=drift.MODEL_VERSION,
        made_at=at,
        mid=mid,
        horizons_seconds=list(drift.HORIZONS_SECONDS),
        features=x,
        ticks=ticks,
        intervals=intervals,
        inputs=inputs_digest(
            found.symbol, at, {"mid": mid, **{f"x{i}": value for i, value in enumerate(x)}}
        ),
        proven=[record.is_proven(state.parameters) for record in records],
    )
    yield Emission(f"predictions/{drift.MODEL}", made)


def _rest_of_session(
    state: ForecastState, found: SymbolForecasts, reading: Reading, session: Session
) -> Iterator[Emission]:
    slot = variance_slot(session, reading.at)
    if slot is None or found.variance is None or slot <= found.variance.slot:
        return
    names = ("v_rem", "rv_today", "rho", "rv_22d")
    values = {name: reading.number(name) for name in names}
    rest, so_far, share, month = (values[name] for name in names)
    if rest is None or rest <= 0 or so_far is None or share is None or month is None:
        return
    key = CalibrationKey(variance_model.REST_MODEL, found.symbol, ANY, True)
    yield _variance_prediction(
        found.symbol,
        f"p3-{session.session_date}-{found.symbol}-rest-{slot}",
        reading.at,
        session.close_at,
        {
            "variance": rest,
            "reference": variance_model.rounded(month * share),
            "rv_so_far": so_far,
            "slot": float(slot),
        },
        variance_model.intervals(rest, state.calibration(key, "variance")),
        variance_model.REST_MODEL,
    )


def _variance_prediction(
    symbol: str,
    prediction_id: str,
    at: datetime,
    end: datetime,
    values: dict[str, float],
    intervals: dict[str, tuple[float, float]],
    model: str,
) -> Emission:
    body = PredictionMade(
        prediction_id=prediction_id,
        model=model,
        model_version=variance_model.MODEL_VERSION,
        symbol=symbol,
        bucket=ANY,
        made_at=at,
        horizon_end=end,
        kind="variance",
        values=values,
        scheduled=True,
        inputs=inputs_digest(symbol, at, values),
        intervals=intervals,
    )
    return Emission("predictions/P3", body)


def _realised(found: SymbolForecasts, reading: Reading, session: Session) -> float | None:
    """Variance of the session that ended; None when too many of its bars are missing."""
    planned = (session.close_at - session.open_at) / barriers.BAR
    if found.watch.bars < variance_model.BARS_SHARE_MIN * planned:
        return None
    value = reading.number("rv_today")
    return value if value is not None and value > 0 else None


def _session_ended(
    state: ForecastState, found: SymbolForecasts, reading: Reading, session: Session
) -> Iterator[Emission]:
    """Once after the close: the model takes the session in, then forecasts the next one."""
    known = found.variance
    if known is None or known.predicted_on == session.session_date or not session.plan.later:
        return
    model: LeastSquares = known.model
    realised = _realised(found, reading, session)
    if realised is None:
        return
    if known.features is not None and known.refitted_on != session.session_date:
        outcome = variance_model.rounded(math.log(realised))
        forgetting = state.parameters.number("forecasts.variance_forgetting")
        model = variance_model.stepped(model, known.features, outcome, forgetting)
        refitted = VarianceRefitted(
            symbol=found.symbol,
            session_date=session.session_date,
            features=known.features,
            outcome=outcome,
            coefficients=tuple(variance_model.rounded(value) for value in model.theta),
        )
        yield Emission("predictions/P3", refitted)
    x, month = variance_model.features(reading), reading.number("rv_22d")
    if x is None or month is None:
        return
    forecast = variance_model.rounded(variance_model.mean_forecast(model, x))
    key = CalibrationKey(variance_model.DAY_MODEL, found.symbol, ANY, True)
    yield _variance_prediction(
        found.symbol,
        f"p3-{session.session_date}-{found.symbol}-day",
        reading.at,
        session.plan.later[0].close_at,
        {"variance": forecast, "reference": month},
        variance_model.intervals(forecast, state.calibration(key, "variance")),
        variance_model.DAY_MODEL,
    )


def _scheduled_barriers(
    found: SymbolForecasts, reading: Reading, session: Session
) -> Iterator[Emission]:
    for strategy in Strategy:
        slot = direction_slot(strategy, session, reading.at)
        if slot is None or slot <= found.slots.get(strategy.value, -1):
            continue
        role = EXPIRY_ROLES[strategy]
        listed = found.strikes.get(role)
        spot = reading.number("spot_mid")
        variance = reading.number(f"v_to_expiry_{role}")
        if listed is None or spot is None or variance is None or variance <= 0:
            continue
        for count, strike in barriers.nearest_strikes(listed.strikes, spot, variance):
            name = f"p4-{session.session_date}-{found.symbol}-{strategy.slug}-{slot}-{count:+d}"
            extra = {"slot": float(slot), "sd": float(count)}
            made = _barrier(found, reading, session, strategy, name, strike, extra)
            if made is not None:
                yield Emission(f"predictions/{barriers.MODEL}", made)


def _decision_barriers(
    state: ForecastState, body: SignalValidated, session: Session
) -> Iterator[Emission]:
    """Every strike that a decision used, to the expiry that was traded."""
    found = state.symbols.get(body.symbol)
    if found is None or found.reading is None:
        return
    listed = found.strikes.get(EXPIRY_ROLES[body.strategy])
    legs = body.structure.legs
    if listed is None or any(leg.contract.expiry != listed.expiry for leg in legs):
        return
    for strike in sorted({float(leg.contract.strike) for leg in legs}):
        name = f"p4-{body.signal_id}-{strike:g}"
        made = _barrier(found, found.reading, session, body.strategy, name, strike, None)
        if made is not None:
            correlation = derived_id("signal", body.signal_id)
            yield Emission(f"predictions/{barriers.MODEL}", made, correlation)


def _barrier(
    found: SymbolForecasts,
    reading: Reading,
    session: Session,
    strategy: Strategy,
    prediction_id: str,
    strike: float,
    scheduled: dict[str, float] | None,
) -> PredictionMade | None:
    role = EXPIRY_ROLES[strategy]
    listed = found.strikes[role]
    end = session.closing(listed.expiry)
    values = barriers.values(reading, role, listed.years, strike)
    if end is None or values is None or reading.at >= end:
        return None
    return PredictionMade(
        prediction_id=prediction_id,
        model=barriers.MODEL,
        model_version=barriers.MODEL_VERSION,
        symbol=found.symbol,
        bucket=strategy.value,
        made_at=reading.at,
        horizon_end=end,
        kind="prob",
        values={**values, **(scheduled or {})},
        scheduled=scheduled is not None,
        inputs=inputs_digest(found.symbol, reading.at, values),
    )


def _settled(
    state: ForecastState, found: SymbolForecasts, prediction_id: str, now: datetime
) -> Emission:
    """What became of an own prediction whose horizon ended."""
    made = state.pending[prediction_id].body
    stream = f"predictions/{made.model[:2]}"
    outcome, detail = _outcome(state, found, made, now)
    if outcome is None:
        voided = PredictionVoided(
            prediction_id=prediction_id,
            model=made.model,
            symbol=made.symbol,
            reason="data were missing at the end of the horizon",
        )
        return Emission(stream, voided)
    resolved = PredictionResolved(
        prediction_id=prediction_id,
        model=made.model,
        symbol=made.symbol,
        outcome=outcome,
        detail=detail,
    )
    return Emission(stream, resolved)


def _outcome(
    state: ForecastState, found: SymbolForecasts, made: PredictionMade, now: datetime
) -> tuple[float | None, dict[str, float]]:
    if now - made.horizon_end > LATE_MAX:
        return None, {}
    if made.model == barriers.MODEL:
        known = found.watch.outcome(found.watch.barriers[made.prediction_id], made.horizon_end)
        return (None, {}) if known is None else (known[0], {"finish": known[1]})
    if made.model == inside.MODEL:
        price = found.watch.closing(made.horizon_end)
        return (None if price is None else float(inside.is_inside(made.values, price))), {}
    session, reading = state.session, found.reading
    if session is None or reading is None:
        return None, {}
    realised = _realised(found, reading, session)
    rest = None if realised is None else realised - made.values.get("rv_so_far", 0.0)
    return (None if rest is None or rest <= 0 else variance_model.rounded(rest)), {}


def _overdue(state: ForecastState) -> Iterator[Emission]:
    for prediction_id in state.due:
        made = state.pending[prediction_id].body
        stream = f"predictions/{made.model[:2]}"
        voided = PredictionVoided(
            prediction_id=prediction_id,
            model=made.model,
            symbol=made.symbol,
            reason="no data at the end of the horizon",
        )
        yield Emission(stream, voided)


def _published(state: ForecastState, now: datetime) -> Iterator[Emission]:
    if not state.publishes:
        return
    for key in sorted(state.dirty):
        body = state.calibrations[key].event(now, state.parameters)
        yield Emission(f"calibration/{key.model}", body)
