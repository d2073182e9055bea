"""StopStage: marks, stops, trailing and every decision to leave a position. Last in the trader.

It watches each open position at quotes, closed minutes and clock ticks, and says by precedence
when and how fast it is left; orders.py carries it out. Time is market time of its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from domain.event import Recorded
from domain.events.controls import FlattenStarted, TradeCancelRequested
from domain.events.feeds import (
    HistoryImported,
    IbBarReceived,
    IbTicksReceived,
    LineClosed,
    LinesWanted,
    WantedLine,
)
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerSnapshotReceived,
    OrderChanged,
    OrderIntended,
    Purpose,
)
from domain.events.positions import (
    ExitDecided,
    ExitReason,
    PositionChanged,
    PositionMarked,
    PositionOpened,
    StopMoved,
)
from domain.events.risk import RiskDecided
from domain.events.signals import RiskInputs, SignalExpired, SignalInvalidated, SignalValidated
from domain.events.system import ClockTicked, ParametersChanged, SessionPlanned
from domain.execution.exit_cases import (
    DAILY_CLOSE_RULE,
    assignment_cases,
    mark_cases,
    time_cases,
    underlying_cases,
    wanted_stop,
)
from domain.execution.exit_rules import (
    ExitCase,
    first_case,
    precedence,
    profile_of,
    replaces,
)
from domain.execution.ladder import Profile
from domain.execution.quotes import Quotes
from domain.execution.underlying import Minute, UnderlyingWatch
from domain.execution.watched import ExitState, Watched, watch_minute, watch_quote
from domain.instruments import MULTIPLIER, SYMBOLS, OptionContract, Structure
from domain.numbers import cents
from domain.parameter import ParameterState
from domain.risk.margin import account_number
from domain.session import Session
from domain.stage import Emission

REQUESTER = "trader"
MARK_EVERY = timedelta(seconds=1)
STOP_MOVE_EVERY = timedelta(seconds=1)


@dataclass(slots=True)
class StopState:
    parameters: ParameterState = field(default_factory=ParameterState)
    session: Session | None = None
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
    account: dict[str, str] = field(default_factory=dict)
    quoted: tuple[str, ...] = ()
    """Positions whose mark the present event changed."""


class StopStage:
    """Stage protocol over StopState."""

    name = "stops"
    types = frozenset(
        {
            "BrokerAccountSeen",
            "BrokerSnapshotReceived",
            "ClockTicked",
            "ExitDecided",
            "FlattenStarted",
            "HistoryImported",
            "IbBarReceived",
            "IbTicksReceived",
            "LineClosed",
            "LinesWanted",
            "OrderChanged",
            "OrderIntended",
            "ParametersChanged",
            "PositionChanged",
            "PositionMarked",
            "PositionOpened",
            "RiskDecided",
            "SessionPlanned",
            "SignalExpired",
            "SignalInvalidated",
            "SignalValidated",
            "StopMoved",
            "TradeCancelRequested",
        }
    )

    def initial(self) -> StopState:
        return StopState()

    def evolve(self, state: StopState, event: Recorded) -> StopState:
        _evolve(state, event)
        return state

    def react(self, state: StopState, event: Recorded) -> Sequence[Emission]:
        return _react(state, event)


def _evolve(state: StopState, event: Recorded) -> None:
    now = event.market_time
    state.quoted = ()
    match event.body:
        case IbTicksReceived() as body:
            if state.quotes.apply(body, now) and body.expiry:
                state.quoted = _watch_line(state, body.con_id, now)
        case ClockTicked():
            _watch_silent(state, now)
            for ref in state.ended:
                state.entries.pop(ref, None)
            state.ended.clear()
        case IbBarReceived() as body:
            _bar(state, body)
        case ParametersChanged() as body:
            state.parameters.apply(body)
        case SessionPlanned() as body:
            state.session = Session(body)
            state.positions = {k: w for k, w in state.positions.items() if w.is_held}
            for watch in state.underlyings.values():
                watch.start_session(state.session.session_date)
        case HistoryImported() as body:
            if body.symbol in state.underlyings:
                state.underlyings[body.symbol].import_history(body, state.session)
        case LineClosed() as body:
            state.quotes.close(body.contract.con_id)
        case LinesWanted() as body:
            if body.requester == REQUESTER:
                state.wanted = frozenset(line.contract.con_id for line in body.lines)
        case BrokerAccountSeen() as body:
            state.account.update(body.values)
        case BrokerSnapshotReceived() as body:
            state.account.update(body.account_values)
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
            if body.purpose is Purpose.ENTRY:
                state.entries[body.order_ref] = body.structure
        case OrderChanged() as body:
            if body.state.is_final:
                state.ended.add(body.order_ref)
        case _:
            _evolve_position(state, event)


def _evolve_position(state: StopState, event: Recorded) -> None:
    now = event.market_time
    match event.body:
        case PositionOpened() as body:
            inputs = state.inputs.pop(body.signal_id, None)
            watched = Watched(body, event.correlation_id, body.exit_plan.stop_price)
            if inputs is not None:
                watched.rv_hat_day = inputs.rv_hat_day
                watched.variance_remaining = inputs.variance_remaining
            state.positions[body.position_id] = watched
        case PositionChanged() as body:
            changed = state.positions.get(body.position_id)
            if changed is not None:
                changed.units = body.units
                changed.legs = {leg.con_id: leg.quantity for leg in body.legs}
                changed.entry_price = body.average_entry_price
                if not changed.is_held:
                    _ended(changed)
        case StopMoved() as body:
            moved = state.positions.get(body.position_id)
            if moved is not None:
                moved.stop, moved.stop_moved_at = body.stop_price, now
                moved.stop_kind = body.kind
        case ExitDecided() as body:
            left = state.positions.get(body.position_id)
            if left is not None:
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


def _ended(watched: Watched) -> None:
    """Nothing is held: what was decided is done. A late fill starts from a clean slate."""
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
            _daily_close(watched, minute, state.session)


def _daily_close(watched: Watched, minute: Minute, session: Session) -> None:
    """Thesis stop of 14D+: the day closed beyond a short strike."""
    last = session.minute(session.close_at) - 1
    if watched.opened.exit_plan.invalidation != DAILY_CLOSE_RULE:
        return
    watched.invalidated = ()
    if minute.index != last:
        return
    for leg in watched.structure.legs:
        strike = float(leg.contract.strike)
        call = leg.contract.right.value == "C"
        beyond = minute.close > strike if call else minute.close < strike
        if leg.ratio < 0 and beyond:
            watched.invalidated = (f"daily close {minute.close}", f"short strike {strike}")


def _react(state: StopState, event: Recorded) -> list[Emission]:
    now = event.market_time
    match event.body:
        case IbTicksReceived():
            emitted: list[Emission] = []
            for position_id in state.quoted:
                watched = state.positions[position_id]
                emitted += _judge(state, watched, now, timed=False)
                emitted += _marked(state, watched, now)
            return emitted
        case ClockTicked():
            emitted = []
            for watched in state.positions.values():
                if watched.is_held:
                    emitted += _judge(state, watched, now, timed=True)
                    emitted += _marked(state, watched, now)
            return emitted + _lines(state, only_more=False)
        case IbBarReceived() as body:
            return [
                emission
                for watched in state.positions.values()
                if watched.is_held and watched.opened.symbol == body.symbol
                for emission in _judge(state, watched, now, timed=False)
            ]
        case BrokerAccountSeen() | BrokerSnapshotReceived():
            return _margin(state)
        case FlattenStarted() as body:
            return _flatten(state, body)
        case TradeCancelRequested() as body:
            return _operator(state, body)
        case PositionOpened() as body:
            return [_initial_stop(state.positions[body.position_id])]
        case OrderIntended() | PositionChanged():
            return _lines(state, only_more=True)
        case _:
            return []


def _stream(watched: Watched) -> str:
    return f"position/{watched.position_id}"


def _initial_stop(watched: Watched) -> Emission:
    body = StopMoved(
        position_id=watched.position_id,
        stop_price=watched.opened.exit_plan.stop_price,
        previous_stop_price=None,
        high_water_mark=watched.best if watched.best is not None else Decimal(0),
        kind="initial",
    )
    return Emission(f"stop/{watched.position_id}", body, watched.correlation_id)


def _judge(state: StopState, watched: Watched, now: datetime, *, timed: bool) -> list[Emission]:
    """The exit that is due by precedence, and the stop that moves."""
    session = state.session
    if session is None:
        return []
    cases = mark_cases(watched, state.parameters, session, now)
    cases += underlying_cases(watched, state.parameters, session, state.quotes, now)
    if timed:
        cases += time_cases(watched, state.parameters, now)
        underlying = state.underlyings.get(watched.opened.symbol)
        cases += assignment_cases(watched, state.parameters, session, state.quotes, underlying, now)
    emitted = _exit(watched, first_case(cases))
    wanted = wanted_stop(watched, state.parameters, session, now)
    since = watched.stop_moved_at
    if wanted is not None and (since is None or now - since >= STOP_MOVE_EVERY):
        body = StopMoved(
            position_id=watched.position_id,
            stop_price=wanted[0],
            previous_stop_price=watched.stop,
            high_water_mark=watched.best if watched.best is not None else Decimal(0),
            kind=wanted[1],
        )
        emitted.append(Emission(f"stop/{watched.position_id}", body, watched.correlation_id))
    return emitted


def _exit(watched: Watched, case: ExitCase | None) -> list[Emission]:
    known = watched.exit
    if case is None or not watched.is_held:
        return []
    if not replaces(case, known.reason if known else None, known.profile if known else None):
        return []
    body = ExitDecided(
        position_id=watched.position_id,
        reason=case.reason,
        profile=case.profile.value,
        mark=case.mark,
        threshold=case.threshold,
        evidence=case.evidence,
    )
    return [Emission(f"exit/{watched.position_id}", body, watched.correlation_id)]


def _simple(watched: Watched, reason: ExitReason, threshold: str, evidence: str) -> list[Emission]:
    profile = profile_of(reason, watched.opened.strategy)
    return _exit(watched, ExitCase(reason, profile, threshold, (evidence,), watched.mark))


def _flatten(state: StopState, body: FlattenStarted) -> list[Emission]:
    return [
        emission
        for watched in state.positions.values()
        if watched.position_id in body.positions
        for emission in _simple(watched, ExitReason.KILL, "flatten", f"{body.who}: {body.reason}")
    ]


def _operator(state: StopState, body: TradeCancelRequested) -> list[Emission]:
    return [
        emission
        for watched in state.positions.values()
        if watched.operator
        for emission in _simple(
            watched, ExitReason.OPERATOR, "asked", f"{watched.operator}: {body.reason}"
        )
    ]


def _margin(state: StopState) -> list[Emission]:
    """Excess liquidity under a share of equity: the position with the largest risk first."""
    excess = account_number(state.account, "ExcessLiquidity")
    equity = account_number(state.account, "NetLiquidation")
    held = [watched for watched in state.positions.values() if watched.is_held]
    if excess is None or equity is None or not held:
        return []
    share = Decimal(repr(state.parameters.number("stop.margin_excess_share")))
    if excess >= share * equity:
        return []
    if any(w.exit and w.exit.reason is ExitReason.BROKER_MARGIN for w in held):
        return []
    largest = max(held, key=lambda w: (w.units * w.opened.max_loss_per_unit_usd, w.position_id))
    evidence = f"excess {excess} of equity {equity}"
    return _simple(largest, ExitReason.BROKER_MARGIN, f"{share} of equity", evidence)


def _marked(state: StopState, watched: Watched, now: datetime) -> list[Emission]:
    since = watched.marked_at
    net, value = watched.net, watched.mark
    if net is None or value is None or watched.entry_price is None:
        return []
    if since is not None and now - since < MARK_EVERY:
        return []
    symbol = watched.opened.symbol
    profit = (value - watched.entry_price) * watched.units * MULTIPLIER
    body = PositionMarked(
        position_id=watched.position_id,
        symbol=symbol,
        mark=str(value),
        bid=str(net.bid),
        ask=str(net.ask),
        unrealised_pnl=str(cents(profit)),
        underlying_price=state.quotes.underlying_price(symbol) or 0.0,
        quote_age_seconds=net.oldest_seconds,
        quality="OK" if net.sound else "DEGRADED",
    )
    return [Emission(f"marks/{watched.position_id}", body, watched.correlation_id)]


def _lines(state: StopState, *, only_more: bool) -> list[Emission]:
    """Lines for legs held or being traded: more at once, fewer at the next tick.

    Between an entry's end and its position's beginning no line may be given up.
    """
    reasons: dict[int, tuple[OptionContract, str]] = {}
    for structure in state.entries.values():
        for leg in structure.legs:
            reasons[leg.contract.con_id] = (leg.contract, "entry")
    for watched in state.positions.values():
        for leg in watched.structure.legs:
            if watched.legs.get(leg.contract.con_id):
                reasons[leg.contract.con_id] = (leg.contract, "held")
    wanted = frozenset(reasons)
    if wanted == state.wanted or (only_more and wanted <= state.wanted):
        return []
    lines = tuple(
        WantedLine(contract=contract, reason=reason)
        for _, (contract, reason) in sorted(reasons.items())
    )
    return [Emission(f"lines/{REQUESTER}", LinesWanted(requester=REQUESTER, lines=lines))]
