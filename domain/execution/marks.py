"""Marks and trailing stops of positions, in prices of the structure as bought (rules 6.5).

One sign convention serves both kinds: a credit structure has negative prices, its cost to close
is the mark turned round. Called by stops.py with every usable quote.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from domain.execution.quotes import NetQuote
from domain.instruments import Structure, StructureKind
from domain.numbers import ceil_tick, floor_tick

_CREDIT = frozenset({StructureKind.CREDIT_VERTICAL, StructureKind.IRON_CONDOR})


def is_credit(structure: Structure) -> bool:
    return structure.kind in _CREDIT


def mark(
    structure: Structure, net: NetQuote, spread_min: Decimal, spread_share: Decimal
) -> Decimal:
    """No bid marks a long at 0; else the mid of a tight quote, a quarter of a wide one.

    Of a short the quarter is counted from the ask of its cost, which is the bid of the structure.
    """
    if not is_credit(structure) and (net.zero_bid or net.bid <= 0):
        return Decimal(0)
    if net.spread <= max(spread_min, spread_share * abs(net.mid)):
        return net.mid
    return net.bid + net.spread / 4


def shows_gain(structure: Structure, net: NetQuote) -> bool:
    """Whether a quote may reach a target or be the best one so far.

    A sound one may. Of a credit so may one with legs that are worth nothing: closing it costs what
    the asks say.
    """
    return net.sound or (is_credit(structure) and net.priced)


@dataclass(frozen=True, slots=True)
class TrailRule:
    """When trailing starts and how far behind the best mark the stop stays.

    Long: from H >= entry (1 + activation), H - max(fraction H, spreads x spread, floor).
    Credit: from (credit - Lw) / credit >= activation, Lw + max(fraction credit, ..., floor).
    """

    activation: Decimal
    fraction: Decimal
    spreads: Decimal
    floor: Decimal


def trailing_stop(
    structure: Structure, entry: Decimal, best: Decimal, spread: Decimal, rule: TrailRule
) -> Decimal | None:
    """The stop at this best mark, whole ticks away from the market; None before it is active.

    `best` is the greatest mark since entry; of a credit that is the least cost turned round.
    """
    if is_credit(structure):
        credit = -entry
        if credit <= 0 or (credit + best) / credit < rule.activation:
            return None
        distance = max(rule.fraction * credit, rule.spreads * spread, rule.floor)
    else:
        if entry <= 0 or best < entry * (1 + rule.activation):
            return None
        distance = max(rule.fraction * best, rule.spreads * spread, rule.floor)
    return floor_tick(best - distance)


def tightened(entry: Decimal, multiple: Decimal) -> Decimal:
    """The stop of a credit at a multiple of what was taken in."""
    return ceil_tick(entry * multiple)


def smoothed(
    before: Decimal | None, value: Decimal, seconds: float, half_life_seconds: float
) -> Decimal:
    """Time-weighted exponential mean; the weight of the past halves every `half_life_seconds`."""
    if before is None:
        return value
    kept = Decimal(repr(round(2.0 ** (-max(seconds, 0.0) / half_life_seconds), 9)))
    return (before * kept + value * (1 - kept)).quantize(Decimal("0.000001"))
