"""State of a strategy stage and its fold: readings, chains, desk facts, signals, predictions.

`fold` applies one event, its own emissions among them; domain/signals/strategy.py reacts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.event import Recorded
from domain.events.analytics import (
    ChainEvaluated,
    MetricComputed,
    PredictionMade,
    PredictionResolved,
    PredictionVoided,
)
from domain.events.feeds import LineClosed, LineOpened, LinesWanted
from domain.events.market_facts import HaltEnded, HaltStarted
from domain.events.orders import (
    EntryRefused,
    FillRecorded,
    OrderChanged,
    OrderIntended,
)
from domain.events.positions import PositionClosed, PositionOpened, PositionReopened
from domain.events.risk import RiskDecided
from domain.events.signals import (
    ExpiryPassedOver,
    SignalExpired,
    SignalGatesChanged,
    SignalInvalidated,
    SignalRaised,
    SignalValidated,
)
from domain.events.system import ClockStarted, ParametersChanged, SessionPlanned
from domain.forecasts.prediction import (
    P2,
    P5,
    Pending,
    SessionTime,
    Tracked,
    followed_by,
    tracked,
)
from domain.forecasts.record import Outcome, Record
from domain.instruments import OptionContract, Strategy
from domain.parameter import ParameterState
from domain.risk.blackout import range_blocked_until
from domain.risk.cooldown import ENDED_MAX, Cooldowns
from domain.risk.real_time import RealTime
from domain.session import Session
from domain.signals.bucket import Bucket, Variant
from domain.signals.case import DeskFacts
from domain.signals.desk import Desk
from domain.signals.life import Key, Live, Status
from domain.signals.market_halts import MarketHalts
from domain.signals.reading import Reading, chain_of
from domain.signals.slippage import Slippage


@dataclass(slots=True)
class StrategyState:
    bucket: Bucket
    parameters: ParameterState = field(default_factory=ParameterState)
    session: Session | None = None
    session_time: SessionTime = field(default_factory=SessionTime)
    time: RealTime = field(default_factory=RealTime)
    desk: Desk = field(default_factory=Desk)
    market_halts: MarketHalts = field(default_factory=MarketHalts)
    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    entries: dict[Key, int] = field(default_factory=dict)
    """Positions that the bucket opened in this session."""
    positions: dict[str, tuple[Strategy, Key]] = field(default_factory=dict)
    ended_positions: dict[str, tuple[Strategy, Key]] = field(default_factory=dict)
    """Closed ones that a late fill may open again, the newest."""
    slippage: Slippage = field(default_factory=Slippage)
    readings: dict[str, Reading] = field(default_factory=dict)
    chains: dict[str, ChainEvaluated] = field(default_factory=dict)
    lines: dict[int, OptionContract] = field(default_factory=dict)
    lines_wanted: tuple[OptionContract, ...] = ()
    lives: dict[Key, Live] = field(default_factory=dict)
    waits: dict[Key, datetime] = field(default_factory=dict)
    counts: dict[Key, int] = field(default_factory=dict)
    orders: dict[str, Key] = field(default_factory=dict)
    slots: dict[str, int] = field(default_factory=dict)
    """Last scheduled slot of P2 by symbol."""
    pending: dict[str, Pending] = field(default_factory=dict)
    tracked: dict[str, Tracked] = field(default_factory=dict)
    direction_record: Record = field(default_factory=lambda: Record(is_of_direction=True))
    neutral_record: Record = field(default_factory=Record)
    structure_record: Record = field(default_factory=Record)
    """All P5 outcomes of the bucket: its hit rate sizes trades."""
    between_record: Record = field(default_factory=Record)
    """P2 at decisions: scored apart, never recalibrates."""

    def calendar(self, symbol: str) -> tuple[str, ...] | None:
        """Codes of the day's releases as analytics report them; None without a calendar."""
        reading = self.readings.get(symbol)
        found = None if reading is None else reading.text("calendar_today")
        return None if found is None else tuple(code for code in found.split(",") if code)

    @property
    def is_on(self) -> bool:
        """The operator's switch of the whole strategy: off, it enters nothing new."""
        return self.parameters.flag(f"{self.bucket.prefix}.enabled")

    def facts(self, key: Key, now: datetime) -> DeskFacts:
        symbol, session, desk = key[0], self.session, self.desk
        assert session is not None, "facts are asked inside a session"
        seconds, held = self.time.seconds, bool(self.positions)
        return DeskFacts(
            halted=desk.halted,
            market_halt=self.market_halts.told(symbol, now),
            entries_open=desk.entries_open,
            broker_ready=desk.broker_ready,
            reconciled=desk.reconciled,
            equity_age_seconds=desk.age.value_age(seconds, has_positions=held),
            stream_age_seconds=desk.age.stream_age(seconds, has_positions=held),
            has_position=(self.bucket.strategy, key) in self.positions.values(),
            cooldown_until=self._cooldown_until(key),
            range_blocked_until=range_blocked_until(session, self.calendar(symbol)),
            open_lines=frozenset(self.lines),
            entries_of_key=self.entries.get(key, 0),
            entries_of_symbol=sum(n for (s, _), n in self.entries.items() if s == symbol),
            entering_symbol=any(
                live.symbol == symbol and live.key != key and live.status is not Status.CANDIDATE
                for live in self.lives.values()
            ),
        )

    def _cooldown_until(self, key: Key) -> datetime | None:
        symbol, direction = key
        own = self.cooldowns.key_until(self.bucket.strategy, symbol, direction, self.parameters)
        pause = self.cooldowns.pause_until(self.bucket.strategy, self.parameters)
        ends = [end for end in (own, pause) if end is not None]
        return max(ends, default=None)


