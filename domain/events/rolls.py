"""Rolls: the untested side of a condor is closed and another one opened, once a position (4.6).

The signals worker proposes, risk decides, the order stage sends one order, and the position says
so when it holds the new condor. Prices are of the structure as bought, a share.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from domain.event import DeskEvent
from domain.events.risk import Check, ScenarioGrid
from domain.events.signals import ExitPlan, LegQuote
from domain.instruments import OptionContract, Strategy, Structure


class RollProposed(DeskEvent):
    """The tested short of a condor reached its delta, and another untested side is there for a
    credit: risk is asked. Stream `roll/<position_id>`.

    Carries what it was decided on, like a valid signal.
    """

    roll_id: str
    position_id: str
    signal_id: str
    """Of the position."""
    strategy: Strategy
    symbol: str
    structure: Structure
    """As held."""
    roll: Structure
    """The order: the old side bought back and sold out, the new one sold and covered."""
    units: int
    tested: OptionContract
    tested_delta: float
    threshold_delta: float
    target_delta: float
    legs: tuple[LegQuote, ...]
    """Of the legs of `roll`, in their order."""
    underlying_price: float
    net_bid: Decimal
    net_ask: Decimal
    net_mid: Decimal
    model_mid: Decimal
    valid_until: datetime
    underlying_move_max: float
    mid_against_max: Decimal
    """The slippage budget."""
    target_credit: float
    """Share of the credit at which the new condor is to be left with a gain."""
    stop_cost: float
    """Times the credit that it may cost to close."""
    params_version: int

    @property
    def worst_price(self) -> Decimal:
        """The price that risk decides on: the order never passes it."""
        return self.net_mid + self.mid_against_max


class RollPassedOver(DeskEvent):
    """The tested short reached its delta, and nothing is rolled: told once for each code, position
    and session. Stream `roll/<position_id>`."""

    position_id: str
    symbol: str
    code: str
    """From the one enum of denial codes."""
    reason: str


class RollDecided(DeskEvent):
    """Risk on a proposal: approved or refused, with every check.
    Stream `roll-decision/<position_id>`."""

    roll_id: str
    position_id: str
    strategy: Strategy
    symbol: str
    approved: bool
    units: int
    denials: tuple[str, ...]
    checks: tuple[Check, ...]
    limit_price_max: Decimal
    """The worst price that it was decided on."""
    max_loss_before_usd: Decimal | None
    """A unit, fees included; null where it cannot be told."""
    max_loss_after_usd: Decimal | None
    equity_usd: Decimal | None
    broker_ready_id: str
    decided_at: datetime
    send_before: datetime
    scenario: ScenarioGrid | None = None


class RollRefused(DeskEvent):
    """An approved roll whose order is not sent: the last look failed. Nothing is working.
    Stream `roll-decision/<position_id>`."""

    roll_id: str
    position_id: str
    codes: tuple[str, ...]
    checks: tuple[Check, ...]


class PositionRolled(DeskEvent):
    """Every unit of a position is the new condor from now on. Stream `position/<position_id>`.

    Its maximum loss and its plan replace those of the opening; its times stay.
    """

    position_id: str
    roll_id: str
    signal_id: str
    strategy: Strategy
    symbol: str
    structure_before: Structure
    structure: Structure
    units: int
    fill_ids: tuple[str, ...]
    """Executions of legs that made it."""
    net_price: Decimal
    """Of the roll; negative: a credit."""
    basis_price: Decimal
    """Price of the new structure at which the whole position makes nothing, fees aside."""
    exit_plan: ExitPlan
    max_loss_per_unit_before_usd: Decimal
    max_loss_per_unit_usd: Decimal
    legs: tuple[LegQuote, ...]
    """Of the roll's legs when it was proposed."""
    rolled_at: datetime
