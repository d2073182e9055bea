"""State of the forecasts stage and its fold. `fold` applies one event, its own emissions among
them; domain/forecasts/stage.py reacts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.analytics.traded import ExpiryRole
from domain.event import Recorded
from domain.events.analytics import (
    ChainEvaluated,
    MetricComputed,
    PredictionMade,
    PredictionResolved,
    PredictionVoided,
)
from domain.events.feeds import IbBarReceived
from domain.events.forecasts import (
    CalibrationUpdated,
    DriftPredicted,
    DriftResolved,
    VarianceRefitted,
)
from domain.events.system import ClockStarted, ClockTicked, ParametersChanged, SessionPlanned
from domain.forecasts import barriers, drift, inside, variance_model
from domain.forecasts.barriers import Barrier, Strikes, Watch
from domain.forecasts.calibration import ALL, ANY, Calibration, CalibrationKey
from domain.forecasts.drift import DriftModel
from domain.forecasts.prediction import P2, P5, Pending, SessionTime
from domain.forecasts.record import Outcome
from domain.forecasts.schedule import DRIFT_EVERY_SECONDS
from domain.forecasts.variance_model import VarianceModel
from domain.instruments import SYMBOLS
from domain.parameter import ParameterState
from domain.session import Session
from domain.signals.reading import Reading

OWN_MODELS = frozenset(
    {barriers.MODEL, inside.MODEL, variance_model.DAY_MODEL, variance_model.REST_MODEL}
)
"""Models whose PredictionMade this stage settles; P2 and P5 itself are the strategies'."""
NEUTRAL = "P5_NEUTRAL"
PUBLISH_EVERY_SECONDS = 300
LATE_MAX = timedelta(seconds=60)
_RATIOS = {"QQQ": "variance_ratio_qqq", "IWM": "variance_ratio_iwm"}


@dataclass(slots=True)
class SymbolForecasts:
    symbol: str
    drift: DriftModel = field(default_factory=DriftModel)
    variance: VarianceModel | None = None
    watch: Watch = field(default_factory=Watch)
    reading: Reading | None = None
    strikes: dict[ExpiryRole, Strikes] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)
    """Last slot of P4 by bucket."""
    own: dict[str, datetime] = field(default_factory=dict)
    """Ends of own predictions that are not settled, by id."""
    soonest: datetime | None = None
    """No end of `own` is earlier."""


@dataclass(slots=True)
class ForecastState:
    parameters: ParameterState = field(default_factory=ParameterState)
    session: Session | None = None
    session_time: SessionTime = field(default_factory=SessionTime)
    thinned: bool = False
    symbols: dict[str, SymbolForecasts] = field(
        default_factory=lambda: {symbol: SymbolForecasts(symbol) for symbol in SYMBOLS}
    )
    pending: dict[str, Pending] = field(default_factory=dict)
    calibrations: dict[CalibrationKey, Calibration] = field(default_factory=dict)
    dirty: dict[CalibrationKey, None] = field(default_factory=dict)
    """Changed since they were last published."""
    minute: int = -1
    published: int = -1
    due: tuple[str, ...] = ()
    """Own predictions that the last event lets be settled."""
    publishes: bool = False
    """The last event ends a stretch between publications."""

    def calibration(self, key: CalibrationKey, kind: str) -> Calibration:
        """The one of a key, to be looked at: a new one is not kept."""
        return self.calibrations.get(key) or Calibration.of(key, kind, judges=False)

    @property
    def decay(self) -> float:
        return math.pow(2, -1 / self.parameters.number("signals.calibration_half_life"))


def fold(state: ForecastState, event: Recorded) -> None:
    """Apply one event."""
    state.due, state.publishes = (), False
    body = event.body
    match body:
        case IbBarReceived():
            _bar(state, body)
        case MetricComputed():
            _metrics(state, body)
        case ChainEvaluated():
            _chain(state, body)
        case ClockTicked():
            _tick(state, event.market_time)
        case DriftPredicted():
            _drift_made(state, body)
        case DriftResolved():
            _drift_resolved(state, body)
        case PredictionMade():
            _made(state, body)
        case PredictionResolved() | PredictionVoided():
            _settled(state, body, event.market_time)
        case VarianceRefitted():
            _refitted(state, body)
        case CalibrationUpdated():
            key = CalibrationKey(body.model, body.symbol, body.bucket, body.scheduled)
            state.dirty.pop(key, None)
        case ParametersChanged():
            state.parameters.apply(body)
        case ClockStarted():
            state.thinned = body.thinned
        case SessionPlanned():
            _session(state, body)
        case _:
            pass


