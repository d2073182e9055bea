"""Maximum loss and profit of a structure from its payoff at expiry (quantitative rules, 5.1).

The payoff is piecewise linear: its extremes lie at 0 and at the strikes, unless it falls or rises
for ever on the right. Called by risk for every signal and by the order checks for the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from domain.instruments import MULTIPLIER, Right, Structure, StructureKind
from domain.parameter import ParameterState


class UnboundedLoss(ValueError):
    """The structure can lose without limit, or its legs do not share an expiry: refused."""


@dataclass(frozen=True, slots=True)
class Extremes:
    """Dollars a unit, fees included. `max_profit_usd` None means unbounded."""

    max_loss_usd: Decimal
    max_profit_usd: Decimal | None


def payoff(structure: Structure, underlying: Decimal) -> Decimal:
    """Value at expiry of one unit, a share, before its price."""
    total = Decimal(0)
    for leg in structure.legs:
        strike = leg.contract.strike
        inside = underlying - strike if leg.contract.right is Right.CALL else strike - underlying
        total += leg.ratio * max(Decimal(0), inside)
    return total


def extremes(structure: Structure, price: Decimal, fees_usd: Decimal = Decimal(0)) -> Extremes:
    """Extremes of a unit bought at `price` a share (negative: a credit), fees both ways added.

    Raises:
        UnboundedLoss: the right slope is negative, or the legs have several expiries or symbols.
    """
    contracts = [leg.contract for leg in structure.legs]
    if len({(c.expiry, c.symbol) for c in contracts}) != 1:
        raise UnboundedLoss("legs must share one symbol and expiry, was a mixture")
    slope = sum(leg.ratio for leg in structure.legs if leg.contract.right is Right.CALL)
    if slope < 0:
        raise UnboundedLoss(f"sum of call quantities must be at least 0, was {slope}")
    nodes = [Decimal(0), *sorted({contract.strike for contract in contracts})]
    values = [payoff(structure, node) - price for node in nodes]
    loss = -min(values) * MULTIPLIER + fees_usd
    profit = None if slope > 0 else max(values) * MULTIPLIER - fees_usd
    return Extremes(loss, profit)


def execution_fees_usd(executions: int, parameters: ParameterState) -> Decimal:
    """Commission and fees of so many executions of one contract."""
    each = Decimal(repr(parameters.number("risk.fees.commission_usd")))
    each += Decimal(repr(parameters.number("risk.fees.exchange_usd")))
    return executions * each


def rolled_loss_usd(
    before: Structure,
    after: Structure,
    entry_price: Decimal,
    net_price: Decimal,
    parameters: ParameterState,
) -> tuple[Decimal, Decimal]:
    """Maximum loss of a unit before and after a roll at `net_price`, with the fees of entry and
    exit, after it with those of the roll too. `entry_price` is what the unit cost.

    Raises:
        UnboundedLoss: a structure that can lose without limit.
    """
    legs = len(before.legs)
    first = extremes(before, entry_price, execution_fees_usd(2 * legs, parameters))
    price = entry_price + net_price
    second = extremes(after, price, execution_fees_usd(3 * legs, parameters))
    return first.max_loss_usd, second.max_loss_usd


def structure_width(structure: Structure) -> Decimal | None:
    """Distance of the strikes: of a condor the wider wing, of a single option None."""
    if structure.kind is StructureKind.LONG_OPTION:
        return None
    widths: list[Decimal] = []
    for right in Right:
        strikes = [leg.contract.strike for leg in structure.legs if leg.contract.right is right]
        if len(strikes) > 1:
            widths.append(max(strikes) - min(strikes))
    return max(widths) if widths else None
