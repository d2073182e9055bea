"""In what two bodies differ, field by field, exactly or but for the last digits of their numbers.

Used by what decides again: domain/stage.py and run/replay. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Struct
from pydantic import BaseModel

from domain.event import DeskEvent, MarketEvent

Difference: TypeAlias = tuple[str, Any, Any]
"""Path, old value, new value."""
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w]|\.\d)")
"""In a text: what stands by itself, so that no part of an id or of a version is one."""


def body_differences(
    was: object, now: object, tolerance: float = 0.0, path: str = ""
) -> list[Difference]:
    """Every place in which two bodies of one class differ.

    Floating point numbers may differ by `tolerance` of themselves, also where a text shows them.
    Whole numbers, decimals, times and all other text are compared exactly. With a tolerance the
    digests of numbers, which a body names in `digests_of_numbers`, say nothing and are left out.
    """
    if was == now or is_close(was, now, tolerance):
        return []
    parts = _parts(was, now, tolerance)
    if parts is None:
        return [(path, was, now)]
    found: list[Difference] = []
    for name, old, new in parts:
        found += body_differences(old, new, tolerance, f"{path}{name}".removeprefix("."))
    return found


def is_close(was: object, now: object, tolerance: float) -> bool:
    """Whether two values are numbers, or texts of numbers, and the same within the tolerance."""
    if isinstance(was, float) and isinstance(now, float):
        return math.isclose(was, now, rel_tol=tolerance)
    if tolerance and type(was) is type(now) is str:
        return _reads_close(was, now, tolerance)
    return False


def _reads_close(was: str, now: str, tolerance: float) -> bool:
    if _NUMBER.sub("#", was) != _NUMBER.sub("#", now):
        return False
    pairs = zip(_NUMBER.findall(was), _NUMBER.findall(now), strict=True)
    return all(
        old == new
        # Two whole numbers are counts or ids.
        or (not (old + new).isdecimal() and math.isclose(float(old), float(new), rel_tol=tolerance))
        for old, new in pairs
    )


def _parts(was: object, now: object, tolerance: float) -> list[Difference] | None:
    """What two values consist of, side by side; None when they cannot be taken apart alike."""
    if isinstance(was, BaseModel | Struct) and type(was) is type(now):
        names = type(was).model_fields if isinstance(was, BaseModel) else was.__struct_fields__
        unsaid: tuple[str, ...] = ()
        if tolerance and isinstance(was, DeskEvent | MarketEvent):
            unsaid = was.digests_of_numbers
        return [(f".{n}", getattr(was, n), getattr(now, n)) for n in names if n not in unsaid]
    if isinstance(was, Mapping) and isinstance(now, Mapping) and was.keys() == now.keys():
        return [(f"[{key}]", was[key], now[key]) for key in was]
    if isinstance(was, list | tuple) and isinstance(now, list | tuple) and len(was) == len(now):
        pairs = enumerate(zip(was, now, strict=True))
        return [(f"[{index}]", old, new) for index, (old, new) in pairs]
    return None
