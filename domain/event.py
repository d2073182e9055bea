"""The event envelope and the two kinds of event body.

Every fact of the desk is one `Recorded` event on one log. Bodies come in two kinds: desk events
(frozen pydantic models, kept two years in Postgres) and market events (frozen msgspec structs,
hot for days, then archived). A body class is known on the log by its class name; `body_class`
finds it, `encode_body` and `decode_body` turn it to and from the JSON text that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from hashlib import sha1
from typing import Any, ClassVar, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from pydantic import BaseModel, ConfigDict

NAMESPACE = uuid5(NAMESPACE_URL, "https://striketape.invalid/events")
"""Namespace of every derived id; changing it would change the identity of all events."""


_NAMESPACE_BYTES = NAMESPACE.bytes
_VERSION_MASK = 0xF000 << 64 | 0xC000 << 48
_VERSION_5 = 5 << 76 | 0x8000 << 48


class Retention(StrEnum):
    """Partition family of an event: how long it stays hot in Postgres."""

    MARKET = "market"
    DESK = "desk"


class DeskEvent(BaseModel):
    """A fact about what the desk saw, decided or did. Named in the past tense."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    retention: ClassVar[Retention] = Retention.DESK
    schema_version: ClassVar[int] = 1
    digests_of_numbers: ClassVar[tuple[str, ...]] = ()
    """Fields with a digest of floating point numbers: another processor may give another one."""


class MarketEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=False, gc=False):
    """A fact of the market or a number computed from it: many, and archived after days."""

    retention: ClassVar[Retention] = Retention.MARKET
    schema_version: ClassVar[int] = 1
    digests_of_numbers: ClassVar[tuple[str, ...]] = ()
    """As DeskEvent."""


Body: TypeAlias = DeskEvent | MarketEvent


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event as it stands on the log.

    `position` is its place in the one total order, dense and from 1. For an event that a stage
    emitted, `input_position` and `ordinal` give its place in the order of consumption: right
    after the input it was decided on. `worker` and `build` are its source.
    """

    position: int
    stream: str
    version: int
    type: str
    schema: int
    event_id: UUID
    occurred_at: datetime
    recorded_at: datetime
    market_time: datetime
    causation_id: UUID | None
    correlation_id: UUID
    worker: str
    build: str
    input_position: int | None
    ordinal: int
    body: Body

    @property
    def is_emission(self) -> bool:
        """True when a stage decided it, False when a shell wrote down something that happened."""
        return self.input_position is not None


class Proposed(msgspec.Struct, frozen=True, gc=False):
    """An event on its way to the log.

    `expected_version` is the version this event must get in its stream; None takes the next one
    (allowed for streams with one writer that keeps no count, such as feeds). `market_time` is
    given only by virtual-time runs; otherwise the append function computes it.
    """

    stream: str
    event_id: UUID
    occurred_at: datetime
    correlation_id: UUID
    worker: str
    build: str
    body: Body
    causation_id: UUID | None = None
    expected_version: int | None = None
    input_position: int | None = None
    ordinal: int = 0
    market_time: datetime | None = None


class UnknownEventType(LookupError):
    """The log holds a type that this build does not know."""


def event_type(body: Body | type[Body]) -> str:
    """The name under which a body is known on the log."""
    return body.__name__ if isinstance(body, type) else type(body).__name__


def _subclasses(root: type[Any]) -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for child in root.__subclasses__():
        found[child.__name__] = child
        found.update(_subclasses(child))
    return found


@cache
def _registry() -> Mapping[str, type[Body]]:
    import domain.events  # noqa: F401  the catalogue registers every body by importing it

    return _subclasses(DeskEvent) | _subclasses(MarketEvent)


def body_types() -> Mapping[str, type[Body]]:
    """Every body class of this build by its name on the log."""
    return _registry()


def body_class(name: str) -> type[Body]:
    """The body class of a type name.

    Raises:
        UnknownEventType: this build has no such type.
    """
    try:
        return _registry()[name]
    except KeyError:
        raise UnknownEventType(f"event type must be in domain/events, was {name!r}") from None


def encode_body(body: Body) -> bytes:
    """The JSON text of a body, as it is stored. Verbatim payloads stay byte for byte."""
    if isinstance(body, DeskEvent):
        return body.model_dump_json().encode()
    return msgspec.json.encode(body)


@cache
def _raw_fields(cls: type[MarketEvent]) -> tuple[str, ...]:
    fields = msgspec.structs.fields(cls)
    return tuple(field.name for field in fields if field.type is msgspec.Raw)


def upcast(cls: type[Body], schema: int, data: dict[str, Any]) -> dict[str, Any]:
    """Bring stored data of an older schema up to `cls.schema_version`.

    Follows the eventsourcing library's convention: static methods `upcast_v1_v2(state)`.
    """
    for version in range(schema, cls.schema_version):
        step = getattr(cls, f"upcast_v{version}_v{version + 1}", None)
        if step is None:
            raise UnknownEventType(
                f"{cls.__name__} must have upcast_v{version}_v{version + 1} to read schema {schema}"
            )
        data = step(data)
    return data


def decode_body(name: str, schema: int, data: bytes | str) -> Body:
    """The body stored under a type name and schema version, upcast when it is older.

    Raises:
        UnknownEventType: no such type, or a schema newer than this build knows.
        pydantic.ValidationError, msgspec.ValidationError: the bytes are not that body.
    """
    return body_decoder(name, schema)(data)


@cache
def body_decoder(name: str, schema: int) -> Callable[[bytes | str], Body]:
    """What decodes bodies of a type and schema; found once, because pages hold thousands.

    Raises:
        UnknownEventType: as decode_body.
    """
    cls = body_class(name)
    if schema > cls.schema_version:
        raise UnknownEventType(
            f"{name} schema must be at most {cls.schema_version} in this build, was {schema}"
        )
    if schema < cls.schema_version:
        return partial(_decode_older, cls, schema)
    if issubclass(cls, DeskEvent):
        return cls.model_validate_json
    return msgspec.json.Decoder(cls).decode


def _decode_older(cls: type[Body], schema: int, data: bytes | str) -> Body:
    old = msgspec.json.decode(data)
    if issubclass(cls, DeskEvent):
        return cls.model_validate(upcast(cls, schema, old))
    # A payload of a vendor goes past the upcasters as it is, and stays verbatim.
    verbatim = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    old |= {name: verbatim[name] for name in _raw_fields(cls) if name in verbatim}
    return msgspec.json.decode(msgspec.json.encode(upcast(cls, schema, old)), type=cls)


def derived_id(*parts: object) -> UUID:
    """The id of a fact, derived from what makes it that fact and no other."""
    # What uuid5 makes of the name, in two thirds of its time: every message of a feed has an id.
    name = "|".join(map(str, parts)).encode()
    digest = sha1(_NAMESPACE_BYTES + name, usedforsecurity=False).digest()
    return UUID(int=int.from_bytes(digest[:16]) & ~_VERSION_MASK | _VERSION_5)
