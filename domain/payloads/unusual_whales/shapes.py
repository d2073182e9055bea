"""Payloads of socket channels: the usual shape in one step, any other field by field.

Nearly every frame has its fields as the vendor documents them, and msgspec reads such a one many
times faster than Fields does. What it refuses (an empty text, a number where a text stood) is no
error yet: it is read field by field, which is more patient, and names the field when that fails
too. Both say the same, but for numbers that nobody sends: one that no float tells from zero or from
a whole one is taken for that the usual way, an exponent may have five digits, and the text "null"
is no number. Fields that nobody reads are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar, get_type_hints, overload

import msgspec
from msgspec import Meta
from msgspec.structs import astuple

from domain.payloads.unusual_whales.reading import (
    PLAIN_DIGITS_MAX,
    Fields,
    PayloadError,
    from_epoch,
    from_text,
    is_plain,
    read_object,
)

# What msgspec is to accept for each kind of Fields. In texts it takes numbers too; without the
# bounds it would take "nan", and whole numbers that went through a float.
_USUAL: dict[str, Any] = {
    "text": Annotated[str, Meta(min_length=1)],
    "exact": int | Annotated[str, Meta(min_length=1, max_length=PLAIN_DIGITS_MAX)],
    "number": Annotated[float, Meta(ge=-1.7e308, le=1.7e308)],
    "whole": Annotated[int, Meta(ge=-(2**31), le=2**31)],
    "instant": int | float | str,
    "day": date,
    "texts": tuple[str, ...],
    "flag": Any,
}
_UNUSUAL = (msgspec.MsgspecError, PayloadError, UnicodeDecodeError, InvalidOperation, OverflowError)
_KINDS: Mapping[Any, str] = {
    str: "text",
    Decimal: "exact",
    float: "number",
    int: "whole",
    datetime: "instant",
    date: "day",
    tuple[str, ...]: "texts",
    bool: "flag",
}
_NEVER_ABSENT = ("texts", "flag")
"""Kinds that read as empty, or as false, when they are absent."""
SYMBOL_CHARACTERS_MAX = 32
Typed = TypeVar("Typed")


class Shape:
    """Names of the fields that are read of a channel's payloads, by kind: methods of Fields."""

    def __init__(self, required: Iterable[str], kinds: Mapping[str, str]) -> None:
        self._set(frozenset(required), kinds)

    def part(self, names: str) -> Shape:
        """The same of some fields, for who reads no others and must not pay for them."""
        part = object.__new__(Shape)
        part._set(self._required, {name: self._kinds[name] for name in names.split()})
        return part

    def _set(self, required: frozenset[str], kinds: Mapping[str, str]) -> None:
        """Fields of the wire's object stand in the order of `kinds`."""
        fields: list[Any] = []
        for name, kind in kinds.items():
            if name in required:
                fields.append((name, _USUAL[kind]))
            elif kind == "texts":
                fields.append((name, _USUAL[kind], ()))
            else:
                fields.append((name, Any if kind == "flag" else _USUAL[kind] | None, None))
        wire = self.wire = msgspec.defstruct("Wire", fields, gc=False, kw_only=True)
        self._decode = msgspec.json.Decoder(wire, strict=False).decode
        self._kinds = kinds
        self._required = required

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
        return _ByField(read_object(payload), self._kinds, self._required)


class _ByField:
    __slots__ = ("_fields", "_kinds", "_required")

    def __init__(self, fields: Fields, kinds: Mapping[str, str], required: frozenset[str]) -> None:
        self._fields = fields
        self._kinds = kinds
        self._required = required

    def __getattr__(self, name: str) -> Any:
        if name in self._required:
            return self._fields.required(name, self._kinds[name])
        return getattr(self._fields, self._kinds[name])(name)


