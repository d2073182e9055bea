"""StopStage: marks, stops, trailing and every decision to leave a position. Last in the trader.

It watches each open position at quotes, closed minutes and clock ticks, and says by precedence
when and how fast it is left; orders.py carries it out. Time is market time of its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from domain.event import Recorded
from domain.events.controls import (
    CONTROL_STREAM,
    AlertRaised,
    ControlRefused,
    FlattenStarted,
    TradeCancelRequested,
)
from domain.events.feeds import (
    IbBarReceived,
    IbTicksReceived,
    LinesWanted,
    WantedLine,
)
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerSnapshotReceived,
    OrderChanged,
    OrderIntended,
)
from domain.events.positions import (
    ExitDecided,
    ExitPlanChanged,
    ExitPlanChangeRequested,
    ExitReason,
    PositionChanged,
    PositionMarked,
    PositionOpened,
    StopMoved,
)
from domain.events.rolls import PositionRolled
from domain.events.system import ClockTicked
from domain.execution.assignment_guard import assignment_cases
from domain.execution.exit_cases import (
    forced_flat_at,
    held_too_long,
    mark_cases,
    time_cases,
    underlying_cases,
    wanted_stop,
)
from domain.execution.exit_rules import (
    ExitCase,
    first_case,
    profile_of,
    replaces,
)
from domain.execution.ladder import Profile
from domain.execution.margin_watch import margin_case
from domain.execution.plan_changes import changed_plan, refusal_of
from domain.execution.stop_state import REQUESTER, StopState, fold, held_alert_id
from domain.execution.watched import Watched
from domain.execution.watermarks import due
from domain.instruments import MULTIPLIER, OptionContract
from domain.numbers import cents
from domain.stage import Emission

MARK_EVERY = timedelta(seconds=1)
STOP_MOVE_EVERY = timedelta(seconds=1)
ALERT_STREAM = "alert/stops"
HELD_TOO_LONG = "HELD_TOO_LONG"


class StopStage:
    """Stage protocol over StopState."""

    name = "stops"
    types = frozenset(
        {
            "AlertRaised",
            "BrokerAccountSeen",
            "BrokerSnapshotReceived",
            "ClockTicked",
            "ExitDecided",
            "ExitPlanChangeRequested",
            "ExitPlanChanged",
            "FillInferred",
            "FlattenStarted",
            "HistoryImported",
            "IbBarReceived",
            "IbTicksReceived",
            "LineClosed",
            "LinesWanted",
            "OrderChanged",
            "OrderIntended",
            "ParametersChanged",
            "PositionAdjusted",
            "PositionChanged",
            "PositionMarked",
            "PositionOpened",
            "PositionRolled",
            "PositionWatermark",
            "RiskDecided",
            "RateUpdated",
            "SessionPlanned",
            "SignalExpired",
            "SignalInvalidated",
            "SignalValidated",
            "StopMoved",
            "TradeCancelRequested",
            "TradingHalted",
            "TradingReleased",
        }
    )

    def initial(self) -> StopState:
        return StopState()

    def evolve(self, state: StopState, event: Recorded) -> StopState:
        fold(state, event)
        return state

    def react(self, state: StopState, event: Recorded) -> Sequence[Emission]:
        return _react(state, event)


def _react(state: StopState, event: Recorded) -> list[Emission]:
    now = event.market_time
    match event.body:
        case IbTicksReceived():
            emitted: list[Emission] = []
            for position_id in state.quoted:
                watched = state.positions[position_id]
                emitted += _judge(state, watched, now, timed=False)
                emitted += _marked(state, watched, now) + _watermark(watched, now)
            return emitted
        case ClockTicked():
            emitted = []
            for watched in state.positions.values():
                if watched.is_held:
                    emitted += _judge(state, watched, now, timed=True) + _uneven(watched)
                    emitted += _marked(state, watched, now) + _watermark(watched, now)
                    emitted += _page(state, watched, now)
            return emitted + _lines(state, only_more=False)
        case IbBarReceived() as body:
            return [
                emission
                for watched in state.positions.values()
                if watched.is_held and watched.opened.symbol == body.symbol
                for emission in (
                    *_judge(state, watched, now, timed=False),
                    *_watermark(watched, now),
                )
            ]
        case BrokerAccountSeen() | BrokerSnapshotReceived():
            return _margin(state, now)
        case FlattenStarted():
            return [e for watched in state.positions.values() for e in _kept_out(watched)]
        case TradeCancelRequested() as body:
            return _operator(state, body)
        case ExitPlanChangeRequested() as body:
            return _change_plan(state, event, body)
        case PositionOpened() as body:
            opened = state.positions[body.position_id]
            return [_stop_moved(opened, opened.stop, "initial")]
        case PositionRolled() as body:
            rolled = state.positions[body.position_id]
            return [_stop_moved(rolled, body.exit_plan.stop_price, "roll")]
        case OrderChanged():
            # A roll that ended halfway is no position that anybody planned.
            return [e for w in state.positions.values() if w.rolled_in_part for e in _kept_out(w)]
        case PositionChanged() as body:
            changed = state.positions.get(body.position_id)
            emitted = [] if changed is None else _kept_out(changed)
            return emitted + _lines(state, only_more=True)
        case OrderIntended():
            return _lines(state, only_more=True)
        case _:
            return []


def _stream(watched: Watched) -> str:
    return f"position/{watched.position_id}"


def _stop_moved(watched: Watched, price: Decimal, kind: str) -> Emission:
    body = StopMoved(
        position_id=watched.position_id,
        stop_price=price,
        previous_stop_price=None if kind == "initial" else watched.stop,
        high_water_mark=watched.best if watched.best is not None else Decimal(0),
        kind=kind,
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
        cases += time_cases(watched, state.parameters, session, now)
        dividends = state.underlyings[watched.opened.symbol].dividends
        cases += assignment_cases(
            watched, state.parameters, session, state.quotes, dividends, state.rates, now
        )
    emitted = _exit(watched, first_case(cases))
    wanted = wanted_stop(watched, state.parameters, session, now)
    since = watched.stop_moved_at
    if wanted is not None and (since is None or now - since >= STOP_MOVE_EVERY):
        emitted.append(_stop_moved(watched, *wanted))
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


def _kept_out(watched: Watched) -> list[Emission]:
    """What is held though it was to be closed: by a flatten, after a delivery, or filled after its
    end."""
    if watched.killed:
        return _simple(watched, ExitReason.KILL, "flatten", watched.killed)
    if watched.delivered:
        return _simple(watched, ExitReason.ASSIGNMENT_GUARD, "delivered", watched.delivered)
    if watched.rolled_in_part and watched.left is None:
        return _simple(watched, ExitReason.INVALIDATED, "rolled whole", watched.rolled_in_part)
    if watched.left is None or watched.exit is not None:
        return []
    evidence = ("filled after its end",)
    return _exit(watched, ExitCase(watched.left, Profile.URGENT, "left", evidence, watched.mark))


def _uneven(watched: Watched) -> list[Emission]:
    """A roll whose executions were lost, and the broker's list shows that it was not whole."""
    if not watched.rolls or not watched.is_inferred or watched.is_whole:
        return []
    legs = ", ".join(f"{con_id}: {n}" for con_id, n in watched.legs.items() if n)
    return _simple(watched, ExitReason.INVALIDATED, "rolled whole", f"the broker shows {legs}")


