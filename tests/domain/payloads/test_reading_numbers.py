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
    if expected == expected.to_integral_value() and abs(expected) < 2**63:
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
    st.datetimes(datetime(1973, 4, 1), datetime(5138, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
)
def test_a_time_is_read_in_the_unit_that_its_size_tells(at: datetime) -> None:
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    seconds, microseconds = since.days * 86_400 + since.seconds, since.microseconds
    for units in (1, 1_000, 1_000_000, 1_000_000_000):
        number = seconds * units + microseconds * units // 1_000_000
        kept = microseconds - microseconds % max(1, 1_000_000 // units)
        read = at.replace(microsecond=kept)
        assert Fields({"at": number}).instant("at") == read
        assert Fields({"at": str(number)}).instant("at") == read


@pytest.mark.parametrize("number", [2**73, -(2**63), 2**90, "9" * 30])
def test_a_time_beyond_the_calendar_is_an_error(number: int | str) -> None:
    with pytest.raises(PayloadError, match="at must be a time"):
        Fields({"at": number}).instant("at")


@pytest.mark.parametrize("number", [2**63, -(2**63), "1" + "0" * 30, 1e300])
def test_a_whole_number_that_64_bits_do_not_hold_is_an_error(number: float | str) -> None:
    """Tables and counters have no room for it."""
    fields = read_object(msgspec.json.encode({"x": number}))
    with pytest.raises(PayloadError, match="x must be a whole number"):
        fields.whole("x")