def _bar(state: ForecastState, body: IbBarReceived) -> None:
    found = state.symbols.get(body.symbol)
    if found is None or state.session is None:
        return
    found.watch.bar(body, state.session)


def _metrics(state: ForecastState, body: MetricComputed) -> None:
    found = state.symbols.get(body.symbol)
    if found is None or state.session is None:
        return
    metrics = {metric.name: metric for metric in body.metrics}
    reading = found.reading = Reading(body.symbol, body.evaluated_at, metrics)
    if found.variance is None and state.parameters.values:
        name = _RATIOS.get(body.symbol)
        ratio = 1.0 if name is None else state.parameters.number(name)
        found.variance = VarianceModel(variance_model.start(ratio))
    if found.variance is not None and reading.at < state.session.close_at:
        known = variance_model.features(reading)
        found.variance.features = found.variance.features if known is None else known
    if found.soonest is not None and found.soonest <= reading.at:
        state.due = tuple(name for name, end in found.own.items() if end <= reading.at)
        waiting = (end for end in found.own.values() if end > reading.at)
        found.soonest = reading.at if state.due else min(waiting, default=None)


def _chain(state: ForecastState, body: ChainEvaluated) -> None:
    found, session = state.symbols.get(body.symbol), state.session
    if found is None or session is None or not body.is_traded:
        return
    strikes: Strikes | None = None
    for role in ExpiryRole:
        if role.is_expiry(body.expiry, session):
            if strikes is None:
                strikes = Strikes(body.expiry, body.years, tuple(sorted(set(body.strike))))
            found.strikes[role] = strikes


