"""Python values as Redis texts: one way for all hot views.

Times are ISO 8601 in UTC, Decimals keep their digits, absent values are empty texts, anything
with structure is JSON text.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from pydantic import BaseModel

from projections.redis_target import Command


def text(value: Any) -> str:
    """One value as it stands in a hash field."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    return msgspec.json.encode(_plain(value)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def put(key: str, **fields: Any) -> Command:
    """Set fields of a hash, making it when it is not there."""
    return ("HSET", key, *_flat(fields))


def change(key: str, **fields: Any) -> Command:
    """Set fields of a hash that is there; nothing otherwise (it may have been trimmed)."""
    return ("HSETX", key, *_flat(fields))


def _flat(fields: dict[str, Any]) -> list[str]:
    return [part for name, value in fields.items() for part in (name, text(value))]


def named(body: BaseModel, **more: Any) -> dict[str, Any]:
    """All fields of a body, with more besides."""
    return {name: getattr(body, name) for name in type(body).model_fields} | more
