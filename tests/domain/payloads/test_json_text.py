"""What may be kept as data is JSON that every reader can decode again, however it was called."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.payloads.json_text import NESTING_MAX, TOO_DEEP, json_fault

_values = st.recursive(
    st.none() | st.text('[]{}"\\a', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("[}\\", max_size=2), inner),
    max_leaves=40,
)


def _levels(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_levels, value.values()), default=0)
    return 1 + max(map(_levels, value), default=0) if isinstance(value, list) else 0


@pytest.mark.parametrize("levels", [NESTING_MAX, NESTING_MAX + 1, 500, 995, 1_000, 200_000])
def test_nesting_has_a_limit_far_below_that_of_the_decoder(levels: int) -> None:
    expected = "" if levels <= NESTING_MAX else TOO_DEEP
    assert json_fault(b"[" * levels + b"]" * levels) == expected
    assert json_fault(b'{"a":' * levels + b"1" + b"}" * levels) == expected


@given(_values, st.integers(0, NESTING_MAX + 1))
def test_levels_are_counted_whatever_strings_hold(value: object, around: int) -> None:
    for _ in range(around):
        value = [value, "[[", "\\"]
    expected = "" if _levels(value) <= NESTING_MAX else TOO_DEEP
    assert json_fault(json.dumps(value).encode()) == expected


@pytest.mark.parametrize(
    "payload", [b"", b"<html>", b'{"a":NaN}', b'{"a":1', b'"\xff"', b"[1,]", b'"\xe2\x82']
)
def test_what_is_no_json_is_told(payload: bytes) -> None:
    assert json_fault(payload)


@pytest.mark.parametrize(
    "wide", [b"[" + b"[]," * 300_000 + b"[]]", b'"' + b'\\"[' * 300_000 + b'"']
)
def test_a_megabyte_is_judged_within_a_tenth_of_a_second(wide: bytes) -> None:
    began = time.thread_time()
    assert json_fault(wide) == ""
    assert time.thread_time() - began < 0.1