def _operator(state: StopState, body: TradeCancelRequested) -> list[Emission]:
    return [
        emission
        for watched in state.positions.values()
        if watched.operator
        for emission in _simple(
            watched, ExitReason.OPERATOR, "asked", f"{watched.operator}: {body.reason}"
        )
    ]


def _change_plan(
    state: StopState, event: Recorded, body: ExitPlanChangeRequested
) -> list[Emission]:
    watched, session = state.positions.get(body.position_id), state.session
    flat_at = None
    if watched is not None and session is not None:
        flat_at = forced_flat_at(watched, state.parameters, session)
    refusal = refusal_of(watched, body, flat_at)
    if refusal or watched is None:
        refused = ControlRefused(request_id=str(event.event_id), who=body.who, reason=refusal)
        return [Emission(CONTROL_STREAM, refused)]
    plan = changed_plan(watched, body)
    changed = ExitPlanChanged(
        position_id=watched.position_id, exit_plan=plan, who=body.who, reason=body.reason
    )
    emitted = [Emission(_stream(watched), changed, watched.correlation_id)]
    if body.stop_price is not None:
        emitted.append(_stop_moved(watched, body.stop_price, "operator"))
    return emitted


def _margin(state: StopState, now: datetime) -> list[Emission]:
    found = margin_case(state.margin, state.positions.values(), state.parameters, now)
    return [] if found is None else _exit(*found)


def _marked(state: StopState, watched: Watched, now: datetime) -> list[Emission]:
    since = watched.marked_at
    net, value = watched.net, watched.mark
    if net is None or value is None or watched.entry_price is None:
        return []
    if since is not None and now - since < MARK_EVERY:
        return []
    symbol = watched.opened.symbol
    is_quoted = state.quotes.underlying_is_good(symbol, now)
    profit = (value - watched.entry_price) * watched.units * MULTIPLIER
    body = PositionMarked(
        position_id=watched.position_id,
        symbol=symbol,
        mark=str(value),
        bid=str(net.bid),
        ask=str(net.ask),
        unrealised_pnl=str(cents(profit)),
        underlying_price=state.quotes.underlying_price(symbol, now) or 0.0,
        quote_age_seconds=net.oldest_seconds,
        quality="OK" if net.sound else "DEGRADED",
        underlying_quality="OK" if is_quoted else "DEGRADED",
    )
    return [Emission(f"marks/{watched.position_id}", body, watched.correlation_id)]


def _page(state: StopState, watched: Watched, now: datetime) -> list[Emission]:
    """Once: its exit goes on, but a human must know."""
    if state.session is None or watched.is_paged:
        return []
    reason = held_too_long(watched, state.session, now)
    if not reason:
        return []
    body = AlertRaised(
        alert_id=held_alert_id(watched),
        severity="critical",
        code=HELD_TOO_LONG,
        text=f"{watched.position_id}: {reason}, {watched.units} units",
    )
    return [Emission(ALERT_STREAM, body, watched.correlation_id)]


def _watermark(watched: Watched, now: datetime) -> list[Emission]:
    body = due(watched, now) if watched.is_held else None
    if body is None:
        return []
    return [Emission(f"watermark/{watched.position_id}", body, watched.correlation_id)]


def _lines(state: StopState, *, only_more: bool) -> list[Emission]:
    """Lines for legs held or being traded: more at once, fewer at the next tick.

    Between an entry's end and its position's beginning no line may be given up.
    """
    reasons: dict[int, tuple[OptionContract, str]] = {}
    for structure in state.entries.values():
        for leg in structure.legs:
            reasons[leg.contract.con_id] = (leg.contract, "entry")
    for watched in state.positions.values():
        for leg in watched.all_legs:
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
