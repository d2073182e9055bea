"""Tolerant reading of one JSON object: the vendor mixes strings, numbers, nulls and empty texts.

Numbers keep their exact text until a reader says whether it wants a Decimal, a float or a whole
number. A field that is absent, null or "" reads as None; one of another kind is an error that
names the field, because a wrong number is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TypeAlias

import msgspec

JsonValue: TypeAlias = "bool | int | Decimal | str | list[JsonValue] | dict[str, JsonValue] | None"

DIGITS_MAX = 400
"""Longest number read; the vendor was seen to send 172 characters."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?\Z")
PLAIN_DIGITS_MAX = 300
_PLAIN = "0123456789.-"
_WHOLE_MAX = 2**63
_MILLISECONDS_MIN = 10**11
"""Smaller ones are seconds: this is the year 1973, or 5138."""
_MICROSECONDS_MIN = 10**14
_NANOSECONDS_MIN = 10**17
_EPOCH_DIGITS_MAX = 20
_MILLISECONDS = tuple(timedelta(milliseconds=number) for number in range(1_000))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXPECTED = {
    "exact": "a number",
    "number": "a number",
    "whole": "a whole number",
    "instant": "a time with zone",
    "day": "a date",
}
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def is_plain(text: str) -> bool:
    """True for a text that float() and Decimal() read just as _NUMBER would have it, or not at
    all, and that fits a float. Nearly all numbers are such, and a day has millions."""
    return len(text) <= PLAIN_DIGITS_MAX and not text.strip(_PLAIN)


def looks_numeric(text: str) -> bool:
    """Whether a text holds a number, exponents included."""
    return bool(_NUMBER.match(text)) and len(text) <= DIGITS_MAX


class PayloadError(ValueError):
    """A payload is not what its channel carries: what, expected, was."""


def read_json(payload: bytes) -> JsonValue:
    """The JSON value of a payload, numbers with a point as exact Decimals.

    Raises:
        PayloadError: the bytes are not JSON.
    """
    try:
        value: JsonValue = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation, RecursionError) as error:
        raise PayloadError(f"payload must be JSON: {error}") from None
    return value


def read_object(payload: bytes) -> Fields:
    """The fields of a payload that is one object.

    Raises:
        PayloadError: the bytes are not a JSON object.
    """
    return as_fields(read_json(payload))


def as_fields(value: JsonValue) -> Fields:
    """
    Raises:
        PayloadError: the value is not an object.
    """
    if not isinstance(value, dict):
        raise PayloadError(f"payload must be an object, was {type(value).__name__}")
    return Fields(value)


def rows_of(payload: bytes) -> list[Fields]:
    """Rows of a REST body: {"data": [...]}, {"data": {...}}, a bare array or a bare object.

    Raises:
        PayloadError: the body is not JSON, or a row is not an object.
    """
    value = read_json(payload)
    if isinstance(value, dict) and "data" in value:
        value = value["data"]
    if value is None:
        return []
    if isinstance(value, dict):
        return [Fields(value)]
    if not isinstance(value, list):
        raise PayloadError(f"body must hold rows, was {type(value).__name__}")
    return [as_fields(row) for row in value]