def fold(state: StrategyState, event: Recorded) -> None:
    """Apply one event."""
    state.time.advance(event.market_time)
    body = event.body
    match body:
        case MetricComputed():
            _metrics(state, body)
        case ChainEvaluated():
            _chain(state, body)
        case ParametersChanged():
            state.parameters.apply(body)
        case ClockStarted():
            state.time.apply(body)
            state.desk.entries_open = body.entries_open
        case SessionPlanned():
            _session(state, body)
        case HaltStarted() | HaltEnded():
            state.market_halts.fold(body)
        case LineOpened():
            state.lines[body.contract.con_id] = body.contract
        case LineClosed():
            state.lines.pop(body.contract.con_id, None)
        case ExpiryPassedOver():
            # The chain of the next expiry comes with its refresh.
            if body.strategy is state.bucket.strategy:
                state.chains.pop(body.symbol, None)
        case LinesWanted():
            if body.requester == state.bucket.requester:
                state.lines_wanted = tuple(line.contract for line in body.lines)
        case PredictionMade() | PredictionResolved() | PredictionVoided():
            _prediction(state, body)
        case _:
            _fold_signals(state, event)


def _metrics(state: StrategyState, body: MetricComputed) -> None:
    last = state.readings.get(body.symbol)
    if last is not None and body.evaluated_at < last.at:
        return
    metrics = {metric.name: metric for metric in body.metrics}
    reading = Reading(body.symbol, body.evaluated_at, metrics)
    state.readings[body.symbol] = reading
    if state.session is None:
        return
    for one in state.tracked.values():
        if one.symbol == body.symbol:
            one.evaluated(reading, state.session.close_at)


def _chain(state: StrategyState, body: ChainEvaluated) -> None:
    """The chain of the traded expiry; structures of any expiry are followed on theirs."""
    if state.session is None:
        return
    if body.is_traded and state.bucket.expiry.is_expiry(body.expiry, state.session):
        state.chains[body.symbol] = body
    followed = [one for one in state.tracked.values() if one.symbol == body.symbol]
    if followed:
        chain = chain_of(body)
        for one in followed:
            one.marked(chain)


def _session(state: StrategyState, body: SessionPlanned) -> None:
    is_new = state.session is None or state.session.session_date != body.day.session_date
    state.session = Session(body)
    if not is_new:
        return
    state.session_time.started(state.session)
    state.cooldowns.session_started()
    state.market_halts.session_started()
    for one in state.tracked.values():
        one.opened_at = state.session.open_at
    parts = (state.chains, state.readings, state.counts, state.slots, state.waits, state.entries)
    for part in parts:
        part.clear()


def _prediction(
    state: StrategyState, body: PredictionMade | PredictionResolved | PredictionVoided
) -> None:
    if isinstance(body, PredictionMade):
        if body.bucket != state.bucket.strategy.value or body.model not in (P2, P5):
            return
        made = state.session_time.at(body.made_at)
        state.pending[body.prediction_id] = Pending(body, made)
        if body.model == P5:
            state.tracked[body.prediction_id] = tracked(
                body, followed_by(state.bucket, state.parameters, body)
            )
            _mark_predicted(state, body.prediction_id)
        elif body.scheduled:
            state.slots[body.symbol] = int(body.values["slot"])
        return
    found = state.pending.pop(body.prediction_id, None)
    state.tracked.pop(body.prediction_id, None)
    if found is not None and isinstance(body, PredictionResolved):
        _resolved(state, found, body.outcome)


