"""Rounding that makes numbers on the log comparable (quantitative rules, 0.1)."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from domain.instruments import TICK


def significant(value: float | None, digits: int = 12) -> float | None:
    """A derived number as it goes into an event: 12 digits, null for NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits - 1}e}")


def cents(value: Decimal | float) -> Decimal:
    """Money at the ledger boundary, rounded half to even to the cent."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


def floor_tick(price: Decimal | float) -> Decimal:
    """The greatest order price that is not above `price`."""
    exact = price if isinstance(price, Decimal) else Decimal(repr(price))
    return (exact / TICK).to_integral_value(ROUND_FLOOR) * TICK


def ceil_tick(price: Decimal | float) -> Decimal:
    """The least order price that is not below `price`."""
    exact = price if isinstance(price, Decimal) else Decimal(repr(price))
    return (exact / TICK).to_integral_value(ROUND_CEILING) * TICK
