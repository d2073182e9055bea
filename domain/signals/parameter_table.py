"""How the tables of signal parameters are written: one row is one call of `number`."""

from __future__ import annotations

from domain.parameter import Parameter

PRIOR = "prior"


def number(
    name: str, default: float, unit: str, low: float, high: float, source: str = PRIOR
) -> Parameter:
    """Parameter `signals.<name>` with its bounds."""
    return Parameter(f"signals.{name}", default, unit, source, low, high)


def switch(slug: str) -> Parameter:
    """Whether a bucket enters anything; what it holds is looked after either way."""
    return Parameter(f"signals.{slug}.enabled", True, "flag", "operator")
