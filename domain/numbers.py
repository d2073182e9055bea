"""Rounding that makes numbers on the log comparable (quantitative rules, 0.1)."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import numpy as np
from numpy.typing import NDArray

from domain.instruments import TICK


def significant(value: float | None, digits: int = 12) -> float | None:
    """A derived number as it goes into an event: 12 digits, null for NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits - 1}e}")


_POWERS = np.array([float(f"1e{k}") for k in range(-11, 13)])
_SCALES = np.array([float(f"1e{22 - k}") for k in range(23)])
"""What makes a whole number of 12 digits of a value between two of these powers: powers of ten up
to 1e22, which a double holds exactly."""
_NEAR_HALF = 1e-3


def significant_all(values: NDArray[np.float64]) -> list[float | None]:
    """`significant` of every value, the same to the last digit, many at once.

    A whole number divided by a power of ten up to 1e22 is the double nearest to the decimal. What
    lies beyond those powers, or so near a half that the product may have rounded over it, goes
    through text.
    """
    size = np.abs(values)
    with np.errstate(invalid="ignore"):
        inside = (size >= _POWERS[0]) & (size < _POWERS[-1])
        place = np.where(inside, np.searchsorted(_POWERS, size, side="right") - 1, 0)
        scaled = np.where(inside, values, 0.0) * _SCALES[place]
        whole = np.rint(scaled)
        unsure = ~inside | (np.abs(np.abs(scaled - whole) - 0.5) < _NEAR_HALF)
    found: list[float | None] = (whole / _SCALES[place]).tolist()
    for k in np.flatnonzero(unsure).tolist():
        found[k] = significant(float(values[k]))
    return found


def significant_columns(*columns: NDArray[np.float64]) -> list[list[float | None]]:
    """`significant_all` of columns of one length, all at once."""
    flat, rows = significant_all(np.concatenate(columns)), columns[0].size
    return [flat[k * rows : (k + 1) * rows] for k in range(len(columns))]


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