class Fields:
    """Typed access to the fields of one object."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, JsonValue]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def items(self) -> ItemsView[str, JsonValue]:
        return self._values.items()

    def _present(self, name: str) -> JsonValue:
        value = self._values.get(name)
        return None if value == "" else value

    def _wrong(self, name: str, expected: str) -> PayloadError:
        shown = repr(self._values.get(name))[:80]
        return PayloadError(f"{name} must be {expected}, was {shown}")

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            return value
        raise self._wrong(name, "text")

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise self._wrong(name, "text")
        return value

    def exact(self, name: str) -> Decimal | None:
        """A number without loss, from a JSON number or a text."""
        value = self._values.get(name)
        if isinstance(value, str) and is_plain(value):
            if not value:
                return None
            try:
                return Decimal(value)
            except InvalidOperation:
                raise self._wrong(name, "a number") from None
        return None if value is None else self._any_exact(name, value)

    def _any_exact(self, name: str, value: JsonValue) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise self._wrong(name, "a number")
        if isinstance(value, str) and (len(value) > DIGITS_MAX or not _NUMBER.match(value)):
            raise self._wrong(name, "a number")
        number = Decimal(value)
        if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
            raise self._wrong(name, "a finite number")
        return number

    def required_exact(self, name: str) -> Decimal:
        value = self.exact(name)
        if value is None:
            raise self._wrong(name, "a number")
        return value

    def number(self, name: str) -> float | None:
        """A number for analytics."""
        value = self._values.get(name)
        if isinstance(value, str) and is_plain(value):
            if not value:
                return None
            try:
                return float(value)
            except ValueError:
                raise self._wrong(name, "a number") from None
        if value is None:
            return None
        number = float(self._any_exact(name, value))
        if number in (float("inf"), float("-inf")):
            raise self._wrong(name, "a number that fits a float")
        return number

    def whole(self, name: str) -> int | None:
        """A whole number; 12.0 is one, 12.5 is an error, and so is what 64 bits do not hold."""
        value = self._values.get(name)
        if type(value) is int and -_WHOLE_MAX < value < _WHOLE_MAX:
            return value
        exact = self.exact(name)
        if exact is None:
            return None
        if exact != exact.to_integral_value() or abs(exact) >= _WHOLE_MAX:
            raise self._wrong(name, "a whole number")
        return int(exact)

    def count(self, name: str) -> int:
        """A whole number, 0 when it is absent."""
        return self.whole(name) or 0

    def flag(self, name: str) -> bool | None:
        value = self._present(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._wrong(name, "true or false")

    def instant(self, name: str) -> datetime | None:
        """A time: a number since the epoch, or ISO 8601 with zone (blank or T between, Z or
        offset)."""
        value = self._values.get(name)
        try:
            if type(value) is int:  # not a bool
                return from_epoch(value)
            if value is None or value == "":
                return None
            if isinstance(value, str):
                return from_text(value)
        except (ValueError, OverflowError, OSError):
            pass
        raise self._wrong(name, "a time with zone")

    def required_instant(self, name: str) -> datetime:
        value = self.instant(name)
        if value is None:
            raise self._wrong(name, "a time with zone")
        return value

    def day(self, name: str) -> date | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise self._wrong(name, "a date") from None

    def rows(self, name: str) -> list[Fields]:
        """A list of objects; absent or null is empty."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, "a list of objects")
        return [as_fields(row) for row in value]

    def required(self, name: str, kind: str) -> object:
        """What the method `kind` says of a field that must be there."""
        value: object = getattr(self, kind)(name)
        if value is None:
            raise self._wrong(name, _EXPECTED.get(kind, "text"))
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; absent or null is empty."""
        value = self._values.get(name)
        if isinstance(value, list):
            texts = [item for item in value if isinstance(item, str)]
            if len(texts) == len(value):
                return tuple(texts)
        elif value is None or value == "":
            return ()
        raise self._wrong(name, "a list of texts")


@lru_cache(maxsize=4_096)  # what comes now is mostly of the last few seconds
def _second(seconds: int) -> datetime:
    return _EPOCH + timedelta(0, seconds)


def from_epoch(value: int) -> datetime:
    """A time from a number since the epoch: milliseconds as a rule; seconds, microseconds and
    nanoseconds are told by their size.

    Raises:
        OverflowError: beyond the calendar.
    """
    if _MILLISECONDS_MIN <= value < _MICROSECONDS_MIN:
        return _second(value // 1000) + _MILLISECONDS[value % 1000]
    if value < _MILLISECONDS_MIN:
        return _EPOCH + timedelta(0, value)
    if value >= _NANOSECONDS_MIN:
        value //= 1000
    return _EPOCH + timedelta(0, value // 1_000_000, value % 1_000_000)


def from_text(value: str) -> datetime:
    """A time from a text of a number, or of ISO 8601 with zone.

    Raises:
        ValueError: it is neither, or beyond the calendar.
        OverflowError: beyond the calendar.
    """
    if value.isdecimal() and len(value) <= _EPOCH_DIGITS_MAX:
        return from_epoch(int(value))
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("zone must be given, was not")
    return at.astimezone(UTC)
