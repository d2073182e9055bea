"""Commands of hashes with Python values: one way for all hot views.

How a value stands there is told by projections/redis_target.py.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from projections.redis_target import PLAIN, Command, text


def put(key: str, **fields: Any) -> Command:
    """Set fields of a hash, making it when it is not there."""
    return ("HSET", key, _values(fields))


def change(key: str, **fields: Any) -> Command:
    """Set fields of a hash that is there; nothing otherwise (it may have been trimmed)."""
    return ("HSETX", key, _values(fields))


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    """Plain values stay what they are: of those that a page sets again and again only the last
    becomes a text."""
    return {name: value if type(value) in PLAIN else text(value) for name, value in fields.items()}


def named(body: BaseModel, **more: Any) -> dict[str, Any]:
    """All fields of a body, with more besides."""
    return {name: getattr(body, name) for name in type(body).model_fields} | more
