"""Python values as Redis texts: one way for all hot views.

Times are ISO 8601 in UTC, Decimals keep their digits, absent values are empty texts, anything
with structure is JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from pydantic import BaseModel

from projections.redis_target import Command


def text(value: Any) -> str:
    """One value as it stands in a hash field."""
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, str):  # an enum
        return str(value)
    return msgspec.json.encode(_plain(value)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


_WRITERS: Mapping[type[Any], Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "1" if value else "0",
    str: str,
    float: repr,
    int: str,
    Decimal: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
}


def put(key: str, **fields: Any) -> Command:
    """Set fields of a hash, making it when it is not there."""
    return command("HSET", key, fields)


def change(key: str, **fields: Any) -> Command:
    """Set fields of a hash that is there; nothing otherwise (it may have been trimmed)."""
    return command("HSETX", key, fields)


def command(name: str, key: str, fields: Mapping[str, Any]) -> Command:
    """HSET or HSETX with fields as texts."""
    parts = [name, key]
    for field, value in fields.items():
        write = _WRITERS.get(type(value), text)
        parts += (field, write(value))
    return tuple(parts)


def named(body: BaseModel, **more: Any) -> dict[str, Any]:
    """All fields of a body, with more besides."""
    return {name: getattr(body, name) for name in type(body).model_fields} | more
