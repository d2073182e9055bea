"""A filled-in sample of every event type, built from the types of its fields."""

from __future__ import annotations

import types
import typing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
from pydantic import BaseModel

from domain.event import Body, DeskEvent, MarketEvent, _registry

AT = datetime(2026, 10, 6, 14, 0, 0, 123456, tzinfo=UTC)
TEXT = 'Zürich "quoted" \\ ☂\n'


def body_classes() -> list[type[Body]]:
    """Every concrete body in the catalogue, without those that a test has made for itself."""
    known = [cls for _, cls in sorted(_registry().items())]
    return [cls for cls in known if cls.__module__.startswith("domain.")]


def sample(annotation: Any, seed: int = 1) -> Any:
    """A value of a type; `seed` varies it."""
    origin, given = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return sample(next(a for a in given if a is not type(None)), seed)
    if origin is tuple:
        if len(given) == 2 and given[1] is Ellipsis:
            return tuple(sample(given[0], seed + n) for n in range(2))
        return tuple(sample(a, seed + n) for n, a in enumerate(given))
    if origin is list:
        return [sample(given[0], seed + n) for n in range(2)]
    if origin is dict:
        return {f"key {n}": sample(given[1], seed + n) for n in range(2)}
    return _plain(annotation, seed)


def _plain(annotation: Any, seed: int) -> Any:
    if annotation is bool:
        return seed % 2 == 1
    if annotation is int:
        return 1_000 + seed
    if annotation is float:
        return seed + 0.1
    if annotation is str:
        return f"{TEXT}{seed}"
    if annotation is Decimal:
        return Decimal(f"{seed}.50")
    if annotation is datetime:
        return AT + timedelta(seconds=seed)
    if annotation is date:
        return date(2026, 10, 6) + timedelta(days=seed)
    if annotation is msgspec.Raw:
        return msgspec.Raw(b'{"a": 1.50,  "b": [1,2 ]}')
    if issubclass(annotation, Enum):
        return list(annotation)[seed % len(annotation)]
    if issubclass(annotation, BaseModel | msgspec.Struct):
        return sample_of(annotation, seed)
    raise TypeError(f"no sample of {annotation!r}")


def sample_of(cls: Any, seed: int = 1) -> Any:
    """A body, or a value in one, with every field filled in."""
    hints = typing.get_type_hints(cls)
    names = list(cls.model_fields) if issubclass(cls, BaseModel) else list(cls.__struct_fields__)
    return cls(**{name: sample(hints[name], seed + n) for n, name in enumerate(names)})


def comparable(body: Body) -> Any:
    """A body as values that compare, raw payloads as their bytes."""
    if isinstance(body, DeskEvent):
        return body
    assert isinstance(body, MarketEvent)
    return [
        bytes(value) if isinstance(value, msgspec.Raw) else value
        for value in msgspec.structs.astuple(body)
    ]
