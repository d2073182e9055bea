"""PositionStage: what we hold, from fills and evidenced adjustments alone.

Third stage of the worker "trader". It opens, changes and closes positions; a closed one waits a
few seconds for the commissions of its last fills, and later ones still change its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain.event import Recorded
from domain.events.feeds import IbTicksReceived
from domain.events.orders import (
    CommissionRecorded,
    EntryRefused,
    FillRecorded,
    OrderIntended,
    Purpose,
)
from domain.events.positions import (
    ExitDecided,
    ExitPlanChanged,
    ExitReason,
    FillInferred,
    PnlExplained,
    PositionAdjusted,
    PositionClosed,
    PositionOpened,
)
from domain.events.risk import RiskDecided
from domain.events.rolls import PositionRolled, RollDecided, RollProposed, RollRefused
from domain.events.signals import SignalExpired, SignalInvalidated, SignalValidated
from domain.events.system import ClockTicked, ParametersChanged, SessionPlanned
from domain.execution.explain import (
    EVERY,
    Explanation,
    advanced,
    joined,
    restored,
    started,
    with_fill,
)
from domain.execution.holdings import INFERRED
from domain.execution.ledger import LegFill
from domain.execution.position import (
    ADJUSTMENT,
    Position,
    Roll,
    changed,
    closed,
    explained,
    opened,
    reopened,
)
from domain.execution.quotes import Quotes
from domain.execution.rolled import finished_roll, rolled
from domain.instruments import Side
from domain.parameter import MissingParameter, ParameterState
from domain.stage import Emission

COMMISSION_WAIT = timedelta(seconds=5)
"""Market time that a flat position waits for the commissions of its last fills."""
KEEP_CLOSED = timedelta(hours=18)
"""Market time in which a closed position is still known to late fills and corrections."""
_QUARTER = Decimal("0.25")


@dataclass(slots=True)
class PositionState:
    parameters: ParameterState = field(default_factory=ParameterState)
    signals: dict[str, tuple[SignalValidated, datetime]] = field(default_factory=dict)
    """With the moment at which each became valid."""
    decisions: dict[str, RiskDecided] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    purposes: dict[str, Purpose] = field(default_factory=dict)
    rolls: dict[str, RollProposed] = field(default_factory=dict)
    """Proposed ones without an order, by roll id."""
    quotes: Quotes = field(default_factory=Quotes)


class PositionStage:
    """Stage protocol over PositionState."""

    name = "positions"
    types = frozenset(
        {
            "ClockTicked",
            "CommissionRecorded",
            "EntryRefused",
            "ExitDecided",
            "FillInferred",
            "FillRecorded",
            "IbTicksReceived",
            "OrderIntended",
            "ParametersChanged",
            "PnlExplained",
            "PositionAdjusted",
            "ExitPlanChanged",
            "PositionClosed",
            "PositionOpened",
            "PositionRolled",
            "RiskDecided",
            "RollDecided",
            "RollProposed",
            "RollRefused",
            "SessionPlanned",
            "SignalExpired",
            "SignalInvalidated",
            "SignalValidated",
        }
    )

    def initial(self) -> PositionState:
        return PositionState()

    def evolve(self, state: PositionState, event: Recorded) -> PositionState:
        match event.body:
            case IbTicksReceived() as body:
                state.quotes.apply(body, event.market_time)
            case ParametersChanged() as body:
                state.parameters.apply(body)
            case SessionPlanned():
                _forget(state, event.market_time)
            case SignalValidated() as body:
                state.signals[body.signal_id] = body, event.market_time
            case SignalExpired() | SignalInvalidated() as body:
                if not any(d.signal_id == body.signal_id for d in state.decisions.values()):
                    state.signals.pop(body.signal_id, None)
            case RiskDecided() as body:
                _decided(state, body)
            case EntryRefused() as body:
                state.decisions.pop(body.decision_id, None)
                state.signals.pop(body.signal_id, None)
            case OrderIntended() as body:
                _intended(state, event, body)
            case FillRecorded() as body:
                _filled(state, event, body)
            case CommissionRecorded() as body:
                position = state.positions.get(body.position_id)
                if position is not None:
                    position.fees[body.fill_id] = body.commission
            case PositionAdjusted() | FillInferred() as body:
                _adjusted(state, event, body)
            case ExitDecided() as body:
                if body.position_id in state.positions:
                    state.positions[body.position_id].exit_reason = body.reason
            case PnlExplained() as body:
                _explained(state, event, body)
            case PositionOpened() | ExitPlanChanged() as body:
                if body.position_id in state.positions:
                    state.positions[body.position_id].plan = body.exit_plan
            case RollProposed() | RollDecided() | RollRefused() | PositionRolled() as body:
                _rolled(state, body)
            case PositionClosed() as body:
                if body.position_id in state.positions:
                    state.positions[body.position_id].is_closed = True
                    state.positions[body.position_id].closed_pnl = body.realised_pnl
        return state

    def react(self, state: PositionState, event: Recorded) -> Sequence[Emission]:
        match event.body:
            case FillRecorded() as body if body.contract is not None:
                return _after_fill(state, event, body.position_id, body.fill_id)
            case PositionAdjusted() | FillInferred() as body:
                return _after_fill(state, event, body.position_id, "adjustment")
            case CommissionRecorded() as body:
                return _after_commission(state, event, body)
            case ClockTicked():
                now = event.market_time
                return _close_waiting(state, now) + _explain_open(state, now)
            case _:
                return ()


def _rolled(
    state: PositionState, body: RollProposed | RollDecided | RollRefused | PositionRolled
) -> None:
    match body:
        case RollProposed():
            state.rolls[body.roll_id] = body
        case RollRefused() | RollDecided(approved=False):
            state.rolls.pop(body.roll_id, None)
        case PositionRolled():
            position = state.positions[body.position_id]
            orders = (roll.order for roll in position.rolls.values())
            made = next(order for order in orders if order.decision_id == body.roll_id)
            position.rolled_by, position.plan = made.order_ref, body.exit_plan
        case _:
            pass


def _forget(state: PositionState, now: datetime) -> None:
    for position in list(state.positions.values()):
        since = position.flat_since
        if position.is_closed and since is not None and now - since > KEEP_CLOSED:
            del state.positions[position.position_id]
            for ref in [r for r in state.purposes if r.startswith(position.position_id)]:
                del state.purposes[ref]


def _decided(state: PositionState, body: RiskDecided) -> None:
    if body.approved:
        state.decisions[body.decision_id] = body
    else:
        state.signals.pop(body.signal_id, None)


def _intended(state: PositionState, event: Recorded, body: OrderIntended) -> None:
    if body.purpose is Purpose.WHAT_IF:
        return
    state.purposes[body.order_ref] = body.purpose
    if body.purpose is Purpose.ROLL:
        _rolling(state, event, body)
    if body.purpose is Purpose.ENTRY:
        signal, signalled_at = state.signals.pop(body.signal_id)
        state.positions[body.position_id] = Position(
            position_id=body.position_id,
            intent=body,
            signal=signal,
            decision=state.decisions.pop(body.decision_id),
            correlation_id=event.correlation_id,
            signalled_at=signalled_at,
        )


def _rolling(state: PositionState, event: Recorded, body: OrderIntended) -> None:
    """An order is to roll a position: from now on it may hold that side too."""
    position = state.positions[body.position_id]
    proposed = state.rolls.pop(body.decision_id)
    if position.explanation is not None:
        so_far = _explained_until(state, position, event)
        position.explanation = joined(so_far, proposed.legs)
    position.rolls[body.order_ref] = Roll(body, proposed)


def _filled(state: PositionState, event: Recorded, body: FillRecorded) -> None:
    position = state.positions.get(body.position_id)
    if position is None or body.contract is None:
        return
    position.opened_at = position.opened_at or event.market_time
    if body.corrects:
        position.fees.pop(body.fill_id, None)
    fill = LegFill(body.fill_id, body.contract.con_id, body.side, body.quantity, body.price)
    before = position.fills.get(fill.fill_id)
    position.explanation = with_fill(_explained_until(state, position, event), fill, before)
    position.fills[body.fill_id] = fill
    position.last_order_ref = body.order_ref
    _mark_flat(position, event.market_time)


def _explained_until(state: PositionState, position: Position, event: Recorded) -> Explanation:
    """With the quantities held before this event, up to it."""
    now = event.market_time
    if position.explanation is None:
        position.explanation = started(position.signal.risk_inputs.legs, now)
        position.explained_at = now
    return advanced(position.explanation, position.symbol, position.held, state.quotes, now)


def _explained(state: PositionState, event: Recorded, body: PnlExplained) -> None:
    """As written: a restart goes on from here without the quotes behind it."""
    position = state.positions.get(body.position_id)
    if position is not None and position.explanation is not None:
        position.explanation = restored(position.explanation, body, event.market_time)
        position.explained_at = event.market_time


def _adjusted(state: PositionState, event: Recorded, body: PositionAdjusted | FillInferred) -> None:
    """A change without a fill, booked at what it was worth; at no value where that is not known.

    What was inferred has no price at all: it is booked at that of its entry, no profit or loss.
    """
    position = state.positions.get(body.position_id)
    if position is None:
        return
    position.adjustments += 1
    fill_id = f"{ADJUSTMENT}{position.adjustments}"
    position.explanation = _explained_until(state, position, event)
    if isinstance(body, FillInferred):
        quantity, price = body.theirs - body.ours, _entry_price(position, body.con_id)
    else:
        inferred = body.kind == INFERRED
        price = _entry_price(position, body.con_id) if inferred else body.price or Decimal(0)
        quantity = body.quantity
    side = Side.BUY if quantity > 0 else Side.SELL
    position.fills[fill_id] = LegFill(fill_id, body.con_id, side, abs(quantity), price)
    position.opened_at = position.opened_at or event.market_time
    _mark_flat(position, event.market_time)


def _entry_price(position: Position, con_id: int) -> Decimal:
    """Of one leg: what its contracts were opened for, else its mid when the signal was raised."""
    leg = next(leg for leg in position.legs if leg.contract.con_id == con_id)
    opening = Side.BUY if leg.ratio > 0 else Side.SELL
    opened = [f for f in position.fills.values() if f.con_id == con_id and f.side is opening]
    quantity = sum(fill.quantity for fill in opened)
    if quantity:
        return sum((fill.quantity * fill.price for fill in opened), Decimal(0)) / quantity
    rolls = [quote for roll in position.rolls.values() for quote in roll.proposed.legs]
    quotes = (*position.signal.risk_inputs.legs, *rolls)
    return next(((q.bid + q.ask) / 2 for q in quotes if q.con_id == con_id), Decimal(0))


def _mark_flat(position: Position, at: datetime) -> None:
    position.is_reopened = False
    if position.account.is_flat:
        position.flat_since = position.flat_since or at
    else:
        position.is_reopened = position.is_closed
        position.flat_since, position.is_closed = None, False


def _after_fill(
    state: PositionState, event: Recorded, position_id: str, fill_id: str
) -> list[Emission]:
    position = state.positions.get(position_id)
    if position is None:
        return []
    emitted: list[Emission] = []
    correction = isinstance(event.body, FillRecorded) and bool(event.body.corrects)
    if len(position.fills) == 1 and not correction:
        units = risk_units(state.parameters, position.decision)
        emitted.append(opened(position, units, event.market_time))
    if position.is_reopened:
        emitted.append(reopened(position, fill_id, event.market_time))
    roll = finished_roll(position)
    if roll is not None:
        emitted.append(rolled(position, roll, state.parameters, event.market_time))
        position = replace(position, rolled_by=roll.order.order_ref)
    emitted += [changed(position, fill_id), *_told_again(position)]
    if position.flat_since is not None and position.has_all_fees and not position.is_closed:
        emitted += _close(state, position)
    return emitted


def _close_waiting(state: PositionState, now: datetime) -> list[Emission]:
    due: list[Emission] = []
    for position in state.positions.values():
        since = position.flat_since
        if since is not None and not position.is_closed and now - since >= COMMISSION_WAIT:
            due += _close(state, position)
    return due


def _after_commission(
    state: PositionState, event: Recorded, body: CommissionRecorded
) -> list[Emission]:
    position = state.positions.get(body.position_id)
    if position is None or position.opened_at is None:
        return []
    emitted = [changed(position, body.fill_id), *_told_again(position)]
    if position.flat_since is not None and position.has_all_fees and not position.is_closed:
        emitted += _close(state, position)
    return emitted


def risk_units(parameters: ParameterState, decision: RiskDecided) -> Decimal:
    """R: maximum loss over the bucket's share of equity, to the nearest 0.25; 0 when unknown."""
    try:
        share = parameters.number(f"risk.size.bucket_share.{decision.strategy.value}")
    except MissingParameter:
        return Decimal(0)
    if decision.equity_usd is None or decision.equity_usd <= 0 or share <= 0:
        return Decimal(0)
    allowed = decision.equity_usd * Decimal(repr(share))
    return (decision.max_loss_usd / allowed / _QUARTER).quantize(Decimal(1)) * _QUARTER


def _close(state: PositionState, position: Position) -> list[Emission]:
    reason = position.exit_reason
    if state.purposes.get(position.last_order_ref) is Purpose.PROTECTIVE_STOP:
        reason = ExitReason.PROTECTIVE_STOP
    emitted = [closed(position, reason)]
    if position.explanation is not None:
        emitted.append(explained(position, position.explanation, is_final=True))
    return emitted


def _told_again(position: Position) -> list[Emission]:
    """A closed position's result changed: so does where it came from."""
    if not position.is_closed or position.explanation is None:
        return []
    return [explained(position, position.explanation, is_final=True)]


def _explain_open(state: PositionState, now: datetime) -> list[Emission]:
    emitted: list[Emission] = []
    for position in state.positions.values():
        so_far, written = position.explanation, position.explained_at
        if so_far is None or position.flat_since is not None:
            continue
        if written is not None and now - written >= EVERY:
            later = advanced(so_far, position.symbol, position.held, state.quotes, now)
            emitted.append(explained(position, later, is_final=False))
    return emitted
