"""One encoding of a state, so that two states are equal exactly when their bytes are.

Order counts where it is part of a value (lists, dictionaries) and not where it is not (sets).
"""

from __future__ import annotations

import dataclasses
from array import array
from collections import OrderedDict, deque
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
from pydantic import BaseModel

_PLAIN = (str, bytes, int, bool, Decimal, datetime, date, time, timedelta, UUID, type(None))


def canonical(value: Any) -> bytes:
    """The bytes of a state; a kind of value that is not known here is an error."""
    name = type(value).__name__.encode()
    if isinstance(value, Enum):
        return b"%s.%s" % (name, value.name.encode())
    if isinstance(value, float):
        return b"%s %s" % (name, value.hex().encode())
    if isinstance(value, _PLAIN):
        return b"%s %s" % (name, repr(value).encode())
    if isinstance(value, np.ndarray):
        return b"%s %s %s " % (name, value.dtype.str.encode(), str(value.shape).encode()) + (
            value.tobytes()
        )
    if isinstance(value, array):
        return b"%s %s " % (name, value.typecode.encode()) + value.tobytes()
    if isinstance(value, np.generic):
        return name + value.tobytes()
    if isinstance(value, msgspec.Raw):
        return name + bytes(value)
    if isinstance(value, set | frozenset):
        return _joined(name, sorted(canonical(item) for item in value))
    if isinstance(value, Mapping | OrderedDict):
        return _joined(name, [canonical(k) + b":" + canonical(v) for k, v in value.items()])
    if isinstance(value, list | tuple | deque):
        limit = b" max %r" % value.maxlen if isinstance(value, deque) else b""
        return _joined(name + limit, [canonical(item) for item in value])
    return _joined(name, [k.encode() + b"=" + canonical(v) for k, v in _fields(value)])


def _fields(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        names = list(type(value).model_fields)
    elif isinstance(value, msgspec.Struct):
        names = list(value.__struct_fields__)
    elif dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    elif hasattr(type(value), "__slots__"):
        names = [n for cls in type(value).__mro__ for n in getattr(cls, "__slots__", ())]
    elif hasattr(value, "__dict__"):
        names = list(vars(value))
    else:
        raise TypeError(f"no canonical form of {type(value)!r}")
    return [(name, getattr(value, name)) for name in names]


def _joined(name: bytes, parts: list[bytes]) -> bytes:
    return name + b"(" + b"".join(b"%d " % len(part) + part for part in parts) + b")"
