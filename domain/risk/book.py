"""What is open: positions held, entries decided or working, and orders on the broker's side.

Folded by the risk stage from decisions, orders and positions. Working entries count as filled;
an approved decision counts from the moment it is made until its order ends or it lapses. What
has ended is remembered into the next session: a late fill, a correction or an order that turns
up again brings it back, and then it counts in every limit as before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from domain.events.orders import OrderChanged, OrderIntended, OrderModifyIntended, Purpose
from domain.events.positions import (
    PositionChanged,
    PositionClosed,
    PositionMarked,
    PositionOpened,
)
from domain.events.risk import RiskDecided
from domain.events.rolls import PositionRolled
from domain.events.signals import SignalValidated
from domain.instruments import Direction, Leg, Right, Side, Strategy, Structure
from domain.risk.held import Entry, Held, OpenOrder, Story
from domain.risk.limits import Exposure


@dataclass(slots=True)
class Book:
    entries: dict[str, Entry] = field(default_factory=dict)
    positions: dict[str, Held] = field(default_factory=dict)
    orders: dict[str, OpenOrder] = field(default_factory=dict)
    ended_entries: dict[str, Entry] = field(default_factory=dict)
    """Of this session."""
    ended_orders: dict[str, OpenOrder] = field(default_factory=dict)
    """Of this session."""
    ended_positions: dict[str, Held] = field(default_factory=dict)
    """Of this session and the one before it."""
    round_trips: tuple[date, ...] = ()

    def decided(self, body: RiskDecided, signal: SignalValidated) -> None:
        self.entries[body.decision_id] = Entry(body, signal)

    def signal_ended(self, signal_id: str) -> None:
        """No further order will be sent for it; what works already is followed by its order."""
        for entry in self.entries.values():
            if entry.signal.signal_id == signal_id:
                entry.lapsed = True
        self._forget_finished()

    def refused(self, decision_id: str) -> None:
        """The order side sends nothing for this decision."""
        entry = self.entries.get(decision_id)
        if entry is not None:
            entry.lapsed = True
            self._forget_finished()

    def time_passed(self, now: datetime) -> None:
        late = [e for e in self.entries.values() if not e.intended and now > e.signal.valid_until]
        for entry in late:
            entry.lapsed = True
        if late:
            self._forget_finished()

    def intended(self, body: OrderIntended) -> None:
        if body.purpose is Purpose.WHAT_IF:
            return
        self.orders[body.order_ref] = OpenOrder(body, body.quantity, body.quantity)
        held = self._position(body.position_id)
        if held is not None and body.purpose is Purpose.ROLL:
            held.rolls.intended(body)
        entry = self.entries.get(body.decision_id)
        if body.is_entry and entry is not None:
            entry.intended = True
            entry.working[body.order_ref] = body.quantity

    def modified(self, body: OrderModifyIntended) -> None:
        order = self.orders.get(body.order_ref)
        if order is not None:
            filled = order.intended.quantity - order.remaining
            order.remaining = max(order.remaining, body.quantity - filled)
            order.most = max(order.most, body.quantity)

    def quantity_of(self, order_ref: str) -> int | None:
        """The largest quantity that an order was ever asked for; None for one not of ours."""
        order = self.orders.get(order_ref) or self.ended_orders.get(order_ref)
        return None if order is None else order.most

    def changed(self, body: OrderChanged) -> None:
        """An order that ended and turns up again works again, and its entry counts again."""
        ref = body.order_ref
        order = self.orders.pop(ref, None) or self.ended_orders.pop(ref, None)
        if order is None:
            return
        order.remaining = body.remaining
        (self.ended_orders if body.state.is_final else self.orders)[ref] = order
        self._entry_order_changed(order, body)

        held = self._position(order.intended.position_id)
        if held is not None and order.intended.purpose is Purpose.ROLL:
            held.rolls.changed(body)

    def exit_decided(self, position_id: str) -> None:
        held = self._position(position_id)
        if held is not None:
            held.is_leaving = True

    def rolled(self, body: PositionRolled) -> None:
        """From now on it is the new condor, with its loss; the volatilities of its new legs are
        those that it was decided on."""
        held = self._position(body.position_id)
        if held is None:
            return
        held.rolls.first, held.rolls.is_over = held.opened.structure, True
        changes = {
            "structure": body.structure,
            "exit_plan": body.exit_plan,
            "max_loss_per_unit_usd": body.max_loss_per_unit_usd,
        }
        held.opened = held.opened.model_copy(update=changes)
        if held.inputs is not None:
            known = {leg.con_id for leg in held.inputs.legs}
            more = tuple(leg for leg in body.legs if leg.con_id not in known)
            legs = {"legs": (*held.inputs.legs, *more)}
            held.inputs = held.inputs.model_copy(update=legs)

    def _entry_order_changed(self, order: OpenOrder, body: OrderChanged) -> None:
        decision_id = order.intended.decision_id
        entry = self.entries.get(decision_id) or self.ended_entries.get(decision_id)
        if entry is None:
            return
        self._note_fill(entry, body)
        if body.state.is_final:
            entry.working.pop(body.order_ref, None)
            self._forget_finished()
        elif order.intended.is_entry:
            entry.working[body.order_ref] = body.remaining
            self.ended_entries.pop(decision_id, None)
            self.entries[decision_id] = entry

    def _note_fill(self, entry: Entry, body: OrderChanged) -> None:
        decision_id = entry.decision.decision_id
        is_held = any(held.opened.decision_id == decision_id for held in self.positions.values())
        entry.awaits_position = body.filled > 0 and not is_held

    def _forget_finished(self) -> None:
        """An entry whose orders have ended says nothing any more; its position stands for it."""
        held = {position.opened.decision_id for position in self.positions.values()}
        for decision_id in [
            key
            for key, entry in self.entries.items()
            if entry.unfilled_units == 0
            and (entry.intended or entry.lapsed)
            and not entry.awaits_position
            and key not in held
        ]:
            self.ended_entries[decision_id] = self.entries.pop(decision_id)

    def opened(self, body: PositionOpened) -> None:
        entry = self.entries.get(body.decision_id) or self.ended_entries.get(body.decision_id)
        inputs = None
        if entry is not None:
            inputs, entry.awaits_position = entry.signal.risk_inputs, False
        known = self._position(body.position_id)
        self.ended_positions.pop(body.position_id, None)
        self.positions[body.position_id] = known or Held(body, 0, inputs)

    def _position(self, position_id: str) -> Held | None:
        return self.positions.get(position_id) or self.ended_positions.get(position_id)

    def strategy_of(self, position_id: str) -> Strategy | None:
        held = self._position(position_id)
        return None if held is None else held.opened.strategy

    def position_changed(self, body: PositionChanged, at: float) -> None:
        """A fill, a correction or a commission, `at` real seconds. A closed position that holds
        again is open."""
        held = self._position(body.position_id)
        if held is None:
            return
        # Legs may be held unevenly: the fullest one counts, so that none is outside the limits.
        legs = max((abs(leg.quantity) for leg in body.legs), default=0)
        held.units = max(body.units, legs)
        held.realised, held.entry_price = body.realised_pnl, body.average_entry_price
        held.legs = {leg.con_id: leg.quantity for leg in body.legs}
        sides = {leg.contract.con_id: leg.ratio for leg in held.all_legs}
        held.is_reversed = any(leg.quantity * sides.get(leg.con_id, 0) < 0 for leg in body.legs)
        if not _is_uncovered(held.all_legs, body):
            held.uncovered_since = None
        elif held.uncovered_since is None:
            held.uncovered_since = at
        if held.units > 0 and body.position_id in self.ended_positions:
            self.positions[body.position_id] = self.ended_positions.pop(body.position_id)

    def marked(self, body: PositionMarked) -> None:
        held = self.positions.get(body.position_id)
        if held is None:
            return
        held.unrealised = Decimal(body.unrealised_pnl)

    def closed(self, body: PositionClosed, session_date: date | None) -> None:
        """The result of a position that closes again is what its changes said: it is not added."""
        held = self._position(body.position_id)
        if held is None:
            return
        self.positions.pop(body.position_id, None)
        self.ended_positions[body.position_id] = held
        if not held.was_closed:
            held.realised = body.realised_pnl
        held.was_closed, held.units, held.unrealised = True, 0, Decimal(0)
        held.is_of_earlier_session = False
        same_day = body.opened_at.date() == body.closed_at.date()
        if session_date is not None and same_day and not held.is_round_trip:
            held.is_round_trip = True
            self.round_trips = (*self.round_trips, session_date)
        self._forget_finished()

    def session_started(self, oldest_counted: date) -> None:
        self.round_trips = tuple(day for day in self.round_trips if day >= oldest_counted)
        self.ended_entries.clear()
        self.ended_orders.clear()
        self.ended_positions = {
            position_id: held
            for position_id, held in self.ended_positions.items()
            if not held.is_of_earlier_session
        }
        for held in self.ended_positions.values():
            held.is_of_earlier_session = True
        for held in (*self.positions.values(), *self.ended_positions.values()):
            held.carried = held.realised + held.unrealised

    def bucket_pnl(self, strategy: Strategy) -> Decimal:
        """Realised and unrealised result of the bucket's positions today."""
        known = (*self.positions.values(), *self.ended_positions.values())
        return sum((held.today for held in known if held.opened.strategy is strategy), Decimal(0))

    def stories(self) -> tuple[Story, ...]:
        """Everything open or about to be, in the order in which it came about."""
        return (*self.held(), *self._working())

    def held(self) -> tuple[Story, ...]:
        """What is open, without what entries may still add."""
        found: list[Story] = []
        for held in self.positions.values():
            body = held.opened
            beta = 1.0 if held.inputs is None else held.inputs.beta
            exposure = Exposure(
                body.decision_id or body.position_id,
                body.strategy,
                body.symbol,
                body.direction,
                body.structure,
                held.units,
                body.max_loss_per_unit_usd,
                beta,
            )
            found.append(Story(exposure, held.inputs))
        return tuple(found)

    def _working(self) -> tuple[Story, ...]:
        found: list[Story] = []
        for decision_id, entry in self.entries.items():
            if entry.unfilled_units == 0:
                continue
            signal = entry.signal
            exposure = Exposure(
                decision_id,
                signal.strategy,
                signal.symbol,
                signal.direction,
                signal.structure,
                entry.unfilled_units,
                entry.max_loss_unit_usd,
                signal.risk_inputs.beta,
            )
            found.append(Story(exposure, signal.risk_inputs))
        return tuple(found)

    def exposures(self) -> tuple[Exposure, ...]:
        return tuple(story.exposure for story in self.stories())

    def sizes(self) -> tuple[tuple[str, int, bool, bool], ...]:
        """All that changes of what is open while it is: equal ones are the same book."""
        return tuple(
            (key, held.units, held.is_reversed, held.rolls.is_over)
            for key, held in self.positions.items()
        )

    def reversed_positions(self) -> tuple[str, ...]:
        return tuple(key for key, held in self.positions.items() if held.is_reversed)

    def uncovered_positions(self, before: float) -> tuple[str, ...]:
        """Those with a short that lost its cover before then, in real seconds."""
        return tuple(
            key
            for key, held in self.positions.items()
            if held.uncovered_since is not None and held.uncovered_since <= before
        )

    def contracts(self) -> frozenset[int]:
        """Contracts of everything open or about to be."""
        legs = [leg for held in self.positions.values() for leg in held.all_legs]
        legs += [leg for entry in self.entries.values() for leg in entry.signal.structure.legs]
        return frozenset(leg.contract.con_id for leg in legs)

    def unfilled_usd(self) -> Decimal:
        """What entries decided or working may still cost."""
        waiting = (entry for entry in self.entries.values() if entry.unfilled_units > 0)
        return sum((e.unfilled_units * e.max_loss_unit_usd for e in waiting), Decimal(0))

    def is_taken(self, strategy: Strategy, symbol: str, direction: Direction) -> bool:
        """One open position or working entry for each bucket, symbol and direction."""
        return any(
            e.strategy is strategy and e.symbol == symbol and e.direction is direction
            for e in self.exposures()
        )

    def opposite_of(self, structure: Structure, but: str = "") -> tuple[str, ...]:
        """Positions and working orders on the other side of a leg of `structure` bought, `but` for
        one position and its orders."""
        wanted = {leg.contract.con_id: leg.ratio > 0 for leg in structure.legs}
        found: list[str] = []
        for position_id, held in self.positions.items():
            if position_id != but and held.units > 0 and _opposes(held.all_legs, True, wanted):
                found.append(position_id)
        for order_ref, order in self.orders.items():
            buying = order.intended.action is Side.BUY
            if order.intended.position_id == but != "":
                continue
            if _opposes(order.intended.structure.legs, buying, wanted):
                found.append(order_ref)
        for decision_id, entry in self.entries.items():
            pending = not entry.intended and not entry.lapsed
            if pending and _opposes(entry.signal.structure.legs, True, wanted):
                found.append(decision_id)
        return tuple(found)

    def open_expiring(self, session_date: date) -> tuple[str, ...]:
        """Positions that expire on this day."""
        return tuple(
            position_id
            for position_id, held in self.positions.items()
            if held.opened.structure.expiry == session_date
        )

    def open_of(self, strategies: frozenset[Strategy]) -> tuple[str, ...]:
        return tuple(
            position_id
            for position_id, held in self.positions.items()
            if held.opened.strategy in strategies
        )


def _is_uncovered(legs: tuple[Leg, ...], body: PositionChanged) -> bool:
    rights = {leg.contract.con_id: leg.contract.right for leg in legs}
    return any(
        sum(leg.quantity for leg in body.legs if rights.get(leg.con_id) is right) < 0
        for right in Right
    )


def _opposes(legs: tuple[Leg, ...], buying: bool, wanted: dict[int, bool]) -> bool:
    return any(
        leg.contract.con_id in wanted and ((leg.ratio > 0) == buying) != wanted[leg.contract.con_id]
        for leg in legs
    )
