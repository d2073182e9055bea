"""StopStage: marks, stops, trailing and every decision to leave a position. Last in the trader.

It watches each open position at quotes, closed minutes and clock ticks, and says by precedence
when and how fast it is left; orders.py carries it out. Time is market time of its inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from domain.event import Recorded
from domain.events.controls import FlattenStarted, TradeCancelRequested
from domain.events.feeds import (
    IbBarReceived,
    IbTicksReceived,
    LinesWanted,
    WantedLine,
)
from domain.events.orders import (
    BrokerAccountSeen,
    BrokerSnapshotReceived,
    OrderIntended,
)
from domain.events.positions import (
    ExitDecided,
    ExitPlanChangeRequested,
    ExitReason,
    PositionChanged,
    PositionMarked,
    PositionOpened,
    StopMoved,
)
from domain.events.system import ClockTicked
from domain.execution import plan_change
from domain.execution.exit_cases import (
    assignment_cases,
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
from domain.execution.stop_state import REQUESTER, StopState, fold
from domain.execution.watched import Watched
from domain.instruments import MULTIPLIER, OptionContract
from domain.numbers import cents
from domain.risk.margin import account_number
from domain.stage import Emission

MARK_EVERY = timedelta(seconds=1)
STOP_MOVE_EVERY = timedelta(seconds=1)


class StopStage:
    """Stage protocol over StopState."""

    name = "stops"
    types = frozenset(
        {
            "BrokerAccountSeen",
            "BrokerSnapshotReceived",
            "ClockTicked",
            "ExitDecided",
            "ExitPlanChangeRequested",
            "ExitPlanChanged",
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
        case ExitPlanChangeRequested() as body:
            watched_now = state.positions.get(body.position_id)
            return list(plan_change.answer(watched_now, event, body))
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