class Codec(Generic[Typed]):
    """Payloads of a channel to values of a struct, told by the struct's annotations.

    A field is wanted under its own name or the one given for it, and must be there unless it
    may be None, is a list of texts or a flag. The first fields of the struct may be derived ones:
    `lead` makes their values from the wire's object, which then has fields `also` besides, by kind.
    A struct with `symbol` as a field of its own has the channel's where the payload lacks it.
    """

    def __init__(
        self,
        cls: Callable[..., Typed],
        *,
        lead: Callable[[Any], tuple[Any, ...]] | None = None,
        lead_fields: int = 0,
        also: Mapping[str, str] = {},
        names_on_wire: Mapping[str, str] = {},
        **more_names: str,
    ) -> None:
        hints = get_type_hints(cls)
        names = list(getattr(cls, "__struct_fields__"))[lead_fields:]  # noqa: B009
        kinds = {name: _kind(hints[name]) for name in names}
        given = {**names_on_wire, **more_names}
        on_wire = {name: given.get(name, name) for name in names}
        all_kinds = {on_wire[name]: kinds[name][0] for name in names}
        is_in_order = len(all_kinds) == len(names)  # none of the wire's is wanted twice
        for kind, text in also.items():
            for name in text.split():
                all_kinds.setdefault(name, kind)
        required = [
            on_wire[name]
            for name in names
            if not (kinds[name][1] or kinds[name][0] in _NEVER_ABSENT or name == "symbol")
        ]
        self.shape = Shape(required, all_kinds)
        self._wire = self.shape.wire if is_in_order else None
        self._count = len(names)
        self._make = cls
        self._lead = lead
        self._values = attrgetter(*on_wire.values())
        self._symbol = names.index("symbol") if "symbol" in names else None
        self._exact = self._places(names, kinds, ("exact", False), ("exact", True))
        self._instants = self._places(names, kinds, ("instant", False), ("instant", True))
        self._flags = self._places(names, kinds, ("flag", False))
        self._optional_flags = self._places(names, kinds, ("flag", True))

    @staticmethod
    def _places(
        names: Sequence[str], kinds: Mapping[str, tuple[str, bool]], *wanted: tuple[str, bool]
    ) -> tuple[int, ...]:
        return tuple(place for place, name in enumerate(names) if kinds[name] in wanted)

    def read(self, payload: bytes, symbol: str = "") -> Typed:
        """
        Raises:
            PayloadError: the payload is not what the channel carries.
        """
        try:
            return self.typed(self.shape._decode(payload), symbol)
        except _UNUSUAL:
            return self.typed(self.shape.by_field(payload), symbol)

    def typed(self, wire: Any, symbol: str = "") -> Typed:
        """The value that an object with the wire's fields stands for."""
        if type(wire) is self._wire:  # its fields stand in our order: no need to ask for each
            values = list(astuple(wire)[: self._count])
        else:
            values = list(self._values(wire))
        for place in self._exact:
            value = values[place]
            if value is not None:
                values[place] = _plain(value) if type(value) is str else exact(value)
        for place in self._instants:
            values[place] = instant(values[place])
        for place in self._flags:
            values[place] = flag(values[place])
        for place in self._optional_flags:
            values[place] = optional_flag(values[place])
        if self._symbol is not None:
            values[self._symbol] = symbol_of(values[self._symbol] or symbol)
        if self._lead is None:
            return self._make(*values)
        return self._make(*self._lead(wire), *values)


def _kind(hint: Any) -> tuple[str, bool]:
    """The kind of a field and whether it may be None."""
    if hint in _KINDS:
        return _KINDS[hint], False
    (kind,) = (_KINDS[part] for part in hint.__args__ if part is not type(None))
    return kind, True


@lru_cache(maxsize=16_384)
def symbol_of(text: str) -> str:
    """A ticker, which becomes a part of names and keys.

    Raises:
        PayloadError: there is none, or it is none.
    """
    if not text:
        raise PayloadError("symbol must be text, was absent")
    if len(text) > SYMBOL_CHARACTERS_MAX or not text.isprintable():
        raise PayloadError(f"symbol must be a ticker, was {text[:SYMBOL_CHARACTERS_MAX]!r}")
    return text


@lru_cache(maxsize=16_384)  # prices of a session are mostly some thousands of texts
def _plain(text: str) -> Decimal:
    if not is_plain(text):
        raise PayloadError(f"number must be plain, was {text!r}")
    return Decimal(text)


@overload
def exact(value: None) -> None: ...
@overload
def exact(value: str | int | Decimal) -> Decimal: ...
def exact(value: str | int | Decimal | None) -> Decimal | None:
    """An exact field of either way as the number it is.

    Raises:
        PayloadError: a text is no plain number.
    """
    if type(value) is str:
        return _plain(value)
    if value is None or type(value) is Decimal:
        return value
    if len(str(value)) > PLAIN_DIGITS_MAX:
        raise PayloadError("number must be plain, had too many digits")
    return Decimal(value)


@lru_cache(maxsize=16_384)
def _plain_float(text: str) -> float:
    return float(_plain(text))


@overload
def approximate(value: None) -> None: ...
@overload
def approximate(value: str | int | Decimal) -> float: ...
def approximate(value: str | int | Decimal | None) -> float | None:
    """An exact field of either way as a float.

    Raises:
        PayloadError: a text is no plain number, or none that fits a float.
    """
    if value is None:
        return None
    if type(value) is str:
        return _plain_float(value)
    number = float(exact(value))
    if not isfinite(number):
        raise PayloadError("number must fit a float, was greater")
    return number


@overload
def instant(value: None) -> None: ...
@overload
def instant(value: int | str | datetime) -> datetime: ...
def instant(value: int | str | datetime | None) -> datetime | None:
    """A time of either way.

    Raises:
        PayloadError: something else stands there.
    """
    if type(value) is int:  # not a bool
        return from_epoch(value)
    if value is None or isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            return from_text(value)
    except ValueError:
        pass
    raise PayloadError(f"time must be a time with zone, was {value!r}")


def flag(value: object) -> bool:
    """True or false of either way; false when it is absent.

    Raises:
        PayloadError: something else stands there.
    """
    return optional_flag(value) or False


def optional_flag(value: object) -> bool | None:
    """The same, None when it is absent.

    Raises:
        PayloadError: something else stands there.
    """
    if value is None or isinstance(value, bool):
        return value
    raise PayloadError(f"flag must be true or false, was {value!r}")
