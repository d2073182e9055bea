"""What the order checks look at: the order, the quotes, the desk's situation and the limits.

Plain values that the order stage fills from its own state; domain/risk/order_checks.py judges
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.events.orders import OrderType, Purpose
from domain.events.risk import Check
from domain.events.signals import Result
from domain.instruments import Side, Strategy, Structure
from domain.parameter import ParameterState
from domain.risk.codes import DenialCode


@dataclass(frozen=True, slots=True)
class OrderProposal:
    """An order about to be intended or re-priced. Prices are of the structure as bought.

    `profile` is the ladder's name; urgent and market_equivalent get the wider collar.
    `replaces` is how often this order was replaced already, this time not included.
    """

    order_ref: str
    purpose: Purpose
    strategy: Strategy
    structure: Structure
    action: Side
    quantity: int
    order_type: OrderType
    limit_price: Decimal
    account: str
    paper: bool
    position_id: str = ""
    profile: str = "normal"
    time_in_force: str = "DAY"
    is_replacement: bool = False
    replaces: int = 0


@dataclass(frozen=True, slots=True)
class MarketView:
    """Quotes at this moment. None means that there is no usable value.

    `net_bid` and `net_ask` are the structure's, as bought. `leg_ages_seconds` has one age a leg.
    """

    net_bid: Decimal | None
    net_ask: Decimal | None
    model_mid: Decimal | None
    leg_ages_seconds: tuple[float | None, ...]
    underlying_price: float | None
    underlying_age_seconds: float | None
    last_good_mark: Decimal | None = None


@dataclass(frozen=True, slots=True)
class WorkingLeg:
    """One contract that a working order, or a held position, stands on."""

    con_id: int
    side: Side
    order_ref: str
    """Empty for a held position."""
    position_id: str
    is_protective_stop: bool = False


@dataclass(frozen=True, slots=True)
class DeskSituation:
    """What the desk did and may do at `now`, counted by the order stage.

    `similar_order_seconds` is the age of the newest order with the same legs and side, None when
    there is none. `breached_limits` names risk limits that are breached right now.
    """

    now: datetime
    option_open_at: datetime | None
    option_close_at: datetime | None
    signal_valid_until: datetime | None
    equity_usd: Decimal | None
    held_units: int
    account: str
    paper: bool
    order_ref_used: bool = False
    similar_order_seconds: float | None = None
    new_orders_bucket_minute: int = 0
    new_orders_minute: int = 0
    replaces_minute: int = 0
    exit_replaces_minute: int = 0
    breached_limits: tuple[str, ...] = ()
    working: tuple[WorkingLeg, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """Limits of the last line, read once from the parameters on the log."""

    collar_ticks: int
    collar_spread_share: float
    collar_urgent_ticks: int
    fair_value_min: Decimal
    fair_value_share: float
    contracts_per_order: int
    premium_share: float
    leg_age_seconds: float
    underlying_age_seconds: float
    duplicate_seconds: float
    orders_bucket_minute: int
    orders_minute: int
    replaces_order: int
    replaces_minute: int
    exit_replaces_minute: int
    no_quote_ticks: int


def order_limits(parameters: ParameterState) -> OrderLimits:
    """Raises MissingParameter when the log lacks one."""
    number = parameters.number
    return OrderLimits(
        collar_ticks=int(number("risk.order.collar_ticks")),
        collar_spread_share=number("risk.order.collar_spread_share"),
        collar_urgent_ticks=int(number("risk.order.collar_urgent_ticks")),
        fair_value_min=Decimal(repr(number("risk.order.fair_value_min_usd"))),
        fair_value_share=number("risk.order.fair_value_share"),
        contracts_per_order=int(number("risk.limit.contracts_order")),
        premium_share=number("risk.order.premium_share"),
        leg_age_seconds=number("risk.order.leg_age_s"),
        underlying_age_seconds=number("risk.order.underlying_age_s"),
        duplicate_seconds=number("risk.order.duplicate_s"),
        orders_bucket_minute=int(number("risk.order.new_bucket_minute")),
        orders_minute=int(number("risk.order.new_minute")),
        replaces_order=int(number("risk.order.replaces_order")),
        replaces_minute=int(number("risk.order.replaces_minute")),
        exit_replaces_minute=int(number("risk.order.exit_replaces_minute")),
        no_quote_ticks=int(number("risk.order.no_quote_ticks")),
    )


@dataclass(frozen=True, slots=True)
class ClippedExit:
    """What an exit may be. `held_back` is empty or names the only three reasons to wait.

    `cancel_first` lists our other orders on the same contracts. `price` is None only when
    neither a quote nor a last good mark exists.
    """

    price: Decimal | None
    quantity: int
    checks: tuple[Check, ...]
    held_back: tuple[DenialCode, ...] = ()
    cancel_first: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """Codes that did not pass: the caller records them and widens its ladder."""
        return tuple(check.code for check in self.checks if check.result is not Result.PASS)
