"""What fills make of a position: quantities, average prices, fees and realised profit.

Pure arithmetic in Decimal, from the list of fills each time, so that a correction or a late
commission needs no undoing. Called by positions.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.events.positions import LegPosition
from domain.instruments import MULTIPLIER, Leg, Side, Structure
from domain.numbers import cents

_PRICE = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class LegFill:
    """A change of one leg. An expiry or an exercise counts as a fill at its value, free of fees."""

    fill_id: str
    con_id: int
    side: Side
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """A position as its fills have it. Prices of the structure a share, signed as bought."""

    legs: tuple[LegPosition, ...]
    units: int
    entry_price: Decimal
    exit_price: Decimal | None
    realised_pnl: Decimal
    fees: Decimal
    entered_units: int

    @property
    def is_flat(self) -> bool:
        return not any(leg.quantity for leg in self.legs)


@dataclass(frozen=True, slots=True)
class _LegSums:
    opened: int
    opened_value: Decimal
    closed: int
    closed_value: Decimal


def _sums(leg: Leg, fills: Iterable[LegFill]) -> _LegSums:
    opening = Side.BUY if leg.ratio > 0 else Side.SELL
    opened = closed = 0
    opened_value = closed_value = Decimal(0)
    for fill in fills:
        if fill.con_id != leg.contract.con_id:
            continue
        value = fill.quantity * fill.price
        if fill.side is opening:
            opened, opened_value = opened + fill.quantity, opened_value + value
        else:
            closed, closed_value = closed + fill.quantity, closed_value + value
    return _LegSums(opened, opened_value, closed, closed_value)


def account(
    structure: Structure, fills: Sequence[LegFill], fees: Decimal, beside: Sequence[Leg] = ()
) -> Account:
    """Realised profit is that of the closed quantity at average entry prices, less all fees.

    Units and prices are those of the structure; legs and profit are those of `beside` too: what a
    roll closed, or has opened so far.
    """
    legs: list[LegPosition] = []
    entry = exit_ = realised = Decimal(0)
    any_closed = False
    entered: list[int] = []
    for place, leg in enumerate((*structure.legs, *beside)):
        sums = _sums(leg, fills)
        sign = 1 if leg.ratio > 0 else -1
        con_id = leg.contract.con_id
        legs.append(LegPosition(con_id=con_id, quantity=sign * (sums.opened - sums.closed)))
        if sums.closed:
            cost = sums.opened_value
            if sums.closed != sums.opened and sums.opened:
                cost = sums.opened_value * sums.closed / sums.opened
            realised += sign * (sums.closed_value - cost) * MULTIPLIER
        if place >= len(structure.legs):
            continue
        entered.append(sums.opened)
        if sums.opened:
            entry += sign * sums.opened_value / sums.opened
        if sums.closed:
            any_closed = True
            exit_ += sign * sums.closed_value / sums.closed
    own = zip(legs[: len(structure.legs)], structure.legs, strict=True)
    held = [leg.quantity * (1 if part.ratio > 0 else -1) for leg, part in own]
    return Account(
        legs=tuple(legs),
        units=max(0, min(held)),
        entry_price=entry.quantize(_PRICE),
        exit_price=exit_.quantize(_PRICE) if any_closed else None,
        realised_pnl=cents(realised - fees),
        fees=cents(fees),
        entered_units=max(0, min(entered)),
    )
