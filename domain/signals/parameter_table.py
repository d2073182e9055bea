"""How the tables of signal parameters are written: one row is one call of `number`."""

from __future__ import annotations

from collections.abc import Mapping

from domain.parameter import Parameter

PRIOR = "prior"


def number(
    name: str, default: float, unit: str, low: float, high: float, source: str = PRIOR
) -> Parameter:
    """Parameter `signals.<name>` with its bounds."""
    return Parameter(f"signals.{name}", default, unit, source, low, high)


def weights(slug: str, sources: Mapping[str, tuple[float, str]]) -> tuple[Parameter, ...]:
    """Weight of each feature of a bucket; `sources` gives its default and where that is from."""
    return tuple(
        number(f"{slug}.weight.{feature}", weight, "log-odds", -0.6, 0.6, source)
        for feature, (weight, source) in sources.items()
    )


def switch(slug: str) -> Parameter:
    """Whether a bucket enters anything; what it holds is looked after either way."""
    return Parameter(f"signals.{slug}.enabled", True, "flag", "operator")
