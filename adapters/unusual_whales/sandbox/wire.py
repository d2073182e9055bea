"""How the vendor writes values: decimals as text, times in several forms, one frame an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID, uuid5

from adapters.market_model.contract import SimContract
from domain.session import new_york

JsonOut: TypeAlias = "str | int | float | bool | Sequence[JsonOut] | Mapping[str, JsonOut] | None"
Row: TypeAlias = "dict[str, JsonOut]"

_NAMESPACE = UUID("5b1f0f0e-0000-4000-8000-000000000000")


def identity(name: str) -> str:
    """The UUID of a simulated fact, the same in every run."""
    return str(uuid5(_NAMESPACE, name))


def decimal(value: float, places: int = 2) -> str:
    """A decimal as text with a fixed number of places."""
    return f"{value:.{places}f}"


def short(value: float) -> str:
    """A decimal as text in its short form: 770, 417.5."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def zulu(at: datetime) -> str:
    """UTC to the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def zulu_micro(at: datetime) -> str:
    """UTC with microseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def eastern(at: datetime) -> str:
    """New York time with its offset."""
    return new_york(at).isoformat(timespec="seconds")


def occ(contract: SimContract) -> str:
    """The OCC symbol of an option."""
    assert contract.expiry is not None
    return (
        f"{contract.symbol}{contract.expiry:%y%m%d}{contract.right}"
        f"{round(contract.strike * 1000):08d}"
    )