def _tick(state: ForecastState, now: datetime) -> None:
    """Once a minute what is overdue; every five what is to be published."""
    seconds = now.timestamp()
    minute, stretch = int(seconds // 60), int(seconds // PUBLISH_EVERY_SECONDS)
    if minute > state.minute:
        state.minute = minute
        state.due = tuple(
            name
            for found in state.symbols.values()
            if found.soonest is not None and found.soonest + LATE_MAX < now
            for name, end in found.own.items()
            if end + LATE_MAX < now
        )
    if stretch > state.published:
        state.published, state.publishes = stretch, bool(state.dirty)


def _session(state: ForecastState, body: SessionPlanned) -> None:
    before, is_new = state.session, True
    if before is not None:
        is_new = before.session_date != body.day.session_date
    state.session = Session(body)
    if not is_new:
        return
    state.session_time.started(state.session)
    for found in state.symbols.values():
        if before is not None and _missed(before, found.watch, body):
            found.watch.missed()
        found.watch.bars = 0
        found.drift.night()
        if found.variance is not None:
            found.variance.begin_session()
        found.reading = None
        found.strikes.clear()
        found.slots.clear()


def _missed(before: Session, watch: Watch, body: SessionPlanned) -> bool:
    """Bars of the last session's end, or a whole session between, were not seen."""
    earlier = body.earlier[-1].session_date if body.earlier else None
    ended = watch.last_end is not None and before.close_at - watch.last_end <= barriers.GAP_MAX
    return not ended or earlier != before.session_date


def _drift_made(state: ForecastState, body: DriftPredicted) -> None:
    found = state.symbols.get(body.symbol)
    if found is not None and state.session is not None:
        found.drift.made(body, drift_slot(state.session, body.made_at), state.parameters)


def drift_slot(session: Session, at: datetime) -> int:
    return int((at - session.open_at).total_seconds() // DRIFT_EVERY_SECONDS)


def _drift_resolved(state: ForecastState, body: DriftResolved) -> None:
    found = state.symbols.get(body.symbol)
    if found is None:
        return
    for outcome in body.outcomes:
        made = found.drift.resolved(outcome, state.parameters)
        if made is None:
            continue
        place = made.horizons_seconds.index(outcome.horizon_seconds)
        intervals = {level: pairs[place] for level, pairs in made.intervals.items()}
        model = f"{drift.MODEL}_{outcome.horizon_seconds}S"
        for one in _kept(state, model, body.symbol, ANY, "point", scheduled=True):
            if outcome.ticks is None:
                one.voided += 1
                continue
            made_at = state.session_time.at(outcome.made_at)
            one.counted(body.symbol, made_at, float(outcome.horizon_seconds))
            one.add_point(made.ticks[place], outcome.ticks, state.decay)
            one.add_intervals(intervals, outcome.ticks, state.decay)


def _kept(
    state: ForecastState, model: str, symbol: str, bucket: str, kind: str, *, scheduled: bool
) -> Iterator[Calibration]:
    """The symbol's and the pooled calibration, which change and are to be published."""
    for name in (symbol, ALL):
        key = CalibrationKey(model, name, bucket, scheduled)
        if key not in state.calibrations:
            judges = name == ALL and ((model == P2 and scheduled) or model == NEUTRAL)
            state.calibrations[key] = Calibration.of(key, kind, judges=judges)
        state.dirty[key] = None
        yield state.calibrations[key]


def _made(state: ForecastState, body: PredictionMade) -> None:
    state.pending[body.prediction_id] = Pending(body, state.session_time.at(body.made_at))
    found = state.symbols.get(body.symbol)
    if body.model not in OWN_MODELS or found is None:
        return
    found.own[body.prediction_id] = body.horizon_end
    found.soonest = min(found.soonest or body.horizon_end, body.horizon_end)
    if body.model == barriers.MODEL:
        strike = body.values["strike"]
        above = strike > body.values["spot"]
        found.watch.barriers[body.prediction_id] = Barrier(strike, above)
        if body.scheduled:
            found.slots[body.bucket] = int(body.values["slot"])
    elif body.model != inside.MODEL and found.variance is not None and state.session is not None:
        if body.model == variance_model.DAY_MODEL:
            found.variance.predicted_on = state.session.session_date
        else:
            found.variance.slot = int(body.values["slot"])


def _settled(
    state: ForecastState, body: PredictionResolved | PredictionVoided, now: datetime
) -> None:
    pending = state.pending.pop(body.prediction_id, None)
    found = state.symbols.get(body.symbol)
    if found is not None:
        found.own.pop(body.prediction_id, None)
        found.watch.barriers.pop(body.prediction_id, None)
    if pending is None:
        return
    made = pending.body
    for model, p, name in _judged(made):
        kind = made.kind
        for one in _kept(state, model, made.symbol, made.bucket, kind, scheduled=made.scheduled):
            if isinstance(body, PredictionVoided):
                one.voided += 1
                continue
            y = body.outcome if name is None else body.detail[name]
            lasted = pending.horizon_session(state.session_time, now)
            one.counted(made.symbol, pending.made_session, lasted)
            if kind == "variance":
                one.add_variance(p, made.values["reference"], y, state.decay)
                one.add_intervals(made.intervals, y, state.decay)
                continue
            one.add_probability(p, y, state.decay)
            if one.record is not None:
                entry = Outcome(made.symbol, p, y, pending.made_session, lasted)
                one.record.add(entry, state.parameters)
                offset = made.values.get("offset", 0.0)
                one.record.recalibration.update(made.values["s"], y, offset)


def _judged(made: PredictionMade) -> list[tuple[str, float, str | None]]:
    """Records that a prediction counts in: model, forecast, name of the outcome in the detail."""
    values = made.values
    match made.model:
        case barriers.MODEL:
            return [
                (barriers.TOUCH, values["p"], None),
                (barriers.FINISH, values["p_finish"], "finish"),
            ]
        case variance_model.DAY_MODEL | variance_model.REST_MODEL:
            return [(made.model, values["variance"], None)]
        case _ if made.model == P5 and values.get("neutral") == 1.0:
            return [(P5, values["p"], None), (NEUTRAL, values["p"], None)]
        case _:
            return [(made.model, values["p"], None)]


def _refitted(state: ForecastState, body: VarianceRefitted) -> None:
    found = state.symbols.get(body.symbol)
    if found is not None and found.variance is not None:
        forgetting = state.parameters.number("forecasts.variance_forgetting")
        found.variance.model.update(body.features, body.outcome, forgetting)
        found.variance.refitted_on = body.session_date
