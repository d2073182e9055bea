"""Commands of hashes with Python values: one way for all hot views.

How a value stands there is told by projections/redis_target.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from projections.redis_target import PLAIN, Command, text


def put(key: str, **fields: Any) -> Command:
    """Set fields of a hash, making it when it is not there."""
    return command("HSET", key, fields)


def change(key: str, **fields: Any) -> Command:
    """Set fields of a hash that is there; nothing otherwise (it may have been trimmed)."""
    return command("HSETX", key, fields)


def command(name: str, key: str, fields: Mapping[str, Any]) -> Command:
    """HSET or HSETX. Plain values stay what they are: of those that a page sets again and again
    only the last becomes a text."""
    parts: list[Any] = [name, key]
    for field, value in fields.items():
        parts += (field, value if type(value) in PLAIN else text(value))
    return tuple(parts)


def named(body: BaseModel, **more: Any) -> dict[str, Any]:
    """All fields of a body, with more besides."""
    return {name: getattr(body, name) for name in type(body).model_fields} | more