def _mark_predicted(state: StrategyState, prediction_id: str) -> None:
    for live in state.lives.values():
        if prediction_id == f"p5-{live.signal_id}":
            live.outcome_predicted = True


def _resolved(state: StrategyState, found: Pending, outcome: float) -> None:
    made = found.body
    values = made.values
    now = state.time.market_time
    assert now is not None
    lasted = found.horizon_session(state.session_time, now)
    entry = Outcome(made.symbol, values["p"], outcome, found.made_session, lasted)
    if made.model == P2:
        record = state.direction_record if made.scheduled else state.between_record
        record.add(entry, state.parameters)
        if made.scheduled:
            record.recalibration.update(values["s"], outcome)
        return
    state.structure_record.add(entry, state.parameters)
    if values["neutral"] == 1.0:
        state.neutral_record.add(entry, state.parameters)
        state.neutral_record.recalibration.update(values["s"], outcome, values["offset"])


def _fold_signals(state: StrategyState, event: Recorded) -> None:
    body = event.body
    match body:
        case SignalRaised():
            if body.strategy is state.bucket.strategy:
                key = (body.symbol, body.direction)
                state.counts[key] = state.counts.get(key, 0) + 1
                state.lives[key] = Live(
                    body.signal_id, body.symbol, body.direction, Variant(body.variant), body.gates
                )
        case SignalGatesChanged():
            for live in state.lives.values():
                if live.signal_id == body.signal_id:
                    live.gates = body.gates
        case SignalValidated():
            if body.strategy is state.bucket.strategy:
                live = state.lives[body.symbol, body.direction]
                live.status, live.validated = Status.VALID, body
                live.gates, live.validated_at = body.gates, event.market_time
        case SignalExpired() | SignalInvalidated() | EntryRefused():
            _end(state, body.signal_id, event.market_time)
        case RiskDecided():
            if not body.approved:
                _end(state, body.signal_id, event.market_time)
        case _:
            _fold_orders(state, event)


def _end(state: StrategyState, signal_id: str, at: datetime) -> None:
    """The signal lives no more; its key waits before a new candidate may arise."""
    for key, live in list(state.lives.items()):
        if live.signal_id == signal_id:
            del state.lives[key]
            wait = timedelta(seconds=state.parameters.number("signals.key_wait_s"))
            state.waits[key] = at + wait
            state.orders = {ref: k for ref, k in state.orders.items() if k != key}


def _fold_orders(state: StrategyState, event: Recorded) -> None:
    body, desk = event.body, state.desk
    match body:
        case OrderIntended():
            _order_intended(state, body)
        case OrderChanged():
            _order_changed(state, body)
        case PositionOpened():
            state.cooldowns.opened(body)
            state.positions[body.position_id] = (body.strategy, (body.symbol, body.direction))
            if body.strategy is state.bucket.strategy:
                key = (body.symbol, body.direction)
                state.entries[key] = state.entries.get(key, 0) + 1
            desk.age.moved_since_value = True
        case PositionReopened():
            state.cooldowns.reopened(body)
            found = state.ended_positions.pop(body.position_id, None)
            if found is not None:
                state.positions[body.position_id] = found
            desk.age.moved_since_value = True
        case FillRecorded():
            state.slippage.filled(body)
        case PositionClosed():
            _position_closed(state, body)
            desk.age.moved_since_value = True
            state.cooldowns.closed(body, event.market_time, state.parameters)
        case _:
            desk.fold(body, state.time.seconds)


def _position_closed(state: StrategyState, body: PositionClosed) -> None:
    found = state.positions.pop(body.position_id, None)
    if found is None:
        return
    if len(state.ended_positions) >= ENDED_MAX:
        del state.ended_positions[next(iter(state.ended_positions))]
    state.ended_positions[body.position_id] = found


def _order_intended(state: StrategyState, body: OrderIntended) -> None:
    if not body.is_entry:
        return
    for key, live in state.lives.items():
        if live.signal_id == body.signal_id:
            live.status = Status.ORDERED
            live.working[body.order_ref] = 0
            state.slippage.follow(body.position_id)
            state.orders[body.order_ref] = key


def _order_changed(state: StrategyState, body: OrderChanged) -> None:
    key = state.orders.get(body.order_ref)
    live = None if key is None else state.lives.get(key)
    if key is None or live is None:
        return
    live.filled = live.filled or body.filled > 0
    if body.state.is_final:
        live.working.pop(body.order_ref, None)
        state.orders.pop(body.order_ref)
        if live.filled and not live.working:
            del state.lives[key]
