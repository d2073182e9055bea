"""What a book is made of: entries decided or working, positions held, and orders at the broker.

Values of domain/risk/book.py, which folds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from domain.events.orders import OrderIntended
from domain.events.positions import PositionOpened
from domain.events.risk import RiskDecided
from domain.events.signals import RiskInputs, SignalValidated
from domain.instruments import Leg
from domain.risk.limits import Exposure
from domain.risk.rolled import Rolls


@dataclass(slots=True)
class Entry:
    """An approved decision. `working` has the units of each order that may still fill."""

    decision: RiskDecided
    signal: SignalValidated
    intended: bool = False
    lapsed: bool = False
    awaits_position: bool = False
    """An order of it filled and its position is not open yet: the order's end is told first."""
    working: dict[str, int] = field(default_factory=dict)

    @property
    def unfilled_units(self) -> int:
        if self.intended:
            return sum(self.working.values())
        return 0 if self.lapsed else self.decision.units

    @property
    def max_loss_unit_usd(self) -> Decimal:
        return self.decision.max_loss_usd / self.decision.units


@dataclass(slots=True)
class Held:
    """A position with what its valuation needs; `inputs` None for an adopted one."""

    opened: PositionOpened
    units: int
    inputs: RiskInputs | None
    realised: Decimal = Decimal(0)
    unrealised: Decimal = Decimal(0)
    carried: Decimal = Decimal(0)
    """Result at the start of the session: today's is what came since."""
    is_reversed: bool = False
    """A leg is held on the other side than its structure says: its loss has no bound."""
    uncovered_since: float | None = None
    """Real seconds since which more is sold of one right than its longs cover."""
    was_closed: bool = False
    is_of_earlier_session: bool = False
    is_round_trip: bool = False
    """Closed on the day it was opened: counted once, however often it closes."""
    is_leaving: bool = False
    """An exit was decided."""
    legs: dict[int, int] = field(default_factory=dict)
    """Contracts held, signed."""
    entry_price: Decimal | None = None
    rolls: Rolls = field(default_factory=Rolls)

    @property
    def all_legs(self) -> tuple[Leg, ...]:
        """Of its structure, then what a roll of it may have opened."""
        return self.rolls.legs_beside(self.opened.structure)

    @property
    def today(self) -> Decimal:
        return self.realised + self.unrealised - self.carried


@dataclass(slots=True)
class OpenOrder:
    intended: OrderIntended
    remaining: int
    most: int
    """Largest quantity ever asked for."""


@dataclass(frozen=True, slots=True)
class Story:
    """One exposure with the values its greeks and scenarios rest on."""

    exposure: Exposure
    inputs: RiskInputs | None
