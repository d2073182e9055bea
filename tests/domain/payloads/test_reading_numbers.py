"""Numbers and times of the vendor are read the short way or the long way, with the same outcome."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.payloads.unusual_whales.reading import DIGITS_MAX, Fields, PayloadError, read_object

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?\Z")
_numerals = st.text("0123456789.-+eE_ \n\u0663", max_size=8) | st.decimals().map(str)


def _long_way(text: str) -> Decimal | None:
    """The rule itself: a pattern, and bounds of the exact number."""
    if len(text) > DIGITS_MAX or not _NUMBER.match(text):
        return None
    number = Decimal(text)
    return number if number.is_finite() and abs(number.adjusted()) <= DIGITS_MAX else None


@given(_numerals.filter(bool))
@example("-0")
@example("-")
@example(".")
@example("1.")
@example(".5")
@example("1-2")
@example("9" * 300)
@example("9" * 301)
@example("9" * 401)
@example("0." + "0" * 297 + "1")
@example("1e-401")
def test_a_text_is_a_number_by_one_rule_however_short_it_is(text: str) -> None:
    fields, expected = Fields({"x": text}), _long_way(text)
    if expected is None:
        for read in (fields.exact, fields.number, fields.whole):
            with pytest.raises(PayloadError, match=r"^x must be a"):
                read("x")
        return
    assert repr(fields.exact("x")) == repr(expected)
    if abs(float(expected)) != float("inf"):
        assert repr(fields.number("x")) == repr(float(expected))
    if expected == expected.to_integral_value():
        assert fields.whole("x") == int(expected)
    else:
        with pytest.raises(PayloadError, match="whole number"):
            fields.whole("x")


@given(st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_of_json_is_exact_as_the_text_says(number: float) -> None:
    text = msgspec.json.encode(number).decode()
    fields = read_object(f'{{"x":{text}}}'.encode())
    assert fields.exact("x") == Decimal(text)
    assert fields.number("x") == float(text)


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda at: at.replace(tzinfo=UTC))
)
def test_milliseconds_are_read_to_the_millisecond(at: datetime) -> None:
    at = at.replace(microsecond=at.microsecond // 1_000 * 1_000)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    milliseconds = since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000
    assert Fields({"at": milliseconds}).instant("at") == at
    if milliseconds >= 0:
        assert Fields({"at": str(milliseconds)}).instant("at") == at


@pytest.mark.parametrize("milliseconds", [2**63, -(2**63), 2**90, "9" * 30])
def test_a_time_beyond_the_calendar_is_an_error(milliseconds: int | str) -> None:
    with pytest.raises(PayloadError, match="at must be a time"):
        Fields({"at": milliseconds}).instant("at")
