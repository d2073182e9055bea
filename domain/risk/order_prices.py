"""Prices at which an order may stand: collar, sensible value, fair value (5.9).

Called by domain/risk/order_checks.py; a bound judges the price of an entry and clips an exit's.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from domain.events.orders import Purpose
from domain.instruments import TICK, Side, Structure, StructureKind
from domain.numbers import ceil_tick, floor_tick
from domain.risk.max_loss import structure_width
from domain.risk.order_views import MarketView, OrderLimits, OrderProposal

ORDER_VALUE_CREDIT_MIN = Decimal("0.05")
ORDER_VALUE_SALE_MIN = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class PriceBound:
    """Prices allowed by one rule, both ends included; `unknown` names what is missing."""

    low: Decimal | None = None
    high: Decimal | None = None
    unknown: str = ""

    def holds(self, price: Decimal) -> bool:
        return (self.low is None or price >= self.low) and (self.high is None or price <= self.high)

    def clip(self, price: Decimal) -> Decimal:
        """The nearest tick inside; the lower end wins where no tick lies between both."""
        if self.high is not None and price > self.high:
            price = floor_tick(self.high)
        if self.low is not None and price < self.low:
            price = ceil_tick(self.low)
        return price

    def __str__(self) -> str:
        low = "-" if self.low is None else f"{self.low}"
        high = "-" if self.high is None else f"{self.high}"
        return f"[{low}, {high}]"


def _net_mid(market: MarketView) -> Decimal | None:
    if market.net_bid is None or market.net_ask is None:
        return None
    return (market.net_bid + market.net_ask) / 2


def collar(order: OrderProposal, market: MarketView, limits: OrderLimits) -> PriceBound:
    """Buys at most the ask plus an allowance, sells at least the bid less the same."""
    if market.net_bid is None or market.net_ask is None:
        return PriceBound(unknown="net quote")
    spread = max(Decimal(0), market.net_ask - market.net_bid)
    allowance = max(limits.collar_ticks * TICK, spread * Decimal(repr(limits.collar_spread_share)))
    if order.purpose is Purpose.EXIT and order.profile in ("urgent", "market_equivalent"):
        allowance = max(allowance, limits.collar_urgent_ticks * TICK)
    if order.action is Side.BUY:
        return PriceBound(high=market.net_ask + allowance)
    return PriceBound(low=market.net_bid - allowance)


def sensible_value(order: OrderProposal, market: MarketView) -> PriceBound:
    """Debit: bought below width and below S, sold for 0.01 or more. Credit: opened for 0.05 or
    more and below the width, closed for at most the width. Roll: for a credit below the width of
    the new side."""
    structure = order.structure
    if structure.kind is StructureKind.ROLL:
        # Both sides are worth at least nothing and at most their width.
        return PriceBound(low=-_opened_width(structure) + TICK, high=-TICK)
    width = structure_width(structure)
    if structure.kind in (StructureKind.CREDIT_VERTICAL, StructureKind.IRON_CONDOR):
        if width is None:
            return PriceBound(unknown="width")
        if order.action is Side.BUY:
            return PriceBound(low=-width + TICK, high=-ORDER_VALUE_CREDIT_MIN)
        return PriceBound(low=-width)
    if order.action is Side.SELL:
        return PriceBound(low=ORDER_VALUE_SALE_MIN)
    if market.underlying_price is None:
        return PriceBound(unknown="underlying price")
    below_underlying = ceil_tick(market.underlying_price) - TICK
    high = below_underlying if width is None else min(width - TICK, below_underlying)
    return PriceBound(high=high)


def _opened_width(roll: Structure) -> Decimal:
    """Of the side that a roll opens: its last two legs."""
    short, long = roll.legs[-2:]
    return abs(short.contract.strike - long.contract.strike)


def fair_value(market: MarketView, limits: OrderLimits) -> PriceBound:
    """Within the greater of an amount and a share of the net mid around the model value."""
    mid = _net_mid(market)
    if mid is None or market.model_mid is None:
        return PriceBound(unknown="net quote" if mid is None else "model mid")
    allowance = max(limits.fair_value_min, abs(mid) * Decimal(repr(limits.fair_value_share)))
    return PriceBound(low=market.model_mid - allowance, high=market.model_mid + allowance)
