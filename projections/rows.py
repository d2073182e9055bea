"""Changes of tables as data, so that the projections themselves stay pure.

Made by projections/audit and projections/feed, carried out by projections/postgres_target.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

import msgspec
from pydantic import BaseModel


class Upsert(msgspec.Struct, frozen=True, gc=False):
    """A row is there with these values; columns that are not named keep theirs."""

    table: str
    key: str
    values: Mapping[str, Any]


class Update(msgspec.Struct, frozen=True, gc=False):
    """The row with this key gets these values; nothing happens when there is none."""

    table: str
    key: str
    values: Mapping[str, Any]


class Insert(msgspec.Struct, frozen=True, gc=False):
    """A new row of a table that is cut by the day of its first column, recorded_at."""

    table: str
    columns: tuple[str, ...]
    values: tuple[Any, ...]


class Call(msgspec.Struct, frozen=True, gc=False):
    """A function of the database gets the schema and these values, the first of which is
    recorded_at; in the order of events, for what a call finds is what those before it left."""

    function: str
    values: tuple[Any, ...]


Change: TypeAlias = Upsert | Update


def json_text(value: Any) -> str | None:
    """JSON text of a value for a jsonb column, which holds no NUL character."""
    if value is None:
        return None
    return msgspec.json.encode(plain(value)).decode().replace("\\u0000", "\\ufffd")


def plain(value: Any) -> Any:
    """A value that msgspec can write: models as what they are made of."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def column(value: Any) -> Any:
    """A value as a column takes it: the text of an enum, lists for arrays, no NUL in texts."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, tuple | list):
        return [column(item) for item in value]
    return value
