"""Condors held for weeks, as the roll stage follows them: what they are, and what was tried.

Folded from positions, orders and decisions; domain/signals/rolls.py judges. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.event import Recorded
from domain.events.analytics import ChainEvaluated, MetricComputed
from domain.events.controls import TradingHalted, TradingReleased
from domain.events.feeds import LineClosed, LineOpened, LinesWanted
from domain.events.market_facts import HaltEnded, HaltStarted
from domain.events.orders import OrderChanged, OrderIntended, OrderState, Purpose
from domain.events.positions import (
    ExitDecided,
    ExitPlanChanged,
    FillInferred,
    PositionAdjusted,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from domain.events.rolls import (
    PositionRolled,
    RollDecided,
    RollPassedOver,
    RollProposed,
    RollRefused,
)
from domain.events.signals import ExitPlan
from domain.events.system import ClockStarted, ParametersChanged, SessionPlanned
from domain.instruments import OptionContract, Strategy, Structure, StructureKind
from domain.parameter import ParameterState
from domain.session import Session
from domain.signals.market_halts import MarketHalts
from domain.signals.reading import Reading

REQUESTER = "rolls"


@dataclass(slots=True)
class Condor:
    """One held condor of the bucket."""

    opened: PositionOpened
    plan: ExitPlan
    legs: dict[int, int] = field(default_factory=dict)
    touched: str = ""
    """What changed it, or is to: an exit, an assignment, a holding that was inferred."""
    is_used: bool = False
    """Rolled, whole or in part, or an order was never found."""
    working: set[str] = field(default_factory=set)
    orders: int = 0
    proposals: int = 0
    proposed: RollProposed | None = None
    """Waits for its decision, or for its order."""
    waits_until: datetime | None = None
    """After one that came to nothing."""
    told: set[str] = field(default_factory=set)
    """Codes for which it was passed over in this session."""
    wanted: tuple[OptionContract, ...] = ()
    """Legs of the roll that the newest chain would take: they need lines."""

    @property
    def structure(self) -> Structure:
        return self.opened.structure


@dataclass(slots=True)
class RollState:
    parameters: ParameterState = field(default_factory=ParameterState)
    session: Session | None = None
    entries_open: bool = True
    halted: bool = False
    market_halts: MarketHalts = field(default_factory=MarketHalts)
    readings: dict[str, Reading] = field(default_factory=dict)
    lines: set[int] = field(default_factory=set)
    lines_wanted: tuple[OptionContract, ...] = ()
    condors: dict[str, Condor] = field(default_factory=dict)


TYPES = frozenset(
    {
        "ChainEvaluated",
        "ClockStarted",
        "ExitDecided",
        "ExitPlanChanged",
        "FillInferred",
        "HaltEnded",
        "HaltStarted",
        "LineClosed",
        "LineOpened",
        "LinesWanted",
        "MetricComputed",
        "OrderChanged",
        "OrderIntended",
        "ParametersChanged",
        "PositionAdjusted",
        "PositionChanged",
        "PositionClosed",
        "PositionOpened",
        "PositionRolled",
        "RollDecided",
        "RollPassedOver",
        "RollProposed",
        "RollRefused",
        "SessionPlanned",
        "TradingHalted",
        "TradingReleased",
    }
)


def fold(state: RollState, event: Recorded) -> None:
    """Apply one event."""
    match event.body:
        case ChainEvaluated():
            pass
        case MetricComputed() as body:
            if _is_held(state, body.symbol):
                metrics = {metric.name: metric for metric in body.metrics}
                state.readings[body.symbol] = Reading(body.symbol, body.evaluated_at, metrics)
        case ParametersChanged() as body:
            state.parameters.apply(body)
        case ClockStarted() as body:
            state.entries_open = body.entries_open
        case SessionPlanned() as body:
            _session(state, body)
        case TradingHalted():
            state.halted = True
        case TradingReleased():
            state.halted = False
        case HaltStarted() | HaltEnded() as body:
            state.market_halts.fold(body)
        case LineOpened() as body:
            state.lines.add(body.contract.con_id)
        case LineClosed() as body:
            state.lines.discard(body.contract.con_id)
        case LinesWanted() as body:
            if body.requester == REQUESTER:
                state.lines_wanted = tuple(line.contract for line in body.lines)
        case _:
            _fold_positions(state, event)


def _is_held(state: RollState, symbol: str) -> bool:
    return any(condor.opened.symbol == symbol for condor in state.condors.values())


def _session(state: RollState, body: SessionPlanned) -> None:
    is_new = state.session is None or state.session.session_date != body.day.session_date
    state.session = Session(body)
    if is_new:
        state.market_halts.session_started()
        state.readings.clear()
        for condor in state.condors.values():
            condor.told.clear()


def _fold_positions(state: RollState, event: Recorded) -> None:
    match event.body:
        case PositionOpened() as body:
            is_condor = body.structure.kind is StructureKind.IRON_CONDOR
            if body.strategy is Strategy.FOURTEEN_DTE and is_condor:
                state.condors[body.position_id] = Condor(body, body.exit_plan)
        case PositionClosed() as body:
            state.condors.pop(body.position_id, None)
        case (
            PositionChanged()
            | PositionAdjusted()
            | FillInferred()
            | ExitDecided()
            | ExitPlanChanged()
            | PositionRolled() as body
        ):
            condor = state.condors.get(body.position_id)
            if condor is not None:
                _changed(condor, body)
        case _:
            _fold_orders(state, event)


def _changed(
    condor: Condor,
    body: PositionChanged
    | PositionAdjusted
    | FillInferred
    | ExitDecided
    | ExitPlanChanged
    | PositionRolled,
) -> None:
    match body:
        case PositionChanged():
            condor.legs = {leg.con_id: leg.quantity for leg in body.legs}
        case PositionAdjusted():
            condor.touched = body.kind
        case FillInferred():
            condor.touched = "a holding was inferred"
        case ExitDecided():
            condor.touched = f"exit {body.reason.value}"
        case ExitPlanChanged():
            condor.plan = body.exit_plan
        case PositionRolled():
            condor.is_used = True


def _fold_orders(state: RollState, event: Recorded) -> None:
    match event.body:
        case RollPassedOver() as body:
            if body.position_id in state.condors:
                state.condors[body.position_id].told.add(body.code)
        case RollProposed() as body:
            condor = state.condors.get(body.position_id)
            if condor is not None:
                condor.proposed, condor.proposals = body, condor.proposals + 1
        case RollDecided(approved=False) | RollRefused() as body:
            condor = state.condors.get(body.position_id)
            if condor is not None:
                _came_to_nothing(state, condor, event.market_time)
        case OrderIntended(purpose=Purpose.ROLL) as body:
            condor = state.condors.get(body.position_id)
            if condor is not None:
                condor.working.add(body.order_ref)
                condor.orders, condor.proposed = condor.orders + 1, None
        case OrderChanged() as body:
            for condor in state.condors.values():
                if body.order_ref in condor.working:
                    _order_changed(state, condor, body, event.market_time)
        case _:
            pass


def _order_changed(state: RollState, condor: Condor, body: OrderChanged, at: datetime) -> None:
    lost = body.state is OrderState.ABANDONED
    condor.is_used = condor.is_used or body.filled > 0 or lost
    if body.state.is_final:
        condor.working.discard(body.order_ref)
        _came_to_nothing(state, condor, at)


def _came_to_nothing(state: RollState, condor: Condor, at: datetime) -> None:
    wait = timedelta(minutes=state.parameters.number("signals.14d.roll.wait_min"))
    condor.proposed, condor.waits_until = None, at + wait
