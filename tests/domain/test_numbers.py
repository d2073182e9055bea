"""Rounding of many numbers at once is the rounding of each."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.numbers import significant, significant_all, significant_columns

_DIGITS_13 = st.integers(-(10**13), 10**13).flatmap(
    lambda whole: st.integers(-30, 12).map(lambda power: float(f"{whole}5e{power}"))
)
"""Numbers whose digits end in a five, right where the rounding decides."""


def _bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("d", value)


@given(st.lists(st.floats() | _DIGITS_13, max_size=50))
def test_many_numbers_are_rounded_each_as_alone(values: list[float]) -> None:
    """To the last bit, signs of zero included; NaN and infinity are null."""
    together = significant_all(np.array(values, dtype=np.float64))
    assert [_bits(v) for v in together] == [_bits(significant(v)) for v in values]


def test_a_hundred_thousand_market_numbers_are_rounded_as_alone() -> None:
    random = np.random.default_rng(7)
    values = random.normal(size=100_000) * 10.0 ** random.uniform(-9, 9, size=100_000)
    assert significant_all(values) == [significant(v) for v in values.tolist()]


def test_columns_are_rounded_each_as_alone() -> None:
    columns = [np.array([1 / 3, np.nan]), np.array([2 / 3, 1e30])]
    assert significant_columns(*columns) == [significant_all(column) for column in columns]
