"""Framing and field encoding of the TWS socket protocol at server version 178.

A frame is a 4-byte big-endian length and a text payload of fields, each ended by one NUL. The
sandbox alone uses this; the trading side speaks through ib_async.
"""

from __future__ import annotations

import asyncio
import struct
from decimal import Decimal
from typing import TypeAlias

SERVER_VERSION = 178
FRAME_BYTES_MAX = 1_000_000
UNSET_DOUBLE = "1.7976931348623157E308"

FieldValue: TypeAlias = str | int | float | bool | Decimal | None


class WireError(ValueError):
    """Bytes of a client that are not the protocol."""


def field_text(value: FieldValue) -> str:
    """One field as TWS writes it: booleans as 1 and 0, None as empty, no exponents."""
    if value is None:
        return ""
    if not isinstance(value, str):  # most fields are texts
        if isinstance(value, bool):
            return "1" if value else "0"
        if isinstance(value, Decimal):
            return format(value, "f")
        if isinstance(value, float):
            text = repr(value)
            return format(Decimal(text), "f") if "e" in text else text
    text = str(value)
    if "\0" in text:
        raise WireError(f"a field must not hold NUL, was {text!r}")
    return text


def frame(*fields: FieldValue) -> bytes:
    """A whole message with its length prefix."""
    payload = "".join([f"{field_text(value)}\0" for value in fields]).encode()
    return struct.pack(">I", len(payload)) + payload


async def read_payload(reader: asyncio.StreamReader) -> bytes:
    """The payload of the next frame.

    Raises:
        asyncio.IncompleteReadError: the peer closed.
        WireError: a length outside 1..FRAME_BYTES_MAX.
    """
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    if not 0 < length <= FRAME_BYTES_MAX:
        raise WireError(f"frame length must be in [1, {FRAME_BYTES_MAX}] bytes, was {length}")
    return await reader.readexactly(length)


def split_fields(payload: bytes) -> list[str]:
    fields = payload.decode(errors="backslashreplace").split("\0")
    if fields[-1]:
        raise WireError("a payload must end with NUL")
    return fields[:-1]


class FieldCursor:
    """Reads the fields of one message in order; `finish` insists that nothing is left over."""

    def __init__(self, fields: list[str]) -> None:
        self._fields = fields
        self._next = 0

    @property
    def remaining(self) -> int:
        return len(self._fields) - self._next

    def text(self) -> str:
        if self._next >= len(self._fields):
            raise WireError(f"message must have a field at index {self._next}, was too short")
        value = self._fields[self._next]
        self._next += 1
        return value

    def skip(self, count: int) -> list[str]:
        return [self.text() for _ in range(count)]

    def integer(self) -> int:
        """An integer field; empty is 0."""
        value = self.text()
        try:
            return int(value or 0)
        except ValueError:
            raise WireError(f"field {self._next - 1} must be an integer, was {value!r}") from None

    def flag(self) -> bool:
        return self.integer() != 0

    def decimal(self) -> Decimal | None:
        """A number; None when it is empty (unset)."""
        value = self.text()
        if not value:
            return None
        try:
            number = Decimal(value)
        except ArithmeticError:
            raise WireError(f"field {self._next - 1} must be a number, was {value!r}") from None
        return number if abs(number) < Decimal("1e300") else None

    def finish(self) -> None:
        if self.remaining:
            raise WireError(
                f"message must be read to its end, was left with {self._fields[self._next :]}"
            )
