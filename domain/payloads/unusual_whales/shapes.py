"""Payloads of the channels that send most: the usual shape in one step, any other field by field.

Nearly every frame has its fields as the vendor documents them, and msgspec reads such a one many
times faster than Fields does. What it refuses (a null, an empty text, a time in words) is no error
yet: it is read field by field, which is more patient, and names the field when that fails too.
Both say the same, but for numbers that nobody sends: one that no float tells from zero or from a
whole one is taken for that the usual way, and an exponent may have five digits. Fields that nobody
reads are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar, overload

import msgspec
from msgspec import Meta

from domain.payloads.unusual_whales.reading import (
    PLAIN_DIGITS_MAX,
    Fields,
    PayloadError,
    from_milliseconds,
    is_plain,
    read_object,
)

# What msgspec is to accept for each kind of Fields. In texts it takes numbers too; without the
# bounds it would take "nan", and whole numbers that went through a float.
_USUAL: dict[str, Any] = {
    "text": Annotated[str, Meta(min_length=1)],
    "exact": Annotated[str, Meta(min_length=1, max_length=PLAIN_DIGITS_MAX)],
    "number": Annotated[float, Meta(ge=-1.7e308, le=1.7e308)],
    "whole": Annotated[int, Meta(ge=-(2**31), le=2**31)],
    "instant": int | float | str,
    "day": date,
    "texts": tuple[str, ...],
    "flag": Any,
}
_UNUSUAL = (msgspec.MsgspecError, PayloadError, UnicodeDecodeError, InvalidOperation, OverflowError)
Typed = TypeVar("Typed")


class Shape:
    """Names of the fields that are read of a channel's payloads, by kind: methods of Fields."""

    def __init__(self, required: str, **names_by_kind: str) -> None:
        kinds = {name: kind for kind, names in names_by_kind.items() for name in names.split()}
        needed = [(name, _USUAL[kinds[name]]) for name in required.split()]
        others = [
            (name, _USUAL[kind], () if kind == "texts" else None)
            for name, kind in kinds.items()
            if name not in required.split()
        ]
        wire = msgspec.defstruct("Wire", [*needed, *others], gc=False)
        self._decode = msgspec.json.Decoder(wire, strict=False).decode
        self._methods = kinds | {name: f"required_{kinds[name]}" for name in required.split()}

    def read(self, payload: bytes, typed: Callable[[Any], Typed]) -> Typed:
        """`typed` makes the value from an object with these fields as attributes.

        Raises:
            PayloadError: a field is not what it must be, or `typed` says so.
        """
        try:
            return typed(self._decode(payload))
        except _UNUSUAL:
            return typed(self.by_field(payload))

    def by_field(self, payload: bytes) -> Any:
        """The same attributes, each read when it is asked for.

        Raises:
            PayloadError: no object; an attribute raises it for a field that is not what it must be.
        """
        return _ByField(read_object(payload), self._methods)


class _ByField:
    __slots__ = ("_fields", "_methods")

    def __init__(self, fields: Fields, methods: Mapping[str, str]) -> None:
        self._fields = fields
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fields, self._methods[name])(name)


@overload
def exact(value: None) -> None: ...
@overload
def exact(value: str | Decimal) -> Decimal: ...
def exact(value: str | Decimal | None) -> Decimal | None:
    """An exact field of either way as the number it is."""
    if isinstance(value, str):
        if not is_plain(value):
            raise PayloadError(f"number must be plain, was {value!r}")
        return Decimal(value)
    return value


@overload
def instant(value: None) -> None: ...
@overload
def instant(value: int | datetime) -> datetime: ...
def instant(value: int | datetime | None) -> datetime | None:
    """A time of either way.

    Raises:
        PayloadError: something else stands there.
    """
    if type(value) is int:  # not a bool
        return from_milliseconds(value)
    if value is None or isinstance(value, datetime):
        return value
    raise PayloadError(f"time must be a number of milliseconds, was {value!r}")


def flag(value: object) -> bool:
    """True or false of either way; false when it is absent.

    Raises:
        PayloadError: something else stands there.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise PayloadError(f"flag must be true or false, was {value!r}")
