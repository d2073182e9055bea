"""What the stop stage knows, and how events change it: quotes, minutes, positions, their ends.

Called by stops.py, which decides on this state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.event import Recorded
from domain.events.controls import (
    AlertRaised,
    FlattenStarted,
    TradeCancelRequested,
    TradingHalted,
    TradingReleased,
)
from domain.events.feeds import (
    HistoryImported,
    IbBarReceived,
    IbTicksReceived,
    LineClosed,
    LinesWanted,
)
from domain.events.interest_rates import RateUpdated
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerSnapshotReceived,
    OrderChanged,
    OrderIntended,
    Purpose,
)
from domain.events.positions import (
    ExitDecided,
    ExitPlanChanged,
    ExitReason,
    FillInferred,
    PositionAdjusted,
    PositionChanged,
    PositionMarked,
    PositionOpened,
    PositionWatermark,
    StopMoved,
)
from domain.events.risk import RiskDecided
from domain.events.rolls import PositionRolled
from domain.events.signals import RiskInputs, SignalExpired, SignalInvalidated, SignalValidated
from domain.events.system import ClockTicked, ParametersChanged, SessionPlanned
from domain.execution.daily_close import Close, close_of_session, judge_close
from domain.execution.exit_rules import (
    precedence,
)
from domain.execution.holdings import DELIVERIES
from domain.execution.ladder import Profile
from domain.execution.margin_watch import MarginWatch
from domain.execution.positions import KEEP_CLOSED
from domain.execution.quotes import Quotes
from domain.execution.underlying import UnderlyingWatch
from domain.execution.watched import ExitState, Watched, watch_minute, watch_quote
from domain.execution.watermarks import restored
from domain.instruments import SYMBOLS, Structure
from domain.parameter import ParameterState
from domain.pricing.rates import RateCurve, curve_of
from domain.session import Session

REQUESTER = "trader"


@dataclass(slots=True)
class StopState:
    parameters: ParameterState = field(default_factory=ParameterState)
    session: Session | None = None
    rates: RateCurve | None = None
    quotes: Quotes = field(default_factory=Quotes)
    underlyings: dict[str, UnderlyingWatch] = field(
        default_factory=lambda: {symbol: UnderlyingWatch() for symbol in SYMBOLS}
    )
    inputs: dict[str, RiskInputs] = field(default_factory=dict)
    positions: dict[str, Watched] = field(default_factory=dict)
    entries: dict[str, Structure] = field(default_factory=dict)
    """Structures of entry orders by reference, until the tick after their end."""
    ended: set[str] = field(default_factory=set)
    wanted: frozenset[int] = frozenset()
    margin: MarginWatch = field(default_factory=MarginWatch)
    quoted: tuple[str, ...] = ()
    """Positions whose mark the present event changed."""
    halted: bool = False
    flattening: str = ""
    """Who closed everything and why, until trading is released: what fills meanwhile goes too."""


def fold(state: StopState, event: Recorded) -> None:
    """Fold one event."""
    now = event.market_time
    state.quoted = ()
    match event.body:
        case IbTicksReceived() as body:
            if state.quotes.apply(body, now) and body.expiry:
                state.quoted = _watch_line(state, body.con_id, now)
        case ClockTicked():
            _watch_silent(state, now)
            _session_closed(state, now)
            for ref in state.ended:
                state.entries.pop(ref, None)
            state.ended.clear()
        case IbBarReceived() as body:
            _bar(state, body)
        case ParametersChanged() as body:
            state.parameters.apply(body)
        case RateUpdated() as body:
            state.rates = curve_of(body)
        case SessionPlanned() as body:
            before, state.session = state.session, Session(body)
            if before is not None and before.session_date == state.session.session_date:
                # New hours of the same day: what its bars have told stays.
                return
            state.positions = {
                position_id: watched
                for position_id, watched in state.positions.items()
                if watched.ended_at is None or now - watched.ended_at <= KEEP_CLOSED
            }
            for symbol, watch in state.underlyings.items():
                watch.start_session(symbol, state.session)
        case HistoryImported() as body:
            if body.symbol in state.underlyings:
                watch = state.underlyings[body.symbol]
                watch.import_history(body, state.session)
                _judge_closes(state, body.symbol, watch.daily_close)
        case LineClosed() as body:
            state.quotes.close(body.contract.con_id)
        case LinesWanted() as body:
            if body.requester == REQUESTER:
                state.wanted = frozenset(line.contract.con_id for line in body.lines)
        case BrokerAccountSeen() as body:
            _account(state, body.values, now)
        case BrokerSnapshotReceived() as body:
            _account(state, body.account_values, now)
        case SignalValidated() as body:
            state.inputs[body.signal_id] = body.risk_inputs
        case RiskDecided() as body:
            if not body.approved:
                state.inputs.pop(body.signal_id, None)
        case SignalExpired() as body:
            state.inputs.pop(body.signal_id, None)
        case SignalInvalidated():
            pass
        case OrderIntended() as body:
            if body.purpose.opens:
                state.entries[body.order_ref] = body.structure
            rolling = state.positions.get(body.position_id)
            if rolling is not None and body.purpose is Purpose.ROLL:
                rolling.rolls[body.order_ref] = body
        case OrderChanged() as body:
            if body.state.is_final:
                state.ended.add(body.order_ref)
            _roll_changed(state, body)
        case AlertRaised() as body:
            for watched in state.positions.values():
                watched.is_paged = watched.is_paged or body.alert_id == held_alert_id(watched)
        case TradingHalted() | TradingReleased() | FlattenStarted():
            _control(state, event.body)
        case _:
            _evolve_position(state, event)


def _roll_changed(state: StopState, body: OrderChanged) -> None:
    """A roll that ended and of which only some units were filled; a later fill may complete it."""
    for watched in state.positions.values():
        order = watched.rolls.get(body.order_ref)
        if order is None or not body.state.is_final:
            continue
        is_part = 0 < body.filled < order.quantity
        watched.rolled_in_part = (
            f"{body.filled} of {order.quantity} units rolled by {body.order_ref}" if is_part else ""
        )


def _account(state: StopState, values: Mapping[str, str], now: datetime) -> None:
    if state.parameters.values:
        state.margin.read(values, state.parameters.number("stop.margin_excess_share"), now)


def held_alert_id(watched: Watched) -> str:
    return f"held-{watched.position_id}"


def _control(state: StopState, body: TradingHalted | TradingReleased | FlattenStarted) -> None:
    match body:
        case TradingHalted():
            state.halted = True
        case TradingReleased():
            state.halted, state.flattening = False, ""
            for watched in state.positions.values():
                watched.killed = ""
        case FlattenStarted():
            reason = f"{body.who}: {body.reason}"
            for position_id in body.positions:
                if position_id in state.positions:
                    state.positions[position_id].killed = reason
            if state.halted:
                state.flattening = reason


def _evolve_position(state: StopState, event: Recorded) -> None:
    now = event.market_time
    match event.body:
        case PositionOpened() as body:
            inputs = state.inputs.pop(body.signal_id, None)
            watched = Watched(body, event.correlation_id, body.exit_plan.stop_price)
            if inputs is not None:
                watched.rv_hat_day = inputs.rv_hat_day
                watched.variance_remaining = inputs.variance_remaining
                watched.volatilities = {q.con_id: q.implied_volatility for q in inputs.legs}
            watched.killed = state.flattening
            state.positions[body.position_id] = watched
        case PositionChanged() as body:
            changed = state.positions.get(body.position_id)
            if changed is not None:
                changed.units = body.units
                changed.legs = {leg.con_id: leg.quantity for leg in body.legs}
                changed.entry_price = body.average_entry_price
                _held_or_ended(state, changed, now)
        case PositionAdjusted() as body:
            assigned = state.positions.get(body.position_id)
            if assigned is not None and body.kind in DELIVERIES:
                assigned.delivered = f"{body.kind}: {body.evidence}"
        case FillInferred() as body:
            inferred = state.positions.get(body.position_id)
            if inferred is not None:
                inferred.is_inferred = True
        case PositionRolled() as body:
            rolled = state.positions.get(body.position_id)
            if rolled is not None:
                rolled.rolled(body)
        case StopMoved() as body:
            moved = state.positions.get(body.position_id)
            if moved is not None:
                moved.stop, moved.stop_moved_at = body.stop_price, now
                moved.stop_kind = body.kind
        case ExitPlanChanged() as body:
            planned = state.positions.get(body.position_id)
            if planned is not None:
                plan = {"exit_plan": body.exit_plan}
                planned.opened = planned.opened.model_copy(update=plan)
        case PositionWatermark() as body:
            risen = state.positions.get(body.position_id)
            if risen is not None:
                restored(risen, body, now)
        case ExitDecided() as body:
            left = state.positions.get(body.position_id)
            if left is not None:
                if body.reason is ExitReason.BROKER_MARGIN:
                    state.margin.decided(now)
                known = left.exit
                if known is None or precedence(body.reason) <= precedence(known.reason):
                    left.exit = ExitState(body.reason, Profile(body.profile))
        case TradeCancelRequested() as body:
            for position in state.positions.values():
                if position.position_id == body.position_id or (
                    body.signal_id and position.opened.signal_id == body.signal_id
                ):
                    position.operator = body.who
        case PositionMarked() as body:
            marked = state.positions.get(body.position_id)
            if marked is not None:
                marked.marked_at = now
        case _:
            pass


def _held_or_ended(state: StopState, watched: Watched, now: datetime) -> None:
    """Nothing held: what was decided is done, and its reason kept for what may still fill."""
    if watched.is_held:
        if watched.ended_at is not None:
            watched.ended_at = None
            watched.killed = watched.killed or state.flattening
    elif watched.ended_at is None:
        watched.ended_at = now
        watched.left = watched.exit.reason if watched.exit else ExitReason.PROTECTIVE_STOP
        watched.exit = None
        watched.breached_at, watched.is_breached_again = None, False


def _watch_line(state: StopState, con_id: int, now: datetime) -> tuple[str, ...]:
    changed: list[str] = []
    for watched in state.positions.values():
        if watched.legs.get(con_id) and _watch(state, watched, now):
            changed.append(watched.position_id)
    return tuple(changed)


def _watch_silent(state: StopState, now: datetime) -> None:
    """A line that is silent while its underlying lives says the same as before.

    It confirms a breach only while it counts as fresh.
    """
    fresh = state.parameters.number("execution.quote_age_s")
    for watched in state.positions.values():
        if not watched.is_held:
            continue
        before = watched.is_breached_again
        _watch(state, watched, now)
        if watched.net is not None and watched.net.oldest_seconds > fresh:
            watched.is_breached_again = before


def _watch(state: StopState, watched: Watched, now: datetime) -> bool:
    age_max = state.parameters.number("stop.mark_quote_age_s")
    return watch_quote(watched, state.quotes, state.parameters, age_max, now)


def _bar(state: StopState, body: IbBarReceived) -> None:
    watch = state.underlyings.get(body.symbol)
    if watch is None or state.session is None:
        return
    minute = watch.add_bar(body, state.session)
    if minute is None:
        return
    multiple = state.parameters.number("stop.atr_multiple")
    for watched in state.positions.values():
        if watched.is_held and watched.opened.symbol == body.symbol:
            watch_minute(watched, minute, watch, state.session, multiple)


def _session_closed(state: StopState, now: datetime) -> None:
    if state.session is None or now < state.session.close_at:
        return
    for symbol, watch in state.underlyings.items():
        _judge_closes(state, symbol, close_of_session(watch, state.session, now))


def _judge_closes(state: StopState, symbol: str, close: Close | None) -> None:
    for watched in state.positions.values():
        if close is not None and watched.opened.symbol == symbol:
            judge_close(watched, close)
