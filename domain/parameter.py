"""Parameters of the rules: shipped defaults with bounds, and their fold from the log.

A rule reads a value from `ParameterState`, which is folded from ParametersChanged events; shipped
defaults are only what the first start writes. Each part of the domain lists its own parameters
in a module `parameters.py`; domain/parameters.py joins them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from domain.events.system import ParametersChanged

ParameterValue: TypeAlias = float | str | bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `low` and `high` bound a number; `choices` bounds a text.

    `source` names where the default comes from, or "prior" for a choice by judgement.
    """

    name: str
    default: ParameterValue
    unit: str
    source: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, value: ParameterValue) -> str:
        """Why a value is refused; empty when it is allowed."""
        if isinstance(self.default, bool):
            return "" if isinstance(value, bool) else f"{self.name} must be true or false"
        if isinstance(self.default, str):
            allowed = isinstance(value, str) and (not self.choices or value in self.choices)
            return "" if allowed else f"{self.name} must be one of {self.choices}, was {value!r}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{self.name} must be a number, was {value!r}"
        if not math.isfinite(value):
            return f"{self.name} must be finite, was {value}"
        if (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        ):
            return f"{self.name} must be in [{self.low}, {self.high}] {self.unit}, was {value}"
        return ""


class MissingParameter(LookupError):
    """A rule needs a parameter that no ParametersChanged event has set."""


@dataclass(slots=True)
class ParameterState:
    """Parameters as the log has them; part of a stage's state."""

    values: dict[str, ParameterValue] = field(default_factory=dict)
    version: int = 0

    def apply(self, change: ParametersChanged) -> None:
        self.values.update(change.values)
        self.version = change.version

    def number(self, name: str) -> float:
        value = self.values.get(name)
        if type(value) is float:  # nearly always, and read hundreds of times for one input
            return value
        value = self._value(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MissingParameter(f"{name} must be a number, was {value!r}")
        return float(value)

    def text(self, name: str) -> str:
        return str(self._value(name))

    def flag(self, name: str) -> bool:
        return self._value(name) is True

    def _value(self, name: str) -> ParameterValue:
        try:
            return self.values[name]
        except KeyError:
            raise MissingParameter(f"{name} is not set by any ParametersChanged event") from None


def missing(known: Mapping[str, Parameter], state: ParameterState) -> dict[str, ParameterValue]:
    """Defaults of the parameters that the log lacks: what a start has to write."""
    return {name: p.default for name, p in known.items() if name not in state.values}
